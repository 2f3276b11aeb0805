package pin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
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
		return fault.Wrap(fault.PINRefused, err, "the memory of refused PINs")
	}
	if had.Token != token || had.Role != role || had.Source != source {
		return nil
	}
	return fault.New(fault.PINRefused, "the HSM refused this PIN on %s and its source has not changed since: not tried again",
		had.Time.UTC().Format("2006-01-02 15:04:05 UTC"))
}

func (r Refusals) read() (had Refusal, err error) {
	b, err := durable.Read(r.Path, maxRefusal)
	if err == nil {
		err = json.Unmarshal(b, &had)
	}
	return had, err
}

// Explain tells whether a refusal by this token is remembered: it is then what
// the token's own flags speak of.
func (r Refusals) Explain(token string) bool {
	had, err := r.read()
	return err == nil && had.Token == token
}

// Record remembers a refusal.
func (r Refusals) Record(f Refusal) error {
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
