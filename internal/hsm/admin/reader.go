//go:build cgo

package admin

import (
	"bytes"
	"errors"
	"slices"

	"github.com/miekg/pkcs11"

	"ssovault/internal/hsm"
	"ssovault/internal/library"
)

// reader reads keys, each in one call, or in two where the key is of another
// kind than the one before. What a token refuses beside other attributes it may
// tell alone; so of the first key of each kind that is asked for one by one.
type reader struct {
	session library.Session
	call    library.AttributeCall
	vendor  bool // ProtectServer's attributes are asked for
	plans   map[kind]*plan
	last    *plan // of the key before
	ahead   *plan // that read objects in advance
}

// reader makes one for the keys of a token; which may be ProtectServer's own.
func (s *server) reader(which hsm.Attributes) *reader {
	return &reader{session: s.session, call: s.call, vendor: which&vendorOnly != 0 || isProtectServer(s.token), plans: map[kind]*plan{}}
}

// kind is a class with a key type; objects of one kind have the same attributes.
type kind struct{ class, keyType uint64 }

// plan is how keys of a kind are read.
type plan struct {
	kind
	batch   *library.Batch
	learned bool
	untold  []uint // refused also alone, by the first key of the kind
}

// read gives a key, or says that the object is none. Those that are read next are
// looked at in the same step.
func (r *reader) read(object pkcs11.ObjectHandle, next ...pkcs11.ObjectHandle) (Key, bool, error) {
	p := r.ahead
	if p == nil || !p.batch.Holds(object) {
		if p = r.last; p == nil { // most tokens hold secret keys
			p = r.plan(kind{pkcs11.CKO_SECRET_KEY, pkcs11.CKK_AES})
		}
		if r.ahead = p; !p.learned {
			next = nil
		}
	}
	values, refused, err := p.batch.Read(object, next...)
	switch {
	case errors.Is(err, pkcs11.Error(pkcs11.CKR_ATTRIBUTE_VALUE_INVALID)): // SoftHSM's answer where it knows no class
		return Key{Handle: uint(object), Class: Unreadable, Type: "object"}, true, nil
	case errors.Is(err, pkcs11.Error(pkcs11.CKR_OBJECT_HANDLE_INVALID)): // somebody deleted it meanwhile
		return Key{}, false, nil
	case err != nil:
		return Key{}, false, err
	}
	k, err := r.kindOf(object, values)
	if err != nil {
		return Key{}, false, err
	}
	if _, is := classes[k.class]; !is {
		return Key{}, false, nil
	}
	if k != p.kind {
		p = r.plan(k)
		if values, refused, err = p.batch.Read(object); err != nil {
			return Key{}, false, err
		}
	}
	if !p.learned {
		values, err = r.learn(p, object, values, refused)
	} else {
		values, err = r.ask(object, values, without(refused, p.untold))
	}
	if err != nil {
		return Key{}, false, err
	}
	r.last = p
	key, is := describe(values)
	key.Handle = uint(object)
	return key, is, nil
}

// kindOf gives the kind of an object, of which a token may have told nothing.
func (r *reader) kindOf(object pkcs11.ObjectHandle, values library.Values) (kind, error) {
	k := kindOf(values)
	if _, is := classes[k.class]; k.class != noClass && (!is || k.keyType != noType) {
		return k, nil
	}
	alone, err := r.ask(object, nil, []uint{pkcs11.CKA_CLASS, pkcs11.CKA_KEY_TYPE})
	return kindOf(alone), err
}

// plan gives that of a kind.
func (r *reader) plan(k kind) *plan {
	p := r.plans[k]
	if p == nil {
		p = &plan{kind: k, batch: r.session.Batch(r.call, r.attributes(k.class))}
		r.plans[k] = p
	}
	return p
}

// learn reads what was refused alone, and with that learns how the token
// answers. One that keeps back what it would tell is asked only for that from
// now on.
func (r *reader) learn(p *plan, object pkcs11.ObjectHandle, values library.Values, refused []uint) (library.Values, error) {
	kept := len(values)
	values, err := r.ask(object, values, refused)
	if err != nil {
		return nil, err
	}
	told := make([]uint, len(values))
	for i, v := range values {
		told[i] = v.Type
	}
	p.learned, p.untold = true, without(refused, told)
	if len(values) > kept {
		for i := range values { // they lie in the batch
			values[i].Bytes = bytes.Clone(values[i].Bytes)
		}
		p.batch = r.session.Batch(r.call, told)
	}
	return values, nil
}

// ask reads attributes one by one, and adds those that are told.
func (r *reader) ask(object pkcs11.ObjectHandle, values library.Values, types []uint) (library.Values, error) {
	for _, t := range types {
		switch v, err := r.session.Value(object, t); {
		case err == nil:
			values = append(values, library.Value{Type: t, Bytes: v})
		case !library.NotTold(err):
			return nil, err
		}
	}
	return values, nil
}

func without(a, b []uint) []uint {
	return slices.DeleteFunc(slices.Clone(a), func(t uint) bool { return slices.Contains(b, t) })
}

// The attributes that each class of keys has (PKCS#11 2.40, 4.8 to 4.10).
const (
	ofPublicKeys  = hsm.Private | hsm.Modifiable | hsm.Derive | hsm.Encrypt | hsm.Verify | hsm.Wrap | hsm.Trusted | hsm.Local | vendorOnly
	ofPrivateKeys = hsm.Private | hsm.Modifiable | hsm.Derive | hsm.Decrypt | hsm.Sign | hsm.Unwrap | hsm.Sensitive | hsm.Extractable | hsm.TrustedWrapOnly | hsm.Past | vendorOnly
	ofSecretKeys  = ofPublicKeys | ofPrivateKeys
)

// attributes are those to read of a key.
func (r *reader) attributes(class uint64) []uint {
	all := []uint{pkcs11.CKA_CLASS, pkcs11.CKA_KEY_TYPE, pkcs11.CKA_LABEL, pkcs11.CKA_ID}
	has := ofSecretKeys
	switch class {
	case pkcs11.CKO_PUBLIC_KEY:
		has = ofPublicKeys
		all = append(all, pkcs11.CKA_MODULUS_BITS, pkcs11.CKA_MODULUS)
	case pkcs11.CKO_PRIVATE_KEY:
		has = ofPrivateKeys
		all = append(all, pkcs11.CKA_MODULUS)
	default:
		all = append(all, pkcs11.CKA_VALUE_LEN, pkcs11.CKA_CHECK_VALUE)
	}
	for _, n := range numbers {
		if has.Has(n.attribute) && (n.number < vendor || r.vendor) {
			all = append(all, n.number)
		}
	}
	return all
}

func kindOf(values library.Values) kind {
	ulong := func(t uint) (uint64, bool) { v, _ := values.Of(t); return library.Ulong(v) }
	class, told := ulong(pkcs11.CKA_CLASS)
	if !told {
		class = noClass
	}
	keyType, told := ulong(pkcs11.CKA_KEY_TYPE)
	if !told {
		keyType = noType
	}
	return kind{class, keyType}
}

// Of an object that tells none (CK_UNAVAILABLE_INFORMATION).
const (
	noClass = ^uint64(0)
	noType  = ^uint64(0)
)
