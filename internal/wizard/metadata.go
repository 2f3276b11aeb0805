package wizard

import (
	"ssovault/internal/properties"
	"ssovault/internal/saml"
	"ssovault/internal/vault"
)

// askMetadata asks for the identity provider's metadata and says whose it is.
func (d *dialog) askMetadata(s properties.Setting) error {
	byDefault := d.boundDefault(s, vault.MetadataFile)
	q := Question{Key: s.Key, Text: s.Question, Default: printable(byDefault)}
	return d.ask(q, func(answer string) error {
		if answer == "" {
			answer = byDefault
		}
		b, err := readInput(answer, saml.MaxSize)
		if err != nil {
			return err
		}
		m, err := saml.Parse(b)
		if err != nil {
			return err
		}
		d.metadata = b
		d.say("Identity provider: %s", m.EntityID)
		if !m.ValidUntil.IsZero() && m.ValidUntil.Before(d.Now()) {
			d.say("Warning: this metadata was valid until %s.", m.ValidUntil.UTC().Format("2006-01-02"))
		}
		return d.settings.Shared.Set(s.Key, vault.MetadataFile)
	})
}
