package p11test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// traced is one run of the small program under sysfault.
type traced struct {
	dir    string
	status int
	log    []string
	stdout string
	stderr string
}

// traceFiles runs tasks in dir, or a fresh folder, and counts what happens there.
func traceFiles(t *testing.T, dir string, options []string, tasks ...string) traced {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "log")
	args := slices.Concat([]string{"-o", log}, options, []string{"--", self, dir}, tasks)
	cmd := exec.Command(Sysfault(t), args...)
	cmd.Env = append(os.Environ(), role+"=files", noRaceDelay)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	signal, status := ended(t, cmd)
	if signal != 0 || status == 125 {
		t.Fatalf("sysfault: signal %d, status %d: %s", signal, status, stderr.Bytes())
	}
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	r := traced{dir: dir, status: status, stdout: stdout.String(), stderr: stderr.String()}
	for line := range strings.Lines(string(data)) {
		r.log = append(r.log, strings.TrimSuffix(line, "\n"))
	}
	return r
}

// content lists what lies below dir, with the files' sizes.
func content(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name := strings.TrimPrefix(path, dir+"/")
		if d.Type().IsRegular() {
			info, err := d.Info()
			if err != nil {
				return err
			}
			name = fmt.Sprintf("%s=%d", name, info.Size())
		}
		found = append(found, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// wantLog is the log of the first n steps of save.
func wantLog(dir string, n int) []string {
	var lines []string
	for i, step := range saveSteps[:n] {
		lines = append(lines, fmt.Sprintf("%d %s", i+1, strings.ReplaceAll(step.line, "%s", dir)))
	}
	return lines
}

func under(dir string, options ...string) []string {
	return slices.Concat([]string{"-p", dir + "/"}, options)
}

func TestSysfaultCountsChanges(t *testing.T) {
	for _, tasks := range [][]string{
		{"save"},
		{"undumpable", "save"},
		{"elsewhere", "save"},
		{"become"},
	} {
		t.Run(strings.Join(tasks, " "), func(t *testing.T) {
			dir := t.TempDir()
			r := traceFiles(t, dir, under(dir), tasks...)
			if r.status != 0 {
				t.Errorf("status %d: %s", r.status, r.stderr)
			}
			if diff := cmp.Diff(wantLog(r.dir, len(saveSteps)), r.log); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSysfaultCountsOnlyFiles(t *testing.T) {
	if r := traceFiles(t, "", nil, "elsewhere"); r.status != 0 || len(r.log) != 0 {
		t.Errorf("status %d: %s, counted %q", r.status, r.stderr, r.log)
	}
}

func TestSysfaultKillsBeforeEveryChange(t *testing.T) {
	for n := 1; n <= len(saveSteps); n++ {
		for _, tasks := range [][]string{{"save"}, {"undumpable", "save"}} {
			dir := t.TempDir()
			r := traceFiles(t, dir, under(dir, "-n", fmt.Sprint(n), "-a", "kill"), tasks...)
			if r.status != 128+9 {
				t.Errorf("%d: status %d: %s", n, r.status, r.stderr)
			}
			if diff := cmp.Diff(wantLog(r.dir, n), r.log); diff != "" {
				t.Errorf("%d: %s", n, diff)
			}
			if diff := cmp.Diff(saveSteps[n-1].before, content(t, r.dir)); diff != "" {
				t.Errorf("%d: %s", n, diff)
			}
		}
	}
	dir := t.TempDir()
	if r := traceFiles(t, dir, under(dir, "-n", fmt.Sprint(len(saveSteps)+1), "-a", "kill"), "save"); r.status != 0 {
		t.Errorf("a kill that never comes: status %d", r.status)
	}
}

func TestSysfaultFailsEveryChange(t *testing.T) {
	for action, text := range map[string]string{"ENOSPC": "no space left on device", "EIO+": "input/output error"} {
		for n := 1; n <= len(saveSteps); n++ {
			dir := t.TempDir()
			r := traceFiles(t, dir, under(dir, "-n", fmt.Sprint(n), "-a", action), "save")
			if r.status != 1 || !strings.Contains(r.stderr, text) {
				t.Errorf("%s at %d: status %d: %s", action, n, r.status, r.stderr)
			}
			if diff := cmp.Diff(wantLog(r.dir, n), r.log); diff != "" {
				t.Errorf("%s at %d: %s", action, n, diff)
			}
			if diff := cmp.Diff(saveSteps[n-1].before, content(t, r.dir)); diff != "" {
				t.Errorf("%s at %d: %s", action, n, diff)
			}
		}
	}
}

func TestSysfaultFailsOnceOrFromThenOn(t *testing.T) {
	for action, want := range map[string]string{"ENOSPC": "0 true\n1 false\n", "ENOSPC+": "0 true\n0 true\n"} {
		dir := t.TempDir()
		r := traceFiles(t, dir, under(dir, "-n", "2", "-a", action), "two writes")
		if r.status != 0 || r.stdout != want {
			t.Errorf("%s: status %d, %q", action, r.status, r.stdout)
		}
	}
}

func TestSysfaultCutsThePower(t *testing.T) {
	calls := traceFiles(t, "", nil, "power").log
	seen := map[string]bool{}
	for n := 1; n <= len(calls); n++ {
		dir := t.TempDir()
		r := traceFiles(t, dir, []string{"-p", dir, "-s", t.TempDir(), "-n", fmt.Sprint(n), "-a", "power"}, "power")
		if r.status != 128+9 {
			t.Errorf("%d: status %d: %s", n, r.status, r.stderr)
		}
		seen[strings.Join(content(t, r.dir), " ")] = true
	}
	// Never a name that was not synced, never a content that was not.
	if diff := cmp.Diff(map[string]bool{"": true, "a=3": true, "a2=3 b=0 c=4": true}, seen); diff != "" {
		t.Error(diff)
	}
}

func TestSysfaultCutsWritesShort(t *testing.T) {
	for action, want := range map[string]int{"short": 2, "short+": 4} {
		dir := t.TempDir()
		r := traceFiles(t, dir, under(dir, "-n", "3", "-a", action), "save")
		writes := 0
		for _, line := range r.log {
			if strings.Contains(line, " write ") {
				writes++
			}
		}
		// 5 bytes: 2 and 3; or 2, 1, 1 and 1.
		if got := content(t, r.dir); r.status != 0 || writes != want || !slices.Contains(got, "b=2") {
			t.Errorf("%s: status %d, %d writes, %q", action, r.status, writes, got)
		}
	}
}

func TestSysfaultFollowsEveryThread(t *testing.T) {
	dir := t.TempDir()
	r := traceFiles(t, dir, under(dir), "threads")
	if want := threadCount * (1 + threadWrites); r.status != 0 || len(r.log) != want {
		t.Errorf("status %d, %d calls counted of %d", r.status, len(r.log), want)
	}
	half := fmt.Sprint(threadCount * threadWrites / 2)
	dir = t.TempDir()
	r = traceFiles(t, dir, under(dir, "-n", half, "-a", "kill"), "threads")
	if r.status != 128+9 {
		t.Errorf("status %d", r.status)
	}
}

// A child process works undisturbed and uncounted, before and after its parent's
// own calls.
func TestSysfaultLeavesChildrenAlone(t *testing.T) {
	dir := t.TempDir()
	r := traceFiles(t, dir, under(dir, "-n", "1", "-a", "kill"), "child")
	if r.status != 0 || len(r.log) != 0 {
		t.Errorf("status %d: %s, counted %q", r.status, r.stderr, r.log)
	}
	if got := content(t, dir); len(got) != 3+threadCount {
		t.Errorf("the child left %q", got)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r = traceFiles(t, dir, under(dir), "child", "two writes")
	want := []string{"1 openat " + r.dir + "/w", "2 write " + r.dir + "/w", "3 write " + r.dir + "/w"}
	if diff := cmp.Diff(want, r.log); diff != "" || r.status != 0 {
		t.Errorf("status %d: %s", r.status, diff)
	}
}

func TestSysfaultResolvesPaths(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	r := traceFiles(t, dir, under(link), "relative")
	want := []string{
		"1 mkdirat %s/one", "2 mkdirat %s/two", "3 mkdirat %s/two/three", "4 mkdirat %s/four",
		`5 renameat %s/one -> %s/five\x0asix`,
	}
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], "%s", r.dir)
	}
	if diff := cmp.Diff(want, r.log); diff != "" || r.status != 0 {
		t.Errorf("status %d: %s: %s", r.status, r.stderr, diff)
	}
}

func TestSysfaultCountsReadsWhenAsked(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "given"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		option string
		calls  int
	}{{"-r", 1}, {"", 0}} {
		options := under(dir)
		if c.option != "" {
			options = append(options, c.option)
		}
		if r := traceFiles(t, dir, options, "read"); r.status != 0 || len(r.log) != c.calls {
			t.Errorf("%q: status %d, %q", c.option, r.status, r.log)
		}
	}
}

func TestSysfaultGivesTheProgramsStatus(t *testing.T) {
	for task, want := range map[string]int{"status 3": 3, "SIGTERM": 128 + 15, "no such": 1} {
		if r := traceFiles(t, "", nil, task); r.status != want {
			t.Errorf("%s: status %d, want %d", task, r.status, want)
		}
	}
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"--", "/nonexistent/program"}, 127},
		{[]string{}, 125},
		{[]string{"-n", "1", "--", "true"}, 125},
		{[]string{"-n", "x", "-a", "kill", "--", "true"}, 125},
		{[]string{"-n", "1", "-a", "EWHAT", "--", "true"}, 125},
		{[]string{"-z", "--", "true"}, 125},
	} {
		if signal, status := ended(t, exec.Command(Sysfault(t), c.args...)); signal != 0 || status != c.want {
			t.Errorf("%q: signal %d, status %d", c.args, signal, status)
		}
	}
}
