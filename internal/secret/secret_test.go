package secret

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestNothingPrintsIt(t *testing.T) {
	v := New([]byte("hunter2"))
	holder := struct{ PIN Value }{v}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p"} {
		for _, arg := range []any{v, &v, holder, []Value{v}, map[string]Value{"a": v}} {
			got := fmt.Sprintf(verb, arg)
			if strings.Contains(got, "hunter2") || strings.Contains(got, "68756e746572") || strings.Contains(strings.ToLower(got), "104 117") {
				t.Errorf("%s of %T shows it: %s", verb, arg, got)
			}
		}
	}
	if _, err := json.Marshal(holder); err == nil {
		t.Error("JSON encodes it")
	}
	if err := gob.NewEncoder(new(bytes.Buffer)).Encode(holder); err == nil {
		t.Error("gob encodes it")
	}
}

func TestWipe(t *testing.T) {
	b := []byte("hunter2")
	v := New(b)
	c := v.Clone()
	if !v.Equal(c) || v.Equal(New([]byte("hunter3"))) || v.Equal(New(nil)) {
		t.Error("Equal is wrong")
	}
	v.Wipe()
	v.Wipe()
	if !bytes.Equal(b, make([]byte, 7)) {
		t.Errorf("left: %q", b)
	}
	if string(c.Bytes()) != "hunter2" || c.Len() != 7 {
		t.Error("the clone was wiped too")
	}
	Value{}.Wipe()
}
