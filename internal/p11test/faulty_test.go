package p11test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ops is start and more.
func ops(more ...string) []string { return slices.Concat(start, more) }

// iv12 is an IV as a caller gives it.
const iv12 = "000102030405060708090a0b"

func TestAnswersByPlan(t *testing.T) {
	for _, c := range []struct {
		name       string
		plan       []string
		operations []string
		want       []string // the last answers, their values cut off
	}{
		{"nothing", nil, ops("import", "seal "+iv12), []string{"import 0x0", "seal 0x0"}},
		{"return, the second call", []string{"on C_GenerateRandom 2 return 0x30"},
			ops("random", "random"), []string{"random 0x30", "random 0x0"}},
		{"return, from the second on", []string{"on C_OpenSession 2+ return 0xE0"},
			ops("session", "session"), []string{"session 0xE0", "session 0xE0"}},
		{"return, always", []string{"on C_GenerateKey * return 0x80000024"},
			ops("generate", "generate"), []string{"generate 0x80000024", "generate 0x80000024"}},
		{"return, by the count of all", []string{"on * 8 return 0x31"},
			// C_GetFunctionList, C_Initialize, and two calls for each list.
			[]string{"init", "slots present", "slots present", "slots present", "slots present"},
			[]string{"init 0x0", "slots 0x0", "slots 0x0", "slots 0x31", "slots 0x0"}},
		{"return ends the operation", []string{"on C_Encrypt 2 return 0x30", "on C_Encrypt 3 return 0x30"},
			ops("import", "seal "+iv12, "seal "+iv12, "seal "+iv12),
			[]string{"import 0x0", "seal 0x30", "seal 0x30", "seal 0x0"}},
		{"no mechanism", []string{"no-mechanism 0x1087"},
			ops("import", "listed", "seal "+iv12), []string{"import 0x0", "listed 0x70", "seal 0x70"}},
		{"another mechanism", []string{"no-mechanism 0x1080"},
			ops("generate", "listed"), []string{"generate 0x70", "listed 0x0"}},
		{"objects refused", []string{"refuse-objects data"},
			ops("import", "data 1"), []string{"import 0x0", "data 0x1B"}},
		{"objects refused by another code", []string{"refuse-objects secret-key 0x10"},
			ops("import", "data 1"), []string{"import 0x10", "data 0x0"}},
		{"sessions lost", []string{"on C_GenerateKey 1 lose-sessions"},
			ops("generate", "data 1", "session", "login", "generate"),
			[]string{"generate 0xB3", "data 0xB3", "session 0x0", "login 0x0", "generate 0x0"}},
		{"first rule wins", []string{"on C_Login 1 return 0xA0", "on C_Login * return 0xA4"},
			[]string{"init", "slot", "session", "slotinfo", "login", "login"},
			[]string{"login 0xA0", "login 0xA4"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := Token(t)
			m := Faulty(t, k.Library)
			m.Plan(c.plan...)
			got := codes(clientAnswers(t, k, m, c.operations...))
			got = got[len(got)-len(c.want):]
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// codes cuts the answers down to operation and code.
func codes(lines []string) []string {
	var short []string
	for _, line := range lines {
		words := strings.Fields(line)
		short = append(short, strings.Join(words[:min(2, len(words))], " "))
	}
	return short
}

func TestAnswerLostAfterTheCall(t *testing.T) {
	k := Token(t)
	m := Faulty(t, "")
	m.Plan("on C_GenerateKey 1 after 0x30")
	got := codes(clientAnswers(t, k, m, ops("generate")...))
	if got[4] != "generate 0x30" {
		t.Fatal(got)
	}
	if s := k.Snapshot(t); strings.Count(s, "secret-key \"sealing\" id=0102") != 1 {
		t.Errorf("the key was not made: %q", s)
	}
}

func TestTokenInfo(t *testing.T) {
	k := Token(t)
	m := Faulty(t, "")
	const initialised, loginRequired, countLow, finalTry = 0x400, 0x4, 0x10000, 0x20000
	m.Plan(fmt.Sprintf("flags %#x %#x", countLow|finalTry, loginRequired), "label-is another", "serial-suffix XY")
	wanted := k.Serial[:14] + "XY"
	k.Serial = wanted
	got := clientAnswers(t, k, m, "init", "slot", "info")
	var flags uint
	rest := strings.SplitN(strings.Fields(got[2])[2], "|", 2)
	if _, err := fmt.Sscanf(rest[0], "0x%x", &flags); err != nil {
		t.Fatal(err)
	}
	if flags&(initialised|countLow|finalTry|loginRequired) != initialised|countLow|finalTry {
		t.Errorf("flags %#x", flags)
	}
	if rest[1] != "another|"+wanted {
		t.Errorf("label and serial %q", rest[1])
	}
}

func TestFlipChangesOneBitOfTheOutput(t *testing.T) {
	k := Token(t)
	m := Faulty(t, "")
	clean := clientAnswers(t, k, m, ops("import", "seal "+iv12)...)[5]
	box := clean[strings.Index(clean, "out=")+4:]
	for _, c := range []struct{ rule, operation, want string }{
		// The first call asks for the length: the flip waits for the output.
		{"on C_Encrypt 1 flip", "seal " + iv12, box},
		{"on C_Decrypt 1 flip", "open " + iv12 + " " + box, fmt.Sprintf("%x", plaintext)},
		{"on C_Decrypt 2 flip", "open " + iv12 + " " + box, fmt.Sprintf("%x", plaintext)},
	} {
		m.Reset()
		m.Plan(c.rule)
		got := clientAnswers(t, k, m, ops(c.operation, c.operation)...)[4:]
		for i, wantBits := range []int{1, 0} {
			_, value, _ := strings.Cut(got[i], "0x0 ")
			value = value[strings.LastIndex(value, "=")+1:]
			if bits := differentBits(t, value, c.want); bits != wantBits {
				t.Errorf("%s: call %d differs in %d bits, want %d", c.rule, i+1, bits, wantBits)
			}
		}
	}
}

func TestVanishedTokenReturns(t *testing.T) {
	k := Token(t)
	m := Faulty(t, "")
	m.Plan("on C_GenerateKey 1 vanish")
	got := clientAnswers(t, k, m, ops("generate", "slots present", "slots all", "slotinfo", "info", "session", "login")...)[4:]
	want := []string{"generate 0x32", "slots 0x0 0", "slots 0x0 2", "slotinfo 0x0 present=false",
		"info 0xE0", "session 0xE0", "login 0x32"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := clientAnswers(t, k, m, "init", "slots present")[1]; got != "slots 0x0 0" {
		t.Errorf("another process sees %q", got)
	}
	m.Return()
	if got := codes(clientAnswers(t, k, m, ops("generate")...)); got[4] != "generate 0x0" {
		t.Errorf("after the return: %v", got)
	}
}

// A token that is taken away and given back between two calls of a running
// process has lost that process's sessions.
func TestPlanAndAbsenceReachARunningProcess(t *testing.T) {
	k := Token(t)
	m := Faulty(t, "")
	c := startClient(t, clientOf(t, k, m, ops("wait", "random", "wait", "random", "session", "random", "wait", "random")...))
	c.until("waiting")
	m.Vanish()
	c.proceed()
	c.until("random 0x32")
	c.until("waiting")
	m.Return()
	c.proceed()
	c.until("random 0xB3")
	c.until("session 0x0")
	c.until("random 0x0")
	c.until("waiting")
	m.Plan("on C_GenerateRandom * return 0x5")
	c.proceed()
	c.until("random 0x5")
	if err := c.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestCountsGoOnAcrossProcesses(t *testing.T) {
	k := Token(t)
	m := Faulty(t, "")
	if m.Calls() != 0 || m.CallsOf("C_Login") != 0 || m.Log() != nil {
		t.Error("a fresh module has counts")
	}
	m.Plan("log", "on C_Login 2 return 0xA0")
	for i, want := range []string{"login 0x0", "login 0xA0", "login 0x0"} {
		got := codes(clientAnswers(t, k, m, start...))
		if got[3] != want {
			t.Errorf("process %d: %v, want %s", i+1, got, want)
		}
	}
	log := m.Log()
	if len(log) != m.Calls() {
		t.Errorf("%d lines and %d calls", len(log), m.Calls())
	}
	if m.CallsOf("C_Login") != 3 || m.CallsOf("C_GetFunctionList") != 3 {
		t.Errorf("%d logins, %d lists", m.CallsOf("C_Login"), m.CallsOf("C_GetFunctionList"))
	}
	var pid, seq, rv int
	var name string
	if _, err := fmt.Sscanf(log[2*len(log)/3-1], "%d %d %s 0x%X", &pid, &seq, &name, &rv); err != nil {
		t.Fatal(err)
	}
	if pid == 0 || seq != 2*len(log)/3 || name != "C_Login" || rv != 0xA0 {
		t.Errorf("line %q", log[2*len(log)/3-1])
	}
	m.Reset()
	if m.Calls() != 0 || m.CallsOf("C_Login") != 0 || m.Log() != nil {
		t.Error("counts after Reset")
	}
	if got := codes(clientAnswers(t, k, m, ops("login")...)); got[4] != "login 0xA0" {
		t.Errorf("the second login from the Reset on: %v", got)
	}
}

func TestNoCallOfParallelProcessesIsLost(t *testing.T) {
	k := Token(t)
	m := Faulty(t, "")
	m.Plan("log")
	const processes = 4
	var clients []*running
	for range processes {
		clients = append(clients, startClient(t, clientOf(t, k, m, "init", "slot", "session", "wait", "random", "random")))
	}
	for _, c := range clients {
		c.until("waiting")
	}
	for _, c := range clients {
		c.proceed()
	}
	for _, c := range clients {
		c.until("random 0x0")
		c.until("random 0x0")
		if err := c.cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	if got := m.CallsOf("C_GenerateRandom"); got != processes*200 {
		t.Errorf("%d calls counted of %d", got, processes*200)
	}
	seen := map[string]bool{}
	for _, line := range m.Log() {
		seen[strings.Fields(line)[1]] = true
	}
	if len(seen) != m.Calls() {
		t.Errorf("%d numbers in the log for %d calls", len(seen), m.Calls())
	}
}
