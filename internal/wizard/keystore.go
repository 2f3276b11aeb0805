package wizard

import (
	"errors"
	"strings"

	"ssovault/internal/keystore"
	"ssovault/internal/properties"
	"ssovault/internal/secret"
	"ssovault/internal/vault"
)

// keyStoreAnswer is the TLS key store as it was given.
type keyStoreAnswer struct {
	name                  string // in data/
	content               []byte
	password, keyPassword secret.Value
	chain                 keystore.Chain
}

// askKeyStore asks for the key store and its passwords, until they open it.
func (d *dialog) askKeyStore(s properties.Setting) error {
	byDefault := d.boundDefault(s, vault.KeyStoreFile, vault.KeyStorePEM)
	file := Question{Key: s.Key, Text: s.Question, Default: printable(byDefault)}
	for {
		if err := d.ask(file, func(answer string) error { return d.takeKeyStore(answer, byDefault) }); err != nil {
			return err
		}
		badFile, err := d.askPasswords()
		if err != nil {
			return err
		}
		if badFile == nil {
			break
		}
		if err := d.refuse(file, badFile); err != nil {
			return err
		}
	}
	d.describe()
	if err := d.settings.Shared.Set(s.Key, d.keyStore.name); err != nil {
		return err
	}
	if err := d.keep("key_store_password", d.keyStore.password); err != nil {
		return err
	}
	return d.keep("key_password", d.keyStore.keyPassword)
}

func (d *dialog) takeKeyStore(answer, byDefault string) error {
	if answer == "" {
		answer = byDefault
	}
	b, err := readInput(answer, keystore.MaxSize)
	if err != nil {
		return err
	}
	kind, err := keystore.Detect(b)
	if err != nil {
		return err
	}
	d.keyStore.content, d.keyStore.name = b, vault.KeyStoreFile
	if kind == keystore.PEM {
		d.keyStore.name = vault.KeyStorePEM
	}
	return nil
}

// askPasswords asks for both passwords, each until it opens its part. What is
// wrong with the file itself comes back as badFile.
func (d *dialog) askPasswords() (badFile, err error) {
	k := &d.keyStore
	err = d.askPassword("key_store_password", false, func(v secret.Value) error {
		k.password = v
		chain, err := keystore.OpenChain(k.content, v)
		if wrongPassword(err) {
			return err
		}
		k.chain, badFile = chain, err
		return nil
	})
	if err != nil || badFile != nil {
		return badFile, err
	}
	err = d.askPassword("key_password", d.staleKeyPassword(), func(v secret.Value) error {
		k.keyPassword = v
		chain, err := keystore.Open(k.content, k.password, v)
		if wrongPassword(err) {
			return err
		}
		k.chain, badFile = chain, err
		return nil
	})
	return badFile, err
}

// wrongPassword tells whether another password may help.
func wrongPassword(err error) bool {
	return errors.Is(err, keystore.ErrPassword) || errors.Is(err, keystore.ErrKeyPassword) || errors.Is(err, keystore.ErrEncoding) ||
		errors.Is(err, keystore.ErrOnePassword)
}

// staleKeyPassword tells whether the present password of the private key, of the
// key store before, is none of a PKCS#12 that was given now: those have one
// password. It says so.
func (d *dialog) staleKeyPassword() bool {
	had, has := d.was.settings.Shared.Get("key_password")
	if !has || d.keyStore.chain.Kind != keystore.PKCS12 || secretOf(had).Equal(d.keyStore.password) {
		return false
	}
	d.say("Warning: a PKCS#12 has one password; the present password of the private key is another, and is not kept.")
	return true
}

// askPassword asks for one of the key store's passwords: Enter is the present
// one, or none where there is none or it is stale.
func (d *dialog) askPassword(key string, stale bool, try func(secret.Value) error) error {
	s, _ := properties.Lookup(key)
	had, has := set(d.was.settings, s.File).Get(key)
	if stale {
		had, has = "", false
	}
	q := Question{Key: key, Text: s.Question, Default: none, Secret: true}
	if has {
		q.Default = unchanged
	}
	return d.ask(q, func(answer string) error {
		switch answer {
		case "":
			answer = had
		case none:
			answer = ""
		}
		if _, err := s.Normalize(answer); err != nil {
			return err
		}
		return try(secretOf(answer))
	})
}

// describe says what was found, leaf first.
func (d *dialog) describe() {
	chain := d.keyStore.chain
	names := make([]string, len(chain.Certificates))
	for i, c := range chain.Certificates {
		names[i] = c.Subject.String()
	}
	d.say("Key store (%s) opened: %s.", chain.Kind, strings.Join(names, " < "))
	if expires := chain.Expires(); expires.Before(d.Now()) {
		d.say("Warning: a certificate of this chain expired on %s.", expires.UTC().Format("2006-01-02"))
	}
}
