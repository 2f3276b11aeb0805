package wizard

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// storage is the secure key storage that was chosen.
type storage struct {
	vendor  sks.Vendor
	library string
	token   sks.Token
	role    sks.Role
	pin     secret.Value
	source  pin.Source
	leaf    []byte // DER
	// keepKey: same type and token as before, so the key stays.
	keepKey bool
	// sourceRead: the source was read, and gave this very password.
	sourceRead bool
	// pinTyped: it was given in this dialog, not read from its stored source.
	pinTyped bool
}

var errEmptyPassword = errors.New("a password is needed; an empty one would only cost a try")

// parameters is the literal answer that stands for the two questions after it.
const parameters = "slot,password"

// askSKS asks whether and where the sealing key is kept. It leaves d.sks nil
// when the settings are to lie in the clear.
func (d *dialog) askSKS() error {
	if d.DisableSKS {
		d.sayClear()
		return nil
	}
	yes, err := d.confirm("sks", "Configure Secure Key Storage", d.was.mode() == vault.ModeSealed)
	if err != nil {
		return err
	}
	if !yes {
		d.sayClear()
		return nil
	}
	d.say("IMPORTANT: Make sure that this server is already connected to a networked HSM or other secure key storage device.")
	d.sks = &storage{role: sks.RoleUser}
	for _, step := range []func() error{d.askType, d.askToken, d.askPIN, d.askChain, d.askSource} {
		if err := step(); err != nil {
			return err
		}
	}
	if yes, err = d.confirm("", "Enable Secure Key Storage", true); err != nil {
		return err
	}
	if !yes {
		d.sks.pin.Wipe()
		d.sks = nil
		d.sayClear()
		return nil
	}
	return d.askRenew()
}

func (d *dialog) sayClear() {
	d.say("Warning: Secure Key Storage is off: the settings and their secrets lie in the clear in %s, readable for whoever reads this disk or a backup of it.",
		d.layout().Data(""))
}

// askType asks for the type of device and finds its library.
func (d *dialog) askType() error {
	names := make([]string, len(d.Vendors))
	byDefault := 0
	for i := len(d.Vendors) - 1; i >= 0; i-- {
		names[i] = d.Vendors[i].Name
		if firstThere(d.Vendors[i].Libraries) != "" {
			byDefault = i
		}
	}
	had := ""
	if d.was.mode() == vault.ModeSealed {
		for i, name := range names {
			if name == d.was.contents.SKS.Type {
				byDefault, had = i, d.was.contents.SKS.Library
			}
		}
	}
	chosen := byDefault
	err := d.ask(Question{Key: "sks_type", Text: "Type of Secure Key Storage", Default: names[byDefault]}, func(answer string) (err error) {
		if answer != "" {
			chosen, err = pick(names, answer)
		}
		return err
	})
	if err != nil {
		return err
	}
	if chosen != byDefault {
		had = ""
	}
	d.sks.vendor = d.Vendors[chosen]
	return d.askLibrary(had)
}

// given is what a front of prepared answers can tell: that a question has an
// answer although the dialog would not have to ask it.
type given interface{ Given(key string) bool }

// askLibrary asks for the library unless it is known where it lies.
func (d *dialog) askLibrary(had string) error {
	const key = "sks_library"
	known := firstThere(append([]string{had}, d.sks.vendor.Libraries...))
	prepared, ok := d.front.(given)
	if known != "" && d.sks.vendor.Name != sks.Other && !(ok && prepared.Given(key)) {
		d.sks.library = known
		return nil
	}
	return d.ask(Question{Key: key, Text: "PKCS#11 library", Default: printable(known)}, func(answer string) error {
		if answer == "" {
			answer = known
		}
		switch info, err := os.Stat(answer); {
		case answer == "":
			return errors.New("the path of a library is needed; the device's vendor names it")
		case !filepath.IsAbs(answer):
			return fmt.Errorf("%s is not an absolute path", answer)
		case err != nil:
			return fmt.Errorf("there is no library %s", answer)
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s is not a file", answer)
		}
		d.sks.library = filepath.Clean(answer)
		return nil
	})
}

// firstThere gives the first path where a file is.
func firstThere(paths []string) string {
	for _, path := range paths {
		if info, err := os.Stat(path); path != "" && err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// askToken lists what the library sees, and asks which token is meant.
func (d *dialog) askToken() error {
	err := d.ask(Question{Text: "Secure storage device access parameters", Default: parameters}, func(answer string) error {
		if answer = strings.ReplaceAll(answer, " ", ""); answer != "" && answer != parameters {
			return errors.New("press Enter: slot and password are asked for next, and a password is never typed visibly")
		}
		return nil
	})
	if err != nil {
		return err
	}
	tokens, err := d.Dialer.Tokens(d.ctx, d.sks.library, d.timeouts())
	if err != nil {
		return d.brokenOff(fault.Wrap(fault.Unreachable, err, "list the tokens that %s sees", d.sks.library))
	}
	ready := slices.ContainsFunc(tokens, func(t sks.Token) bool { return t.Initialised })
	if advice := sks.AdviceFor(d.sks.library, os.Geteuid()); !ready && advice != "" {
		d.say("  %s sees no token: %s.", d.sks.library, advice)
	}
	byDefault := d.presentToken(tokens)
	return d.ask(Question{Key: "sks_slot", Text: "  slot", Default: printable(byDefault)}, func(answer string) error {
		if answer == "" {
			answer = byDefault
		}
		token, err := sks.FindToken(tokens, answer)
		if err != nil {
			return err
		}
		d.say("  found: %s", token)
		if !token.GCM {
			return end(fault.New(fault.NoGCM, "the token %s does not offer AES/GCM", token))
		}
		d.sks.token = token
		return nil
	})
}

// presentToken names the token of the present configuration, when the library
// sees it: by label, or by serial number where the label is not enough.
func (d *dialog) presentToken(tokens []sks.Token) string {
	if d.was.mode() != vault.ModeSealed {
		return ""
	}
	was := d.was.token
	for _, name := range []string{was.Label, was.Serial} {
		if token, err := sks.FindToken(tokens, name); err == nil && token.Serial == was.Serial {
			return name
		}
	}
	return ""
}

// timeouts are those of the present configuration, else the usual ones.
func (d *dialog) timeouts() sks.Timeouts {
	if d.was.mode() == vault.ModeSealed {
		return d.was.contents.SKS.Timeouts
	}
	return sks.DefaultTimeouts
}

// brokenOff is err, or the interruption that made it.
func (d *dialog) brokenOff(err error) error {
	if err != nil && d.ctx.Err() != nil {
		return interrupted(err)
	}
	return err
}
