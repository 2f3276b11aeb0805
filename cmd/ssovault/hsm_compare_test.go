package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
)

// Of several keys of one label those are compared that are alike, whatever order
// the tokens list them in.
func TestPairsThatAreAlike(t *testing.T) {
	const trusted, unwraps, plain = hsm.Wrap | hsm.Trusted, hsm.Unwrap | hsm.Private, hsm.Encrypt | hsm.Decrypt | hsm.Private
	key := func(id byte, kcv string, a hsm.Attributes) admin.Key {
		return admin.Key{Class: admin.SecretKey, Label: "KEK1", ID: []byte{id}, KCV: kcv, Attributes: a | hsm.Sensitive, Known: ^hsm.Attributes(0)}
	}
	for name, c := range map[string]struct {
		first, second []admin.Key
		want          []string // ids and states
	}{
		"trusted beside untrusted": {[]admin.Key{key(1, "AAAAAA", trusted)}, []admin.Key{key(2, "AAAAAA", unwraps), key(3, "AAAAAA", trusted)},
			[]string{"01 03 " + compareNamed, " 02 " + compareSecond}},
		"the counterpart, where no other is": {[]admin.Key{key(1, "AAAAAA", trusted)}, []admin.Key{key(2, "AAAAAA", unwraps)},
			[]string{"01 02 " + compareSame}},
		"both of each": {[]admin.Key{key(1, "AAAAAA", unwraps), key(2, "AAAAAA", trusted)}, []admin.Key{key(3, "AAAAAA", trusted), key(4, "AAAAAA", unwraps)},
			[]string{"01 04 " + compareNamed, "02 03 " + compareNamed}},
		"the id before the use": {[]admin.Key{key(1, "AAAAAA", plain)}, []admin.Key{key(2, "AAAAAA", plain), key(1, "AAAAAA", plain|hsm.Sign)},
			[]string{" 02 " + compareSecond, "01 01 " + compareMeans}},
		"the use before what is only kept": {[]admin.Key{key(1, "AAAAAA", plain|hsm.Extractable|hsm.TrustedWrapOnly)}, []admin.Key{key(2, "AAAAAA", unwraps), key(3, "AAAAAA", plain)},
			[]string{" 02 " + compareSecond, "01 03 " + compareNamed}},
		"the value before the use": {[]admin.Key{key(1, "AAAAAA", plain)}, []admin.Key{key(2, "BBBBBB", plain), key(3, "AAAAAA", unwraps)},
			[]string{" 02 " + compareSecond, "01 03 " + compareNamed}},
		"other values, the same use": {[]admin.Key{key(1, "AAAAAA", trusted)}, []admin.Key{key(2, "BBBBBB", unwraps), key(3, "CCCCCC", trusted)},
			[]string{" 02 " + compareSecond, "01 03 " + compareOther}},
		"no value is told": {[]admin.Key{key(1, "", trusted)}, []admin.Key{key(2, "", unwraps), key(3, "", trusted)},
			[]string{" 02 " + compareSecond, "01 03 " + compareUnknown}},
		"nothing in common": {[]admin.Key{key(1, "AAAAAA", trusted)}, []admin.Key{key(2, "BBBBBB", plain)}, []string{"01 02 " + compareOther}},
	} {
		slices.Sort(c.want)
		for _, backwards := range []bool{false, true} {
			if backwards {
				slices.Reverse(c.second)
			}
			var got []string
			for _, k := range pairUp(c.first, c.second) {
				got = append(got, k.FirstID+" "+k.SecondID+" "+k.State)
			}
			slices.Sort(got)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s, backwards %t:\n%s", name, backwards, diff)
			}
		}
	}
}

// A key that seals nothing is not spoken of as one that sealed files, and the
// remedy is not that of a sealing key.
func TestCompareSaysWhatDiffers(t *testing.T) {
	one := func(label, state string) compareReport {
		return compareReport{Keys: []comparedKey{{Label: label, State: state}}}
	}
	for state, want := range map[string]string{compareOther: "different keys", compareNamed: "another id", compareMeans: "other attributes"} {
		err := one("KEK1", state).verdict()
		if text := fault.TextFor(err); fault.Of(err) != fault.WrongKey || strings.Contains(text, "sealed") || !strings.Contains(text, want) {
			t.Errorf("%s: %v, %q", state, err, text)
		}
		if hint := fault.HintFor(err); state == compareNamed && strings.Contains(hint, "folder") {
			t.Errorf("%s: %q", state, hint)
		}
	}
	if hint := fault.HintFor(one("SSO Vault Properties 7", compareNamed).verdict()); !strings.Contains(hint, "a folder finds its sealing key by the id") {
		t.Errorf("%q", hint)
	}
	s := newTwoTokens(t)
	s.wrappers()
	s.well(s.key("generate", "pay"))
	s.well(s.there("generate", "pay"))
	s.ends(s.try("hsm", "compare", s.token.Serial, s.second.Serial, "--pin-source", s.pin), 24, "ssovault: cause (24): the two tokens have different keys of one label\n")
}
