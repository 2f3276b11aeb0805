package vault

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/sks"
)

// keyStates lists the keys of the folder's instance, and says of each by its
// number what needs it.
func (i *install) keyStates(f *Folder, more ...Need) map[int]KeyState {
	i.t.Helper()
	c, err := f.Scan(BoundIgnored)
	if err != nil {
		i.t.Fatal(err)
	}
	needs, err := f.Needs(c)
	if err != nil {
		i.t.Fatal(err)
	}
	keys, err := c.Keys(context.Background(), i.device.Store(), append(needs, more...))
	if err != nil {
		i.t.Fatal(err)
	}
	all := map[int]KeyState{}
	for _, k := range keys {
		all[keyNumber(k.Label, testInstance)] = k
	}
	return all
}

func TestKeysAreNeededByWhatIsSealedUnderThem(t *testing.T) {
	ctx := context.Background()
	i := newInstall(t)
	i.configure()
	first := i.contents().SKS.KeyID
	f := i.open(Change)
	if _, err := f.KeepAside(BeforeConfig, testTime); err != nil { // as before starting afresh
		t.Fatal(err)
	}
	f.Close()
	kept := filepath.Join(i.base, "data"+string(BeforeConfig)+"20261121-120000")
	for range 2 {
		if _, err := i.rekey(i.device, nil); err != nil {
			t.Fatal(err)
		}
	}
	i.device.Import(sks.NewKey{ID: sks.NewKeyID(), Label: KeyLabelFor("999999999999")}, [32]byte{2})
	f = i.open(Change)
	keys := i.keyStates(f)
	if len(keys) != 3 || keys[1].Free() || !keys[2].Free() || keys[3].Free() {
		t.Fatalf("%+v", keys)
	}
	if by := keys[1].NeededBy(); keys[1].ID != first || !strings.Contains(by, "data.before-config-20261121-120000/"+InstanceEncp) {
		t.Errorf("the first is needed by %s", by)
	}
	if by := keys[3].NeededBy(); by != "data/sks.properties, data/instance.encp, data/shared.encp" {
		t.Errorf("the present one is needed by %s", by)
	}
	for n, want := range map[int]fault.Cause{1: fault.Usage, 3: fault.Usage} {
		if err := f.Retire(ctx, keys[n], i.device.Store(), i.device.Token); fault.Of(err) != want || len(i.device.Labels()) != 4 {
			t.Errorf("key %d: %v", n, err)
		}
	}

	// Whatever a kept folder cannot tell, any key may be it.
	for name, c := range map[string]struct {
		change func(string)
		free   map[int]bool
	}{
		"a newer version wrote it": {func(dir string) {
			edit(t, filepath.Join(dir, SharedEncp), "file 1\n", "file 2\n")
		}, map[int]bool{}},
		"a newer sks.properties": {func(dir string) {
			edit(t, filepath.Join(dir, SKSFile), "sks.version=1", "sks.version=2")
		}, map[int]bool{}},
		"damaged, and the others tell": {func(dir string) {
			edit(t, filepath.Join(dir, SharedEncp), "generation: 1", "generation: 2")
		}, map[int]bool{2: true}},
		"damaged, and no other tells": {func(dir string) {
			edit(t, filepath.Join(dir, SharedEncp), "generation: 1", "generation: 2")
			remove(t, dir, InstanceEncp, SKSFile)
		}, map[int]bool{}},
		"nothing sealed": {func(dir string) { remove(t, dir, SharedEncp, InstanceEncp, SKSFile) }, map[int]bool{1: true, 2: true}},
		"a save that was under way": {func(dir string) {
			b, err := os.ReadFile(i.data(SharedEncp))
			if err != nil {
				t.Fatal(err)
			}
			b = []byte(strings.ReplaceAll(string(b), keys[3].ID.String(), keys[2].ID.String()))
			if err := os.WriteFile(filepath.Join(dir, "."+SharedEncp+"."+strings.Repeat("0", 32)+".new"), resum(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}, map[int]bool{}},
		"an announcement": {func(dir string) {
			text := jsonOf(t, PendingKey{KeyID: keys[2].ID})
			if err := os.WriteFile(f.pendingKey()+strings.TrimPrefix(filepath.Base(dir), "data"), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}, map[int]bool{}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(i.base, "data.before-restore-20261122-000000")
			if err := os.Rename(kept, dir); err != nil {
				t.Fatal(err)
			}
			saved := t.TempDir()
			if err := os.CopyFS(filepath.Join(saved, "kept"), os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			defer func() {
				os.RemoveAll(dir)
				os.Remove(f.pendingKey() + ".before-restore-20261122-000000")
				if err := os.Rename(filepath.Join(saved, "kept"), kept); err != nil {
					t.Fatal(err)
				}
			}()
			c.change(dir)
			for n, k := range i.keyStates(f) {
				if k.Free() != c.free[n] {
					t.Errorf("key %d is needed by %q", n, k.NeededBy())
				}
			}
		})
	}

	// What a backup needs, or may need.
	for _, need := range []Need{{By: "a", Key: keys[2].ID}, {By: "a", Any: true, Why: "it is encrypted"}} {
		if k := i.keyStates(f, need)[2]; k.Free() || k.Refusal() == nil {
			t.Errorf("%+v: free", need)
		}
	}
	if err := f.Retire(ctx, keys[2], i.device.Store(), i.device.Token); err != nil {
		t.Fatal(err)
	}
	if got := i.keyStates(f); len(got) != 2 || len(i.device.Labels()) != 3 {
		t.Errorf("keys %q", i.device.Labels())
	}
	if err := f.Retire(ctx, keys[2], i.device.Store(), i.device.Token); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

// A key is removed by its id: another one of the same id would go with it.
func TestKeyOfTheSameIDStays(t *testing.T) {
	i := newInstall(t)
	i.configure()
	if _, err := i.rekey(i.device, nil); err != nil {
		t.Fatal(err)
	}
	f := i.open(Change)
	old := i.keyStates(f)[1]
	if !old.Free() {
		t.Fatalf("needed by %s", old.NeededBy())
	}
	i.device.Duplicate(old.ID)
	if k := i.keyStates(f)[1]; k.Free() {
		t.Error("it would take another key along")
	}
}

// Retiring a key that was made for nothing withdraws its announcement.
func TestRetireAnAnnouncedKey(t *testing.T) {
	i := newInstall(t)
	i.configure()
	f := i.open(Change)
	p := PendingKey{Serial: i.device.Token.Serial, KeyID: sks.NewKeyID(), Instance: testInstance, Generation: 1}
	if err := f.announce(p); err != nil {
		t.Fatal(err)
	}
	i.device.Import(sks.NewKey{ID: p.KeyID, Label: KeyLabelFor(testInstance) + " -2"}, [32]byte{1})
	if err := f.Retire(context.Background(), i.keyStates(f)[2], i.device.Store(), i.device.Token); err != nil {
		t.Fatal(err)
	}
	if there, err := durable.Exists(f.pendingKey()); there || err != nil {
		t.Errorf("it is still announced (%v)", err)
	}
}

func TestAnOlderCopyRetiresNothing(t *testing.T) {
	ctx := context.Background()
	i := newInstall(t)
	i.configure()
	a, b := i.read(InstanceEncp), i.read(SharedEncp)
	may := func() (bool, error) { return i.contents().MayRetire(ctx, i.device.Store(), i.device.Token) }
	if told, err := may(); err != nil || !told {
		t.Errorf("the newest: %v, %v", told, err)
	}
	i.change("two.example.com")
	i.write(InstanceEncp, a)
	i.write(SharedEncp, b)
	if _, err := may(); fault.Of(err) != fault.RolledBack {
		t.Errorf("an older copy: %v", err)
	}
	i.device.CannotRemember = true
	if told, err := may(); err != nil || told {
		t.Errorf("a token that cannot remember: %v, %v", told, err)
	}
	if told, err := (&Contents{Mode: ModeClear}).MayRetire(ctx, i.device.Store(), i.device.Token); err != nil || told {
		t.Errorf("in the clear: %v, %v", told, err)
	}
}

func edit(t *testing.T, path, from, to string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil { // it may have another name, which stays as it is
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(b), from, to, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}
