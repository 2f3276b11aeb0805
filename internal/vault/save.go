package vault

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"path"
	"path/filepath"
	"sort"
	"time"

	"ssovault/internal/durable"
	"ssovault/internal/encp"
	"ssovault/internal/fault"
	"ssovault/internal/properties"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

// Settings are both property files, and the files bound to them.
type Settings struct {
	Instance, Shared *properties.Set
	Bound            Bound
}

// InstanceNumber is the 12-digit number of the instance.
func (s Settings) InstanceNumber() string {
	n, _ := s.Instance.Get("instance_number")
	return n
}

// Save is one change of the whole set.
type Save struct {
	Settings Settings
	// SKS says which key seals; nil saves in the clear, without sks.properties.
	SKS *SKS
	// Files are taken into data/ by name. They become the bound files that
	// Settings.Bound names.
	Files map[string][]byte
	// PIN becomes BASE/sks.pin, unless it is empty.
	PIN secret.Value
	// Generation is the highest known so far, of files and token.
	Generation uint64
	Now        time.Time
	// Dealt: the identity or the shares of the recovery that the settings name
	// were announced, and count with this save.
	Dealt bool
	// DropRecovery: an administrator wants data/recovery.age gone.
	DropRecovery bool
}

// piece is one file of a save.
type piece struct {
	name    string // relative to BASE
	content []byte
}

// Each mode removes the files of the other one.
var (
	sealedFiles = []string{SKSFile, InstanceEncp, SharedEncp}
	clearFiles  = []string{InstanceClear, SharedClear}
)

// commit writes a save: every new file beside the old one, read back and
// opened, then the journal, then the renames. key seals; it is nil for a save
// in the clear. It tells whether the save holds: an error before the journal
// leaves everything as it was, one after it (ErrMade) leaves the rest to whoever
// opens the folder next. The folder must be open for Change.
func (f *Folder) commit(ctx context.Context, s Save, key sks.Key) (mark sks.Mark, holds bool, err error) {
	var id [16]byte
	_, _ = rand.Read(id[:])
	mark = sks.Mark{Generation: s.Generation + 1, SaveID: hex.EncodeToString(id[:])}
	if err := durable.MakeFolder(f.Data("")); err != nil {
		return mark, false, err
	}
	plain := Plain{Instance: s.Settings.Instance.Encode(), Shared: s.Settings.Shared.Encode()}
	defer plain.Wipe()
	second, err := s.secondWay(mark, plain)
	if err != nil {
		return mark, false, err
	}

	var pieces []piece
	var remove []string
	if key != nil {
		pieces, err = seal(ctx, s, mark, key, plain)
		remove = clearFiles
	} else {
		pieces = []piece{{"data/" + InstanceClear, plain.Instance}, {"data/" + SharedClear, plain.Shared}}
		remove = sealedFiles
	}
	if err != nil {
		return mark, false, err
	}
	if second != nil {
		pieces = append(pieces, piece{"data/" + RecoveryFile, second})
	} else {
		if err := f.keepStray(s); err != nil {
			return mark, false, err
		}
		remove = append(remove, RecoveryFile)
	}
	for name, content := range s.Files {
		pieces = append(pieces, piece{"data/" + name, content})
	}
	if s.PIN.Len() > 0 {
		pieces = append(pieces, piece{pinEntry, s.PIN.Bytes()})
	}
	sort.Slice(pieces, func(i, j int) bool { return pieces[i].name < pieces[j].name })

	j := journal{Version: journalVersion, SaveID: mark.SaveID}
	defer func() {
		if !holds {
			_ = f.sweep() // the disk may be full: give back what was taken
		}
	}()
	for _, p := range pieces {
		if err := durable.Create(f.beside(p.name, mark.SaveID), p.content); err != nil {
			return mark, false, err
		}
		sum := sha256.Sum256(p.content)
		j.Entries = append(j.Entries, journalEntry{Name: p.name, SHA256: hex.EncodeToString(sum[:])})
	}
	for _, name := range append(remove, staleBound(s)...) {
		j.Entries = append(j.Entries, journalEntry{Name: "data/" + name, Remove: true})
	}
	if s.Dealt {
		j.Entries = append(j.Entries, journalEntry{Name: dealtEntry, Remove: true})
	}
	if key != nil {
		j.Entries = append(j.Entries, journalEntry{Name: pendingEntry, Remove: true})
		if err := f.readBack(ctx, mark, key, plain); err != nil {
			return mark, false, err
		}
	}
	for _, dir := range []string{f.Data(""), f.Base} {
		if err := durable.SyncFolder(dir); err != nil {
			return mark, false, err
		}
	}
	text, err := json.Marshal(j)
	if err != nil {
		return mark, false, err
	}
	if err := durable.Replace(f.journal(), append(text, '\n')); err != nil {
		// The rename may have happened and only its sync failed: then the save
		// holds, and must not be swept away.
		had, readErr := f.readJournal()
		if readErr == nil && (had == nil || had.SaveID != mark.SaveID) {
			return mark, false, err
		}
		return mark, true, made(err, readErr)
	}
	return mark, true, made(f.finish(&j), nil)
}

// staleBound names the bound file that a newly taken one replaces under
// another name: sso_keystore.jks and .pem exclude each other.
func staleBound(s Save) []string {
	if _, ok := s.Files[KeyStorePEM]; ok {
		return []string{KeyStoreFile}
	}
	if _, ok := s.Files[KeyStoreFile]; ok {
		return []string{KeyStorePEM}
	}
	return nil
}

// seal makes sks.properties and both sealed files.
func seal(ctx context.Context, s Save, mark sks.Mark, key sks.Key, plain Plain) ([]piece, error) {
	iv, err := key.Convention(ctx)
	if err != nil {
		return nil, err
	}
	text, err := s.SKS.encode()
	if err != nil {
		return nil, err
	}
	pieces := []piece{{"data/" + SKSFile, text}}
	for _, one := range []struct {
		kind  encp.Kind
		name  string
		plain []byte
	}{{encp.Instance, InstanceEncp, plain.Instance}, {encp.Shared, SharedEncp, plain.Shared}} {
		if len(one.plain) > encp.MaxPlaintext {
			return nil, fault.New(fault.Usage, "the %s properties are larger than %d MiB", one.kind, encp.MaxPlaintext>>20)
		}
		h := encp.Header{
			File: one.kind, Instance: s.SKS.Instance, Generation: mark.Generation, SaveID: mark.SaveID, Time: s.Now,
			KeyLabel: s.SKS.KeyLabel, KeyID: s.SKS.KeyID, IV: iv, BodyLength: len(one.plain) + iv.Overhead(),
		}
		if one.kind == encp.Shared {
			h.KeyStore, h.Metadata = s.Settings.Bound.KeyStore, s.Settings.Bound.Metadata
		}
		aad, err := h.Encode()
		if err != nil {
			return nil, err
		}
		box, err := key.Seal(ctx, one.plain, aad)
		if err != nil {
			return nil, fault.Wrap(fault.Unreachable, err, "seal the %s properties", one.kind)
		}
		pieces = append(pieces, piece{"data/" + one.name, encp.Join(aad, box)})
	}
	return pieces, nil
}

// readBack opens the new sealed files as they lie on the disk, before they
// count: a device that seals what it cannot open must not get a commit.
func (f *Folder) readBack(ctx context.Context, mark sks.Mark, key sks.Key, plain Plain) error {
	for name, want := range map[string][]byte{InstanceEncp: plain.Instance, SharedEncp: plain.Shared} {
		b, err := durable.Read(f.beside("data/"+name, mark.SaveID), encp.MaxFile)
		if err != nil {
			return err
		}
		file, err := encp.Parse(b)
		if err != nil {
			return fault.Wrap(fault.Unclassified, err, "read the new %s back", name)
		}
		got, err := key.Open(ctx, file.IV, file.Body, file.AAD)
		if err != nil {
			c := fault.Unreachable
			if errors.Is(err, sks.ErrRefused) {
				c = fault.NoGCM
			}
			return fault.Wrap(c, err, "open the new %s", name)
		}
		same := secret.New(got).Equal(secret.New(want))
		secret.Wipe(got)
		if !same {
			return fault.New(fault.NoGCM, "the HSM opens the new %s to other bytes than were sealed", name)
		}
	}
	return nil
}

// TakeIn binds a file's content to the settings under its name in data/, and
// puts it among the files of the save.
func (s *Save) TakeIn(name string, content []byte) {
	if s.Files == nil {
		s.Files = map[string][]byte{}
	}
	s.Files[path.Base(filepath.ToSlash(name))] = content
	b := encp.Bound{Name: name, SHA256: sha256.Sum256(content)}
	if name == MetadataFile {
		s.Settings.Bound.Metadata = b
	} else {
		s.Settings.Bound.KeyStore = b
	}
}
