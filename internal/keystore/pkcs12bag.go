package keystore

import (
	"encoding/asn1"
	"fmt"
	"unicode/utf16"
)

var (
	oidKeyBag         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1}
	oidShroudedKeyBag = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
	oidCertBag        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 3}
	oidCRLBag         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 4}
	oidSecretBag      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 5}

	oidX509Certificate = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1}
	oidFriendlyName    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 20}
	// oidJavaTrusted is Oracle's mark of a certificate that is trusted, rather
	// than part of a key's chain.
	oidJavaTrusted = asn1.ObjectIdentifier{2, 16, 840, 1, 113894, 746875, 1, 1}
)

// safeBag is RFC 7292 4.2.
type safeBag struct {
	ID         asn1.ObjectIdentifier
	Value      asn1.RawValue  `asn1:"tag:0,explicit"`
	Attributes []bagAttribute `asn1:"set,optional"`
}

type bagAttribute struct {
	ID     asn1.ObjectIdentifier
	Values asn1.RawValue `asn1:"set"`
}

type certBag struct {
	ID   asn1.ObjectIdentifier
	Data []byte `asn1:"tag:0,explicit"`
}

func (b safeBag) attribute(id asn1.ObjectIdentifier) (asn1.RawValue, bool) {
	for _, a := range b.Attributes {
		if a.ID.Equal(id) {
			return a.Values, true
		}
	}
	return asn1.RawValue{}, false
}

// friendlyName gives Java's alias, or "".
func (b safeBag) friendlyName() string {
	values, ok := b.attribute(oidFriendlyName)
	if !ok {
		return ""
	}
	var name asn1.RawValue
	if _, err := asn1.Unmarshal(values.Bytes, &name); err != nil || name.Tag != asn1.TagBMPString {
		return ""
	}
	units := make([]uint16, len(name.Bytes)/2)
	for i := range units {
		units[i] = uint16(name.Bytes[2*i])<<8 | uint16(name.Bytes[2*i+1])
	}
	return string(utf16.Decode(units))
}

// sortBags finds the certificates and the one private key, if there is one.
// Revocation lists and other secrets are nothing to a TLS server.
func sortBags(bags []safeBag) (content, *sealedKey, error) {
	var found content
	var key *sealedKey
	var aliases []string
	var chain, trusted []safeBag
	for _, bag := range bags {
		switch {
		case bag.ID.Equal(oidKeyBag):
			key = &sealedKey{plain: bag.Value.Bytes}
			aliases = append(aliases, bag.friendlyName())
		case bag.ID.Equal(oidShroudedKeyBag):
			key = &sealedKey{}
			if err := unmarshal(bag.Value.Bytes, &key.shroud); err != nil {
				return content{}, nil, err
			}
			aliases = append(aliases, bag.friendlyName())
		case bag.ID.Equal(oidCertBag):
			if _, is := bag.attribute(oidJavaTrusted); is {
				trusted = append(trusted, bag)
			} else {
				chain = append(chain, bag)
			}
		case bag.ID.Equal(oidCRLBag), bag.ID.Equal(oidSecretBag):
		default:
			return content{}, nil, fmt.Errorf("%w: a PKCS#12 bag of type %v", ErrUnsupported, bag.ID)
		}
	}
	switch len(aliases) {
	case 0:
		chain = append(chain, trusted...)
	case 1:
		found.alias, found.hasKey = aliases[0], true
	default:
		return content{}, nil, severalKeys(aliases)
	}
	if len(chain) > maxCertificates {
		return content{}, nil, ErrLongChain
	}
	for _, bag := range chain {
		var holder certBag
		if err := unmarshal(bag.Value.Bytes, &holder); err != nil {
			return content{}, nil, err
		}
		if !holder.ID.Equal(oidX509Certificate) {
			return content{}, nil, fmt.Errorf("%w: a certificate of type %v", ErrUnsupported, holder.ID)
		}
		c, err := parseCertificate(holder.Data)
		if err != nil {
			return content{}, nil, err
		}
		found.certificates = append(found.certificates, c)
	}
	return found, key, nil
}
