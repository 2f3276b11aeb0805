package main

import (
	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/sks"
)

// newcomerOptions are the flags of a key that is made of components.
type newcomerOptions struct {
	generateOptions
	as string
}

func (o *newcomerOptions) register(c *cobra.Command) {
	o.generateOptions.register(c)
	o.registerSO(c)
	f := c.Flags()
	f.StringVar(&o.kind, "type", string(hsm.AES), "aes or des3")
	f.IntVar(&o.bits, "bits", 256, "length: 128, 192 or 256; of des3 with parity 192, or 128 for two keys")
	o.registerAttributes(c)
	f.StringVar(&o.as, "as", string(sks.RoleUser), "user, or so: a wrapper that the security officer vouches for")
}

// registerAttributes are the flags that say what a key that comes in may do.
func (o *generateOptions) registerAttributes(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.attributes, "attributes", "ED", "`letters` of the attributes, beside P and T")
	f.BoolVar(&o.wrapAny, "wrap-with-any", false, "an extractable key may be wrapped by any key")
	f.BoolVar(&o.replicable, "replicable", false, "extractable, by trusted keys only")
}

// trustedLetters are what a trusted wrapper may have beside CKA_TRUSTED. With U
// or D whoever has the user PIN could take apart what was wrapped under it, with
// M he could give it U, and P is not the security officer's.
const trustedLetters = hsm.Wrap | hsm.Encrypt | hsm.Sensitive

// wanted says which key is asked for, and as whom it is made.
func (o newcomerOptions) wanted(c *cobra.Command) (k admin.NewKey, role sks.Role, err error) {
	if role, err = roleOf(o.as); err != nil {
		return k, role, err
	}
	if role == sks.RoleSO && !c.Flags().Changed("attributes") {
		o.attributes = hsm.Wrap.String()
	}
	if k, err = o.newKey(c.Flags().Changed("bits")); err != nil || role != sks.RoleSO {
		return k, role, err
	}
	asked, err := parseLetters(o.attributes)
	switch surplus := asked &^ trustedLetters; {
	case err != nil:
	case o.replicable || surplus != 0:
		err = fault.New(fault.Usage, "a trusted wrapper has W, and E where the token needs it for the KCV, but not %s", (surplus | k.Attributes&hsm.Extractable).Names()).
			With("whoever has the user PIN could otherwise take apart what is wrapped under it; for unwrapping enter the key in the other token, with --attributes U")
	case !asked.Has(hsm.Wrap):
		err = fault.New(fault.Usage, "a trusted wrapper needs the attribute W")
	}
	k.Attributes = asked | hsm.Sensitive | hsm.Trusted
	return k, role, err
}
