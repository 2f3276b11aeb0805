package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"ssovault/internal/properties"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/sks/helper"
)

// bulkSize is the most that a sealed file holds.
const bulkSize = 16 << 20

// times are those of sealing and of opening.
type times struct{ seal, open []time.Duration }

// bulk times sealing and opening through the helper process, and what the
// token itself takes for it.
func (s scene) bulk(ctx context.Context) (t *table, err error) {
	key, end, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	token, err := s.startToken()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, token.end()) }()

	var ours, its, discarded times
	for round := range bulkRounds + 1 {
		to, tokenTo := &ours, &its
		if round == 0 { // pages and caches are cold
			to, tokenTo = &discarded, &discarded
		}
		if err := to.helper(ctx, key); err != nil {
			return nil, err
		}
		if err := token.time(tokenTo); err != nil {
			return nil, err
		}
	}
	t = &table{}
	t.add("16 MiB, median of", "rounds", "ssovault", "the token", "ratio")
	for _, r := range []struct {
		name      string
		ours, its []time.Duration
	}{{"seal", ours.seal, its.seal}, {"open", ours.open, its.open}} {
		a, b := median(r.ours), median(r.its)
		t.add(r.name, strconv.Itoa(len(r.ours)), milliseconds(a), milliseconds(b), ratio(a, b))
	}
	return t, nil
}

// dial reaches the key of the install folder as every command does.
func (s scene) dial(ctx context.Context) (key sks.Key, end func() error, err error) {
	text, err := os.ReadFile(filepath.Join(s.plain(), "data/sks.properties"))
	if err != nil {
		return nil, nil, err
	}
	set, err := properties.Parse(text)
	if err != nil {
		return nil, nil, err
	}
	value := func(name string) string { v, _ := set.Get("sks." + name); return v }
	pin, err := os.ReadFile(filepath.Join(s.plain(), "sks.pin"))
	if err != nil {
		return nil, nil, err
	}
	id, err := sks.ParseKeyID(value("key.id"))
	if err != nil {
		return nil, nil, err
	}
	store, _, err := new(helper.Client).Dial(ctx, sks.Access{
		Library: value("library"), Serial: value("token.serial"), Label: value("token.label"),
		Role: sks.RoleUser, Serialise: true,
	}, secret.New(bytes.TrimSuffix(pin, []byte("\n"))))
	if err != nil {
		return nil, nil, err
	}
	if key, err = store.Key(ctx, id); err == nil {
		_, err = key.Convention(ctx) // the probe is made once a session, whatever the size
	}
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return key, store.Close, nil
}

// helper times one round through the helper process.
func (t *times) helper(ctx context.Context, key sks.Key) error {
	plain, aad := bytes.Repeat([]byte("x"), bulkSize), []byte("a header")
	begun := time.Now()
	box, err := key.Seal(ctx, plain, aad)
	sealed := time.Now()
	if err != nil {
		return err
	}
	opened, err := key.Open(ctx, sks.IVCaller, box, aad)
	ended := time.Now()
	if err != nil {
		return err
	}
	if !bytes.Equal(plain, opened) {
		return errors.New("what was opened is not what was sealed")
	}
	t.seal = append(t.seal, sealed.Sub(begun))
	t.open = append(t.open, ended.Sub(sealed))
	return nil
}

// token is the C program that times the token itself, a round for each byte
// that it is given.
type token struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func (s scene) startToken() (*token, error) {
	t := &token{cmd: exec.Command(s.path("bulk"), s.plain(), strconv.Itoa(bulkSize))}
	t.cmd.Stderr = os.Stderr
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if t.in, err = t.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	t.out = bufio.NewReader(out)
	return t, t.cmd.Start()
}

func (t *token) time(to *times) error {
	if _, err := t.in.Write([]byte{'\n'}); err != nil {
		return fmt.Errorf("ask the token: %w", err)
	}
	var seal, open time.Duration
	if _, err := fmt.Fscanln(t.out, &seal, &open); err != nil {
		return fmt.Errorf("ask the token: %w", err)
	}
	to.seal, to.open = append(to.seal, seal), append(to.open, open)
	return nil
}

func (t *token) end() error {
	return errors.Join(t.in.Close(), t.cmd.Wait())
}
