package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"ssovault/internal/fault"
	"ssovault/internal/vault"
)

// draft is an archive in the making, to be spoilt at any stage.
type draft struct {
	manifest Manifest
	text     []byte // in place of the manifest's own JSON
	pieces   []piece
	tar      func([]byte) []byte
	zstd     func([]byte) []byte
}

type piece struct {
	header *tar.Header
	body   []byte
}

var draftTime = time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)

// wholesome is an archive of a folder in the clear, as Create would make it.
func wholesome() *draft {
	d := &draft{manifest: Manifest{Version: Version, Program: "ssovault", Time: draftTime, Mode: vault.ModeClear, Instance: "123456789012"}}
	d.add("cache", nil, true)
	d.add("cache/users.sql", bytes.Repeat([]byte("insert into users;\n"), 4000), false)
	d.add("instance.properties", []byte("instance_number=123456789012\nadmin_port=8080\n"), false)
	d.add("shared.properties", []byte("sso_domain=acme\n"), false)
	return d
}

// add appends an entry to manifest and archive alike.
func (d *draft) add(name string, body []byte, folder bool) {
	e := Entry{Name: name, Folder: folder, Mode: 0o600, Time: draftTime, Size: int64(len(body))}
	if folder {
		e.Mode = 0o700
	} else {
		sum := sha256.Sum256(body)
		e.SHA256 = hex.EncodeToString(sum[:])
	}
	d.manifest.Entries = append(d.manifest.Entries, e)
	d.pieces = append(d.pieces, piece{e.header(), body})
}

// extra appends something to the archive that the manifest does not name.
func (d *draft) extra(h *tar.Header, body []byte) {
	h.Size = int64(len(body))
	d.pieces = append(d.pieces, piece{h, body})
}

// bytes makes the archive.
func (d *draft) bytes(t testing.TB) []byte {
	t.Helper()
	text := d.text
	if text == nil {
		var err error
		if text, err = json.MarshalIndent(d.manifest, "", " "); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	pieces := append([]piece{{&tar.Header{Typeflag: tar.TypeReg, Name: manifestName, Size: int64(len(text)), Mode: 0o600, ModTime: draftTime}, text}}, d.pieces...)
	for _, p := range pieces {
		if err := w.WriteHeader(p.header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(p.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil && d.tar == nil {
		t.Fatal(err)
	}
	stream := b.Bytes()
	if d.tar != nil {
		stream = d.tar(stream)
	}
	out := compress(t, stream)
	if d.zstd != nil {
		out = d.zstd(out)
	}
	return out
}

func compress(t testing.TB, b []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil, zstd.WithWindowSize(frameSize))
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll(b, nil)
}

// unpackInto extracts and judges, as a restore does.
func unpackInto(dir string, archive []byte) error {
	a, err := Open(bytes.NewReader(archive), int64(len(archive)), Keys{})
	if err != nil {
		return err
	}
	defer a.Close()
	if err := a.Extract(context.Background(), dir, nil); err != nil {
		return err
	}
	_, err = a.judge(dir)
	return err
}

// ownInto is what verify does.
func ownInto(dir string, archive []byte) error {
	a, err := Open(bytes.NewReader(archive), int64(len(archive)), Keys{})
	if err != nil {
		return err
	}
	defer a.Close()
	_, err = a.Own(context.Background(), dir, nil)
	return err
}

func TestWholesome(t *testing.T) {
	dir := t.TempDir()
	if err := unpackInto(dir, wholesome().bytes(t)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "cache", "users.sql"))
	if err != nil || len(b) != 19*4000 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

// renamed gives the last entry another name in the manifest and the archive.
func renamed(name string) func(*draft) {
	return func(d *draft) {
		last := len(d.pieces) - 1
		d.add(name, []byte("evil"), false)
		d.manifest.Entries[last+1].Name = name
	}
}

// replaced puts another header in the place of the cache's, under its name.
func replaced(change func(*tar.Header)) func(*draft) {
	return func(d *draft) {
		p := &d.pieces[1]
		h := *p.header
		change(&h)
		p.header = &h
		if h.Typeflag != tar.TypeReg {
			h.Size = 0
			p.body = nil
		}
		p.header = &h
	}
}

// inHeader changes bytes of the tar header of an entry and mends its checksum.
func inHeader(name string, offset int, value string) func([]byte) []byte {
	return func(b []byte) []byte {
		at := bytes.Index(b, []byte("data/"+name+"\x00"))
		h := b[at : at+tarBlock]
		copy(h[offset:], value)
		copy(h[148:156], "        ")
		sum := 0
		for _, c := range h {
			sum += int(c)
		}
		copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
		return b
	}
}

var hostileRows = []struct {
	name  string
	spoil func(*draft)
	text  string // what it is refused for
	cause fault.Cause
}{
	{"a manifest that would take a gigabyte", func(d *draft) {
		d.text = []byte(`{"version":1,"files":[` + strings.Repeat("{},", maxEntries+10) + `{}]}`)
	}, "more than the 65536 files", 0},
	{"a manifest that is deep", func(d *draft) {
		d.text = []byte(`{"version":1,"files":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`)
	}, "its manifest", 0},
	{"a link out", replaced(func(h *tar.Header) { h.Typeflag, h.Linkname = tar.TypeSymlink, "/etc/passwd" }), `"data/cache/users.sql" is a link to "/etc/passwd"`, 0},
	{"a link within", replaced(func(h *tar.Header) { h.Typeflag, h.Linkname = tar.TypeSymlink, "shared.properties" }), "is a link", 0},
	{"a hard link", replaced(func(h *tar.Header) { h.Typeflag, h.Linkname = tar.TypeLink, "/etc/shadow" }), "is a link", 0},
	{"a character device", replaced(func(h *tar.Header) { h.Typeflag, h.Devmajor, h.Devminor = tar.TypeChar, 1, 1 }), "device or a pipe", 0},
	{"a block device", replaced(func(h *tar.Header) { h.Typeflag, h.Devmajor = tar.TypeBlock, 8 }), "device or a pipe", 0},
	{"a pipe", replaced(func(h *tar.Header) { h.Typeflag = tar.TypeFifo }), "device or a pipe", 0},
	{"a folder for a file", replaced(func(h *tar.Header) { h.Typeflag, h.Name = tar.TypeDir, h.Name+"/" }), "a folder in one place and a file in another", 0},
	{"dot-dot", renamed("../evil"), "leads out of data/", 0},
	{"dot-dot within", renamed("x/../../evil"), "leads out of data/", 0},
	{"dot-dot at the end", renamed("x/.."), "leads out of data/", 0},
	{"absolute", renamed("/tmp/evil"), "is absolute", 0},
	{"not simple", renamed("x//y"), "not in its simple form", 0},
	{"dot", renamed("./x"), "not in its simple form", 0},
	{"empty name", func(d *draft) { d.manifest.Entries[0].Name = "" }, "is none", 0},
	{"not UTF-8 in the manifest", func(d *draft) {
		d.text = []byte(strings.Replace(mustJSON(d.manifest), "users.sql", "users\xff.sql", 1))
	}, "in its manifest", 0},
	{"a name too long", renamed(strings.Repeat("z", 300)), "too long", 0},
	{"too deep", func(d *draft) {
		name := "z"
		for range 40 {
			d.add(name, nil, true)
			name += "/z"
		}
	}, "too deep", 0},
	{"a file without its folder", renamed("zz/evil"), "not the folder that it is in", 0},
	{"twice in both", func(d *draft) { d.add("shared.properties", []byte("sso_domain=evil\n"), false) }, "twice", 0},
	{"twice in the archive", func(d *draft) { d.extra(&tar.Header{Name: "data/shared.properties", Mode: 0o600}, []byte("evil")) }, "not in its manifest", 0},
	{"twice, the second in place of another", func(d *draft) { d.pieces[3] = d.pieces[1] }, "is in it twice", 0},
	{"out of order", func(d *draft) { d.pieces[2], d.pieces[3] = d.pieces[3], d.pieces[2] }, "not where it should be", 0},
	{"out of order in both", func(d *draft) { d.add("a-first", nil, false) }, "not in order", 0},
	{"case trick on a sealed file", renamed("shared.ENCP"), "could be taken for shared.encp", 0},
	{"case trick on sks.properties", renamed("sks.Properties"), "could be taken for sks.properties", 0},
	{"a journal", func(d *draft) { d.addFirst(".journal", []byte(`{"version":1}`)) }, "belongs to a save", 0},
	{"a waiting file", func(d *draft) { d.addFirst(".shared.encp."+strings.Repeat("0", 32)+".new", nil) }, "belongs to a save", 0},
	{"the marker of a restore", func(d *draft) { d.addFirst(".restoring", nil) }, "belongs to a save or a restore", 0},
	{"a prepared folder", func(d *draft) { d.addFirst(".data.restoring", nil) }, "belongs to a save or a restore", 0},
	{"outside data/", func(d *draft) { d.extra(&tar.Header{Name: "sks.pin", Mode: 0o600}, []byte("1234")) }, "not in its manifest", 0},
	{"outside data/ instead", replaced(func(h *tar.Header) { h.Name = "run/.lock" }), "not below data/", 0},
	{"one too many", func(d *draft) { d.extra(&tar.Header{Name: "data/zzz", Mode: 0o600}, []byte("evil")) }, "not in its manifest", 0},
	{"one missing in the middle", func(d *draft) { d.pieces = append(d.pieces[:1], d.pieces[2:]...) }, "not where it should be", 0},
	{"one missing at the end", func(d *draft) { d.pieces = d.pieces[:3] }, "not in it", 0},
	{"a size too great in the manifest", func(d *draft) { d.manifest.Entries[1].Size *= 100 }, "in its manifest", 0},
	{"a size too small in the manifest", func(d *draft) { d.manifest.Entries[1].Size = 3 }, "in its manifest", 0},
	{"a negative size", func(d *draft) { d.manifest.Entries[1].Size = -1 }, "would have -1 bytes", 0},
	{"sizes that overflow", func(d *draft) {
		d.manifest.Entries[1].Size, d.manifest.Entries[2].Size = 1<<50, 1<<50
	}, "would have", 0},
	{"one as large as all may be", func(d *draft) { d.manifest.Entries[1].Size = maxTotal }, `"cache/users.sql" alone 1125899906842624`, 0},
	{"a tar size beyond the file", func(d *draft) { d.tar = inHeader("shared.properties", 124, "77777777777\x00") }, "in its manifest", 0},
	{"more than the disk has", func(d *draft) {
		d.manifest.Entries[3].Size = 1 << 49
		d.tar = inHeader("shared.properties", 124, "\x80\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00")
	}, "MiB are free", fault.DiskFull},
	{"another content", func(d *draft) {
		d.pieces[1].body = bytes.Replace(d.pieces[1].body, []byte("users"), []byte("evils"), 1)
	}, "data/cache/users.sql is not what was backed up", fault.Tampered},
	{"two other contents", func(d *draft) {
		d.pieces[1].body = bytes.Replace(d.pieces[1].body, []byte("users"), []byte("evils"), 1)
		d.pieces[3].body = []byte("sso_domain=evil\n")
	}, "data/cache/users.sql, data/shared.properties", fault.Tampered},
	{"set-user-id in the manifest", func(d *draft) { d.manifest.Entries[1].Mode = 0o4755 }, "has the mode", 0},
	{"set-user-id in the archive", replaced(func(h *tar.Header) { h.Mode = 0o4755 }), "a mode, a time or an owner", 0},
	{"an owner", replaced(func(h *tar.Header) { h.Uid, h.Uname = 1000, "mallory" }), "a mode, a time or an owner", 0},
	{"an extended attribute", replaced(func(h *tar.Header) {
		h.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": "x"}
	}), `the record "SCHILY.xattr`, 0},
	{"a global header", func(d *draft) {
		d.pieces = append([]piece{{&tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"path": "x"}}, nil}}, d.pieces...)
	}, "of the kind", 0},
	{"a bomb in the manifest", func(d *draft) { d.text = bytes.Repeat([]byte(" "), maxManifest+1) }, "its manifest would have", 0},
	{"a bomb behind the end", func(d *draft) { d.tar = func(b []byte) []byte { return append(b, make([]byte, 64<<20)...) } }, "something follows its end", 0},
	{"a bomb in a file", func(d *draft) {
		d.manifest.Entries[1].Size = 100
		d.pieces[1].body = make([]byte, 100<<20)
		d.pieces[1].header.Size = 100 << 20
	}, "in its manifest", 0},
	{"a window of 2 GiB", func(d *draft) { d.zstd = func([]byte) []byte { return hugeWindow() } }, "more memory than any backup needs", 0},
	{"too many files", func(d *draft) {
		for i := range maxEntries {
			d.manifest.Entries = append(d.manifest.Entries, Entry{Name: fmt.Sprintf("z%07d", i), Folder: true, Mode: 0o700, Time: draftTime})
		}
	}, "more than the 65536", 0},
	{"no end", func(d *draft) { d.tar = func(b []byte) []byte { return b[:len(b)-tarEnd] } }, "its end is missing", fault.Tampered},
	{"half an end", func(d *draft) { d.tar = func(b []byte) []byte { return b[:len(b)-tarBlock] } }, "its end", fault.Tampered},
	{"tar cut in a file", func(d *draft) { d.tar = func(b []byte) []byte { return b[:8000] } }, "ends within data/cache/users.sql", fault.Tampered},
	{"zstd cut", func(d *draft) { d.zstd = func(b []byte) []byte { return b[:len(b)-7] } }, "ends within", fault.Tampered},
	{"zstd cut to its magic", func(d *draft) { d.zstd = func(b []byte) []byte { return b[:4] } }, "ends within", fault.Tampered},
	{"no manifest", func(d *draft) { d.tar = func(b []byte) []byte { return b[bytes.Index(b, []byte("data/cache/")):] } }, "does not begin with manifest.json", 0},
	{"an empty tar", func(d *draft) { d.tar = func([]byte) []byte { return make([]byte, tarEnd) } }, "it is empty", 0},
	{"not JSON", func(d *draft) { d.text = []byte("version: 1\n") }, "not JSON", 0},
	{"two manifests in one", func(d *draft) { d.text = []byte(mustJSON(d.manifest) + "{}") }, "its manifest", 0},
	{"an unknown field", func(d *draft) { d.text = []byte(strings.Replace(mustJSON(d.manifest), "{", `{"run":"rm",`, 1)) }, `unknown field "run"`, 0},
	{"a newer version", func(d *draft) { d.manifest.Version = 2 }, "newer version", 0},
	{"another program", func(d *draft) { d.manifest.Program = "evil" }, "not ssovault's", 0},
	{"an instance that is a path", func(d *draft) { d.manifest.Instance = "../../../etc" }, "names the instance", 0},
	{"another instance than its files", func(d *draft) { d.manifest.Instance = "999999999999" }, "another save, instance or key", 0},
	{"sealed without a key", func(d *draft) { d.manifest.Mode = vault.ModeSealed }, "which key it needs", 0},
	{"half a folder", func(d *draft) { d.manifest.Entries, d.pieces = d.manifest.Entries[:3], d.pieces[:3] }, "shared.properties is missing", fault.FileMissing},
	{"nothing at all", func(d *draft) { d.zstd = func([]byte) []byte { return nil } }, "no backup of ssovault", 0},
	{"a text", func(d *draft) { d.zstd = func([]byte) []byte { return []byte("hello, world, this is no archive") } }, "no backup of ssovault", 0},
	{"the beginning of an age file", func(d *draft) { d.zstd = func([]byte) []byte { return []byte(ageMagic + "-> X25519 x\n") } }, "its age header", fault.Tampered},
	{"an age file of somebody else", func(d *draft) { d.zstd = forSomebodyElse }, "encrypted", fault.Usage},
}

func forSomebodyElse(b []byte) []byte {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		panic(err)
	}
	return encrypted(b, id.Recipient())
}

func (d *draft) addFirst(name string, body []byte) {
	d.add(name, body, false)
	e, p := d.manifest.Entries, d.pieces
	last := len(e) - 1
	d.manifest.Entries = append([]Entry{e[last]}, e[:last]...)
	d.pieces = append([]piece{p[last]}, p[:last]...)
}

func mustJSON(m Manifest) string {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// hugeWindow is the beginning of a zstd frame that wants a window of 2 GiB
// (RFC 8878, 3.1.1.1.2).
func hugeWindow() []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xFD2FB528)
	return append(b, 0x00, 21<<3, 0x01, 0x00, 0x00)
}

func TestHostile(t *testing.T) {
	if len(hostileRows) < 25 {
		t.Fatal(len(hostileRows))
	}
	for _, row := range hostileRows {
		t.Run(row.name, func(t *testing.T) {
			outer := t.TempDir()
			canary := filepath.Join(outer, "canary")
			scratch := filepath.Join(outer, "scratch")
			if err := os.WriteFile(canary, []byte("whole"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(scratch, 0o700); err != nil {
				t.Fatal(err)
			}
			d := wholesome()
			row.spoil(d)
			err := unpackInto(scratch, d.bytes(t))
			cause := row.cause
			if cause == 0 {
				cause = fault.Malformed
			}
			if err == nil || !strings.Contains(err.Error(), row.text) || fault.Of(err) != cause {
				t.Errorf("%v (%v), want %q (%v)", err, fault.Of(err), row.text, cause)
			}
			// Verify writes nothing that could fill a disk.
			if err := ownInto(t.TempDir(), d.bytes(t)); err == nil || fault.Of(err) != cause && cause != fault.DiskFull {
				t.Errorf("verify: %v (%v), want %v", err, fault.Of(err), cause)
			}
			var names []string
			_ = filepath.WalkDir(outer, func(path string, e fs.DirEntry, err error) error {
				rel, _ := filepath.Rel(outer, path)
				if !strings.HasPrefix(rel, "scratch/") {
					names = append(names, rel)
				}
				return err
			})
			if got := strings.Join(names, " "); got != ". canary scratch" {
				t.Errorf("outside the scratch folder: %s", got)
			}
			if b, err := os.ReadFile(canary); err != nil || string(b) != "whole" {
				t.Error("the canary has changed")
			}
			if _, err := os.Stat("/tmp/evil"); err == nil {
				t.Error("an absolute name was written to")
			}
		})
	}
}

// One bit of every byte of a small archive flipped: it is refused, or gives
// the very same files.
func TestFlippedBits(t *testing.T) {
	d := wholesome()
	d.pieces[1].body, d.manifest.Entries[1].Size = []byte("x"), 1
	sum := sha256.Sum256([]byte("x"))
	d.manifest.Entries[1].SHA256 = hex.EncodeToString(sum[:])
	d.pieces[1].header.Size = 1
	whole := d.bytes(t)
	dir := t.TempDir()
	harmless := 0
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 1 << (i % 8)
		scratch := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(scratch, 0o700); err != nil {
			t.Fatal(err)
		}
		if unpackInto(scratch, b) == nil {
			harmless++ // zstd has bits that mean nothing: padding, the window's size
			for j, e := range d.manifest.Entries {
				if got, err := os.ReadFile(filepath.Join(scratch, e.Name)); !e.Folder && (err != nil || !bytes.Equal(got, d.pieces[j].body)) {
					t.Errorf("bit of byte %d: %s: %q, %v", i, e.Name, got, err)
				}
			}
		}
	}
	for n := range whole {
		if unpackInto(t.TempDir(), whole[:n]) == nil {
			t.Errorf("cut to %d of %d bytes, and not refused", n, len(whole))
		}
	}
	if harmless > len(whole)/50 {
		t.Errorf("%d of %d flipped bits went unnoticed", harmless, len(whole))
	}
}
