//go:build cgo

package admin

import (
	"bytes"
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
	r := s.reader(0)
	var l keyList
	for i, object := range found {
		k, is, err := r.read(object, found[i+1:]...)
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
		if err := s.judge(&k); err != nil {
			return nil, err
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

var classes = map[uint64]Class{pkcs11.CKO_SECRET_KEY: SecretKey, pkcs11.CKO_PUBLIC_KEY: PublicKey, pkcs11.CKO_PRIVATE_KEY: PrivateKey}

var types = map[uint64]string{
	pkcs11.CKK_AES: string(hsm.AES), pkcs11.CKK_DES3: string(hsm.DES3), pkcs11.CKK_DES2: string(hsm.DES3), pkcs11.CKK_DES: "des",
	pkcs11.CKK_GENERIC_SECRET: "generic", pkcs11.CKK_RSA: "rsa", pkcs11.CKK_EC: "ec", pkcs11.CKK_DSA: "dsa", pkcs11.CKK_DH: "dh",
}

// desBits are the bits of keys that need not tell their length, with parity.
var desBits = map[uint64]uint{pkcs11.CKK_DES3: 192, pkcs11.CKK_DES2: 128, pkcs11.CKK_DES: 64}

// describe makes a key of what a token told of an object.
func describe(values library.Values) (Key, bool) {
	n := kindOf(values)
	of := func(t uint) []byte { v, _ := values.Of(t); return v }
	class, is := classes[n.class]
	if !is {
		return Key{}, false
	}
	k := Key{Class: class, Type: types[n.keyType], Label: string(of(pkcs11.CKA_LABEL)), ID: bytes.Clone(of(pkcs11.CKA_ID)), Bits: desBits[n.keyType]}
	if k.Type == "" {
		k.Type = fmt.Sprintf("0x%X", n.keyType)
	}
	if length, told := library.Ulong(of(pkcs11.CKA_VALUE_LEN)); told && k.Bits == 0 {
		k.Bits = uint(length) * 8
	}
	if bits, told := library.Ulong(of(pkcs11.CKA_MODULUS_BITS)); told {
		k.Bits = uint(bits)
	} else if n.keyType == pkcs11.CKK_RSA {
		k.Bits = uint(len(of(pkcs11.CKA_MODULUS))) * 8
	}
	k.Attributes, k.Known = attributesOf(values)
	k.Modulus = bytes.Clone(of(pkcs11.CKA_MODULUS))
	if v := of(pkcs11.CKA_CHECK_VALUE); class == SecretKey && len(v) >= kcvSize {
		k.KCV = fmt.Sprintf("%X", v[:kcvSize])
	}
	return k, true
}
