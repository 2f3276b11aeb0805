package wizard

import (
	"bytes"

	"ssovault/internal/keystore"
	"ssovault/internal/secret"
)

// askChain asks for the certificate chain whose leaf is kept beside the key.
// The default names the file that the key store will become, and means the
// bytes that were given for it: on the disk it may still be missing or older.
func (d *dialog) askChain() error {
	d.say("A certificate chain is required in order to store an encryption key.")
	d.say("You may use the SSL certificate file entered previously, or use a different one.")
	byDefault := d.layout().Data(d.keyStore.name)
	file := Question{Key: "chain_file", Text: "Certificate chain file", Default: printable(byDefault)}
	for {
		var content []byte
		err := d.ask(file, func(answer string) (err error) {
			if content = d.keyStore.content; answer == "" || answer == byDefault {
				return nil
			}
			if content, err = readInput(answer, keystore.MaxSize); err == nil {
				_, err = keystore.Detect(content)
			}
			return err
		})
		if err != nil {
			return err
		}
		chain, badFile, err := d.askChainPassword(content)
		if err != nil {
			return err
		}
		if badFile == nil {
			d.say("%d certificates found", len(chain.Certificates))
			d.sks.leaf = chain.Certificates[0].Raw
			return nil
		}
		if err := d.refuse(file, badFile); err != nil {
			return err
		}
	}
}

// askChainPassword asks for the password until it opens the chain. Without one
// the key store's own holds, if that is the file.
func (d *dialog) askChainPassword(content []byte) (chain keystore.Chain, badFile, err error) {
	q := Question{Key: "chain_password", Text: "Certificate chain file password", Default: none, Secret: true}
	err = d.ask(q, func(answer string) error {
		var password secret.Value
		switch {
		case answer != "" && answer != none:
			password = secretOf(answer)
		case bytes.Equal(content, d.keyStore.content):
			password = d.keyStore.password
		}
		chain, badFile = keystore.OpenChain(content, password)
		if wrongPassword(badFile) {
			return badFile
		}
		return nil
	})
	return chain, badFile, err
}
