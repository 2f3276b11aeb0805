package p11test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOpencryptokiIsFreshAndHasNoGCM(t *testing.T) {
	for i := range 3 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			k := Opencryptoki(t)
			if s := k.Snapshot(t); s != "" {
				t.Errorf("a fresh token holds %q", s)
			}
			got := codes(clientAnswers(t, k, nil, ops("listed", "import", "seal "+iv12)...))
			want := []string{"init 0x0", "slot 0x0", "session 0x0", "login 0x0", "listed 0x70", "import 0x0", "seal 0x70"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if s := k.Snapshot(t); strings.Count(s, "secret-key") != 1 {
				t.Errorf("it holds %q", s)
			}
		})
	}
}

func TestOneTestHasOpencryptokiAtATime(t *testing.T) {
	var holders atomic.Int32
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			k := Opencryptoki(t)
			if n := holders.Add(1); n != 1 {
				t.Errorf("%d tests have the token", n)
			}
			clientAnswers(t, k, nil, ops("import", "data 1")...)
			holders.Add(-1)
		})
	}
}

// The module in front of opencryptoki: the faults are not SoftHSM's alone.
func TestFaultyOpencryptoki(t *testing.T) {
	k := Opencryptoki(t)
	m := Faulty(t, k.Library)
	m.Plan("on C_Login 1 return 0x80000024")
	got := codes(clientAnswers(t, k, m, ops("login", "import")...))
	want := []string{"init 0x0", "slot 0x0", "session 0x0", "login 0x80000024", "login 0x0", "import 0x0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
