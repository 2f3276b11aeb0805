package main

import (
	"strings"

	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
)

// pastReport is how a key came to be, as far as the token tells; nil: it does not.
type pastReport struct {
	// MadeHere: its value was drawn in the token (CKA_LOCAL). What was brought in,
	// by components, an import or a replication, somebody else may know.
	MadeHere         *bool `json:"made_here,omitempty"`
	AlwaysSensitive  *bool `json:"always_sensitive,omitempty"`
	NeverExtractable *bool `json:"never_extractable,omitempty"`
}

func pastOf(k admin.Key) pastReport {
	told := func(what hsm.Attributes) *bool {
		if !k.Known.Has(what) {
			return nil
		}
		has := k.Attributes.Has(what)
		return &has
	}
	return pastReport{told(hsm.Local), told(hsm.AlwaysSensitive), told(hsm.NeverExtractable)}
}

// text says it on a line.
func (p pastReport) text() string {
	var all []string
	say := func(told *bool, yes, no string) {
		switch {
		case told == nil:
		case *told:
			all = append(all, yes)
		default:
			all = append(all, no)
		}
	}
	say(p.MadeHere, "made in the token", "brought in from outside")
	say(p.AlwaysSensitive, "always sensitive", "not always sensitive")
	say(p.NeverExtractable, "never extractable", "extractable, now or before")
	return strings.Join(all, ", ")
}

// broughtIn tells whether a token says that the value of a key was not drawn in it.
func broughtIn(k admin.Key) bool {
	return k.Known.Has(hsm.Local) && !k.Attributes.Has(hsm.Local)
}

// exposed says what a key that is as it should be now was before.
func exposed(is admin.Key, want hsm.Attributes) (all []string) {
	if broughtIn(is) {
		return []string{"it was not made there but brought in, so somebody may know its value"}
	}
	was := func(now, past hsm.Attributes) bool { return is.Known.Has(past) && !is.Attributes.Has(past) && now != 0 }
	if was(want&is.Attributes&hsm.Sensitive, hsm.AlwaysSensitive) {
		all = append(all, "it was not always sensitive: its value may have been read")
	}
	if was(^want&^is.Attributes&hsm.Extractable, hsm.NeverExtractable) {
		all = append(all, "it was extractable: it may have left the token")
	}
	return all
}
