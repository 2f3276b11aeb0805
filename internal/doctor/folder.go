package doctor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/keystore"
	"ssovault/internal/secret"
	"ssovault/internal/vault"
)

// Thresholds of what is worth a warning.
const (
	diskLow    = 100 << 20 // bytes free
	diskNone   = 1 << 20   // less than one save takes
	certSoon   = 30 * 24 * time.Hour
	backupOld  = 7 * 24 * time.Hour
	megabytes  = 1 << 20
	dayInHours = 24
)

// folder looks at the state and the modes of the install folder.
func (v *visit) folder() {
	v.contents, v.scanErr = v.Folder.Scan(vault.BoundPresent)
	switch v.contents.Mode {
	case vault.ModeNone:
		v.fail("folder", v.scanErr)
	case vault.ModeClear:
		v.warn("folder", "the settings lie in the clear: secure key storage is off", "seal them with 'ssovault -config'")
	default:
		if v.contents.SKS.Library == "" || fault.Of(v.scanErr) == fault.FileMissing { // comes before the device
			v.fail("folder", v.scanErr)
		} else {
			v.ok("folder", fmt.Sprintf("sealed, instance %s", v.contents.SKS.Instance))
		}
		if text := vault.UnknownText(v.contents.SKS.Unknown()); text != "" {
			v.warn("unknown", text, "correct what is misspelt: until then it is as if it were not there; what you keep there for yourself stays")
		}
	}
	open, err := v.Folder.OpenToOthers()
	switch {
	case err != nil:
		v.fail("modes", err)
	case len(open) > 0:
		v.warn("modes", "others may read "+strings.Join(open, ", "), "'ssovault -config' repairs it, or chmod go-rwx; others may have read what was in the clear")
	case v.contents.Mode != vault.ModeNone:
		v.ok("modes", "data/ is closed to others")
	}
	switch left, err := v.Folder.Leftovers(); {
	case err != nil:
		v.fail("left over", err)
	case len(left) > 0:
		v.warn("left over", vault.LeftoverText(left), vault.LeftoverHint)
	}
}

// files looks at the two property files and at what is bound to them.
func (v *visit) files(ctx context.Context) {
	if v.contents.Mode == vault.ModeNone {
		return
	}
	if !v.judge("files", v.scanErr, "both property files are whole, belong here, and so do the key store and the metadata") {
		return
	}
	v.plain = v.contents.Clear
	if v.contents.Mode == vault.ModeSealed {
		if v.key == nil {
			return // the line of the login or the key has said why
		}
		var err error
		v.plain, err = v.contents.OpenCopy(ctx, v.store)
		if !v.judge("unseal", err, "both property files open") {
			return
		}
		r, err := v.contents.Rollback(ctx, v.store)
		switch {
		case err != nil:
			v.fail("generation", err)
		case r.Warning() != "":
			v.warn("generation", r.Warning(), "if an older backup was restored on purpose, 'ssovault accept' makes it the newest")
		default:
			v.ok("generation", fmt.Sprintf("%d, as the HSM remembers", r.Files.Generation))
		}
	}
	v.certificate()
}

// certificate opens the key store as the service will.
func (v *visit) certificate() {
	set, err := v.plain.Parse()
	if err != nil {
		v.fail("settings", err)
		return
	}
	name := v.contents.Bound.KeyStore.Name
	if name == "" {
		v.warn("certificate", "no key store is configured", "ssovault set ssl_file=FILE")
		return
	}
	b, err := durable.Read(v.Folder.Data(name), keystore.MaxSize)
	if err != nil {
		v.fail("certificate", fault.Wrap(fault.KeyStoreMissing, err, "read the key store"))
		return
	}
	get := func(key string) secret.Value { s, _ := set.Shared.Get(key); return secret.New([]byte(s)) }
	chain, err := keystore.Open(b, get("key_store_password"), get("key_password"))
	if err != nil {
		failed := &fault.Error{Op: "open data/" + name, Cause: fault.KeyStoreMissing, Err: err}
		if errors.Is(err, keystore.ErrOnePassword) {
			failed.Advice = "ssovault unset key_password"
		}
		v.fail("certificate", failed)
		return
	}
	for _, c := range chain.Certificates {
		if v.Now.Before(c.NotBefore) {
			v.warn("certificate", fmt.Sprintf("%s is not valid before %s", c.Subject, c.NotBefore.UTC().Format("2006-01-02")), "is this machine's clock right?")
			return
		}
	}
	expires := chain.Expires()
	text := fmt.Sprintf("%d certificates, the first to expire does so on %s", len(chain.Certificates), expires.UTC().Format("2006-01-02"))
	if left := expires.Sub(v.Now); left < certSoon {
		v.warn("certificate", text, fmt.Sprintf("%d days are left: renew it, then 'ssovault set ssl_file=FILE'", int(left.Hours())/dayInHours))
		return
	}
	v.ok("certificate", text)
}

// machine looks at disks, swap and backups.
func (v *visit) machine() {
	v.disks()
	if areas := openSwap(); len(areas) > 0 {
		v.warn("swap", "unencrypted swap is active: "+strings.Join(areas, ", "), "encrypt it or turn it off: the service's memory holds the settings")
	} else {
		v.ok("swap", "no unencrypted swap")
	}
	v.backups()
}

// openSwap lists swap areas that are neither in compressed memory nor on a
// device-mapper device, which is where encrypted ones are.
func openSwap() []string {
	f, err := os.Open("/proc/swaps")
	if err != nil {
		return nil
	}
	defer f.Close()
	var areas []string
	lines := bufio.NewScanner(f)
	lines.Scan() // the heading
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 0 &&
			!strings.HasPrefix(fields[0], "/dev/zram") && !strings.HasPrefix(fields[0], "/dev/dm-") && !strings.HasPrefix(fields[0], "/dev/mapper/") {
			areas = append(areas, fields[0])
		}
	}
	return areas
}

// backups looks for the newest file in BASE/backups.
func (v *visit) backups() {
	if v.contents.Mode == vault.ModeNone {
		return
	}
	dir := filepath.Join(v.Folder.Base, "backups")
	entries, _ := os.ReadDir(dir)
	var newest time.Time
	for _, e := range entries {
		if info, err := e.Info(); err == nil && !strings.HasPrefix(e.Name(), ".") && info.Mode().IsRegular() && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	hint := "'ssovault backup', and keep a copy on another machine; without one, losing this disk loses the settings"
	switch age := v.Now.Sub(newest); {
	case newest.IsZero():
		v.warn("backup", "there is none in "+dir, hint)
	case age > backupOld:
		v.warn("backup", fmt.Sprintf("the newest in %s is %d days old", dir, int(age.Hours())/dayInHours), hint)
	default:
		v.ok("backup", "the newest is of "+newest.UTC().Format("2006-01-02 15:04 UTC"))
	}
}
