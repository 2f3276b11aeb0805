package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// keepRounds is small: each round reads and writes gigabytes.
const keepRounds = 5

// work is one thing to do with a backup, in our way and in that of the tools
// that everybody has. Both end when the result is on the disk.
type work struct {
	name         string
	ours, theirs string // for sh, in the scene's folder
}

// The scene holds big/, an install folder, and big.age, a key and its recipient.
var works = []work{
	{"backup",
		`"$SSOVAULT" --base big backup --plaintext out/ours.tar.zst`,
		`tar -C big -cf - data | zstd -3 -q -o out/theirs.tar.zst && sync out/theirs.tar.zst`},
	{"restore",
		`"$SSOVAULT" --base out/ours restore --accept-sks out/ours.tar.zst`,
		`zstd -dcq out/theirs.tar.zst | tar -C out/theirs -xf - && sync -f out/theirs`},
	{"verify",
		`"$SSOVAULT" backup verify out/ours.tar.zst`,
		`zstd -tq out/theirs.tar.zst`},
	{"backup, encrypted",
		`"$SSOVAULT" --base big backup --encrypt-to "$RECIPIENT" out/ours.tar.zst.age`,
		`tar -C big -cf - data | zstd -3 -q | age -r "$RECIPIENT" -o out/theirs.tar.zst.age && sync out/theirs.tar.zst.age`},
	{"restore, encrypted",
		`"$SSOVAULT" --base out/ours restore --accept-sks --identity big.age out/ours.tar.zst.age`,
		`age -d -i big.age out/theirs.tar.zst.age | zstd -dcq | tar -C out/theirs -xf - && sync -f out/theirs`},
	{"verify, encrypted",
		`"$SSOVAULT" backup verify --identity big.age out/ours.tar.zst.age`,
		`age -d -i big.age out/theirs.tar.zst.age | zstd -tq`},
}

// keep times backups of a large folder.
func (s scene) keep() (*table, error) {
	recipient, err := output([]string{"age-keygen", "-y", s.path("big.age")})
	if err != nil {
		return nil, err
	}
	env := append(os.Environ(), "SSOVAULT="+s.ssovault, "RECIPIENT="+strings.TrimSpace(string(recipient)))
	size, err := output([]string{"du", "-sm", "--apparent-size", s.path("big/data")})
	if err != nil {
		return nil, err
	}
	mebibytes, _, _ := strings.Cut(string(size), "\t")
	took := make([][2][]time.Duration, len(works))
	kib := make([][]int, len(works))
	for range keepRounds {
		if err := s.empty("out", "out/ours", "out/theirs"); err != nil {
			return nil, err
		}
		for i, w := range works {
			if err := s.empty("out/ours", "out/theirs"); err != nil {
				return nil, err
			}
			for j, script := range []string{w.ours, w.theirs} {
				argv := []string{"sh", "-ec", script}
				if j == 0 {
					argv = append([]string{s.path("peak")}, argv...)
				}
				cmd := exec.Command(argv[0], argv[1:]...)
				cmd.Dir, cmd.Env = s.folder, env
				begun := time.Now()
				out, err := printed(cmd)
				took[i][j] = append(took[i][j], time.Since(begun))
				if err != nil {
					return nil, err
				}
				if j == 0 {
					lines := strings.Fields(string(out))
					n, err := strconv.Atoi(lines[len(lines)-1])
					if err != nil {
						return nil, err
					}
					kib[i] = append(kib[i], n)
				}
			}
		}
	}
	t := &table{}
	t.add("of "+mebibytes+" MiB, median of", "rounds", "ssovault", "tar, zstd -3, age", "ratio", "memory")
	for i, w := range works {
		ours, theirs := median(took[i][0]), median(took[i][1])
		t.add(w.name, strconv.Itoa(keepRounds), seconds(ours), seconds(theirs), ratio(ours, theirs), fmt.Sprintf("%.0f MiB", float64(median(kib[i]))/1024))
	}
	return t, s.empty("out")
}

// empty makes folders that hold nothing, and lets the disk come to rest.
func (s scene) empty(names ...string) error {
	for _, name := range names {
		if err := os.RemoveAll(s.path(name)); err != nil {
			return err
		}
		if err := os.Mkdir(s.path(name), 0o700); err != nil {
			return err
		}
	}
	return exec.Command("sync").Run()
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s" }
