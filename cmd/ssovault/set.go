package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/keystore"
	"ssovault/internal/pin"
	"ssovault/internal/properties"
	"ssovault/internal/saml"
	"ssovault/internal/secret"
	"ssovault/internal/vault"
)

func (a *app) getCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "get KEY",
		Short:   "Print the value of one setting",
		Long:    "Get prints the raw value of KEY and a newline; 2 when there is no such setting.",
		Example: `  ssovault get sso_domain`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.view(cmd.Context(), access{}, func(_ *session, set vault.Settings) error {
				for _, in := range []*properties.Set{set.Instance, set.Shared} {
					if value, ok := in.Get(args[0]); ok {
						_, err := fmt.Fprintln(a.out, value)
						return err
					}
				}
				return fault.New(fault.Usage, "there is no setting %q", args[0]).With("see 'ssovault show'")
			})
		},
	}
}

func (a *app) setCommand() *cobra.Command {
	var o struct {
		stdin, public                          bool
		file                                   string
		storePasswordSource, keyPasswordSource string
	}
	c := &cobra.Command{
		Use:   "set KEY=VALUE... | set KEY --stdin",
		Short: "Change settings, in one save",
		Long: `Set changes settings in one save. A key whose name says password, secret, key,
token or pin is only read from standard input (--stdin), never from the command
line. Known settings are checked; unknown ones go to the instance file unless
--file shared, or where they are already.

ssl_file=FILE and saml_file=FILE copy the file into data/ and bind it to the
settings; a key store must open with the passwords that are set, or with those
that --key-store-password-source and --key-password-source name.`,
		Example: `  ssovault set admin_port=8081 private_ip=10.0.0.7
  ssovault set --stdin vendor_api_token < token.txt
  ssovault set ssl_file=new.p12 --key-store-password-source file:/root/new.pass`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.stdin || o.storePasswordSource != "" || o.keyPasswordSource != "" {
				if err := a.hideFirst(o.storePasswordSource, o.keyPasswordSource); err != nil {
					return err
				}
			}
			pairs, err := pairsOf(args, o.stdin, a.in)
			if err != nil {
				return err
			}
			if o.file != "" && o.file != "instance" && o.file != "shared" {
				return fault.New(fault.Usage, "--file is instance or shared, not %q", o.file)
			}
			need := access{}
			if slices.ContainsFunc(pairs, pair.takesIn) {
				need.bound = vault.BoundIgnored // this is how a changed file is taken in
			}
			// Read before anything is locked: a person may be asked.
			passwords := []pair{}
			for key, source := range map[string]string{"key_store_password": o.storePasswordSource, "key_password": o.keyPasswordSource} {
				if source == "" {
					continue
				}
				value, err := a.readSource(cmd, source, key)
				if err != nil {
					return err
				}
				passwords = append(passwords, pair{key, value})
			}
			dropped := ""
			err = a.change(cmd.Context(), need, func(_ *session, save *vault.Save) (bool, error) {
				before := snapshot(save.Settings)
				for _, p := range passwords {
					if err := place(save, p, "", nil); err != nil {
						return false, err
					}
				}
				var public *bool
				if cmd.Flags().Changed("public") {
					public = &o.public
				}
				for _, p := range pairs {
					if err := place(save, p, o.file, public); err != nil {
						return false, err
					}
				}
				dropped = dropPasswords(save, o.storePasswordSource != "", o.keyPasswordSource != "")
				return len(save.Files) > 0 || !before.equal(save.Settings), nil
			})
			if err == nil {
				a.warn(dropped)
			}
			return err
		},
	}
	f := c.Flags()
	f.BoolVar(&o.stdin, "stdin", false, "read the value of KEY from standard input, less one trailing newline")
	f.BoolVar(&o.public, "public", false, "show these values unmasked; --public=false masks them again")
	f.StringVar(&o.file, "file", "", "instance or shared, for settings that ssovault does not know")
	f.StringVar(&o.storePasswordSource, "key-store-password-source", "", "where the key store password comes from (file:PATH, env:NAME, fd:N, prompt …)")
	f.StringVar(&o.keyPasswordSource, "key-password-source", "", "where the private key password comes from")
	return c
}

func (a *app) unsetCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "unset KEY...",
		Short:   "Remove settings, in one save",
		Example: `  ssovault unset private_ip`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, keys []string) error {
			return a.change(cmd.Context(), access{}, func(_ *session, save *vault.Save) (bool, error) {
				for _, key := range keys {
					if err := notOfRecovery(key); err != nil {
						return false, err
					}
					if known, ok := properties.Lookup(key); ok && (known.Generated || !known.Optional) {
						return false, fault.New(fault.Usage, "%s cannot be removed: the service needs it", key)
					}
					inInstance, inShared := save.Settings.Instance.Unset(key), save.Settings.Shared.Unset(key)
					if !inInstance && !inShared {
						return false, fault.New(fault.Usage, "there is no setting %q; nothing was changed", key)
					}
				}
				return true, nil
			})
		},
	}
}

// pair is a setting to make.
type pair struct{ key, value string }

// takesIn tells whether the value names a file that is copied into data/.
func (p pair) takesIn() bool {
	known, ok := properties.Lookup(p.key)
	return ok && known.Copied != ""
}

// maxStdin is the most that set --stdin takes.
const maxStdin = 1 << 20

// pairsOf reads what set was given.
func pairsOf(args []string, stdin bool, in io.Reader) ([]pair, error) {
	if stdin {
		if len(args) != 1 || strings.Contains(args[0], "=") {
			return nil, fault.New(fault.Usage, "set --stdin takes one KEY, without a value")
		}
		b, err := io.ReadAll(io.LimitReader(in, maxStdin+1))
		if err != nil {
			return nil, fault.Wrap(fault.Usage, err, "read the value from standard input")
		}
		defer secret.Wipe(b)
		if len(b) > maxStdin {
			return nil, fault.New(fault.Usage, "the value on standard input is longer than %d bytes", maxStdin)
		}
		return []pair{{args[0], strings.TrimSuffix(string(b), "\n")}}, nil
	}
	var pairs []pair
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok || key == "" {
			return nil, fault.New(fault.Usage, "%q is not of the form KEY=VALUE", key)
		}
		if properties.SoundsSecret(key) {
			return nil, fault.New(fault.Usage, "%s is a secret: it is not taken from the command line, where others can see it", key).
				With("ssovault set " + key + " --stdin < FILE")
		}
		pairs = append(pairs, pair{key, value})
	}
	return pairs, nil
}

// place puts one setting where it belongs, checked and in its normal form.
// public says whether show unmasks it; nil leaves that as it is.
func place(save *vault.Save, p pair, file string, public *bool) error {
	known, ok := properties.Lookup(p.key)
	if err := notOfRecovery(p.key); err != nil {
		return err
	}
	if p.key == "instance_number" {
		return fault.New(fault.Usage, "instance_number is what the sealed files and the key are known by; it does not change")
	}
	target := save.Settings.Instance
	switch {
	case ok && file != "" && file != known.File.String():
		return fault.New(fault.Usage, "%s belongs to the %s file", p.key, known.File)
	case ok && known.File == properties.Shared, file == "shared":
		target = save.Settings.Shared
	case !ok:
		if _, there := save.Settings.Shared.Get(p.key); there {
			if file == "instance" {
				return fault.New(fault.Usage, "%s is in the shared file; unset it there first", p.key)
			}
			target = save.Settings.Shared
		}
	}
	if _, there := save.Settings.Instance.Get(p.key); there && file == "shared" && !ok {
		return fault.New(fault.Usage, "%s is in the instance file; unset it there first", p.key)
	}
	if ok {
		value, err := known.Normalize(p.value)
		if err != nil {
			return fault.Wrap(fault.Usage, err, "%s", p.key)
		}
		if known.Copied != "" {
			if value, err = takeIn(save, known.Copied, value); err != nil {
				return err
			}
		}
		p.value = value
	}
	if err := target.Set(p.key, p.value); err != nil {
		return fault.Wrap(fault.Usage, err, "%s", p.key)
	}
	switch {
	case public == nil:
	case !*public:
		target.UnmarkPublic(p.key)
	default:
		if properties.SoundsSecret(p.key) {
			return fault.New(fault.Usage, "%s sounds like a secret and is always masked", p.key)
		}
		if err := target.MarkPublic(p.key); err != nil {
			return fault.Wrap(fault.Usage, err, "%s", p.key)
		}
	}
	return nil
}

// takeIn reads a key store or metadata file into the save, and gives the name
// that it has in data/.
func takeIn(save *vault.Save, kind, path string) (name string, err error) {
	b, err := readNamed(path, keystore.MaxSize)
	if err != nil {
		return "", &fault.Error{Op: "read the " + kind, Cause: fault.Usage, Err: err}
	}
	if kind == properties.Metadata {
		if _, err := saml.Parse(b); err != nil {
			return "", fault.Wrap(fault.Usage, err, "the metadata file %s", path)
		}
		save.TakeIn(vault.MetadataFile, b)
		return vault.MetadataFile, nil
	}
	k, err := keystore.Detect(b)
	if err != nil {
		return "", fault.Wrap(fault.Usage, err, "the key store %s", path)
	}
	name = vault.KeyStoreFile
	if k == keystore.PEM {
		name = vault.KeyStorePEM
	}
	save.TakeIn(name, b)
	return name, nil
}

// dropPasswords takes away the passwords of the key store before that were not
// given anew, where the new one can have none of its own: PEM has no store
// password, and the key of a PKCS#12 has the store's. It gives the warning that
// says so, or "".
func dropPasswords(save *vault.Save, storeGiven, keyGiven bool) string {
	content, ok := save.Files[save.Settings.Bound.KeyStore.Name]
	if !ok {
		return ""
	}
	kind, err := keystore.Detect(content)
	if err != nil || kind == keystore.JKS {
		return ""
	}
	dropped := []string{}
	if kind == keystore.PEM && !storeGiven && save.Settings.Shared.Unset("key_store_password") {
		dropped = append(dropped, "key_store_password")
	}
	if !keyGiven && save.Settings.Shared.Unset("key_password") {
		dropped = append(dropped, "key_password")
	}
	if len(dropped) == 0 {
		return ""
	}
	why := "a PEM has no passwords"
	if kind == keystore.PKCS12 {
		why = "a PKCS#12 has one password"
	}
	return fmt.Sprintf("%s of the key store before is removed: %s", strings.Join(dropped, " and "), why)
}

// checkKeyStore makes sure that the key store opens with the passwords that
// will be set, when either changes: the service would find out at its start.
func checkKeyStore(f *vault.Folder, was before, save *vault.Save) error {
	name := save.Settings.Bound.KeyStore.Name
	content, taken := save.Files[name]
	same := func(key string) bool {
		a, _ := was.shared.Get(key)
		b, _ := save.Settings.Shared.Get(key)
		return a == b
	}
	if !taken && (name == "" || same("key_store_password") && same("key_password")) {
		return nil
	}
	if !taken {
		var err error
		if content, err = durable.Read(f.Data(name), keystore.MaxSize); err != nil {
			return fault.Wrap(fault.KeyStoreMissing, err, "read the key store")
		}
	}
	get := func(key string) secret.Value {
		v, _ := save.Settings.Shared.Get(key)
		return secret.New([]byte(v))
	}
	if _, err := keystore.Open(content, get("key_store_password"), get("key_password")); err != nil {
		e := &fault.Error{Op: "the key store with these passwords", Cause: fault.Usage, Err: err}
		if errors.Is(err, keystore.ErrOnePassword) {
			return e.With("nothing was changed; leave the private key's password out: --key-password-source with 'set', key_password with 'import'")
		}
		if taken {
			return e.With("give its passwords with --key-store-password-source and --key-password-source")
		}
		return e.With("nothing was changed; a new key store and its passwords are set together: ssovault set ssl_file=FILE --key-store-password-source SOURCE")
	}
	return nil
}

// readSource reads a secret that a flag names the source of.
func (a *app) readSource(cmd *cobra.Command, source, what string) (string, error) {
	f, err := a.find()
	if err != nil {
		return "", err
	}
	src, err := pin.ParseSource(source)
	if err != nil {
		return "", fault.Wrap(fault.Usage, err, "the source of %s", what)
	}
	r := a.pins(f.Layout, f.Owner.UID)
	r.What = "password"
	v, err := r.Read(cmd.Context(), src, what)
	if err != nil {
		return "", err
	}
	defer v.Wipe()
	return string(v.Bytes()), nil
}

// before is a copy of settings, to see whether anything changed.
type before struct{ instance, shared *properties.Set }

func snapshot(s vault.Settings) before { return before{s.Instance.Clone(), s.Shared.Clone()} }

func (b before) equal(s vault.Settings) bool {
	return slices.Equal(b.instance.Encode(), s.Instance.Encode()) && slices.Equal(b.shared.Encode(), s.Shared.Encode())
}
