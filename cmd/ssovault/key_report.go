package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
)

// keyReport is a key as the key commands print it. Its JSON names are relied on
// by scripts.
type keyReport struct {
	Label string `json:"label"`
	// LabelHex is the label where it is no UTF-8, which JSON cannot hold.
	LabelHex string `json:"label_hex,omitempty"`
	ID       string `json:"id"`
	Class    string `json:"class"`
	Type     string `json:"type"`
	Bits     uint   `json:"bits,omitempty"`
	// Attributes are the letters of the manual.
	Attributes string `json:"attributes"`
	// Leaves says how the key can leave the token: no, trusted (wrapped by
	// trusted keys only), wrapped (by any key of whoever has the PIN), plain.
	Leaves  string `json:"leaves"`
	Trusted bool   `json:"trusted,omitempty"`
	KCV     string `json:"kcv,omitempty"`
	// Unnamed: it has neither label nor id; Halfway: and it is proved to have no value.
	Unnamed bool `json:"unnamed,omitempty"`
	Halfway bool `json:"halfway,omitempty"`
	// Untold are the attributes that the token says nothing of.
	Untold string `json:"untold,omitempty"`
	pastReport
}

// How a key can leave the token.
const (
	leavesNot     = "no"
	leavesTrusted = "trusted"
	leavesWrapped = "wrapped"
	leavesPlain   = "plain"
)

// everyLetter are the attributes that any token should tell of a secret key.
const everyLetter = hsm.Private | hsm.Sensitive | hsm.Extractable

func reportOf(k admin.Key) keyReport {
	r := keyReport{Label: k.Label, ID: hex.EncodeToString(k.ID), Class: string(k.Class), Type: k.Type, Bits: k.Bits,
		Attributes: k.Attributes.String(), Leaves: leaves(k), Trusted: k.Attributes.Has(hsm.Trusted), KCV: k.KCV,
		Unnamed: k.Unnamed(), Halfway: k.Halfway(), pastReport: pastOf(k)}
	if !utf8.ValidString(k.Label) {
		r.LabelHex = hex.EncodeToString([]byte(k.Label))
	}
	if k.Class == admin.SecretKey {
		r.Untold = (everyLetter &^ k.Known).String()
	}
	return r
}

func leaves(k admin.Key) string {
	has := k.Attributes.Has
	switch {
	case k.Class == admin.Unreadable:
		return leavesNot
	case k.Class == admin.PublicKey, k.Known.Has(hsm.Sensitive) && !has(hsm.Sensitive):
		return leavesPlain
	case k.Known.Has(hsm.Extractable) && !has(hsm.Extractable):
		return leavesNot
	case has(hsm.TrustedWrapOnly):
		return leavesTrusted
	}
	return leavesWrapped
}

// leavesText says it as a clause.
var leavesText = map[string]string{
	leavesNot:     "it never leaves the token",
	leavesTrusted: "it leaves the token only wrapped by a trusted key",
	leavesWrapped: "whoever has the user PIN can carry it out of the token",
	leavesPlain:   "its value can be read",
}

func reportsOf(keys []admin.Key) []keyReport {
	all := []keyReport{}
	for _, k := range keys {
		all = append(all, reportOf(k))
	}
	return all
}

// name is what a list calls the key.
func (r keyReport) name() string {
	switch {
	case r.Halfway:
		return "(unnamed, half made)"
	case r.Unnamed:
		return "(unnamed)"
	case r.Label == "":
		return "(id " + short(r.ID) + ")"
	case strings.HasPrefix(r.Label, "("), strings.HasSuffix(r.Label, cut): // as those above and what was shortened look
		return short(strconv.Quote(r.Label))
	}
	return short(oneLine(r.Label))
}

// cut ends what was shortened; JSON has it whole.
const cut = "…"

// longest is how many characters of a label a table shows.
const longest = 48

// short gives what fits into a table.
func short(text string) string {
	runes := []rune(text)
	if len(runes) <= longest {
		return text
	}
	return string(runes[:longest-1]) + cut
}

func (r keyReport) size() string {
	if r.Bits == 0 {
		return "-"
	}
	return fmt.Sprint(r.Bits)
}

func (r keyReport) check() string {
	if r.KCV == "" {
		return "-"
	}
	return r.KCV
}

// printKeys prints the table of key list.
func printKeys(out io.Writer, keys []keyReport) error {
	whole := bufio.NewWriter(out) // the table is written cell by cell
	w := tabwriter.NewWriter(whole, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LABEL\tTYPE\tBITS\tATTRIBUTES\tLEAVES\tKCV")
	for _, k := range keys {
		kind := k.Type
		if k.Class != string(admin.SecretKey) {
			kind += " " + k.Class
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", k.name(), kind, k.size(), k.Attributes, k.Leaves, k.check())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return whole.Flush()
}

// print prints one key.
func (r keyReport) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, value)
		}
	}
	line("label", oneLine(r.Label))
	line("id", r.ID)
	size := "length not told" // SoftHSM keeps none of an AES key that was unwrapped
	if r.Bits != 0 {
		size = fmt.Sprintf("%d bits", r.Bits)
	}
	line("type", fmt.Sprintf("%s %s, %s", r.Class, r.Type, size))
	line("attributes", r.Attributes)
	line("leaves", leavesText[r.Leaves])
	if r.Trusted {
		line("trusted", "yes: keys that only trusted keys may wrap leave under it")
	}
	line("past", r.pastReport.text())
	line("not told", r.Untold)
	line("KCV", r.checkText())
	return w.Flush()
}

// checkText says the check value, or why there is none.
func (r keyReport) checkText() string {
	kind := hsm.KeyType(r.Type)
	switch {
	case r.KCV != "":
		return r.KCV
	case r.Class != string(admin.SecretKey) || kind != hsm.AES && kind != hsm.DES3:
		return "" // such a key has none
	case strings.Contains(r.Attributes, hsm.Encrypt.String()):
		return "- (the token tells none, and calculates none)"
	}
	return "- (the token tells none, and without E none can be calculated)"
}
