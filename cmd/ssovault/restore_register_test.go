package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A backup that was restored is in somebody's hands: its key stays, also on a
// server that did not make it.
func TestARestoredBackupIsKnown(t *testing.T) {
	k := newKeyScene(t)
	k.configure()
	label := "SSO Vault Properties " + strings.TrimSpace(k.must("get", "instance_number"))
	archive := k.backup(filepath.Join(k.in, "kept.tar.zst"))
	register := filepath.Join(k.base, "run", "backups.json")
	if err := os.Remove(register); err != nil { // as on a new server
		t.Fatal(err)
	}
	k.must("restore", "--dry-run", archive)
	if exists(register) {
		t.Error("a dry run registers")
	}
	relative, err := filepath.Rel(k.dir, archive) // where the commands run
	if err != nil {
		t.Fatal(err)
	}
	k.must("restore", relative)
	k.must("rotate")
	kept, _ := filepath.Glob(k.base + "/data.before-restore-*")
	for _, dir := range kept { // the folder before has the same key
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	k.unchanged(2, "needed by "+archive, "key", "retire", "--yes", label)
	if err := os.Remove(archive); err != nil {
		t.Fatal(err)
	}
	k.unchanged(2, archive+" (it is not there any more)", "key", "retire", "--yes", label)
	k.unchanged(2, "'--ignore-missing-backups'", "key", "retire", "--yes", label)
	k.must("key", "retire", "--yes", "--ignore-missing-backups", label)
	k.holds("retired", k.token, 1, 1)

	// One that cannot be registered is restored all the same.
	last := k.backup(filepath.Join(k.in, "last.tar.zst"))
	if err := os.WriteFile(register, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := k.run("restore", "--must-open", last); o.code != 0 || !strings.Contains(o.stderr, "'ssovault key retire' does not know of this backup") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
}
