package skstest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
)

func keyIsFound(t *testing.T, s Store) {
	made := create(t, s)
	info := made.Info()
	if info.Label != Label || len(info.Unsafe) != 0 {
		t.Fatalf("made %+v", info)
	}
	found, err := s.Key(t.Context(), info.ID)
	if err != nil {
		t.Fatal(err)
	}
	if found.Info().ID != info.ID {
		t.Fatalf("found %s, want %s", found.Info().ID, info.ID)
	}
	text, aad := random(100), random(10)
	iv, box := seal(t, made, text, aad)
	mustOpen(t, found, iv, box, aad, text)
	iv, box = seal(t, found, text, aad)
	mustOpen(t, made, iv, box, aad, text)
}

func keyIsMissing(t *testing.T, s Store) {
	_, err := s.Key(t.Context(), sks.NewKeyID())
	wantCause(t, err, fault.KeyMissing)
	create(t, s)
	_, err = s.Key(t.Context(), sks.NewKeyID())
	wantCause(t, err, fault.KeyMissing)
}

func keyIsMadeOnce(t *testing.T, s Store) {
	first := create(t, s)
	text := random(20)
	iv, box := seal(t, first, text, nil)
	second, err := s.Create(t.Context(), sks.NewKey{ID: first.Info().ID, Label: Label})
	if err != nil {
		t.Fatalf("create it again: %v", err)
	}
	mustOpen(t, second, iv, box, nil, text)
	all, err := s.List(t.Context(), "")
	if err != nil || len(all) != 1 {
		t.Fatalf("%d keys, %v; want one", len(all), err)
	}
}

func keysAreListed(t *testing.T, s Store) {
	if all, err := s.List(t.Context(), ""); err != nil || len(all) != 0 {
		t.Fatalf("an empty store lists %v, %v", all, err)
	}
	want := map[sks.KeyID]string{}
	for _, label := range []string{Label, Label + "-2", "somebody else's"} {
		id := sks.NewKeyID()
		if _, err := s.Create(t.Context(), sks.NewKey{ID: id, Label: label}); err != nil {
			t.Fatal(err)
		}
		if label != "somebody else's" {
			want[id] = label
		}
	}
	all, err := s.List(t.Context(), "SSO Vault Properties ")
	if err != nil {
		t.Fatal(err)
	}
	got := map[sks.KeyID]string{}
	for _, info := range all {
		got[info.ID] = info.Label
		if len(info.Unsafe) != 0 {
			t.Errorf("%s is unsafe: %v", info.Label, info.Unsafe)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
}

func keyIsRemoved(t *testing.T, s Store) {
	gone, stays := create(t, s), create(t, s)
	text := random(20)
	iv, box := seal(t, stays, text, nil)
	for range 2 { // the second time there is nothing, and that is no error
		if err := s.Remove(t.Context(), gone.Info().ID); err != nil {
			t.Fatal(err)
		}
		_, err := s.Key(t.Context(), gone.Info().ID)
		wantCause(t, err, fault.KeyMissing)
	}
	mustOpen(t, stays, iv, box, nil, text)
}

func closed(t *testing.T, s Store) {
	k := create(t, s)
	_, box := seal(t, k, nil, nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := s.Key(t.Context(), k.Info().ID)
	wantCause(t, err, fault.Unreachable)
	_, err = k.Open(t.Context(), sks.IVCaller, box, nil)
	wantCause(t, err, fault.Unreachable)
	_, err = s.Recall(t.Context(), "000000000001")
	wantCause(t, err, fault.Unreachable)
}

func keyIsReplicable(t *testing.T, s Store) {
	made, err := s.Create(t.Context(), sks.NewKey{ID: sks.NewKeyID(), Label: Label, Replicable: true})
	if err != nil {
		t.Fatal(err)
	}
	if info := made.Info(); !info.Replicable || len(info.Unsafe) != 0 {
		t.Errorf("made %+v", info)
	}
	if info := create(t, s).Info(); info.Replicable {
		t.Errorf("made without being asked: %+v", info)
	}
	text := random(20)
	iv, box := seal(t, made, text, nil)
	mustOpen(t, made, iv, box, nil, text)
}
