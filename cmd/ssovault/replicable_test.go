package main

import (
	"strings"
	"testing"
)

// A replicable sealing key moves to a second token that the first one's security
// officer trusts, and opens the settings there; an ordinary one moves nowhere.
func TestReplicableSealingKey(t *testing.T) {
	k := newKeyScene(t)
	k.configure()
	pins := map[string]string{k.token.Serial: "file:" + k.in + "/token.pin", k.second.Serial: "file:" + k.in + "/second.pin"}
	so := "file:" + k.bring("so.pin", []byte(k.token.SOPIN+"\n"))
	admin := func(args ...string) outcome { return k.run(append(args, "--library", k.module.Path)...) }
	identity := admin("hsm", "identity", "create", "--token", k.second.Serial, "--pin-source", pins[k.second.Serial], "--json")
	fingerprint, _, _ := strings.Cut(afterText(t, identity.stdout, `"fingerprint": "`), `"`)
	if o := admin("hsm", "identity", "trust", "--token", k.token.Serial, "--peer", k.second.Serial, "--fingerprint", fingerprint, "--so-pin-source", so); o.code != 0 {
		t.Fatalf("exit %d\n%s%s", o.code, identity.stderr, o.stderr)
	}
	replicate := func() outcome {
		return admin("hsm", "replicate", "--from", k.token.Serial, "--to", k.second.Serial,
			"--from-pin-source", pins[k.token.Serial], "--to-pin-source", pins[k.second.Serial], "--yes")
	}
	moved := func() int { return strings.Count("\n"+k.second.Snapshot(t), "\nsecret-key ") }
	if o := replicate(); moved() != 0 {
		t.Errorf("an ordinary sealing key moved:\n%s", o.stdout)
	}
	k.must("rotate", "--replicable")
	if o := k.run("doctor"); !strings.Contains(o.stdout, "only wrapped by a key that its security officer trusts") {
		t.Errorf("doctor: exit %d\n%s", o.code, o.stdout)
	}
	if o := replicate(); o.code != 0 || moved() != 1 {
		t.Fatalf("exit %d, %d keys\n%s%s", o.code, moved(), o.stdout, o.stderr)
	}
	settings := k.must("unseal")
	k.deleteToken(k.token)
	k.setSKS("sks.token.serial", k.second.Serial)
	k.setSKS("sks.token.label", k.second.Label)
	k.setSKS("sks.pin", pins[k.second.Serial])
	if got := k.must("unseal"); got != settings {
		t.Errorf("in the second token:\n%s", got)
	}
	if o := k.run("doctor"); !strings.Contains(o.stdout, "the key cannot leave the HSM") {
		t.Errorf("doctor on the replica: exit %d\n%s", o.code, o.stdout)
	}
}
