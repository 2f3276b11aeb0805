package recovery

import (
	"bytes"
	"strings"
	"testing"

	"filippo.io/age"
)

// Whatever a file of shares holds: what is taken is what Text writes, but for the
// ends of lines, or its eight lines alone.
func FuzzParseShare(f *testing.F) {
	shares, err := Deal(vectorKey(), vectorSetup(f), testInstance, testTime)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(shares[0].Text())
	f.Add(append([]byte(ByteOrderMark), shares[0].Text()...))
	f.Add(bytes.ReplaceAll(shares[0].Text(), []byte("\n"), []byte(" \r\n")))
	f.Add(shares[0].Text()[bytes.Index(shares[0].Text(), []byte("\n\n"))+2:])
	f.Add([]byte(shareTitle + "\n"))
	f.Add([]byte(shareTitle + "\n1  AAAA\n8  AAAA\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseShare(b)
		if err != nil {
			return
		}
		if laid := laidOut(b); string(s.Text()) != laid && (strings.HasPrefix(laid, shareTitle) || !sameLines(s.Text(), b)) {
			t.Error("two texts of one share")
		}
	})
}

// Whatever is typed.
func FuzzTypedLine(f *testing.F) {
	f.Add("1  AAAA AAAA AAAA AAAA AAAA AAAA AAAA AAAA  AAAA")
	f.Add("0 1 8 -")
	f.Fuzz(func(t *testing.T, line string) {
		var typed Typed
		if err := typed.Add(line); err == nil && typed.Next() != 2 {
			t.Error("a line was taken and does not count")
		}
	})
}

// What was decrypted: no signature is looked at yet, so anybody with the
// recipient can bring anything here.
func FuzzParse(f *testing.F) {
	setup := vectorSetup(f)
	manifest, err := Manifest{
		Version: 1, Program: "ssovault", Instance: testInstance, SaveID: "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a", Time: testTime, Recipient: setup.Recipient,
		Signer: setup.Key.Signer().String(), Files: []Digest{digestOf(instanceName, nil), digestOf(sharedName, nil)}, Bound: []Digest{},
	}.encode()
	if err != nil {
		f.Fatal(err)
	}
	plain, err := pack(testTime, manifest, nil, nil, []byte("AAAA\n"))
	if err != nil {
		f.Fatal(err)
	}
	if _, err := parse(plain); err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Add(plain[:512])
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := parse(b)
		if err != nil {
			return
		}
		if _, _, err := o.Trust(setup.Key.Signer()); err == nil {
			t.Error("something was trusted that nobody has signed")
		}
	})
}

// Manifests: what is taken is what encode writes.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"version": 1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseManifest(b)
		if err != nil {
			return
		}
		if again, err := m.encode(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("two texts of one manifest: %v", err)
		}
	})
}

func FuzzParseIdentity(f *testing.F) {
	f.Add(IdentityFile(vectorKey(), vectorSetup(f).Public(), testInstance, testTime))
	f.Add([]byte("# ssovault signer: \n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		id, err := ParseIdentity(b)
		if err != nil {
			return
		}
		if all, err := age.ParseIdentities(bytes.NewReader(b)); err != nil || len(all) != len(id.all) {
			t.Error("age reads it otherwise")
		}
	})
}
