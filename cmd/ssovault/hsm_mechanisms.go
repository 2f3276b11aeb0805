package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ssovault/internal/cryptoki"
	"ssovault/internal/hsm/admin"
)

// need is something that ssovault does, and the mechanisms any one of which is
// enough for it.
type need struct {
	Purpose    string   `json:"purpose"`
	Mechanisms []string `json:"mechanisms"`
	Offered    []string `json:"offered"`
	OK         bool     `json:"ok"`
	numbers    []uint
}

// needs are what the commands need of a token.
func needs() []need {
	return []need{
		{Purpose: "seal and open files", numbers: []uint{cryptoki.AESGCM}},
		{Purpose: "generate AES keys", numbers: []uint{cryptoki.AESKeyGen}},
		{Purpose: "wrap keys (RFC 5649)", numbers: []uint{cryptoki.AESKeyWrapKWP, cryptoki.AESKeyWrapPad, cryptoki.LunaKWP}},
		{Purpose: "wrap keys (RFC 3394)", numbers: []uint{cryptoki.AESKeyWrap, cryptoki.LunaKW}},
		{Purpose: "replicate under a trusted key", numbers: []uint{cryptoki.RSAOAEP}},
		{Purpose: "make that key", numbers: []uint{cryptoki.RSAKeyPairGen}},
		{Purpose: "check value of AES keys", numbers: []uint{cryptoki.AESECB}},
		{Purpose: "check value of DES3 keys", numbers: []uint{cryptoki.DES3ECB}},
		{Purpose: "generate DES3 keys", numbers: []uint{cryptoki.DES3KeyGen, cryptoki.DES2KeyGen}},
	}
}

// mechanismsReport is what hsm mechanisms prints.
type mechanismsReport struct {
	Token   string            `json:"token"`
	Serial  string            `json:"serial"`
	Needs   []need            `json:"needs"`
	Offered []mechanismReport `json:"offered"`
}

type mechanismReport struct {
	Name string `json:"name"`
	admin.Mechanism
}

func (a *app) hsmMechanismsCommand() *cobra.Command {
	var flags tokenFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "mechanisms --token TOKEN",
		Short: "List what a token offers, and what ssovault needs of it",
		Long: `Mechanisms lists what the token says it offers, and for each thing that ssovault does
whether a mechanism for it is there. That one is listed is no proof that it works:
'ssovault doctor' tries AES/GCM with the key.`,
		Example: `  ssovault hsm mechanisms --token hsm1
  ssovault hsm mechanisms --token hsm1 --json | jq '.needs[] | select(.ok | not)'`,
		Args: noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := a.visit(cmd.Context(), flags)
			if err != nil {
				return err
			}
			defer v.Close()
			offered, err := v.Mechanisms(cmd.Context(), v.token.Slot)
			if err != nil {
				return err
			}
			r := judgeMechanisms(v.token, offered)
			if asJSON {
				return printJSON(a.out, r)
			}
			return r.print(a.out)
		},
	}
	flags.register(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// judgeMechanisms holds what is offered against what is needed.
func judgeMechanisms(t admin.Token, offered []admin.Mechanism) mechanismsReport {
	r := mechanismsReport{Token: t.Label, Serial: t.Serial, Offered: []mechanismReport{}}
	listed := map[uint]bool{}
	for _, m := range offered {
		listed[m.Number] = true
		r.Offered = append(r.Offered, mechanismReport{cryptoki.MechanismName(m.Number), m})
	}
	for _, n := range needs() {
		n.Offered = []string{}
		for _, number := range n.numbers {
			name := cryptoki.MechanismName(number)
			n.Mechanisms = append(n.Mechanisms, name)
			if listed[number] {
				n.Offered, n.OK = append(n.Offered, name), true
			}
		}
		r.Needs = append(r.Needs, n)
	}
	return r
}

func (r mechanismsReport) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "Token %s (serial %s) offers %d mechanisms.\n\nSSOVAULT NEEDS\t\tBY\n", oneLine(r.Token), oneLine(r.Serial), len(r.Offered))
	for _, n := range r.Needs {
		state, by := "ok", n.Offered
		if !n.OK {
			state, by = "missing", n.Mechanisms
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", n.Purpose, state, joined(by))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nOFFERED\tNUMBER\tKEY SIZES")
	for _, m := range r.Offered {
		sizes := "-"
		if m.MaxSize > 0 {
			sizes = fmt.Sprintf("%d-%d", m.MinSize, m.MaxSize)
		}
		fmt.Fprintf(w, "%s\t0x%X\t%s\n", m.Name, m.Number, sizes)
	}
	return w.Flush()
}
