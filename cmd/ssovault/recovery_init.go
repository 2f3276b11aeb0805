package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/recovery"
	"ssovault/internal/secret"
	"ssovault/internal/vault"
)

// initOptions are the flags of recovery init.
type initOptions struct {
	recipient, output, shareDir string
	generate, yes, asJSON       bool
	shares                      recovery.Shares
}

// initReport is what recovery init prints as JSON.
type initReport struct {
	recoveryReport
	Instance string `json:"instance"`
	// Files were written: the identity, or the shares.
	Files []string `json:"files"`
}

func (a *app) recoveryInitCommand() *cobra.Command {
	var o initOptions
	c := &cobra.Command{
		Use:   "init --recipient AGE1… | --generate",
		Short: "From now on every save also writes data/recovery.age, for whoever is named here",
		Long: `Init unseals the settings, puts the recipient and a new signing key into them, and
saves them: from then on every save also writes data/recovery.age.

--recipient takes an age recipient whose identity you keep elsewhere. --generate makes
an identity: in one file (-o), or split into N shares of which any K bring it back
(--shares N --threshold K), each written into a file (--share-dir), or shown on the
terminal, a screen for each custodian. Nothing of it stays on this server: files inside
the install folder are refused, and nothing is overwritten.

The signer that is printed belongs to the identity: it tells a recovery file of this
instance from one that somebody else has written. An identity file of --generate and
every share hold it.

A second init replaces the first, whose identity then opens only what it could open
before, backups of data/ included.`,
		Example: `  ssovault recovery init --recipient age1…
  ssovault recovery init --generate -o /media/usb/identity.txt
  ssovault recovery init --generate --shares 5 --threshold 3`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(a, cmd.Flags().Changed); err != nil {
				return err
			}
			return a.recoveryInit(cmd.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.recipient, "recipient", "", "encrypt to this age `recipient`")
	f.BoolVar(&o.generate, "generate", false, "make an identity")
	f.IntVar(&o.shares.Count, "shares", 0, "split it into `N` shares")
	f.IntVar(&o.shares.Threshold, "threshold", 0, "`K` shares bring it back")
	f.StringVarP(&o.output, "output", "o", "", "write the identity to this `file`")
	f.StringVar(&o.shareDir, "share-dir", "", "write each share into a file in this `folder`")
	f.BoolVar(&o.yes, "yes", false, "replace a recovery without asking")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	return c
}

// check makes sure that the flags fit together. Cause Usage.
func (o *initOptions) check(a *app, changed func(string) bool) error {
	split := changed("shares") || changed("threshold")
	switch {
	case o.generate == changed("recipient"):
		return fault.New(fault.Usage, "recovery init takes one of --recipient and --generate")
	case !o.generate && (split || o.output != "" || o.shareDir != ""):
		return fault.New(fault.Usage, "--shares, --threshold, --share-dir and -o are for --generate: a recipient's identity is elsewhere already")
	case !o.generate:
		_, err := recovery.ParseRecipient(o.recipient)
		return fault.Wrap(fault.Usage, err, "--recipient")
	case !split && o.shareDir != "":
		return fault.New(fault.Usage, "--share-dir is for shares: say how many, --shares N --threshold K")
	case !split && o.output == "":
		return fault.New(fault.Usage, "--generate needs -o FILE for the identity, or --shares N --threshold K")
	case !split:
		return nil
	case !changed("threshold"):
		return fault.New(fault.Usage, "--shares %d without --threshold: say how many of them bring the identity back, --threshold K", o.shares.Count)
	case !changed("shares"):
		return fault.New(fault.Usage, "--threshold %d without --shares: say how many shares there are to be, --shares N", o.shares.Threshold)
	case o.output != "":
		return fault.New(fault.Usage, "-o is for an identity that is not split; shares take --share-dir")
	case o.shareDir == "" && !a.attended():
		return fault.New(fault.Usage, "no terminal is there to show the shares on").With("write them into files with --share-dir")
	case o.shareDir == "" && o.asJSON:
		return fault.New(fault.Usage, "--json is for a script, and the shares would be shown on the terminal").With("write them into files with --share-dir")
	}
	return fault.Wrap(fault.Usage, o.shares.Check(), "--shares %d --threshold %d", o.shares.Count, o.shares.Threshold)
}

// recoveryInit sets a recovery up. Whoever is asked or shown something is so
// without a lock: the service must be able to start meanwhile.
func (a *app) recoveryInit(ctx context.Context, o initOptions) error {
	var instance string
	var present *recovery.Public
	f, err := a.find()
	if err == nil {
		err = o.mayWrite(f)
	}
	if err != nil {
		return err
	}
	err = a.view(ctx, access{}, func(s *session, set vault.Settings) error {
		instance = set.InstanceNumber()
		setup, err := recovery.Read(set.Instance)
		if setup != nil {
			defer setup.Key.Wipe()
			public := setup.Public()
			present = &public
		}
		if err != nil {
			a.warn(err.Error() + "; it is replaced")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if present != nil {
		if err := a.confirm(ctx, o.yes, "Now "+present.Who()+" can open the settings without the HSM. Replace that"); err != nil {
			return err
		}
	}
	setup, key, err := o.newSetup()
	if err != nil {
		return err
	}
	defer setup.Key.Wipe()
	defer key.Wipe()
	papers, err := o.papers(a, setup, key, instance)
	if err != nil {
		return err
	}
	defer wipePapers(papers)
	if o.shares.Split() && o.shareDir == "" {
		if err := a.showShares(ctx, papers); err != nil {
			return err
		}
		wipePapers(papers)
		papers = nil
	}
	err = a.change(ctx, access{}, func(s *session, save *vault.Save) (bool, error) {
		now, _ := recovery.Read(save.Settings.Instance) // what is wrong with it was said
		if (now == nil) != (present == nil) || now != nil && now.Public() != *present || save.Settings.InstanceNumber() != instance {
			return false, fault.New(fault.Busy, "somebody else changed the recovery meanwhile; nothing was saved").With("start again")
		}
		if err := s.folder.TakeBack(); err != nil { // of an earlier run that was cut off
			return false, err
		}
		if err := setup.Write(save.Settings.Instance); err != nil {
			return false, err
		}
		if len(papers) == 0 {
			return true, nil
		}
		save.Dealt = true
		return true, s.folder.WriteOut(setup.Public(), papers)
	})
	if err != nil {
		return err
	}
	public := setup.Public()
	a.log.Info().Str("command", a.command).Str("recipient", public.Recipient).Str("set", public.Set().String()).Str("shares", public.Shares.String()).Msg("recovery set up")
	report := initReport{recoveryReport: describePublic(&public, vault.RecoveryCurrent), Instance: instance, Files: []string{}}
	for _, p := range papers {
		report.Files = append(report.Files, p.Path)
	}
	return a.printInit(report, o)
}

// newSetup makes the setup, and the identity's key where one is generated.
func (o *initOptions) newSetup() (s recovery.Setup, key secret.Value, err error) {
	s = recovery.Setup{Recipient: o.recipient, Shares: o.shares, Key: recovery.NewSigningKey()}
	if o.generate {
		key = recovery.NewKey()
		s.Recipient, err = recovery.RecipientOf(key)
	}
	return s, key, err
}

// mayWrite makes sure that there is somewhere to write to, before anybody is asked
// anything. Cause NotPermitted.
func (o *initOptions) mayWrite(f *vault.Folder) error {
	switch {
	case o.output != "":
		return mayWrite(f, o.output)
	case o.shareDir != "":
		return mayWrite(f, filepath.Join(o.shareDir, "share"))
	}
	return nil
}

// papers are what is written for people outside: nothing for a recipient's.
func (o *initOptions) papers(a *app, s recovery.Setup, key secret.Value, instance string) ([]vault.Paper, error) {
	switch {
	case !o.generate:
		return nil, nil
	case !o.shares.Split():
		path, err := a.outside(o.output)
		if err != nil {
			return nil, err
		}
		return []vault.Paper{{Path: path, Content: recovery.IdentityFile(key, s.Public(), instance, a.now())}}, nil
	}
	shares, err := recovery.Deal(key, s, instance, a.now())
	if err != nil {
		return nil, err
	}
	var all []vault.Paper
	for i := range shares {
		paper := vault.Paper{Content: shares[i].Text()}
		shares[i].Wipe()
		name := fmt.Sprintf("ssovault-share-%s-%s-%d-of-%d.txt", instance, s.Public().Set().Short(), shares[i].Index, s.Shares.Count)
		if o.shareDir != "" {
			if paper.Path, err = a.outside(filepath.Join(o.shareDir, name)); err != nil {
				return nil, err
			}
		}
		all = append(all, paper)
	}
	return all, nil
}

func wipePapers(all []vault.Paper) {
	for _, p := range all {
		clear(p.Content)
	}
}

// outside gives the absolute path of a file that is to be written, less links,
// if it is outside of the install folder: whoever has the disk or a backup would
// have it too. Cause Usage.
func (a *app) outside(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fault.Wrap(fault.Usage, err, "find %s", path)
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if info, statErr := os.Stat(dir); err != nil || statErr != nil || !info.IsDir() {
		return "", fault.New(fault.Usage, "there is no folder %s", filepath.Dir(abs)).With("make it first: mkdir -m 700")
	}
	base, err := a.baseFolder()
	if err == nil {
		base, err = filepath.EvalSymlinks(base)
	}
	if err == nil {
		base, err = filepath.Abs(base)
	}
	if err != nil {
		return "", fault.Wrap(fault.NotPermitted, err, "find the install folder")
	}
	if dir == base || strings.HasPrefix(dir, strings.TrimSuffix(base, "/")+"/") {
		return "", fault.New(fault.Usage, "%s is inside the install folder", abs).
			With("keep it where the server's disk and its backups are not")
	}
	return filepath.Join(dir, filepath.Base(abs)), nil
}

// showShares shows a share after the other, each to its custodian alone.
func (a *app) showShares(ctx context.Context, papers []vault.Paper) error {
	q, err := a.questions(ctx)
	if err != nil {
		return err
	}
	defer q.close()
	if err := q.hold(0); err != nil {
		return err
	}
	defer q.clearScreen()
	for i, p := range papers {
		q.clearScreen()
		q.say("Custodian %d of %d, alone at this screen.", i+1, len(papers))
		if _, err := q.ask("Press Enter to see your share", ""); err != nil {
			return err
		}
		q.clearScreen()
		if _, err := q.tty.Write(p.Content); err != nil {
			return err
		}
		q.say("\nWrite down the words and the eight lines. What is wrong in a line is noticed when it is typed.")
		if _, err := q.ask("Press Enter when you have it", ""); err != nil {
			return err
		}
	}
	return nil
}

// printInit says what was done and what to keep.
func (a *app) printInit(r initReport, o initOptions) error {
	if o.asJSON {
		return printJSON(a.out, r)
	}
	say := func(format string, args ...any) { fmt.Fprintf(a.out, format+"\n", args...) }
	say("recovery: %s can open the settings without the HSM", r.Who)
	say("recipient: %s", r.Recipient)
	say("signer: %s", r.Signer)
	for _, path := range r.Files {
		say("written: %s", path)
	}
	switch {
	case !o.generate:
		signer, err := recovery.ParseSigner(r.Signer)
		if err != nil {
			return err
		}
		say("Keep these lines in the file of the identity; the signer tells your recovery file from a forged one:")
		say("%s\n%s", recovery.InstanceLine(r.Instance), recovery.SignerLine(signer))
	case len(r.Files) > 1:
		say("Give each share to its custodian, and leave none here.")
	case len(r.Files) == 1:
		say("Whoever has that file has the settings: keep it where this server's disk and backups are not.")
	}
	return nil
}
