package pin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
)

// Refusal is what is remembered of a refused PIN: never the PIN nor a digest
// of it, which could be tried offline.
type Refusal struct {
	Token  string    `json:"token"` // serial
	Role   string    `json:"role"`
	Source string    `json:"source"` // see Identity
	Time   time.Time `json:"time"`
	// Count is how many refusals in a row there were, each after a change of
	// the source.
	Count int `json:"count"`
}

// Refusals is the file BASE/run/pin-refused.
type Refusals struct{ Path string }

// maxRefusal bounds that file.
const maxRefusal = 4096

// Check answers PINRefused when the PIN of this source was refused by this
// token before and the source has not changed since. A file that cannot be
// read or understood counts as a refusal: nobody else writes it.
func (r Refusals) Check(token, role, source string) error {
	had, err := r.read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &fault.Error{Op: "read the memory of refused PINs, " + r.Path, Cause: fault.PINRefused, Err: err,
			Advice: "delete " + r.Path + " once the PIN's source is known to be right; the next start then tries it once"}
	}
	if had.Token != token || had.Role != role || had.Source != source {
		return nil
	}
	when := had.Time.UTC().Format("2006-01-02 15:04:05 UTC")
	if !strings.HasPrefix(source, string(KindFile)) {
		return fault.New(fault.PINRefused, "the HSM refused the PIN from %s on %s, and nothing shows whether that source has changed since: not tried again", source, when).
			With("correct the PIN at its source, then log in once by hand: ssovault doctor --try-pin --pin-source prompt")
	}
	return fault.New(fault.PINRefused, "the HSM refused this PIN on %s and its source has not changed since: not tried again", when)
}

func (r Refusals) read() (had Refusal, err error) {
	b, err := durable.Read(r.Path, maxRefusal)
	if err == nil {
		err = json.Unmarshal(b, &had)
	}
	return had, err
}

// Explain tells whether one refusal by this token is remembered: it is then what
// the token's own flags speak of. A second one in a row is explained no more: a
// source that is written anew before every start must not lock the role.
func (r Refusals) Explain(token string) bool {
	had, err := r.read()
	return err == nil && had.Token == token && had.Count <= 1
}

// Record remembers a refusal, and counts it with those before.
func (r Refusals) Record(f Refusal) error {
	f.Count = 1
	if had, err := r.read(); err == nil && had.Token == f.Token && had.Role == f.Role {
		f.Count = had.Count + 1
	}
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return durable.Replace(r.Path, append(b, '\n'))
}

// Forget removes the memory, after a login that worked.
func (r Refusals) Forget() error { return durable.Remove(r.Path) }

// Identity names the state of a source, so that a change of it can be seen:
// for a file its inode, size and times. A systemd credential is a new file at
// every start and a variable shows no time: for those only the name counts,
// and --try-pin is the way on.
func (r Reader) Identity(s Source) string {
	if s.Kind != KindFile {
		return s.String()
	}
	info, err := os.Lstat(r.path(s))
	if err != nil {
		return s.String()
	}
	st := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%s %d:%d %d %d.%09d %d.%09d", s, st.Dev, st.Ino, st.Size,
		st.Mtim.Sec, st.Mtim.Nsec, st.Ctim.Sec, st.Ctim.Nsec)
}
