package wizard

import (
	"strings"

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
func (d *dialog) judgeSource(source pin.Source) (err error) {
	var notYet error
	d.sks.sourceRead, notYet, err = d.PINs.Agrees(d.ctx, source, d.sks.pin)
	if d.ctx.Err() != nil {
		return end(interrupted(d.ctx.Err()))
	}
	if notYet != nil {
		d.say("Warning: %v.", notYet)
	}
	return err
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
