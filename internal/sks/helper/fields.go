package helper

import (
	"errors"

	"golang.org/x/crypto/cryptobyte"

	"ssovault/internal/sks"
)

// fields writes the fields of a message, or reads them: a message walks over
// its fields once, for both ways. They bear no names, since both ends are the
// same program. encoding/json, which learns the types anew in each of the two
// processes, was a twentieth of a whole start.
type fields struct {
	out *cryptobyte.Builder // nil: they are read
	in  cryptobyte.String
	bad bool
}

// message is what walks over its fields.
type message interface{ walk(*fields) }

var errMessage = errors.New("a message that this program does not write")

func encode(m message) ([]byte, error) {
	f := fields{out: cryptobyte.NewBuilder(nil)}
	m.walk(&f)
	return f.out.Bytes()
}

// decode reads one head, strictly: what it takes, encode would write again.
func decode(head []byte, into message) error {
	f := fields{in: head}
	into.walk(&f)
	if f.bad || !f.in.Empty() {
		return errMessage
	}
	return nil
}

// need notes whether a field could be read.
func (f *fields) need(ok bool) bool {
	f.bad = f.bad || !ok
	return ok
}

func text[T ~string](f *fields, v *T) {
	if f.out != nil {
		f.out.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(*v)) })
		return
	}
	var s cryptobyte.String
	f.need(f.in.ReadUint16LengthPrefixed(&s))
	*v = T(s)
}

func number[T ~int | ~int64 | ~uint | ~uint8 | ~uint64](f *fields, v *T) {
	if f.out != nil {
		f.out.AddUint64(uint64(*v))
		return
	}
	var n uint64
	f.need(f.in.ReadUint64(&n))
	*v = T(n)
	f.need(uint64(*v) == n)
}

func (f *fields) flag(v *bool) {
	if f.out != nil {
		var b uint8
		if *v {
			b = 1
		}
		f.out.AddUint8(b)
		return
	}
	var b uint8
	f.need(f.in.ReadUint8(&b) && b <= 1)
	*v = b == 1
}

func (f *fields) id(v *sks.KeyID) {
	if f.out != nil {
		f.out.AddBytes(v[:])
		return
	}
	f.need(f.in.CopyBytes(v[:]))
}

// optional walks over what may be absent.
func optional[T any](f *fields, v **T, walk func(*T)) {
	there := *v != nil
	f.flag(&there)
	if !there {
		return
	}
	if f.out == nil {
		*v = new(T)
	}
	walk(*v)
}

// list walks over several, each of which takes a byte at least.
func list[T any](f *fields, v *[]T, walk func(*T)) {
	n := len(*v)
	number(f, &n)
	if f.out == nil {
		if !f.need(n >= 0 && n <= len(f.in)) || n == 0 {
			return
		}
		*v = make([]T, n)
	}
	for i := range *v {
		if walk(&(*v)[i]); f.bad {
			return
		}
	}
}
