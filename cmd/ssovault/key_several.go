package main

import (
	"slices"

	"ssovault/internal/fault"
	"ssovault/internal/hsm/admin"
)

// narrowed says what was said of the key beside its name.
func (k keyFlags) narrowed() (text string) {
	if k.class != "" {
		text += " of class " + k.class
	}
	if k.kcv != "" {
		text += " of KCV " + string(k.kcv)
	}
	return text
}

// choosers are the flags by which a command takes one of several keys; "" is one
// that it has not.
type choosers struct{ id, class, kcv string }

// several refuses to choose among keys, and says how one is chosen. Cause Usage
// where the label is all that they share, since their ids tell them apart;
// KeyAmbiguous where several have the id.
func several(found []admin.Key, by choosers) error {
	differ := func(of func(admin.Key) string) bool {
		return slices.ContainsFunc(found, func(k admin.Key) bool { return of(k) != of(found[0]) })
	}
	kcv := func(k admin.Key) string { return k.KCV }
	class := func(k admin.Key) string { return string(k.Class) }
	cause, ids := fault.KeyAmbiguous, differ(func(k admin.Key) string { return string(k.ID) })
	if ids {
		cause = fault.Usage
	}
	err := fault.New(cause, "several keys are meant: %s", toldApart(found))
	switch {
	case ids && by.id != "" && by.class != "" && differ(class):
		return err.With("name one by its id (" + by.id + "), or by its class (" + by.class + ")")
	case ids && by.id != "":
		return err.With("name one by its id (" + by.id + ")")
	case by.class != "" && differ(class):
		return err.With("name one by its class (" + by.class + ")")
	case by.kcv != "" && differ(kcv):
		return err.With("name one by its check value (" + by.kcv + "), where the command takes it")
	case found[0].KCV != "" && same(found):
		return err.With("they are one key, several times: 'ssovault key delete --kcv " + found[0].KCV + "' removes one of them, whichever")
	case ids || differ(kcv):
		return err.With("the command cannot tell them apart; remove the one that is not meant ('ssovault key delete' takes --id and --kcv), or give one of them another label with the device's own tool")
	}
	return err.With("the token tells no name or check value by which one could be chosen; the device's own tool can, or another label that the device's tool gives one of them")
}

// same tells whether keys are one key several times: of one name, one check
// value, and the same attributes.
func same(found []admin.Key) bool {
	first := found[0]
	return first.KCV != "" && !slices.ContainsFunc(found, func(k admin.Key) bool {
		return !alike(k, first) || k.Label != first.Label || !slices.Equal(k.ID, first.ID)
	})
}

// toldApart lists keys by what tells them apart.
func toldApart(keys []admin.Key) string {
	var names []string
	for _, k := range keys {
		name := string(k.Class) + " key " + k.String()
		if k.KCV != "" {
			name += " of KCV " + k.KCV
		}
		names = append(names, name)
	}
	return joined(names)
}
