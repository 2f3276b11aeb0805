package doctor

import (
	"ssovault/internal/recovery"
	"ssovault/internal/vault"
)

// recovery says who can open the settings without the HSM, and whether what
// the sealed settings say is what the readable file says.
func (v *visit) recovery() {
	public, state, err := v.Folder.Recovery(v.contents)
	switch {
	case err != nil:
		v.fail("recovery", err)
		return
	case state == vault.RecoveryUnknown:
		v.ok("recovery", "data/"+vault.RecoveryFile+" is there: 'ssovault recovery open' brings the settings back")
		return
	case v.contents.Mode == vault.ModeNone:
		return
	}
	const again = "any 'ssovault set' writes it anew"
	if v.plain.Instance != nil {
		set, err := v.plain.Parse()
		if err != nil {
			return // the line of the settings has said so
		}
		setup, err := recovery.Read(set.Instance)
		if err != nil {
			v.fail("recovery", err)
			return
		}
		sealed := setup != nil
		same := sealed == (public != nil)
		if sealed {
			same = same && setup.Public() == *public
			setup.Key.Wipe()
		}
		if !same {
			v.warn("recovery", "data/sks.properties says otherwise than the sealed settings who can open them without the HSM", "somebody edited it; any 'ssovault set' puts it right")
			return
		}
	}
	if public == nil {
		v.ok("recovery", "without the HSM nobody can open the settings ('ssovault recovery init' changes that)")
		return
	}
	text := public.Who() + " can open the settings without the HSM"
	switch state {
	case vault.RecoveryMissing:
		v.warn("recovery", text+", but data/"+vault.RecoveryFile+" is missing", again)
	case vault.RecoveryOther:
		v.warn("recovery", text+", but data/"+vault.RecoveryFile+" is damaged or not of this save", again)
	default:
		v.ok("recovery", text)
	}
}
