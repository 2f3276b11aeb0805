// Package fault names every cause for which ssovault fails: its text, its
// remedy, its letter in the manual's checklist and its exit code. Scripts of
// administrators rely on these numbers; docs/operating.md explains them.
package fault

import (
	"errors"
	"fmt"
	"syscall"
)

// Cause says why something failed. It is itself an error, so that
// errors.Is(err, fault.KeyMissing) works anywhere up the chain.
type Cause uint8

// The causes. Do not reorder: the order is that of the checks in the manual.
const (
	Unclassified Cause = iota

	Usage       // the command line, an answer or a file of answers is wrong
	Interrupted // Ctrl-C or end of input in a dialog

	Unreachable        // (a) library, network or token absent, timed out, hung, crashed
	NoConfiguration    // (b) sealed files without sks.properties, or no data folder
	FileMissing        // (c) one of the two property files is missing
	KeyMissing         // (d) the sealing key is not in the token
	DiskFull           // (e)
	NoGCM              // (f) AES/GCM not offered, or not working, on this token
	KeyStoreMissing    // (g) a bound file that was configured is missing
	PINRefused         //
	PINLocked          //
	PINUnavailable     // expired, or its source is absent or empty
	KeyAmbiguous       // several keys of that id
	WrongKey           // another key than sealed the files
	WrongInstance      // another instance's file, or the two swapped
	Tampered           // damaged or altered
	RolledBack         // older than the device remembers
	Malformed          // not one of our files, or from a newer version
	MixedConfiguration // half a configuration, or two halves of different ones
	NotPermitted       // modes, owners, group membership
	Busy               // another ssovault holds the lock
	DeviceLockedDown   // tampered, zeroized, disabled
	CommandNotFound    // run: CMD is not there
	CommandNotRunnable // run: CMD cannot be executed
	causeCount         = iota
)

// row is what the manual says of one cause.
type row struct {
	letter string // of the support checklist, or ""
	exit   int
	text   string // what is the matter, as a clause
	hint   string // what to try, as a sentence
	sks    bool   // a failure of key storage: printed in three lines
}

// table has one row per cause; TestEveryCauseHasARow holds that.
var table = [causeCount]row{
	Unclassified: {exit: 1, text: "an error that ssovault does not know", hint: "run 'ssovault doctor' and read logs/ssovault.log"},
	Usage:        {exit: 2, text: "the command line or an answer is wrong", hint: "nothing was changed; 'ssovault COMMAND --help' shows how it is meant"},
	Interrupted:  {exit: 130, text: "interrupted", hint: "nothing was changed"},

	Unreachable: {letter: "a", exit: 10, sks: true,
		text: "the HSM cannot be reached",
		hint: "check the network to the HSM (NTLS port 1792), look at it with the vendor's own tool, then run 'ssovault doctor'"},
	NoConfiguration: {letter: "b", exit: 11, sks: true,
		text: "there is no configuration here, or data/sks.properties is missing beside sealed files",
		hint: "restore data/ from a backup, or configure with 'ssovault -config'"},
	FileMissing: {letter: "c", exit: 12, sks: true,
		text: "a property file is missing",
		hint: "look for both property files; restore both from one backup, never one alone"},
	KeyMissing: {letter: "d", exit: 13, sks: true,
		text: "the key is not in the HSM",
		hint: "was the partition cleared or another one assigned? Bring the key back (the HSM's own backup or replication), open the recovery file ('ssovault recovery open'), or configure anew with 'ssovault -config'"},
	DiskFull: {letter: "e", exit: 14, sks: true,
		text: "the disk is full",
		hint: "free some space and run the command again; nothing was lost"},
	NoGCM: {letter: "f", exit: 15, sks: true,
		text: "the HSM does not offer a working AES/GCM",
		hint: "ask the provider of the device (a Luna needs firmware 6.2 or newer)"},
	KeyStoreMissing: {letter: "g", exit: 16, sks: true,
		text: "a configured file is missing",
		hint: "put it back into data/, or take a new one in with 'ssovault set ssl_file=FILE' or 'saml_file=FILE'"},

	PINRefused: {exit: 20, sks: true,
		text: "the HSM refused the PIN",
		hint: "correct the PIN where its source keeps it; it is not tried again until then ('--try-pin' tries once more)"},
	PINLocked: {exit: 21, sks: true,
		text: "the PIN is locked",
		hint: "the HSM's security officer must unlock the role; ssovault does not log in until then"},
	PINUnavailable: {exit: 22, sks: true,
		text: "there is no usable PIN",
		hint: "the source of the PIN is absent or empty, or the HSM wants a new PIN: look at sks.pin in data/sks.properties"},
	KeyAmbiguous: {exit: 23, sks: true,
		text: "several keys in the HSM have this id",
		hint: "list the keys with 'ssovault key list', and delete the one that is not ours with the vendor's tool; ssovault never guesses"},
	WrongKey: {exit: 24, sks: true,
		text: "the key in the HSM is not the one that sealed these files",
		hint: "was the key replaced, or is this another partition? 'ssovault key list' shows what is there. Restore the backup that belongs to this key, or bring the old key back"},
	WrongInstance: {exit: 25, sks: true,
		text: "a file of another instance, or the two property files swapped",
		hint: "put each file back in its place, or restore both from one backup of this instance"},
	Tampered: {exit: 26, sks: true,
		text: "a file is damaged or was altered",
		hint: "restore both property files from one backup"},
	RolledBack: {exit: 27, sks: true,
		text: "the files are older than the HSM remembers",
		hint: "if an older backup was restored on purpose, make it the newest with 'ssovault accept'"},
	Malformed: {exit: 28, sks: true,
		text: "a file is not one that this version can read",
		hint: "look at it with 'ssovault inspect FILE'; restore it from a backup, or use the newer ssovault that wrote it"},
	MixedConfiguration: {exit: 29, sks: true,
		text: "half of a configuration, or parts of two",
		hint: "see 'ssovault status'; restore data/ as a whole from one backup, or configure with 'ssovault -config'"},
	NotPermitted: {exit: 30, sks: true,
		text: "not permitted",
		hint: "set owner and mode of what the message names; those of the folders above it count too"},
	Busy: {exit: 31, sks: true,
		text: "another ssovault holds the lock",
		hint: "wait for it to end, or give a longer '--lock-wait'"},
	DeviceLockedDown: {exit: 32, sks: true,
		text: "the HSM has locked itself down",
		hint: "tampered, zeroized or disabled: only the HSM's security officer or its vendor can help"},

	CommandNotFound:    {exit: 127, text: "the command was not found", hint: "check its name and $PATH, and the interpreter in the first line of a script"},
	CommandNotRunnable: {exit: 126, text: "the command cannot be executed", hint: "check its mode and its interpreter"},
}

// Error gives the cause's text.
func (c Cause) Error() string { return c.row().text }

// Letter gives the cause's letter in the support checklist, a to g, or the
// exit code where the checklist has none.
func (c Cause) Letter() string {
	if l := c.row().letter; l != "" {
		return l
	}
	return fmt.Sprint(c.row().exit)
}

// ExitCode gives the exit status of a command that ends for this cause.
func (c Cause) ExitCode() int { return c.row().exit }

// Hint gives the remedy, one sentence without a full stop.
func (c Cause) Hint() string { return c.row().hint }

// OfKeyStorage tells whether the cause is one of the manual's "Unable to use
// Secure Key Storage" table.
func (c Cause) OfKeyStorage() bool { return c.row().sks }

func (c Cause) row() row {
	if int(c) >= len(table) {
		return table[Unclassified]
	}
	return table[c]
}

// All gives every cause in order, for documentation and tests.
func All() []Cause {
	all := make([]Cause, causeCount)
	for i := range all {
		all[i] = Cause(i)
	}
	return all
}

// Error is a failure with its cause. It unwraps to both the cause and the
// underlying error.
type Error struct {
	Op     string // what was being done: "open instance.encp"
	Cause  Cause
	Err    error  // what was met, or nil
	Advice string // a remedy for this very case, instead of the cause's own
	Matter string // what is the matter in this very case, instead of the cause's own text
}

// New makes an Error from a sentence.
func New(c Cause, format string, args ...any) *Error {
	return &Error{Op: fmt.Sprintf(format, args...), Cause: c}
}

// Wrap gives err the cause c, and says what was being done. It returns nil
// when err is nil. An err that already has a cause keeps it.
func Wrap(c Cause, err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	if had := Of(err); had != Unclassified {
		c = had
	}
	return &Error{Op: fmt.Sprintf(format, args...), Cause: c, Err: err}
}

// With gives the error a remedy of its own.
func (e *Error) With(advice string) *Error {
	e.Advice = advice
	return e
}

// Because gives the error words of its own for what is the matter, where those of
// its cause are about something else.
func (e *Error) Because(matter string) *Error {
	e.Matter = matter
	return e
}

// Error says what was being done and what was met. The cause's own text is
// only said where there is nothing more exact.
func (e *Error) Error() string {
	switch {
	case e.Err != nil && e.Op != "":
		return e.Op + ": " + e.Err.Error()
	case e.Err != nil:
		return e.Err.Error()
	case e.Op != "":
		return e.Op
	}
	return e.Cause.Error()
}

// Unwrap gives the cause and the underlying error.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Cause}
	}
	return []error{e.Cause, e.Err}
}

// Of finds the cause of err: that of the outermost Error in its chain, else a
// bare Cause, else Unclassified.
func Of(err error) Cause {
	var e *Error
	if errors.As(err, &e) {
		return e.Cause
	}
	var c Cause
	if errors.As(err, &c) {
		return c
	}
	return Unclassified
}

// TextFor says what is the matter with err, as a clause: in the words of the
// outermost Error of its cause that has some, else in those of the cause.
func TextFor(err error) string {
	var e *Error
	cause := Of(err)
	for inner := err; errors.As(inner, &e); inner = e.Err {
		if e.Matter != "" && e.Cause == cause {
			return e.Matter
		}
	}
	return cause.Error()
}

// adviceReadOnly is the remedy where it is not the owner or the mode of a file that
// keeps somebody from writing it.
const adviceReadOnly = "the file system is mounted read-only: find out why (dmesg), and mount it for writing"

// HintFor gives the remedy for err: the advice of the outermost Error that has
// one, else that of a read-only file system, else that of the cause.
func HintFor(err error) string {
	var e *Error
	for inner := err; errors.As(inner, &e); inner = e.Err {
		if e.Advice != "" {
			return e.Advice
		}
	}
	if errors.Is(err, syscall.EROFS) {
		return adviceReadOnly
	}
	return Of(err).Hint()
}
