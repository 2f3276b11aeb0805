package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"ssovault/internal/backup"
	"ssovault/internal/fault"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// device goes from the library to the key, and stops where going on would be
// pointless.
func (v *visit) device(ctx context.Context) {
	s := v.contents.SKS
	v.network(ctx, s)
	var err error
	v.tokens, err = v.Device.Dialer.Tokens(ctx, s.Library, s.Timeouts)
	if !v.judge("library", v.Folder.OrRecovery(err), s.Library+" loads") {
		return
	}
	token, ok := v.token(s)
	if !ok {
		return
	}
	switch token.Tries {
	case sks.TriesUnknown:
		v.ok("tries", "no flag says that a PIN was refused")
	case sks.TriesLocked:
		v.fail("tries", fault.New(fault.PINLocked, "%s", token.Tries))
		return
	default:
		v.warn("tries", token.Tries.String(), "correct the PIN where its source keeps it, then log in once with --try-pin")
	}
	if s.Type == sks.Luna {
		v.group()
	}
	if v.NoLogin {
		return
	}
	if v.store, _, err = v.Folder.Connect(ctx, s, v.Device); !v.judge("login", v.Folder.OrRecovery(err), "the PIN from "+s.PIN.Shown()+" logs in as "+string(s.Role)) {
		return
	}
	if fault.Of(v.scanErr) == fault.WrongKey {
		return // the line of the files says why: which key to look for is not known
	}
	v.keyAndGCM(ctx, s)
}

// token looks for the token by serial, then by label.
func (v *visit) token(s vault.SKS) (sks.Token, bool) {
	match := func(same func(sks.Token) bool) []sks.Token {
		return slices.DeleteFunc(slices.Clone(v.tokens), func(t sks.Token) bool { return !t.Initialised || !same(t) })
	}
	if found := match(func(t sks.Token) bool { return t.Serial == s.Serial }); len(found) > 0 {
		v.ok("token", found[0].String())
		return found[0], true
	}
	if found := match(func(t sks.Token) bool { return t.Label == s.Label }); len(found) == 1 {
		v.warn("token", fmt.Sprintf("no token has the serial %s; %s has the label", s.Serial, found[0]), "was the token replaced? 'ssovault -config' records the new serial")
		return found[0], true
	}
	gone := fault.New(fault.Unreachable, "the token %s (serial %s) is not there; %s", s.Label, s.Serial, sks.Seen(v.tokens))
	v.fail("token", v.Folder.OrRecovery(sks.Unreached(gone, s.Library, v.Folder.Owner.UID)))
	return sks.Token{}, false
}

// lunaGroup is the group that may use a Luna client.
const lunaGroup = "hsmusers"

func (v *visit) group() {
	g, err := user.LookupGroup(lunaGroup)
	if err != nil {
		v.warn("group", "there is no group "+lunaGroup, "the Luna client's installation makes it")
		return
	}
	gid, _ := strconv.Atoi(g.Gid)
	groups, err := os.Getgroups()
	if err == nil && !slices.Contains(groups, gid) && os.Getegid() != gid && os.Geteuid() != 0 {
		err = fault.New(fault.NotPermitted, "this user is not in the group %s", lunaGroup).With("usermod -aG " + lunaGroup + " USER, then log in anew")
	}
	v.judge("group", err, "this user may use the Luna client")
}

// keyAndGCM looks at the key, its attributes, and what it does.
func (v *visit) keyAndGCM(ctx context.Context, s vault.SKS) {
	key, err := v.store.Key(ctx, s.KeyID)
	if !v.judge("key", err, fmt.Sprintf("%q (id %s) is there once", s.KeyLabel, s.KeyID)) {
		return
	}
	v.key = key
	switch info, err := v.attributes(ctx, s); {
	case err != nil:
		v.fail("attributes", err)
	case len(info.Unsafe) > 0:
		v.warn("attributes", "the key is "+strings.Join(info.Unsafe, ", "), "make a new one with 'ssovault -config --new-key'")
	case info.Replicable:
		v.ok("attributes", "the key can leave the HSM only wrapped by a key that its security officer trusts")
	default:
		v.ok("attributes", "the key cannot leave the HSM")
	}
	iv, err := key.Convention(ctx)
	if err == nil {
		err = roundTrip(ctx, key, iv)
	}
	if !v.judge("AES/GCM", err, "works; IV by "+iv.String()) {
		return
	}
	if s.Proof.Box == nil {
		v.warn("proof", "sks.properties holds no key proof", "any change of a setting makes one")
		return
	}
	if err := s.Proof.Check(ctx, key); err != nil {
		v.fail("proof", fault.Wrap(fault.WrongKey, err, "open the key proof"))
		return
	}
	v.ok("proof", "this is the key that sealed the files")
}

// attributes reads back what the key is.
func (v *visit) attributes(ctx context.Context, s vault.SKS) (sks.KeyInfo, error) {
	keeper, ok := v.store.(sks.Keeper)
	if !ok {
		return sks.KeyInfo{}, nil
	}
	keys, err := keeper.List(ctx, s.KeyLabel)
	for _, k := range keys {
		if k.ID == s.KeyID {
			return k, err
		}
	}
	return sks.KeyInfo{}, err
}

// roundTrip seals and opens random bytes.
func roundTrip(ctx context.Context, key sks.Key, iv sks.IVConvention) error {
	text := make([]byte, 64)
	_, _ = rand.Read(text)
	aad := []byte("ssovault doctor")
	box, err := key.Seal(ctx, text, aad)
	if err != nil {
		return err
	}
	got, err := key.Open(ctx, iv, box, aad)
	if err != nil {
		return fault.Wrap(fault.NoGCM, err, "open what was just sealed")
	}
	if !bytes.Equal(got, text) {
		return fault.New(fault.NoGCM, "the HSM opens something else than it sealed")
	}
	return nil
}

// orphans looks for keys of this instance that no file uses.
func (v *visit) orphans(ctx context.Context) {
	pending, err := v.Folder.Pending()
	if err != nil {
		v.fail("orphans", err)
		return
	}
	for _, p := range pending {
		if p.KeyID != v.contents.SKS.KeyID {
			v.warn("orphans", fmt.Sprintf("the key %s in the token %s was made for nothing", p.KeyID, p.Label),
				"the next 'ssovault -config', rotate or migrate that uses this token removes it, or 'ssovault key retire'")
		}
	}
	needs, err := v.Folder.Needs(v.contents)
	if err == nil {
		var more []vault.Need
		more, err = backup.Search{Layout: v.Folder.Layout, Instance: v.contents.SKS.Instance}.Needs()
		needs = append(needs, more...)
	}
	var keys []vault.KeyState
	if err == nil {
		keys, err = v.contents.Keys(ctx, v.store, needs)
	}
	if err != nil {
		v.fail("orphans", err)
		return
	}
	var old, free []string
	for _, k := range keys {
		name := fmt.Sprintf("%q (id %s)", k.Label, k.ID)
		switch {
		case k.ID == v.contents.SKS.KeyID:
		case k.Free():
			free = append(free, name)
		default:
			old = append(old, name+", needed by "+k.NeededBy())
		}
	}
	switch {
	case len(free) > 0:
		v.warn("orphans", "other keys of this instance that nothing known needs: "+strings.Join(free, ", "), "remove them with 'ssovault key retire'")
	case len(old) == 0:
		v.ok("orphans", "no other key of this instance")
	}
	if len(old) > 0 {
		v.ok("orphans", "other keys of this instance: "+strings.Join(old, "; ")+"; 'ssovault key retire' removes one when nothing needs it")
	}
}
