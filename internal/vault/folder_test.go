package vault

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ssovault/internal/fault"
)

func TestModesAreRepaired(t *testing.T) {
	i := newInstall(t)
	i.configure()
	i.write("cache.sql", []byte("not ours"))
	for _, name := range []string{"", SharedEncp} {
		os.Chmod(i.data(name), 0o755)
	}
	os.Chmod(i.data("cache.sql"), 0o644)
	f := i.open(Change)
	open, err := f.OpenToOthers()
	if err != nil || len(open) != 2 {
		t.Errorf("%v, %v", open, err)
	}
	if err := f.CloseToOthers(); err != nil {
		t.Error(err)
	}
	if open, _ := f.OpenToOthers(); len(open) != 0 {
		t.Errorf("still open: %v", open)
	}
	if info, _ := os.Stat(i.data("cache.sql")); info.Mode().Perm() != 0o644 {
		t.Error("a file that is not ours was touched")
	}
}

func TestHostileFolders(t *testing.T) {
	for name, do := range map[string]func(i *install){
		"data is a link":        func(i *install) { os.Rename(i.data(""), i.base+"/d"); os.Symlink("d", i.data("")) },
		"run is a file":         func(i *install) { os.RemoveAll(i.base + "/run"); os.WriteFile(i.base+"/run", nil, 0o600) },
		"data writable by all":  func(i *install) { os.Chmod(i.data(""), 0o777) },
		"base writable by all":  func(i *install) { os.Chmod(i.base, 0o777) },
		"base sticky, writable": func(i *install) { os.Chmod(i.base, 0o777|os.ModeSticky) },
		"a sealed file is a link": func(i *install) {
			os.Rename(i.data(SharedEncp), i.data("x"))
			os.Symlink("x", i.data(SharedEncp))
		},
		"the lock is a link": func(i *install) { os.Remove(i.base + "/run/.lock"); os.Symlink("/etc/passwd", i.base+"/run/.lock") },
	} {
		t.Run(name, func(t *testing.T) {
			i := newInstall(t)
			i.configure()
			do(i)
			i.wantCause(fault.NotPermitted)
		})
	}
	i := newInstall(t)
	link := i.base + "-link"
	if err := os.Symlink(i.base, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), link, Look, time.Second); fault.Of(err) != fault.NotPermitted {
		t.Errorf("base is a link: %v", err)
	}
	if _, err := Open(context.Background(), i.base+"/none", Look, time.Second); fault.Of(err) != fault.NoConfiguration {
		t.Errorf("no base: %v", err)
	}
}

func TestSKSFileKeepsWhatItDoesNotKnow(t *testing.T) {
	i := newInstall(t)
	i.configure()
	i.write(SKSFile, append(i.read(SKSFile), []byte("# mine\nmy.own=1\nrollback=refuse\n")...))
	i.change("x.example.com")
	got := string(i.read(SKSFile))
	for _, want := range []string{"# mine\n", "my.own=1\n", "rollback=refuse\n", "sks.key.id="} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is gone:\n%s", want, got)
		}
	}
}

func TestCopies(t *testing.T) {
	i := newInstall(t)
	i.configure()
	copied := filepath.Join(i.base, "data.before-config-20261121-120000")
	if err := os.CopyFS(copied, os.DirFS(i.data(""))); err != nil {
		t.Fatal(err)
	}
	i.change("new.example.com")
	c, err := ScanCopy(copied)
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.OpenCopy(context.Background(), i.device.Store())
	if err != nil || !bytes.Contains(p.Shared, []byte("=example.com")) {
		t.Errorf("%s, %v", p.Shared, err)
	}
	f := i.open(Read)
	if kept, err := f.Kept(); err != nil || len(kept) != 1 || kept[0] != copied {
		t.Errorf("%v, %v", kept, err)
	}
	if _, err := ScanCopy(i.base + "/none"); !errors.Is(err, fault.NoConfiguration) {
		t.Error(err)
	}
}

func FuzzSKS(f *testing.F) {
	f.Add([]byte("sks.version=1\nsks.type=SoftHSM\nsks.library=/x\nsks.token.serial=1\nsks.instance=123456789012\nsks.key.label=l\nsks.key.id=" + hex.EncodeToString(make([]byte, 16)) + "\nsks.pin=file\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseSKS(b)
		if err != nil {
			return
		}
		text, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseSKS(text)
		if err != nil {
			t.Fatalf("what was written does not parse: %v\n%s", err, text)
		}
		again.text, s.text = nil, nil
		if fmt.Sprint(again) != fmt.Sprint(s) {
			t.Fatalf("%v\n%v", again, s)
		}
	})
}
