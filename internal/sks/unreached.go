package sks

import (
	"fmt"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"ssovault/internal/fault"
)

// Unreached gives a failure to reach a token the remedy that fits its library,
// where it has none of its own. SoftHSM is no device on a network: what it needs is
// a file that a variable names, which this user may read. uid runs the library.
func Unreached(err error, library string, uid int) error {
	advice := AdviceFor(library, uid)
	if fault.Of(err) != fault.Unreachable || fault.HintFor(err) != fault.Unreachable.Hint() || advice == "" {
		return err
	}
	return (&fault.Error{Cause: fault.Unreachable, Err: err}).With(advice + "; then run 'ssovault doctor'")
}

// AdviceFor says what a library needs that is no device on a network, so that it
// sees its tokens; "" for any other.
func AdviceFor(library string, uid int) string {
	if !strings.Contains(strings.ToLower(filepath.Base(library)), "softhsm") {
		return ""
	}
	name := "user " + strconv.Itoa(uid)
	if u, lookupErr := user.LookupId(strconv.Itoa(uid)); lookupErr == nil {
		name += " (" + u.Username + ")"
	}
	return fmt.Sprintf("set SOFTHSM2_CONF to SoftHSM's configuration file, for the service too; "+
		"%s must be able to read that file, and the folder of tokens that it names", name)
}
