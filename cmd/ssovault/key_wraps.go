package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
)

// wrapperUntold says that the check value of an AES wrapper is not told.
type wrapperUntold struct{ error }

func (w *wrapperUntold) Unwrap() error { return w.error }

// tellsWrapper gives the KCV of a wrapper.
func (v *visit) tellsWrapper(wrapper admin.Key) (hsm.KCV, error) {
	kcv, err := v.tells(wrapper)
	if err != nil && wrapper.Type == string(hsm.AES) {
		err = &wrapperUntold{err}
	}
	return kcv, err
}

// orNoWrap names, in the place of a wrapper's check value, the mechanism that the
// token lacks: with it alone nothing would be won. The session has ended by now:
// mechanisms are asked for without one.
func (a *app) orNoWrap(ctx context.Context, flags tokenFlags, err error) error {
	var untold *wrapperUntold
	if !errors.As(err, &untold) {
		return err
	}
	v, visitErr := a.visit(ctx, flags)
	if visitErr != nil {
		return err
	}
	defer v.Close()
	if missing := v.wraps(ctx); missing != nil {
		return missing
	}
	return err
}

// wraps refuses a token that lists no AES key wrap.
func (v *visit) wraps(ctx context.Context) error {
	offered, err := v.Mechanisms(ctx, v.token.Slot)
	if err != nil {
		return err
	}
	numbers := []uint{cryptoki.AESKeyWrapKWP, cryptoki.AESKeyWrapPad, cryptoki.LunaKWP, cryptoki.AESKeyWrap, cryptoki.LunaKW}
	if slices.ContainsFunc(offered, func(m admin.Mechanism) bool { return slices.Contains(numbers, m.Number) }) {
		return nil
	}
	var names []string
	for _, n := range numbers {
		names = append(names, cryptoki.MechanismName(n))
	}
	return fault.New(fault.Usage, "the token %s offers none of the mechanisms that wrap under an AES key: %s", oneLine(v.token.String()), strings.Join(names, ", ")).
		With("'ssovault hsm mechanisms --token " + v.token.Serial + "' shows what it offers; where it has nothing but Triple-DES, a Triple-DES wrapper and --legacy-3des remain")
}

// strength is how many bits an attack on a key must guess (NIST SP 800-57, part
// 1, 5.6.1), 0 where the length is not known.
func strength(kind string, bits int) int {
	switch {
	case kind != string(hsm.DES3):
		return bits
	case bits == 192:
		return 112
	case bits == 128:
		return 80
	}
	return 0
}
