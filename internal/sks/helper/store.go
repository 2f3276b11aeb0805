package helper

import (
	"context"
	"sync"

	"ssovault/internal/fault"
	"ssovault/internal/isolate"
	"ssovault/internal/sks"
)

// store is a Store in a helper process.
type store struct {
	process  *isolate.Process
	timeouts sks.Timeouts
	ending   *sync.WaitGroup // of the Client
	closed   bool
}

var _ device = (*store)(nil)

func (s *store) Key(ctx context.Context, id sks.KeyID) (sks.Key, error) {
	resp, _, err := ask(ctx, s.process, s.timeouts.Question, request{Op: opKey, ID: id})
	return s.key(resp, err)
}

func (s *store) Create(ctx context.Context, spec sks.NewKey) (sks.Key, error) {
	resp, _, err := ask(ctx, s.process, s.timeouts.Make, request{Op: opCreate, ID: spec.ID, Label: spec.Label, Replicable: spec.Replicable})
	return s.key(resp, err)
}

func (s *store) key(resp response, err error) (sks.Key, error) {
	if err != nil {
		return nil, err
	}
	if resp.Info == nil {
		return nil, fault.New(fault.Unreachable, "the helper process answered nonsense: no key")
	}
	return &key{store: s, info: *resp.Info}, nil
}

func (s *store) Recall(ctx context.Context, instance string) (sks.Mark, error) {
	resp, _, err := ask(ctx, s.process, s.timeouts.Question, request{Op: opRecall, Instance: instance})
	return resp.Mark, err
}

func (s *store) Remember(ctx context.Context, instance string, m sks.Mark) error {
	_, _, err := ask(ctx, s.process, s.timeouts.Use, request{Op: opRemember, Instance: instance, Mark: m})
	return err
}

func (s *store) KeepCertificate(ctx context.Context, id sks.KeyID, label string, der []byte) error {
	_, _, err := ask(ctx, s.process, s.timeouts.Use, request{Op: opKeep, ID: id, Label: label}, der)
	return err
}

func (s *store) Remove(ctx context.Context, id sks.KeyID) error {
	_, _, err := ask(ctx, s.process, s.timeouts.Use, request{Op: opRemove, ID: id})
	return err
}

func (s *store) List(ctx context.Context, prefix string) ([]sks.KeyInfo, error) {
	resp, _, err := ask(ctx, s.process, s.timeouts.Question, request{Op: opList, Label: prefix})
	return resp.Infos, err
}

// Close ends the session in an orderly way, or by killing the helper when that
// takes longer than a question may. For the end of the process, which has
// nothing more to do, it does not wait. It may be called twice.
func (s *store) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	if s.process.Ailing() {
		return nil // killed and reaped when it failed
	}
	_, _, err := ask(context.Background(), s.process, s.timeouts.Question, request{Op: opClose})
	s.ending.Go(func() { s.process.End(s.timeouts.Question) })
	return err
}

// key is a sealing key in a helper process.
type key struct {
	store *store
	info  sks.KeyInfo
}

func (k *key) Info() sks.KeyInfo { return k.info }

func (k *key) Convention(ctx context.Context) (sks.IVConvention, error) {
	resp, _, err := ask(ctx, k.store.process, k.store.timeouts.Use, request{Op: opConvention, ID: k.info.ID})
	return resp.IV, err
}

func (k *key) Seal(ctx context.Context, plaintext, aad []byte) ([]byte, error) {
	_, box, err := ask(ctx, k.store.process, k.store.timeouts.Use, request{Op: opSeal, ID: k.info.ID, AAD: len(aad)}, aad, plaintext)
	return box, err
}

func (k *key) Open(ctx context.Context, iv sks.IVConvention, box, aad []byte) ([]byte, error) {
	_, plaintext, err := ask(ctx, k.store.process, k.store.timeouts.Use, request{Op: opOpen, ID: k.info.ID, IV: iv, AAD: len(aad)}, aad, box)
	return plaintext, err
}
