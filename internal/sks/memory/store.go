package memory

import (
	"bytes"
	"context"
	"crypto/x509"
	"slices"
	"strings"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
)

// Store is a session with a Device.
type Store struct {
	device *Device
	closed bool
}

var _ interface {
	sks.Store
	sks.Rememberer
	sks.Keeper
} = (*Store)(nil)

// enter locks the device, if it answers.
func (s *Store) enter() (leave func(), err error) {
	if s.closed {
		return nil, fault.New(fault.Unreachable, "the session was closed")
	}
	if s.device.Away {
		return nil, errAway()
	}
	s.device.mu.Lock()
	return s.device.mu.Unlock, nil
}

// Key finds the one key of that id.
func (s *Store) Key(_ context.Context, id sks.KeyID) (sks.Key, error) {
	leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	m, err := s.one(id)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, fault.New(fault.KeyMissing, "token %s holds no key %s", s.device.Token, id)
	}
	return &key{store: s, id: id, info: s.info(m)}, nil
}

func (s *Store) one(id sks.KeyID) (found *material, err error) {
	for _, m := range s.device.keys {
		if m.info.ID != id {
			continue
		}
		if found != nil {
			return nil, fault.New(fault.KeyAmbiguous, "token %s holds several keys of id %s", s.device.Token, id)
		}
		found = m
	}
	return found, nil
}

func (s *Store) info(m *material) sks.KeyInfo {
	info := m.info
	info.Unsafe = slices.Clone(s.device.Unsafe)
	return info
}

// Create makes the key, or goes on with the one that is there.
func (s *Store) Create(_ context.Context, spec sks.NewKey) (sks.Key, error) {
	leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	switch {
	case spec.Label == "":
		return nil, fault.New(fault.Usage, "a sealing key needs a label")
	case s.device.NoGCM:
		return nil, errNoGCM()
	case s.device.Sick:
		return nil, errSick()
	case len(s.device.Unsafe) > 0:
		return nil, fault.New(fault.NotPermitted, "the device made an unsafe key: %s", strings.Join(s.device.Unsafe, ", "))
	}
	m, err := s.one(spec.ID)
	if err != nil {
		return nil, err
	}
	if m == nil {
		m = &material{info: sks.KeyInfo{ID: spec.ID, Label: spec.Label, Replicable: spec.Replicable}, bytes: newBytes()}
		s.device.keys = append(s.device.keys, m)
	}
	return &key{store: s, id: spec.ID, info: s.info(m)}, nil
}

// Close ends the session.
func (s *Store) Close() error {
	s.closed = true
	return nil
}

// Recall gives the mark of the instance.
func (s *Store) Recall(_ context.Context, instance string) (sks.Mark, error) {
	leave, err := s.enter()
	if err != nil {
		return sks.Mark{}, err
	}
	defer leave()
	if s.device.CannotRemember {
		return sks.Mark{}, sks.ErrCannotRemember
	}
	return s.device.marks[instance], nil
}

// Remember makes m the mark of the instance.
func (s *Store) Remember(_ context.Context, instance string, m sks.Mark) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if s.device.CannotRemember {
		return sks.ErrCannotRemember
	}
	if err := m.Check(); err != nil {
		return err
	}
	if s.device.marks == nil {
		s.device.marks = map[string]sks.Mark{}
	}
	s.device.marks[instance] = m
	return nil
}

// KeepCertificate makes der the only certificate beside the key.
func (s *Store) KeepCertificate(_ context.Context, id sks.KeyID, _ string, der []byte) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if _, err := x509.ParseCertificate(der); err != nil {
		return fault.Wrap(fault.Malformed, err, "read the certificate")
	}
	for _, m := range s.device.keys {
		if m.info.ID == id {
			m.chain = slices.Clone(der)
		}
	}
	return nil
}

// Remove deletes the key of that id.
func (s *Store) Remove(_ context.Context, id sks.KeyID) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	s.device.keys = slices.DeleteFunc(s.device.keys, func(m *material) bool { return m.info.ID == id })
	return nil
}

// List gives the keys whose label begins with prefix, ordered by id.
func (s *Store) List(_ context.Context, prefix string) (all []sks.KeyInfo, err error) {
	leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, m := range s.device.keys {
		if strings.HasPrefix(m.info.Label, prefix) {
			all = append(all, s.info(m))
		}
	}
	slices.SortFunc(all, func(a, b sks.KeyInfo) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return all, nil
}
