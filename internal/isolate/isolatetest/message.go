// Package isolatetest is what every message of package isolate must pass.
package isolatetest

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssovault/internal/fault"
	"ssovault/internal/isolate"
)

// ComesBackWhole makes sure that no field of a message is forgotten on its way,
// and none is cut: first as want is, then as fill makes it. got is another one
// of its type.
func ComesBackWhole(t *testing.T, want, got isolate.Message, fill func(), options ...cmp.Option) {
	t.Helper()
	for _, prepare := range []func(){func() {}, fill} {
		prepare()
		head, err := isolate.Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		if err := isolate.Decode(head, got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, append(options, sameError)...); diff != "" {
			t.Error(diff)
		}
		for cut := range head {
			if err := isolate.Decode(head[:cut], got); err == nil {
				t.Errorf("%T cut at %d of %d was read", want, cut, len(head))
			}
		}
		if err := isolate.Decode(append(head, 0), got); err == nil {
			t.Errorf("%T was read with a byte more", want)
		}
	}
}

// sameError compares what of an error passes.
var sameError = cmp.Comparer(func(a, b error) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Error() == b.Error() && fault.Of(a) == fault.Of(b) && fault.HintFor(a) == fault.HintFor(b)
})

// Fill sets every field of what p points to, however deep, to something.
func Fill(p any) { fill(reflect.ValueOf(p).Elem()) }

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for _, f := range v.Fields() {
			fill(f)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
	case reflect.Interface:
		v.Set(reflect.ValueOf(fault.New(fault.DeviceLockedDown, "tampered")))
	case reflect.String:
		v.SetString("täxt\x00")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(200)
	case reflect.Uint, reflect.Uint32, reflect.Uint64:
		v.SetUint(1 << 20)
	case reflect.Int, reflect.Int64:
		v.SetInt(-1)
	}
}
