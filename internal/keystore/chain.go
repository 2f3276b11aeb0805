package keystore

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
)

// order puts the certificate of the key first, or without a key the one that
// issued no other, then its issuer and so on. Duplicates go. A second
// certificate of an issuer (a cross-signed root) is left out; one that has
// nothing to do with the chain, too, if they are mixed, else it is
// ErrStrayCertificate.
func order(certificates []*x509.Certificate, key publicKey, mixed bool) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for _, c := range certificates {
		if !slices.ContainsFunc(all, c.Equal) {
			all = append(all, c)
		}
	}
	if len(all) > maxCertificates {
		return nil, ErrLongChain
	}
	issuers := issuerTable(all)
	leaf, err := findLeaf(all, issuers, key)
	if err != nil {
		return nil, err
	}
	if stray := unreached(len(all), leaf, issuers); stray >= 0 && !mixed {
		return nil, fmt.Errorf("%w: %s", ErrStrayCertificate, all[stray].Subject)
	}
	return follow(all, leaf, issuers), nil
}

// issuerTable gives for each certificate those that issued it, itself excluded.
func issuerTable(all []*x509.Certificate) [][]int {
	issuers := make([][]int, len(all))
	for i, c := range all {
		for j, by := range all {
			if i != j && issued(c, by) {
				issuers[i] = append(issuers[i], j)
			}
		}
	}
	return issuers
}

// issued tells whether by's key signed c. A signature that cannot be checked
// here, such as SHA-1, is decided by the names and the key identifiers.
func issued(c, by *x509.Certificate) bool {
	if !bytes.Equal(c.RawIssuer, by.RawSubject) {
		return false
	}
	// Of a root that others signed too, neither certificate issued the other.
	if bytes.Equal(c.RawSubject, by.RawSubject) && bytes.Equal(c.RawSubjectPublicKeyInfo, by.RawSubjectPublicKeyInfo) {
		return false
	}
	if len(c.AuthorityKeyId) > 0 && len(by.SubjectKeyId) > 0 && !bytes.Equal(c.AuthorityKeyId, by.SubjectKeyId) {
		return false
	}
	err := by.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
	var insecure x509.InsecureAlgorithmError
	return err == nil || errors.As(err, &insecure) || errors.Is(err, x509.ErrUnsupportedAlgorithm)
}

func findLeaf(all []*x509.Certificate, issuers [][]int, key publicKey) (int, error) {
	if key != nil {
		var own []int
		for i, c := range all {
			if key.Equal(c.PublicKey) {
				own = append(own, i)
			}
		}
		switch len(own) {
		case 0:
			return 0, ErrKeyMismatch
		case 1:
			return own[0], nil
		}
		// A renewed certificate beside the old one: which is served would
		// depend on the reader.
		return 0, fmt.Errorf("%w: two certificates are for the private key, %s and %s",
			ErrStrayCertificate, describe(all[own[0]]), describe(all[own[1]]))
	}
	issuing := make([]bool, len(all))
	for _, by := range issuers {
		for _, j := range by {
			issuing[j] = true
		}
	}
	leaf := slices.Index(issuing, false)
	if leaf < 0 {
		return 0, fmt.Errorf("%w: all certificates issued one another, so none is the server's", ErrStrayCertificate)
	}
	return leaf, nil
}

func describe(c *x509.Certificate) string {
	return fmt.Sprintf("%s (serial number %X)", c.Subject, c.SerialNumber)
}

// unreached gives a certificate that is no ancestor of the leaf, or -1.
func unreached(n, leaf int, issuers [][]int) int {
	seen := make([]bool, n)
	queue := []int{leaf}
	seen[leaf] = true
	for len(queue) > 0 {
		for _, j := range issuers[queue[0]] {
			if !seen[j] {
				seen[j] = true
				queue = append(queue, j)
			}
		}
		queue = queue[1:]
	}
	return slices.Index(seen, false)
}

// follow walks from the leaf. Where there is a choice it takes the issuer that
// is itself issued by another, for a self-signed one ends the walk.
func follow(all []*x509.Certificate, leaf int, issuers [][]int) []*x509.Certificate {
	used := make([]bool, len(all))
	var chain []*x509.Certificate
	for at := leaf; at >= 0; {
		used[at] = true
		chain = append(chain, all[at])
		next := -1
		for _, j := range issuers[at] {
			if !used[j] && (next < 0 || len(issuers[next]) == 0 && len(issuers[j]) > 0) {
				next = j
			}
		}
		at = next
	}
	return chain
}
