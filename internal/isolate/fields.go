package isolate

import (
	"errors"

	"golang.org/x/crypto/cryptobyte"
)

// Fields writes the fields of a message, or reads them: a message walks over
// its fields once, for both ways. They bear no names, since both ends are the
// same program. encoding/json, which learns the types anew in each of the two
// processes, was a twentieth of a whole start.
type Fields struct {
	out *cryptobyte.Builder // nil: they are read
	in  cryptobyte.String
	bad bool
}

// Message is what walks over its fields.
type Message interface{ Walk(*Fields) }

var errMessage = errors.New("a message that this program does not write")

// Encode writes messages, one behind the other.
func Encode(messages ...Message) ([]byte, error) {
	f := Fields{out: cryptobyte.NewBuilder(nil)}
	for _, m := range messages {
		m.Walk(&f)
	}
	return f.out.Bytes()
}

// Decode reads a message, strictly: what it takes is what would be written
// again.
func Decode(head []byte, into Message) error {
	f := Fields{in: head}
	into.Walk(&f)
	return f.end()
}

// decodeAnswer reads a failure and, unless it stands alone, a message.
func decodeAnswer(head []byte, failed *failure, into Message) error {
	f := Fields{in: head}
	if failed.Walk(&f); !f.bad && !failed.Alone {
		into.Walk(&f)
	}
	return f.end()
}

func (f *Fields) end() error {
	if f.bad || !f.in.Empty() {
		return errMessage
	}
	return nil
}

// need notes whether a field could be read.
func (f *Fields) need(ok bool) bool {
	f.bad = f.bad || !ok
	return ok
}

// Text walks over a string of up to 64 KiB.
func Text[T ~string](f *Fields, v *T) {
	if f.out != nil {
		f.out.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(*v)) })
		return
	}
	var s cryptobyte.String
	f.need(f.in.ReadUint16LengthPrefixed(&s))
	*v = T(s)
}

// Number walks over an integer.
func Number[T ~int | ~int64 | ~uint | ~uint8 | ~uint32 | ~uint64](f *Fields, v *T) {
	if f.out != nil {
		f.out.AddUint64(uint64(*v))
		return
	}
	var n uint64
	f.need(f.in.ReadUint64(&n))
	*v = T(n)
	f.need(uint64(*v) == n)
}

// Flag walks over a truth value.
func (f *Fields) Flag(v *bool) {
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

// Bytes walks over a fixed number of bytes.
func (f *Fields) Bytes(v []byte) {
	if f.out != nil {
		f.out.AddBytes(v)
		return
	}
	f.need(f.in.CopyBytes(v))
}

// Optional walks over what may be absent.
func Optional[T any](f *Fields, v **T, walk func(*T)) {
	there := *v != nil
	f.Flag(&there)
	if !there {
		return
	}
	if f.out == nil {
		*v = new(T)
	}
	walk(*v)
}

// List walks over several, each of which takes a byte at least.
func List[T any](f *Fields, v *[]T, walk func(*T)) {
	n := len(*v)
	Number(f, &n)
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
