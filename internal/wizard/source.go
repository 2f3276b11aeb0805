package wizard

import (
	"fmt"
	"path/filepath"
	"strings"

	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/vault"
)

// askSource asks where the service gets the password from at its start.
func (d *dialog) askSource() error {
	byDefault := pin.Default
	if d.was.mode() == vault.ModeSealed {
		byDefault = d.was.contents.SKS.PIN
	}
	q := Question{Key: "pin_source", Text: "How does the service get the password at start", Default: printable(byDefault.String())}
	return d.ask(q, func(answer string) error {
		source := byDefault
		if answer = strings.TrimSpace(answer); answer != "" {
			var err error
			if source, err = pin.ParseSource(answer); err != nil {
				return err
			}
		}
		if err := d.judgeSource(source); err != nil {
			return err
		}
		d.sks.source = source
		d.say("With this source %s.", source.StolenDisk())
		return nil
	})
}

// judgeSource refuses a source that gives another password than the one that
// just worked: the service would find out at night. One that cannot be read
// yet is only warned of, since it may be made later.
func (d *dialog) judgeSource(source pin.Source) error {
	d.sks.sourceRead = false
	switch {
	case source == pin.Default:
		return nil // the save writes it
	case source.Kind == pin.KindFile && !filepath.IsAbs(source.Arg):
		return fmt.Errorf("%s: the service starts in another folder; give an absolute path", source)
	case source.Kind == pin.KindPrompt, source.Kind == pin.KindFD:
		return nil // nothing to read before the service starts
	}
	v, err := d.PINs.Read(d.ctx, source, "")
	defer v.Wipe()
	switch {
	case d.ctx.Err() != nil:
		return end(interrupted(d.ctx.Err()))
	case fault.Of(err) == fault.NotPermitted:
		return err
	case err != nil:
		d.say("Warning: %v. The service needs it at its start.", err)
		return nil
	case !v.Equal(d.sks.pin):
		return fmt.Errorf("%s gives another password than the one that was given here", source)
	}
	d.sks.sourceRead = true
	return nil
}

// askRenew offers new generated secrets where the old ones lay in the clear.
func (d *dialog) askRenew() (err error) {
	if d.was.mode() != vault.ModeClear {
		return nil
	}
	d.say("Until now the secrets lay in the clear. Old backups, snapshots and freed blocks of this disk may still hold them; ssovault cannot erase them there.")
	d.say("New generated secrets make those copies worthless, but whatever was encrypted with the old ones must then be encrypted anew.")
	d.renew, err = d.confirm("renew_secrets", "Renew the generated secrets", false)
	return err
}
