package helper

import (
	"context"
	"errors"
	"time"

	"ssovault/internal/fault"
	"ssovault/internal/isolate"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

// device is all that a Store can do.
type device interface {
	sks.Store
	sks.Rememberer
	sks.Keeper
}

// server answers the requests of one caller, one after the other.
type server struct {
	open   func(sks.Access, secret.Value) (device, sks.Token, error)
	tokens func(library string, lockWait time.Duration) ([]sks.Token, error)

	store device
	keys  map[sks.KeyID]sks.Key
}

// answer handles one request.
func (s *server) answer(head, payload []byte) (isolate.Answer, error) {
	var req request
	if err := isolate.Decode(head, &req); err != nil {
		return isolate.Answer{}, err
	}
	var resp response
	out, err := s.handle(context.Background(), req, payload, &resp)
	return isolate.Answer{Message: &resp, Payload: out, Err: err, Last: req.Op == opClose}, nil
}

// handle does what is asked. It returns the payload of the answer.
func (s *server) handle(ctx context.Context, req request, payload []byte, resp *response) ([]byte, error) {
	switch req.Op {
	case opTokens:
		tokens, err := s.tokens(req.Library, req.Wait)
		resp.Tokens = tokens
		return nil, err
	case opDial:
		if req.Access == nil || s.store != nil {
			return nil, errors.New("dial: out of turn")
		}
		store, token, err := s.open(*req.Access, secret.New(payload))
		resp.Token = &token
		if err == nil {
			s.store, s.keys = store, map[sks.KeyID]sks.Key{}
		}
		return nil, err
	}
	if s.store == nil {
		return nil, errors.New("not logged in")
	}
	switch req.Op {
	case opKey:
		key, err := s.store.Key(ctx, req.ID)
		return nil, s.hold(key, err, resp)
	case opCreate:
		key, err := s.store.Create(ctx, sks.NewKey{ID: req.ID, Label: req.Label, Replicable: req.Replicable})
		return nil, s.hold(key, err, resp)
	case opConvention, opSeal, opOpen:
		return s.use(ctx, req, payload, resp)
	case opRecall:
		mark, err := s.store.Recall(ctx, req.Instance)
		resp.Mark = mark
		return nil, err
	case opRemember:
		return nil, s.store.Remember(ctx, req.Instance, req.Mark)
	case opKeep:
		return nil, s.store.KeepCertificate(ctx, req.ID, req.Label, payload)
	case opRemove:
		delete(s.keys, req.ID) // its handle ends with it
		return nil, s.store.Remove(ctx, req.ID)
	case opList:
		infos, err := s.store.List(ctx, req.Label)
		resp.Infos = infos
		return nil, err
	case opClose:
		return nil, s.store.Close()
	}
	return nil, errors.New("unknown request")
}

// hold keeps a key for later requests.
func (s *server) hold(key sks.Key, err error, resp *response) error {
	if err != nil {
		return err
	}
	info := key.Info()
	resp.Info = &info
	s.keys[info.ID] = key
	return nil
}

// use does one operation of a key that was found or made before.
func (s *server) use(ctx context.Context, req request, payload []byte, resp *response) (out []byte, err error) {
	key := s.keys[req.ID]
	if key == nil {
		return nil, fault.New(fault.KeyMissing, "key %s was not looked for, or is removed", req.ID)
	}
	if req.AAD < 0 || req.AAD > len(payload) {
		return nil, errors.New("more AAD than payload")
	}
	aad, data := payload[:req.AAD], payload[req.AAD:]
	switch req.Op {
	case opSeal:
		return key.Seal(ctx, data, aad)
	case opOpen:
		return key.Open(ctx, req.IV, data, aad)
	}
	resp.IV, err = key.Convention(ctx)
	return nil, err
}
