package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
)

// componentsOptions are the flags of key components.
type componentsOptions struct {
	newcomerOptions
	count      int
	sheetDir   string
	custodians []string
	rehearsal  bool
}

// componentsReport is what key components prints. It never holds a component.
type componentsReport struct {
	Rehearsal  bool              `json:"rehearsal"`
	Token      string            `json:"token"`
	Serial     string            `json:"serial"`
	Components []componentReport `json:"components"`
	Key        keyReport         `json:"key"`
}

type componentReport struct {
	Number int      `json:"number"`
	KCV    hsm.KCV  `json:"kcv"`
	Files  []string `json:"files,omitempty"`
}

func (a *app) keyComponentsCommand() *cobra.Command {
	var o componentsOptions
	c := &cobra.Command{
		Use:   "components LABEL --token TOKEN --count N",
		Short: "Make a key of components, one for each custodian",
		Long: `Components draws N components from the system's random generator, gives each to its
custodian, and stores their XOR in the token as a key. Whoever lacks one component knows
nothing of the key; all of them together bring it into another token: 'ssovault key enter'.

On a terminal each component is shown alone, in blocks with a check behind each, and
cleared after Enter. --sheet-dir writes a sheet for each custodian instead, as text and as
a page with a QR code (SVG), mode 0600, never over another file; choose a folder in memory
or on a medium that leaves with the custodians. On a pipe, or in a file that nobody else may
read, a component is one line, and its KCV the next.

The key is stored last, when all components are handed out, and its KCV is compared with
the token's. When something fails, no key is stored and the sheets are removed. What cuts
the run off before (kill -9, a power cut) leaves no sheet, or whole ones of a key that no
token has.
--rehearsal does all of that with a key that is not stored, and marks each sheet.

` + lettersHelp,
		Example: `  ssovault key components KEK1 --token hsm2 --type aes --bits 256 --count 3 --attributes U # unwraps what arrives
  ssovault key enter KEK1 --token hsm1 --count 3 --as so # with the same components: wraps what leaves
  ssovault key components KEK1 --token hsm1 --count 3 --sheet-dir /run/user/0/sheets --custodian "A. Weber" --custodian "B. Rossi" --custodian "C. Lind"
  ssovault key components KEK1 --token hsm1 --count 2 --as so
  umask 077; ssovault key components KEK1 --token hsm1 --count 2 >/run/user/0/kek
  ssovault key components KEK1 --token hsm1 --count 3 --rehearsal`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeLabels,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.name(args); err != nil {
				return err
			}
			return a.components(cmd, o)
		},
	}
	o.register(c)
	f := c.Flags()
	f.IntVar(&o.count, "count", 0, fmt.Sprintf("`number` of components, %d to %d", hsm.MinComponents, hsm.MaxComponents))
	f.StringVar(&o.sheetDir, "sheet-dir", "", "write a sheet for each custodian into this `folder`")
	f.StringArrayVar(&o.custodians, "custodian", nil, "`name` of a custodian, for his sheet; once for each")
	f.BoolVar(&o.rehearsal, "rehearsal", false, "practise with a key that is not stored")
	return c
}

// check refuses what would be refused later.
func (o componentsOptions) check(a *app) error {
	if o.count < hsm.MinComponents || o.count > hsm.MaxComponents {
		return fault.New(fault.Usage, "key components needs --count: %d to %d", hsm.MinComponents, hsm.MaxComponents)
	}
	if n := len(o.custodians); n != 0 && n != o.count {
		return fault.New(fault.Usage, "%d custodians are named, for %d components", n, o.count)
	}
	if o.asJSON && o.sheetDir == "" && !term.IsTerminal(int(a.out.Fd())) {
		return fault.New(fault.Usage, "--json has no place for components").With("write them with --sheet-dir")
	}
	if o.sheetDir == "" {
		return redirected(a.out.File, "nothing was made; a shell makes such files with its umask: say 'umask 077' before")
	}
	return nil
}

func (a *app) components(cmd *cobra.Command, o componentsOptions) (err error) {
	ctx := cmd.Context()
	k, role, err := o.wanted(cmd)
	if err == nil {
		err = o.check(a)
	}
	if err != nil {
		return err
	}
	hands, err := a.handsFor(o)
	if err != nil {
		return err
	}
	d := &desk{app: a, flags: o.tokenFlags, role: role}
	defer d.end()
	t, err := d.prepare(ctx, k, nil, o.rehearsal)
	if err != nil {
		return err
	}
	parts, key, err := hsm.Generate(k.Type, k.Bits, o.count)
	if err != nil {
		return err
	}
	defer hsm.WipeAll(parts)
	defer key.Wipe()
	kcv, err := key.KCV()
	if err != nil {
		return err
	}
	r := componentsReport{Rehearsal: o.rehearsal, Token: t.Label, Serial: t.Serial}
	for i, part := range parts {
		s := hsm.Sheet{Component: part, Number: i + 1, Of: o.count, Label: o.label, KeyKCV: kcv, Made: a.now(), Token: t.Label, Rehearsal: o.rehearsal}
		if len(o.custodians) > 0 {
			s.Custodian = o.custodians[i]
		}
		one := componentReport{Number: i + 1}
		if one.KCV, err = part.KCV(); err == nil {
			one.Files, err = hands.give(ctx, s)
		}
		if err != nil {
			return errors.Join(err, hands.takeBack())
		}
		r.Components = append(r.Components, one)
	}
	if err := hands.finish(); err != nil {
		return errors.Join(err, hands.takeBack())
	}
	made, err := d.place(ctx, k, key, kcv, o.rehearsal)
	if err != nil {
		return a.forNothing(err, hands)
	}
	r.Key = reportOf(made)
	return a.printComponents(r, o)
}

// forNothing takes back the components of a key that was not stored. Those of
// one that may be there are kept.
func (a *app) forNothing(err error, h hands) error {
	var perhaps *perhapsThere
	if errors.As(err, &perhaps) {
		return fmt.Errorf("%w; keep the components until that is known", err)
	}
	if problem := h.takeBack(); problem != nil {
		return fmt.Errorf("%w; %v", err, problem)
	}
	return fmt.Errorf("%w; no key was stored: the components that were handed out are of no use", err)
}

func (a *app) printComponents(r componentsReport, o componentsOptions) error {
	if o.asJSON {
		return printJSON(a.out, r)
	}
	out := a.out.Write
	if o.sheetDir == "" && !term.IsTerminal(int(a.out.Fd())) {
		out = a.err.Write // the pipe holds components alone
	}
	say := func(format string, args ...any) { _, _ = out([]byte(fmt.Sprintf(format+"\n", args...))) }
	for _, c := range r.Components {
		say("component %d of %d: KCV %s", c.Number, len(r.Components), c.KCV)
		for _, path := range c.Files {
			say("  written: %s", path)
		}
	}
	if r.Rehearsal {
		say("rehearsal: the token %s calculates KCV %s too; no key was stored", oneLine(r.Token), r.Key.check())
		return nil
	}
	say("stored in the token %s: %s, %s %s bits, attributes %s, KCV %s", oneLine(r.Token), oneLine(r.Key.Label), r.Key.Type, r.Key.size(), r.Key.Attributes, r.Key.check())
	return nil
}

// hands give components to their custodians.
type hands interface {
	// give hands out one, and tells which files it wrote.
	give(ctx context.Context, s hsm.Sheet) (files []string, err error)
	// finish makes sure that all arrived.
	finish() error
	// takeBack removes what can be removed.
	takeBack() error
}

func (a *app) handsFor(o componentsOptions) (hands, error) {
	switch {
	case o.sheetDir != "":
		return a.sheetFolder(o)
	case term.IsTerminal(int(a.out.Fd())):
		return &screens{app: a}, nil
	}
	return pipe{a.out}, nil
}
