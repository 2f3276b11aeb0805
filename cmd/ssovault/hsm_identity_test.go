package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"maps"
	"regexp"
	"strings"
	"testing"

	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
)

// What of the private key of an identity is not as it should be is said; what a
// token keeps to itself is not counted.
func TestFlawsOfAnIdentity(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := identity{public: &key.PublicKey}
	const good, every = ownPrivate | hsm.Past, ownPrivate | ownBarred | hsm.Past
	sound := admin.Key{Class: admin.PrivateKey, Attributes: good, Known: every, Modulus: key.N.Bytes()}
	for name, c := range map[string]struct {
		has, known hsm.Attributes
		modulus    []byte
		flaw       string // "": none
		untold     string
	}{
		"as it is made":            {good, every, sound.Modulus, "", ""},
		"a modulus with a zero":    {good, every, append([]byte{0}, sound.Modulus...), "", ""},
		"may derive as well":       {good | hsm.Derive, every | hsm.Derive, sound.Modulus, "", ""},
		"brought in":               {ownPrivate, every, sound.Modulus, "it was not made there but brought in", ""},
		"could be read":            {good &^ hsm.AlwaysSensitive, every, sound.Modulus, "it was not always sensitive", ""},
		"could leave":              {good &^ hsm.NeverExtractable, every, sound.Modulus, "it was extractable", ""},
		"can leave":                {good&^hsm.NeverExtractable | hsm.Extractable, every, sound.Modulus, "it has X", ""},
		"can be read":              {good &^ hsm.AlwaysSensitive &^ hsm.Sensitive, every, sound.Modulus, "it lacks T", ""},
		"shows what it unwraps":    {good | hsm.Decrypt, every, sound.Modulus, "it has D", ""},
		"signs":                    {good | hsm.Sign, every, sound.Modulus, "it has S", ""},
		"can be changed":           {good | hsm.Modifiable, every, sound.Modulus, "it has M", ""},
		"does not unwrap":          {good &^ hsm.Unwrap, every, sound.Modulus, "it lacks U", ""},
		"public":                   {good &^ hsm.Private, every, sound.Modulus, "it lacks P", ""},
		"of another pair":          {good, every, append([]byte{1}, sound.Modulus[1:]...), "another pair", ""},
		"nothing is told of it":    {0, 0, nil, "", every.Names() + ", its modulus"},
		"its past is not told":     {ownPrivate, ownPrivate | ownBarred, sound.Modulus, "", hsm.Past.Names()},
		"neither told nor its own": {ownPrivate | hsm.Sign, ownPrivate | hsm.Sign, sound.Modulus, "it has S", "CKA_LOCAL"},
	} {
		k := sound
		k.Attributes, k.Known, k.Modulus = c.has, c.known, c.modulus
		flaws, untold := i.flaws(k)
		if (len(flaws) > 0) != (c.flaw != "") || !strings.Contains(joined(flaws), c.flaw) || (untold != "") != (c.untold != "") || !strings.Contains(untold, c.untold) {
			t.Errorf("%s: %q, not told: %q", name, flaws, untold)
		}
	}
}

// identityScene has a key in the first token that may move to the second.
func identityScene(t *testing.T) (s *twoTokens, label string) {
	s = newTwoTokens(t)
	s.well(s.key("generate", "moving", "--replicable"))
	return s, ownLabel + s.second.Serial
}

// create, trust and replicate are the three steps of a replication.
func (s *twoTokens) create() outcome {
	return s.try("hsm", "identity", "create", "--token", s.second.Serial, "--pin-source", s.pin)
}

func (s *twoTokens) trust(more ...string) outcome {
	s.t.Helper()
	list := s.well(s.try("hsm", "identity", "list", "--token", s.second.Serial, "--json"))
	fingerprint, _, _ := strings.Cut(afterText(s.t, list, `"fingerprint": "`), `"`)
	return s.try(append([]string{"hsm", "identity", "trust", "--token", s.token.Serial, "--peer", s.second.Serial, "--fingerprint", fingerprint, "--so-pin-source", s.so}, more...)...)
}

func (s *twoTokens) replicate() outcome {
	return s.try("hsm", "replicate", "--from", s.token.Serial, "--to", s.second.Serial, "--pin-source", s.pin, "--yes")
}

// Whoever has the private key outside reads what is replicated: a pair that was
// imported is no identity.
func TestImportedIdentity(t *testing.T) {
	s, label := identityScene(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	s.toolOn(s.second, "--write-object", s.bring("private.der", x509.MarshalPKCS1PrivateKey(key)), "--type", "privkey", "--label", label, "--id", "0a", "--usage-wrap")
	s.toolOn(s.second, "--write-object", s.bring("public.der", public), "--type", "pubkey", "--label", label, "--id", "0a", "--usage-wrap")
	one, two := s.token.Snapshot(t), s.second.Snapshot(t)
	s.ends(s.create(), 2, "it was not made there but brought in")
	s.ends(s.try("hsm", "identity", "list", "--token", s.second.Serial), 0, "warning: the identity of the token second")
	var listed []identityReport
	if err := json.Unmarshal([]byte(s.well(s.try("hsm", "identity", "list", "--token", s.second.Serial, "--json"))), &listed); err != nil || len(listed) != 1 || listed[0].MadeHere == nil || *listed[0].MadeHere {
		t.Errorf("%v, %+v", err, listed)
	}
	s.ends(s.trust(), 2, "its public key was not made there but brought in")
	s.ends(s.trust("--peer-pin-source", s.pin), 2, "brought in")
	if s.token.Snapshot(t) != one || s.second.Snapshot(t) != two {
		t.Error("something was changed")
	}
	// What the refusal says to do leads to an identity.
	advice := regexp.MustCompile(`'ssovault (key delete) "([^"]+)" (--id [0-9a-f]+) --class private (--token [0-9a-f]+)'`).FindStringSubmatch(s.create().stderr)
	if advice == nil {
		t.Fatal(s.create().stderr)
	}
	for _, class := range []string{"private", "public"} {
		args := append(strings.Fields(advice[1]), advice[2])
		args = append(append(args, strings.Fields(advice[3])...), "--class", class, "--yes", "--pin-source", s.pin)
		s.well(s.try(append(args, strings.Fields(advice[4])...)...))
	}
	s.well(s.create())
	s.ends(s.create(), 0, "already present")
	s.ends(s.trust("--peer-pin-source", s.pin), 0, "ssovault peer")
	s.ends(s.replicate(), 0, "replicated")
}

// The attributes of a pair as ssovault makes it.
const ckaPrivate, ckaModifiable, ckaSensitive, ckaEncrypt, ckaDecrypt, ckaWrap, ckaUnwrap, ckaSign, ckaVerify, ckaExtractable uint = 0x2, 0x170, 0x103, 0x104, 0x105, 0x106, 0x107, 0x108, 0x10A, 0x162

var (
	ourPublic  = map[uint]bool{ckaPrivate: false, ckaModifiable: false, ckaWrap: true, ckaEncrypt: false, ckaVerify: false}
	ourPrivate = map[uint]bool{ckaPrivate: true, ckaSensitive: true, ckaExtractable: false, ckaUnwrap: true, ckaDecrypt: false, ckaSign: false, ckaModifiable: false}
)

// Without a login a pair that was made in the token, to leave it, is not told from
// an identity; with one it is, and no key is wrapped for it.
func TestIdentityThatCanLeave(t *testing.T) {
	for name, c := range map[string]struct {
		with map[uint]bool
		flaw string
	}{
		"as ours":         {nil, ""},
		"can leave":       {map[uint]bool{ckaExtractable: true}, "it has X (CKA_EXTRACTABLE)"},
		"shows":           {map[uint]bool{ckaDecrypt: true}, "it has D (CKA_DECRYPT)"},
		"can be changed":  {map[uint]bool{ckaModifiable: true, ckaSign: true}, "it has M (CKA_MODIFIABLE), S (CKA_SIGN)"},
		"can be read":     {map[uint]bool{ckaSensitive: false}, "it lacks T (CKA_SENSITIVE)"},
		"does not unwrap": {map[uint]bool{ckaUnwrap: false}, "it lacks U (CKA_UNWRAP)"},
	} {
		t.Run(name, func(t *testing.T) {
			s, label := identityScene(t)
			its := maps.Clone(ourPrivate)
			maps.Copy(its, c.with)
			s.second.Pair(t, label, []byte{10}, ourPublic, its)
			if c.flaw == "" {
				s.ends(s.create(), 0, "already present")
				s.ends(s.trust("--peer-pin-source", s.pin), 0, "ssovault peer")
				s.ends(s.replicate(), 0, "replicated")
				return
			}
			s.ends(s.create(), 2, c.flaw)
			s.ends(s.trust("--peer-pin-source", s.pin), 2, c.flaw)
			uri := "pkcs11:serial=" + s.second.Serial + "?pin-source=" + s.pin
			s.ends(s.trust("--peer", uri), 2, c.flaw)
			if o := s.try("hsm", "identity", "list", "--token", s.token.Serial); strings.Contains(o.stdout, peerLabel) {
				t.Fatalf("it is trusted\n%s", o.stdout)
			}
			s.well(s.trust())
			s.module.Reset()
			s.ends(s.replicate(), 2, c.flaw)
			if n := s.module.CallsOf("C_WrapKey"); n != 0 {
				t.Errorf("%d keys were wrapped", n)
			}
		})
	}
}

// A private key as it should be beside the public key of another pair, whose
// private one left the token, is no identity.
func TestIdentityOfTwoPairs(t *testing.T) {
	s, label := identityScene(t)
	s.second.Pair(t, label, []byte{10}, ourPublic, map[uint]bool{ckaPrivate: true, ckaExtractable: true, ckaUnwrap: true})
	s.toolOn(s.second, "--delete-object", "--type", "privkey", "--id", "0a")
	s.ends(s.create(), 13, "has no private key of its identity")
	good := maps.Clone(ourPrivate)
	good[ckaModifiable] = true // or its id could not be changed
	s.second.Pair(t, label, []byte{11}, ourPublic, good)
	s.toolOn(s.second, "--delete-object", "--type", "pubkey", "--id", "0b")
	s.toolOn(s.second, "--set-id", "0a", "--type", "privkey", "--id", "0b")
	s.ends(s.create(), 2, "it belongs to another pair than the public key")
	s.ends(s.trust("--peer-pin-source", s.pin), 2, "another pair")
	s.well(s.trust())
	s.ends(s.replicate(), 2, "another pair")
}

// A token that keeps the past of its keys to itself is warned of, and served.
func TestIdentityWhosePastIsNotTold(t *testing.T) {
	s, _ := identityScene(t)
	s.well(s.create())
	s.module.Plan("untold 0x163 beside", "untold 0x164 beside", "untold 0x165 beside")
	const warning = "does not tell CKA_LOCAL, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE of the private key of its identity"
	s.ends(s.create(), 0, warning)
	s.ends(s.trust("--peer-pin-source", s.pin), 0, warning)
	o := s.replicate()
	s.ends(o, 0, "replicated")
	if n := strings.Count(o.stderr, warning); n != 1 {
		t.Errorf("%d warnings\n%s", n, o.stderr)
	}
}

// Nobody logs in to a peer without being told to, and a PIN that is refused trusts
// nothing.
func TestPeerPIN(t *testing.T) {
	s, _ := identityScene(t)
	s.well(s.create())
	before := s.token.Snapshot(t)
	s.ends(s.trust("--peer-pin-source", "file:"+s.bring("wrong.pin", []byte("not-the-pin"))), 20, "PIN")
	if s.token.Snapshot(t) != before {
		t.Error("something was trusted")
	}
	s.well(s.trust("--pin-source", "file:"+s.in+"/wrong.pin")) // that is not the peer's
}

// Keys that a user makes under the labels of identities stand in nobody's way, or
// are named with what removes them.
func TestSquattedIdentities(t *testing.T) {
	s := newTwoTokens(t)
	s.tool("--keypairgen", "--key-type", "rsa:1024", "--label", peerLabel+"zz", "--id", "0a")
	s.tool("--keypairgen", "--key-type", "rsa:2048", "--label", ownLabel+s.token.Serial+"0", "--id", "0b")
	own := []string{"hsm", "identity", "create", "--token", s.token.Serial, "--pin-source", s.pin}
	if o := s.try(own...); o.code != 0 || strings.Contains(o.stdout, "already present") {
		t.Errorf("exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	s.ends(s.try(own...), 0, "already present")
	s.ends(s.try("hsm", "identity", "list", "--token", s.token.Serial), 0, `"ssovault peer zz" (id 0a) is no identity`)
	made := s.well(s.try("hsm", "identity", "create", "--token", s.second.Serial, "--pin-source", s.pin, "--json"))
	var peer identityReport
	if err := json.Unmarshal([]byte(made), &peer); err != nil {
		t.Fatal(err)
	}
	s.tool("--keypairgen", "--key-type", "rsa:2048", "--label", peerLabel+s.second.Serial, "--id", "0c")
	trust := []string{"hsm", "identity", "trust", "--token", s.token.Serial, "--peer", s.second.Serial, "--fingerprint", peer.Fingerprint, "--so-pin-source", s.so}
	s.ends(s.try(trust...), 2, "that is not trusted")
	s.well(s.key("delete", peerLabel+s.second.Serial, "--id", "0c", "--class", "public", "--yes"))
	s.well(s.try(trust...))
	s.well(s.key("generate", "moving", "--replicable"))
	s.well(s.try("hsm", "replicate", "--from", s.token.Serial, "--to", s.second.Serial, "--pin-source", s.pin, "--yes"))
}
