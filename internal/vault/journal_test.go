package vault

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
)

func TestKeyMadeForNothing(t *testing.T) {
	i := newInstall(t)
	f := i.open(Change)
	p := i.plan()
	p.Files["no/such/folder"] = []byte("x") // cannot be written
	if _, err := f.Configure(context.Background(), p, i.device.Store(), i.device.Token); err == nil {
		t.Fatal("it was saved")
	}
	if labels := i.device.Labels(); len(labels) != 0 {
		t.Errorf("left in the token: %q", labels)
	}
	if p, err := f.Pending(); len(p) != 0 || err != nil {
		t.Errorf("pending %v, %v", p, err)
	}
	// A token that goes away before the key can be removed: the next run does.
	id := sks.NewKeyID()
	left := KeyLabelFor("999999999999")
	if err := f.announce(PendingKey{KeyID: id, Serial: i.device.Token.Serial, Label: "test", Instance: "999999999999"}); err != nil {
		t.Fatal(err)
	}
	if _, err := i.device.Store().Create(context.Background(), sks.NewKey{ID: id, Label: left}); err != nil {
		t.Fatal(err)
	}
	f.Close()
	i.configure()
	if labels := i.device.Labels(); len(labels) != 1 || labels[0] == left {
		t.Errorf("keys %q", labels)
	}
}

func TestKeyOfSomebodyElse(t *testing.T) {
	ctx := context.Background()
	for name, p := range map[string]PendingKey{
		"its instance was saved since":    {Instance: "999999999999"},
		"its label says another instance": {Instance: "888888888888"},
	} {
		t.Run(name, func(t *testing.T) {
			i := newInstall(t)
			i.configure()
			p.KeyID, p.Serial = sks.NewKeyID(), i.device.Token.Serial
			store := i.device.Store()
			if _, err := store.Create(ctx, sks.NewKey{ID: p.KeyID, Label: KeyLabelFor("999999999999")}); err != nil {
				t.Fatal(err)
			}
			if err := store.Remember(ctx, "999999999999", sks.Mark{Generation: 1, SaveID: strings.Repeat("ab", 16)}); err != nil {
				t.Fatal(err)
			}
			f := i.open(Change)
			if err := f.announce(p); err != nil {
				t.Fatal(err)
			}
			if err := f.settlePending(ctx, store, i.device.Token, sks.KeyID{}); err != nil {
				t.Fatal(err)
			}
			if len(i.device.Labels()) != 2 {
				t.Error("the key is gone")
			}
		})
	}
}

func TestJournal(t *testing.T) {
	i := newInstall(t)
	i.configure()
	old := map[string][]byte{}
	names := []string{SKSFile, InstanceEncp, SharedEncp}
	for _, n := range names {
		old[n] = i.read(n)
	}
	i.change("new.example.com")
	for cut := range len(names) + 1 {
		t.Run(fmt.Sprint(cut, " renamed"), func(t *testing.T) {
			j := journal{Version: journalVersion, SaveID: strings.Repeat("ab", 16)}
			l := Layout{i.base}
			fresh := map[string][]byte{}
			for k, n := range names {
				fresh[n] = i.read(n)
				sum := sumOf(fresh[n])
				j.Entries = append(j.Entries, journalEntry{Name: "data/" + n, SHA256: sum})
				if k >= cut {
					if err := os.WriteFile(l.beside("data/"+n, j.SaveID), fresh[n], 0o600); err != nil {
						t.Fatal(err)
					}
					i.write(n, old[n])
				}
			}
			i.write(journalFile, jsonOf(t, j))
			p, _, err := i.unseal(true)
			if err != nil || !bytes.Contains(p.Shared, []byte("new.example.com")) {
				t.Fatalf("a reader found %q, %v", p.Shared, err)
			}
			i.open(Change).Close()
			for _, n := range names {
				if !bytes.Equal(i.read(n), fresh[n]) {
					t.Errorf("%s is not the new one", n)
				}
			}
			entries, _ := os.ReadDir(i.data(""))
			for _, e := range entries {
				if strings.HasPrefix(e.Name(), ".") {
					t.Errorf("left: %s", e.Name())
				}
			}
		})
	}
	for name, j := range map[string]string{
		"not JSON":     "{",
		"newer":        `{"version":2}`,
		"outside":      `{"version":1,"save_id":"` + strings.Repeat("ab", 16) + `","files":[{"name":"data/../../x","remove":true}]}`,
		"bad save id":  `{"version":1,"save_id":"../x","files":[{"name":"sks.pin","sha256":"00"}]}`,
		"missing file": `{"version":1,"save_id":"` + strings.Repeat("ab", 16) + `","files":[{"name":"data/shared.encp","sha256":"` + strings.Repeat("00", 32) + `"}]}`,
	} {
		i.write(journalFile, []byte(j))
		_, _, err := i.unseal(true)
		if c := fault.Of(err); c != fault.MixedConfiguration && c != fault.Malformed {
			t.Errorf("journal %s: %v", name, err)
		}
	}
}

func TestLocks(t *testing.T) {
	i := newInstall(t)
	i.configure()
	f := i.open(Change)
	_, err := Open(context.Background(), i.base, Read, 30*time.Millisecond)
	if fault.Of(err) != fault.Busy {
		t.Errorf("a reader beside a change: %v", err)
	}
	f.Close()
	a, b := i.open(Read), i.open(Read)
	if _, err := Open(context.Background(), i.base, Change, 30*time.Millisecond); fault.Of(err) != fault.Busy {
		t.Errorf("a change beside readers: %v", err)
	}
	a.Close()
	b.Close()
	ctx, cancel := context.WithCancel(context.Background())
	i.open(Change)
	cancel()
	if _, err := Open(ctx, i.base, Read, time.Minute); fault.Of(err) != fault.Interrupted {
		t.Errorf("interrupted: %v", err)
	}
}

func TestLookLeavesNothing(t *testing.T) {
	i := newInstall(t)
	f := i.open(Look)
	if _, err := f.Scan(BoundPresent); fault.Of(err) != fault.NoConfiguration {
		t.Error(err)
	}
	f.Close()
	if entries, _ := os.ReadDir(i.base); len(entries) != 0 {
		t.Errorf("left: %v", entries)
	}
}
