package pin

import (
	"context"
	"fmt"
	"path/filepath"

	"ssovault/internal/fault"
	"ssovault/internal/secret"
)

// Agrees looks whether a source, which a service is to read at its start, gives
// this very secret: if not, the service would find out at night. read tells
// whether it could be compared at all; notYet says why a source that may still
// be made could not. Cause Usage for another secret, or a path that depends on
// the working directory; NotPermitted, Interrupted.
func (r Reader) Agrees(ctx context.Context, s Source, with secret.Value) (read bool, notYet, err error) {
	switch {
	case s == Default:
		return false, nil, nil // ssovault writes it
	case s.Kind == KindFile && !filepath.IsAbs(s.Arg):
		return false, nil, fault.New(fault.Usage, "%s: the service starts in another folder; give an absolute path", s)
	case s.Kind == KindPrompt, s.Kind == KindFD:
		return false, nil, nil // nothing to read before the service starts
	}
	v, err := r.Read(ctx, s, "")
	defer v.Wipe()
	switch {
	case ctx.Err() != nil:
		return false, nil, fault.Wrap(fault.Interrupted, ctx.Err(), "read the secret from %s", s.Shown())
	case fault.Of(err) == fault.NotPermitted:
		return false, nil, err
	case err != nil:
		return false, fmt.Errorf("%w. The service needs it at its start", err), nil
	case !v.Equal(with):
		return false, nil, fault.New(fault.Usage, "%s gives another password than the one that was given here", s.Shown())
	}
	return true, nil, nil
}
