//go:build cgo

package library

// #include <stddef.h>
import "C"

import (
	"bytes"
	"errors"
	"slices"

	"github.com/miekg/pkcs11"
)

// Value is an attribute that was told.
type Value struct {
	Type  uint
	Bytes []byte
}

// Values are those of one object.
type Values []Value

// Of gives the value of a type, and whether it was told.
func (v Values) Of(t uint) (value []byte, told bool) {
	for _, one := range v {
		if one.Type == t {
			return one.Bytes, true
		}
	}
	return nil, false
}

// Batch reads the same attributes of many objects, each object in one call.
type Batch struct {
	session      Session
	call         AttributeCall
	wanted       []uint
	types, sizes []C.ulong
	row          int // bytes that the values of one object take
	// What was read last, a row for each object.
	rows           []pkcs11.ObjectHandle
	codes, lengths []C.ulong
	buffer         []byte
	told           Values
	refused        []uint
}

// Ahead is how many objects are read at once: enough that the steps out of Go do
// not count, and few enough for a slow device to be given up on in time.
const Ahead = 64

// Room for a value. What is longer is read once more, alone; a modulus has up to
// 8192 bits.
const (
	ulongSize  = C.sizeof_ulong
	octetsSize = 256
	bigSize    = 1024
)

// sizes are those of attributes that are no truth values.
var sizes = map[uint]C.ulong{
	pkcs11.CKA_CLASS: ulongSize, pkcs11.CKA_KEY_TYPE: ulongSize, pkcs11.CKA_VALUE_LEN: ulongSize, pkcs11.CKA_MODULUS_BITS: ulongSize,
	pkcs11.CKA_LABEL: octetsSize, pkcs11.CKA_ID: octetsSize, pkcs11.CKA_CHECK_VALUE: octetsSize, pkcs11.CKA_MODULUS: bigSize,
}

// untouched fills the room before a call. It is no truth value, so that what a
// token passed over is not taken for one.
const untouched = 0xA5

// Batch makes one. What is not in sizes is a truth value; those stand last, so
// that numbers are aligned.
func (s Session) Batch(call AttributeCall, wanted []uint) *Batch {
	b := &Batch{session: s, call: call, wanted: slices.Clone(wanted)}
	slices.SortStableFunc(b.wanted, func(x, y uint) int { return int(sizeOf(y)) - int(sizeOf(x)) })
	for _, t := range b.wanted {
		b.types, b.sizes = append(b.types, C.ulong(t)), append(b.sizes, sizeOf(t))
		b.row += int(sizeOf(t))
	}
	b.row = (b.row + ulongSize - 1) / ulongSize * ulongSize
	if len(b.wanted) > maxAttributes {
		b.call = AttributeCall{}
	}
	return b
}

func sizeOf(t uint) C.ulong {
	if n, known := sizes[t]; known {
		return n
	}
	return 1 // CK_BBOOL
}

// Read reads an object, and with it those that come next. Told is what the token
// tells, until the next Read; refused is what it refuses, or passed over: some
// tokens answer nothing else beside a refusal, so only asking for each alone
// makes it certain.
func (b *Batch) Read(object pkcs11.ObjectHandle, next ...pkcs11.ObjectHandle) (told Values, refused []uint, err error) {
	row := slices.Index(b.rows, object)
	switch {
	case b.call.call == nil:
		return b.slowly(object)
	case row < 0:
		b.read(append([]pkcs11.ObjectHandle{object}, next[:min(len(next), Ahead-1)]...))
		row = 0
	}
	b.rows[row] = 0 // never a handle: nothing is told twice
	err = nil
	if code := b.codes[row]; code != pkcs11.CKR_OK {
		err = pkcs11.Error(code)
	}
	switch {
	case elsewhere(err):
		// A library may give every asker a list of functions of its own, and know
		// no session of another's (p11-kit-proxy). If the session is lost, the
		// binding says so too.
		if told, refused, err = b.slowly(object); err == nil {
			b.call = AttributeCall{}
		}
		return told, refused, err
	case err != nil && !NotTold(err) && !errors.Is(err, pkcs11.Error(pkcs11.CKR_BUFFER_TOO_SMALL)):
		return nil, nil, err
	}
	return b.sort(object, row, err)
}

// Holds tells whether an object was read with one before it.
func (b *Batch) Holds(object pkcs11.ObjectHandle) bool { return slices.Contains(b.rows, object) }

// read reads objects into rows.
func (b *Batch) read(objects []pkcs11.ObjectHandle) {
	if n := len(objects); n > len(b.codes) {
		b.codes, b.lengths, b.buffer = make([]C.ulong, n), make([]C.ulong, n*len(b.wanted)), make([]byte, n*b.row)
	}
	b.rows = objects[:b.call.read(b.session.Handle, objects, b.types, b.sizes, b.codes, b.lengths, b.buffer, b.row)]
}

// sort parts what a row tells from what is refused there.
func (b *Batch) sort(object pkcs11.ObjectHandle, row int, refusal error) (Values, []uint, error) {
	b.told, b.refused = b.told[:0], b.refused[:0]
	lengths, rest := b.lengths[row*len(b.wanted):], b.buffer[row*b.row:]
	for i, t := range b.wanted {
		size, length := b.sizes[i], lengths[i]
		room := rest[:size]
		rest = rest[size:]
		switch {
		case length <= size && (refusal == nil || length < size || !passedOver(room)):
			b.told = append(b.told, Value{t, room[:length]})
			continue
		case size > ulongSize && (length != ^C.ulong(0) || !NotTold(refusal)): // too long, not refused
			v, err := b.session.Value(object, t)
			if err == nil {
				b.told = append(b.told, Value{t, v})
				continue
			}
			if !NotTold(err) {
				return nil, nil, err
			}
		}
		b.refused = append(b.refused, t)
	}
	return b.told, b.refused, nil
}

func passedOver(room []byte) bool { return bytes.Count(room, []byte{untouched}) == len(room) }

func elsewhere(err error) bool {
	return errors.Is(err, pkcs11.Error(pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED)) || errors.Is(err, pkcs11.Error(pkcs11.CKR_SESSION_HANDLE_INVALID))
}

// slowly reads through the binding, which makes at least two calls.
func (b *Batch) slowly(object pkcs11.ObjectHandle) (told Values, refused []uint, err error) {
	values, err := b.session.Values(object, b.wanted)
	if err != nil {
		return nil, nil, err
	}
	b.told, b.refused = b.told[:0], b.refused[:0]
	for _, t := range b.wanted {
		if v, is := values[t]; is {
			b.told = append(b.told, Value{t, v})
		} else {
			b.refused = append(b.refused, t)
		}
	}
	return b.told, b.refused, nil
}
