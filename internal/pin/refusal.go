package pin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
)

// Refusal is what is remembered of a refused PIN: never the PIN nor a digest
// of it, which could be tried offline.
type Refusal struct {
	Token  string `json:"token"` // serial
	Role   string `json:"role"`
	Source string `json:"source"` // as sks.properties names it
	// Identity is the state that the source was in; see Reader.Identity.
	Identity string    `json:"identity"`
	Time     time.Time `json:"time"`
	// Count is how many refusals of this source in a row there were, each after
	// a change of it.
	Count int `json:"count"`
	// Locked: the token said that the PIN is locked, perhaps by no flag.
	Locked bool `json:"locked,omitempty"`
}

// Refusals is the file BASE/run/pin-refused, one entry for each source.
type Refusals struct {
	Path string
	// Beside is where a refusal is remembered until the next reboot when the
	// disk is full or read-only: a restart loop must not spend a try each time.
	Beside string
}

// Bounds of that file.
const (
	maxRefusal = 64 << 10
	maxSources = 16
)

// lockedAdvice is what helps against a locked PIN, whichever.
const lockedAdvice = "the security officer unlocks the role or gives the token a new user PIN ('ssovault hsm pin reset', or the vendor's own tool)"

// Check answers PINRefused, or PINLocked, when the PIN of this source was refused
// by this token before, or locked, and the source has not changed since. A file
// that cannot be read or understood counts as a refusal: nobody else writes it.
func (r Refusals) Check(token, role, identity string) error {
	all, err := r.read()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(had Refusal) bool {
		return had.Token == token && had.Role == role && had.Identity == identity
	})
	if i < 0 {
		return nil
	}
	had := all[i]
	when := had.Time.UTC().Format("2006-01-02 15:04:05 UTC")
	shows := strings.HasPrefix(had.Source, string(KindFile))
	switch {
	case had.Locked && shows:
		return fault.New(fault.PINLocked, "the HSM said on %s that the PIN is locked, and its source has not changed since: not tried again", when).
			With(lockedAdvice + "; a new PIN belongs where its source keeps it; after an unlocking that left the PIN as it was: ssovault doctor --try-pin")
	case had.Locked:
		return fault.New(fault.PINLocked, "the HSM said on %s that the PIN from %s is locked: not tried again", when, shown(had.Source)).
			With(lockedAdvice + "; then log in once by hand: ssovault doctor --try-pin --pin-source prompt")
	case !shows:
		return fault.New(fault.PINRefused, "the HSM refused the PIN from %s on %s, and nothing shows whether that source has changed since: not tried again", shown(had.Source), when).
			With("correct the PIN at its source, then log in once by hand: ssovault doctor --try-pin --pin-source prompt")
	}
	return fault.New(fault.PINRefused, "the HSM refused this PIN on %s and its source has not changed since: not tried again", when)
}

// Explain tells whether what the token's flags say of a PIN is what is remembered
// here of the roles that have it: one refusal of a role, and no second one. A
// source that is written anew before every start must not lock the role. What
// was refused to another role is counted by other flags.
func (r Refusals) Explain(token string, roles ...string) bool {
	all, err := r.read()
	sum := map[string]int{}
	for _, had := range all {
		if had.Token == token && slices.Contains(roles, had.Role) {
			sum[had.Role] += had.Count
		}
	}
	for _, n := range sum {
		if n != 1 {
			return false
		}
	}
	return err == nil && len(sum) > 0
}

// Record remembers a refusal, in place of one of the same source before.
func (r Refusals) Record(f Refusal) error {
	all, err := r.read()
	if err != nil {
		all = nil // it was in the way; what is known now counts
	}
	f.Count = 1
	all = slices.DeleteFunc(all, func(had Refusal) bool {
		same := had.Token == f.Token && had.Role == f.Role && had.Source == f.Source
		if same {
			f.Count += had.Count
		}
		return same
	})
	all = append(all, f)
	b, err := json.Marshal(all[max(0, len(all)-maxSources):])
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if err = durable.Replace(r.Path, b); err != nil && r.Beside != "" {
		err = durable.Replace(r.Beside, b)
	}
	return err
}

// Forget removes the memory of refusals of roles by a token, after a login there
// that worked, or a new PIN. What another token refused stays refused, and what
// was refused to another role.
func (r Refusals) Forget(token string, roles ...string) error {
	all, err := r.read()
	n := len(all)
	others := slices.DeleteFunc(all, func(had Refusal) bool { return had.Token == token && slices.Contains(roles, had.Role) })
	switch {
	case err == nil && len(others) > 0 && len(others) == n:
		return nil
	case err == nil && len(others) > 0:
		b, err := json.Marshal(others)
		if err != nil {
			return err
		}
		if err := durable.Replace(r.Path, append(b, '\n')); err != nil {
			return err
		}
	default:
		if err := durable.Remove(r.Path); err != nil {
			return err
		}
	}
	if r.Beside != "" {
		_ = durable.Remove(r.Beside) // gone with the next reboot at the latest
	}
	return nil
}

// read gives all that is remembered, in both places.
func (r Refusals) read() ([]Refusal, error) {
	var all []Refusal
	for _, path := range []string{r.Path, r.Beside} {
		if path == "" {
			continue
		}
		if path == r.Beside && !mine(path) {
			continue // anybody may write to /dev/shm
		}
		b, err := durable.Read(path, maxRefusal)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var some []Refusal
		if err == nil {
			err = json.Unmarshal(b, &some)
		}
		if err != nil {
			return nil, &fault.Error{Op: "read the memory of refused PINs, " + path, Cause: fault.PINRefused, Err: err,
				Advice: "delete " + path + " once the PIN's source is known to be right; the next start then tries it once"}
		}
		all = append(all, some...)
	}
	return all, nil
}

func mine(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && int(info.Sys().(*syscall.Stat_t).Uid) == os.Geteuid()
}

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
