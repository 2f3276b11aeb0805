package main

import (
	"context"

	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// session is an install folder with its settings open.
type session struct {
	folder   *vault.Folder
	contents *vault.Contents
	plain    vault.Plain
	store    sks.Store // nil in the clear
	token    sks.Token // the store's
	rollback vault.Rollback
}

// access says what a command needs of the folder.
type access struct {
	use   vault.Use
	bound vault.BoundCheck
	// acceptOlder opens files that the token knows a newer state of.
	acceptOlder bool
	// check looks at the folder before anything is asked of the device.
	check func(*vault.Contents) error
	// tellNothing: the token does not learn of files that are newer than it
	// remembers.
	tellNothing bool
}

// openSettings opens the folder, makes every check, and unseals: the one way
// in which any command comes to the settings. The HSM is asked once.
func (a *app) openSettings(ctx context.Context, need access) (s *session, err error) {
	s = &session{}
	defer func() {
		if err != nil {
			s.close()
			s = nil
		}
	}()
	if s.folder, err = a.open(ctx, need.use); err != nil {
		return s, err
	}
	if s.contents, err = s.folder.Scan(need.bound); err != nil {
		return s, err
	}
	if open, openErr := s.folder.OpenToOthers(); openErr == nil && len(open) > 0 {
		a.warn("others may read " + open[0] + "; 'ssovault -config' repairs it, or chmod go-rwx")
	}
	a.warn(vault.UnknownText(s.contents.SKS.Unknown()))
	if need.check != nil {
		if err = need.check(s.contents); err != nil {
			return s, err
		}
	}
	if s.contents.Mode == vault.ModeClear {
		s.plain = s.contents.Clear
		return s, nil
	}
	if err = a.hideVariables(s.contents.SKS); err != nil {
		return s, err
	}
	if s.contents.SKS.PIN.Kind == pin.KindEnv {
		a.warn("the PIN comes from a variable: whatever starts the service keeps it somewhere, and may show it; file: or credential: are safer")
	}
	if need.acceptOlder {
		s.contents.SKS.RefuseRollback = false
	}
	if s.store, s.token, err = a.connect(ctx, s.folder, s.contents.SKS); err != nil {
		return s, err
	}
	a.warnReplaced(s.contents.SKS, s.token)
	if need.tellNothing {
		if s.plain, err = s.contents.OpenCopy(ctx, s.store); err == nil {
			s.rollback, err = s.contents.Rollback(ctx, s.store)
		}
	} else {
		s.plain, s.rollback, err = s.contents.Unseal(ctx, s.store)
	}
	if err != nil {
		return s, err
	}
	a.warn(s.rollback.Warning())
	return s, nil
}

// connect logs in to the token that a configuration names. Where that is not to be
// reached the hint names the recovery file, if there is one.
func (a *app) connect(ctx context.Context, f *vault.Folder, s vault.SKS) (sks.Store, sks.Token, error) {
	device, err := a.device(f)
	if err != nil {
		return nil, sks.Token{}, err
	}
	store, token, err := f.Connect(ctx, s, device)
	return store, token, f.OrRecovery(err)
}

// settings gives the opened settings, to be changed by the caller.
func (s *session) settings() (vault.Settings, error) {
	set, err := s.plain.Parse()
	set.Bound = s.contents.Bound
	return set, err
}

// close wipes what is open and ends the session with the token.
func (s *session) close() {
	s.plain.Wipe()
	if s.store != nil {
		_ = s.store.Close() // nothing that was asked for depends on it
	}
	if s.folder != nil {
		s.folder.Close()
	}
}

// view opens the settings for something that only reads them.
func (a *app) view(ctx context.Context, need access, do func(*session, vault.Settings) error) error {
	need.use = vault.Read
	s, err := a.openSettings(ctx, need)
	if err != nil {
		return err
	}
	defer s.close()
	set, err := s.settings()
	if err != nil {
		return err
	}
	return do(s, set)
}

// change opens the settings, lets edit change them, and makes one save of it.
// edit says false when there is nothing to save.
func (a *app) change(ctx context.Context, need access, edit func(*session, *vault.Save) (bool, error)) error {
	_, err := a.save(ctx, need, edit)
	return err
}

// save is change, and tells the mark of the save that was made.
func (a *app) save(ctx context.Context, need access, edit func(*session, *vault.Save) (bool, error)) (mark sks.Mark, err error) {
	need.use = vault.Change
	s, err := a.openSettings(ctx, need)
	if err != nil {
		return mark, err
	}
	defer s.close()
	set, err := s.settings()
	if err != nil {
		return mark, err
	}
	was := snapshot(set)
	save := vault.Save{Settings: set, Now: a.now()}
	changed, err := edit(s, &save)
	if err != nil || !changed {
		return mark, err
	}
	if err := checkKeyStore(s.folder, was, &save); err != nil {
		return mark, err
	}
	if mark, err = s.folder.Change(ctx, s.contents, save, s.store); err != nil {
		return mark, fault.Wrap(fault.Unclassified, err, "save")
	}
	event := a.log.Info().Str("command", a.command)
	if s.contents.Mode == vault.ModeSealed {
		event = event.Uint64("generation", mark.Generation).Str("save_id", mark.SaveID)
	}
	event.Msg("settings saved")
	return mark, nil
}
