//go:build cgo

package admin

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/pkcs11"

	"ssovault/internal/cryptoki"
	"ssovault/internal/hsm"
	"ssovault/internal/isolate"
	"ssovault/internal/library"
)

// keys lists keys into a payload.
func (s *server) keys(label string, calculate bool) ([]byte, error) {
	var search []*pkcs11.Attribute
	if label != "" {
		search = append(search, pkcs11.NewAttribute(pkcs11.CKA_LABEL, label))
	}
	found, err := s.session.Find(search...)
	if err != nil {
		return nil, s.fault(err, "list the objects of the token %s", s.token)
	}
	if len(found) == 0 {
		if err := s.alive(); err != nil {
			return nil, err
		}
	}
	r := reader{session: s.session, vendor: isProtectServer(s.token)}
	var l keyList
	for _, object := range found {
		k, is, err := r.read(object)
		if err != nil {
			return nil, s.fault(err, "read an object of the token %s", s.token)
		}
		if !is {
			continue
		}
		if calculate && k.KCV == "" {
			if k.KCV, err = s.calculated(k); err != nil {
				return nil, err
			}
		}
		l.keys = append(l.keys, k)
	}
	slices.SortStableFunc(l.keys, func(a, b Key) int {
		return cmp.Or(strings.Compare(a.Label, b.Label), strings.Compare(string(a.Class), string(b.Class)), slices.Compare(a.ID, b.ID))
	})
	return isolate.Encode(&l)
}

// alive makes sure that nothing was found because nothing is there, not because
// the login was lost.
func (s *server) alive() error {
	info, err := s.lib.GetSessionInfo(s.session.Handle)
	if err == nil && !s.guest && info.State != ckRWUser && info.State != ckRWSO {
		err = pkcs11.Error(pkcs11.CKR_USER_NOT_LOGGED_IN)
	}
	return cryptoki.Fault(err, "ask for the session with the token %s", s.token)
}

// States of a session that is logged in (CKS_RW_USER_FUNCTIONS, CKS_RW_SO_FUNCTIONS).
const (
	ckRWUser = 3
	ckRWSO   = 4
)

// protectServers begin the model names of the devices whose toolkit has
// attributes of its own.
var protectServers = []string{"ProtectServer", "PSI", "PSE", "PL"}

func isProtectServer(t Token) bool {
	return slices.ContainsFunc(protectServers, func(begin string) bool { return strings.HasPrefix(t.Model, begin) })
}

// reader reads keys, each in one call: it learns which attributes a token tells
// of a kind of key, since some answer nothing at all when they do not know one.
type reader struct {
	session library.Session
	vendor  bool // the token knows ProtectServer's attributes
	told    map[kind][]uint
	last    kind // of the key before
}

// kind is a class with a key type; objects of one kind have the same attributes.
type kind struct{ class, keyType uint64 }

// read gives a key, or says that the object is none.
func (r *reader) read(object pkcs11.ObjectHandle) (Key, bool, error) {
	types, learned := r.told[r.last]
	if !learned {
		types = r.all()
	}
	values, err := r.once(object, types)
	if err == nil && learned && kindOf(values) != r.last {
		err = pkcs11.Error(pkcs11.CKR_ATTRIBUTE_TYPE_INVALID) // of another kind: there is more to be told
	}
	if err != nil {
		if !library.NotTold(err) {
			return Key{}, false, err
		}
		if values, err = r.learn(object); err != nil {
			return Key{}, false, err
		}
	}
	k, is := describe(values)
	k.Handle = uint(object)
	return k, is, nil
}

// once reads attributes in one call.
func (r *reader) once(object pkcs11.ObjectHandle, types []uint) (map[uint][]byte, error) {
	template := make([]*pkcs11.Attribute, len(types))
	for i, t := range types {
		template[i] = pkcs11.NewAttribute(t, nil)
	}
	got, err := r.session.Lib.GetAttributeValue(r.session.Handle, object, template)
	if err != nil {
		return nil, err
	}
	values := make(map[uint][]byte, len(got))
	for _, a := range got {
		values[a.Type] = a.Value
	}
	return values, nil
}

// learn reads an object of another kind than the one before.
func (r *reader) learn(object pkcs11.ObjectHandle) (map[uint][]byte, error) {
	class, err := r.session.Values(object, []uint{pkcs11.CKA_CLASS, pkcs11.CKA_KEY_TYPE})
	if err != nil {
		return nil, err
	}
	k := kindOf(class)
	if types, learned := r.told[k]; learned {
		r.last = k
		if values, err := r.once(object, types); err == nil || !library.NotTold(err) {
			return values, err
		}
	}
	values, err := r.session.Values(object, r.all())
	if err != nil {
		return nil, err
	}
	if r.told == nil {
		r.told = map[kind][]uint{}
	}
	r.last = k
	r.told[k] = slices.DeleteFunc(r.all(), func(t uint) bool { _, told := values[t]; return !told })
	return values, nil
}

func (r *reader) all() []uint {
	types := []uint{pkcs11.CKA_CLASS, pkcs11.CKA_KEY_TYPE, pkcs11.CKA_LABEL, pkcs11.CKA_ID, pkcs11.CKA_VALUE_LEN, pkcs11.CKA_MODULUS_BITS, pkcs11.CKA_MODULUS, pkcs11.CKA_CHECK_VALUE}
	for _, n := range numbers {
		if n.number < vendor || r.vendor {
			types = append(types, n.number)
		}
	}
	return types
}

func kindOf(values map[uint][]byte) kind {
	class, _ := library.Ulong(values[pkcs11.CKA_CLASS])
	keyType, told := library.Ulong(values[pkcs11.CKA_KEY_TYPE])
	if !told {
		keyType = ^uint64(0)
	}
	return kind{class, keyType}
}

var classes = map[uint64]Class{pkcs11.CKO_SECRET_KEY: SecretKey, pkcs11.CKO_PUBLIC_KEY: PublicKey, pkcs11.CKO_PRIVATE_KEY: PrivateKey}

var types = map[uint64]string{
	pkcs11.CKK_AES: string(hsm.AES), pkcs11.CKK_DES3: string(hsm.DES3), pkcs11.CKK_DES2: string(hsm.DES3), pkcs11.CKK_DES: "des",
	pkcs11.CKK_GENERIC_SECRET: "generic", pkcs11.CKK_RSA: "rsa", pkcs11.CKK_EC: "ec", pkcs11.CKK_DSA: "dsa", pkcs11.CKK_DH: "dh",
}

// desBits are the bits of keys that need not tell their length, with parity.
var desBits = map[uint64]uint{pkcs11.CKK_DES3: 192, pkcs11.CKK_DES2: 128, pkcs11.CKK_DES: 64}

// describe makes a key of what a token told of an object.
func describe(values map[uint][]byte) (Key, bool) {
	n := kindOf(values)
	class, is := classes[n.class]
	if !is {
		return Key{}, false
	}
	k := Key{Class: class, Type: types[n.keyType], Label: string(values[pkcs11.CKA_LABEL]), ID: values[pkcs11.CKA_ID], Bits: desBits[n.keyType]}
	if k.Type == "" {
		k.Type = fmt.Sprintf("0x%X", n.keyType)
	}
	if length, told := library.Ulong(values[pkcs11.CKA_VALUE_LEN]); told && k.Bits == 0 {
		k.Bits = uint(length) * 8
	}
	if bits, told := library.Ulong(values[pkcs11.CKA_MODULUS_BITS]); told {
		k.Bits = uint(bits)
	} else if n.keyType == pkcs11.CKK_RSA {
		k.Bits = uint(len(values[pkcs11.CKA_MODULUS])) * 8
	}
	k.Attributes, k.Known = attributesOf(values)
	if v := values[pkcs11.CKA_CHECK_VALUE]; class == SecretKey && len(v) >= kcvSize {
		k.KCV = fmt.Sprintf("%X", v[:kcvSize])
	}
	return k, true
}
