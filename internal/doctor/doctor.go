// Package doctor is the support checklist: it goes through everything that a
// start needs, in order, and says of each thing how it stands and what to do.
// It changes nothing.
package doctor

import (
	"context"
	"time"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// Level is how a line of the checklist came out.
type Level string

// The levels.
const (
	OK   Level = "ok"
	Warn Level = "warn"
	Fail Level = "fail"
)

// Line is one line of the checklist.
type Line struct {
	Check string `json:"check"`
	Level Level  `json:"level"`
	Text  string `json:"text"`
	Cause string `json:"cause,omitempty"`
	Exit  int    `json:"exit,omitempty"`
	Hint  string `json:"hint,omitempty"`

	err error
}

// Doctor says what to look at, and with what.
type Doctor struct {
	Folder *vault.Folder // open to Look
	Device vault.Device
	Now    time.Time
	// NoLogin ends with what can be seen without a login.
	NoLogin bool
	// LookupEnv finds the variables by which vendors name their servers.
	LookupEnv func(string) (string, bool)
	// Report is told each line as it comes: a device may take its time.
	Report func(Line)
}

// visit is one walk through the checklist.
type visit struct {
	Doctor
	lines    []Line
	contents *vault.Contents
	scanErr  error
	tokens   []sks.Token
	store    sks.Store
	key      sks.Key
	plain    vault.Plain
}

// Run goes through the checklist. The error is that of the first line that
// failed, or nil.
func (d Doctor) Run(ctx context.Context) ([]Line, error) {
	v := &visit{Doctor: d}
	defer v.close()
	v.folder()
	if v.contents.Mode == vault.ModeSealed && v.contents.SKS.Library != "" {
		v.device(ctx)
	}
	v.files(ctx)
	v.recovery()
	v.machine()
	if v.store != nil {
		v.orphans(ctx)
	}
	for _, l := range v.lines {
		if l.Level == Fail {
			return v.lines, l.err
		}
	}
	return v.lines, nil
}

func (v *visit) close() {
	v.plain.Wipe()
	if v.store != nil {
		_ = v.store.Close()
	}
}

func (v *visit) add(l Line) {
	v.lines = append(v.lines, l)
	if v.Report != nil {
		v.Report(l)
	}
}

func (v *visit) ok(check, text string) { v.add(Line{Check: check, Level: OK, Text: text}) }

func (v *visit) warn(check, text, hint string) {
	v.add(Line{Check: check, Level: Warn, Text: text, Hint: hint})
}

func (v *visit) fail(check string, err error) {
	c := fault.Of(err)
	v.add(Line{Check: check, Level: Fail, Text: err.Error(), Cause: c.Letter(), Exit: c.ExitCode(), Hint: fault.HintFor(err), err: err})
}

// judge adds a line that is ok or failed.
func (v *visit) judge(check string, err error, text string) bool {
	if err != nil {
		v.fail(check, err)
		return false
	}
	v.ok(check, text)
	return true
}
