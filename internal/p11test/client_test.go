package p11test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"
)

// role tells a child process made of this test binary what it is to be.
const role = "P11TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "":
		os.Exit(m.Run())
	case "client":
		os.Exit(client(os.Args[1], os.Args[2], os.Args[3], os.Args[4:]))
	case "parent":
		os.Exit(parent(os.Args[1:]))
	case "files":
		os.Exit(files(os.Args[1], os.Args[2:]))
	default:
		panic("no such role")
	}
}

// noRaceDelay: the race detector's runtime otherwise waits a second at every exit.
const noRaceDelay = "GORACE=atexit_sleep_ms=0"

// plaintext and keyBytes are what the client seals, and under which key.
var (
	plaintext = []byte("the secret key of a user's vault")
	aad       = []byte("header")
	keyBytes  = bytes.Repeat([]byte{0x3c, 0x51}, 16)
)

// session is the client's place in a token.
type session struct {
	ctx    *pkcs11.Ctx
	serial string
	pin    string
	slot   uint
	handle pkcs11.SessionHandle
}

// client does the named operations one after the other, and prints for each a
// line of its name, the return code, and what it gave.
func client(library, serial, pin string, operations []string) int {
	s := &session{ctx: pkcs11.New(library), serial: serial, pin: pin}
	if s.ctx == nil {
		fmt.Println("load failed")
		return 1
	}
	input := bufio.NewReader(os.Stdin)
	for _, line := range operations {
		words := strings.Fields(line)
		var answer string
		var err error
		if words[0] == "wait" {
			fmt.Println("waiting")
			_, err = input.ReadString('\n')
		} else {
			answer, err = s.do(words[0], words[1:])
		}
		var code pkcs11.Error
		if err != nil && !errors.As(err, &code) {
			fmt.Println(words[0], err)
			return 1
		}
		if code != 0 {
			answer = "" // what a refused call leaves behind says nothing
		}
		fmt.Println(strings.TrimSpace(fmt.Sprintf("%s 0x%X %s", words[0], uint(code), answer)))
	}
	return 0
}

// start is what most tests need first.
var start = []string{"init", "slot", "session", "login"}

func (s *session) do(operation string, args []string) (string, error) {
	switch operation {
	case "init":
		return "", s.ctx.Initialize()
	case "final":
		return "", s.ctx.Finalize()
	case "slot":
		return s.findSlot()
	case "slots":
		all, err := s.ctx.GetSlotList(args[0] == "present")
		return fmt.Sprint(len(all)), err
	case "slotinfo":
		info, err := s.ctx.GetSlotInfo(s.slot)
		return fmt.Sprintf("present=%t", info.Flags&pkcs11.CKF_TOKEN_PRESENT != 0), err
	case "info":
		info, err := s.ctx.GetTokenInfo(s.slot)
		return fmt.Sprintf("%#x|%s|%s", info.Flags, info.Label, info.SerialNumber), err
	case "session":
		var err error
		s.handle, err = s.ctx.OpenSession(s.slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		return "", err
	case "login":
		return "", s.ctx.Login(s.handle, pkcs11.CKU_USER, s.pin)
	case "random":
		for range 100 {
			if _, err := s.ctx.GenerateRandom(s.handle, 8); err != nil {
				return "", err
			}
		}
		return "", nil
	case "listed":
		return s.listed()
	}
	return s.doObject(operation, args)
}

func (s *session) doObject(operation string, args []string) (string, error) {
	switch operation {
	case "generate":
		_, err := s.ctx.GenerateKey(s.handle, mechanism(pkcs11.CKM_AES_KEY_GEN, nil), append(keyTemplate(),
			pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, 32)))
		return "", err
	case "import":
		_, err := s.ctx.CreateObject(s.handle, append(keyTemplate(),
			pkcs11.NewAttribute(pkcs11.CKA_VALUE, keyBytes)))
		return "", err
	case "data":
		_, err := s.ctx.CreateObject(s.handle, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_DATA),
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
			pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
			pkcs11.NewAttribute(pkcs11.CKA_LABEL, "generation"),
			pkcs11.NewAttribute(pkcs11.CKA_VALUE, args[0]),
		})
		return "", err
	case "seal":
		return s.seal(args)
	case "open":
		return s.open(args[0], args[1])
	}
	return "", fmt.Errorf("the client has no operation %q", operation)
}

func (s *session) findSlot() (string, error) {
	all, err := s.ctx.GetSlotList(true)
	if err != nil {
		return "", err
	}
	for _, id := range all {
		info, err := s.ctx.GetTokenInfo(id)
		if err != nil {
			return "", err
		}
		if info.SerialNumber == s.serial {
			s.slot = id
			return "", nil
		}
	}
	return "", pkcs11.Error(pkcs11.CKR_TOKEN_NOT_PRESENT)
}

// listed tells how the token shows AES-GCM: in the list, and by itself.
func (s *session) listed() (string, error) {
	all, err := s.ctx.GetMechanismList(s.slot)
	if err != nil {
		return "", err
	}
	found := false
	for _, m := range all {
		found = found || m.Mechanism == pkcs11.CKM_AES_GCM
	}
	_, err = s.ctx.GetMechanismInfo(s.slot, mechanism(pkcs11.CKM_AES_GCM, nil))
	return fmt.Sprint(found), err
}

func (s *session) key() (pkcs11.ObjectHandle, error) {
	err := s.ctx.FindObjectsInit(s.handle, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY)})
	if err != nil {
		return 0, err
	}
	found, _, err := s.ctx.FindObjects(s.handle, 2)
	if err = errors.Join(err, s.ctx.FindObjectsFinal(s.handle)); err != nil {
		return 0, err
	}
	if len(found) != 1 {
		return 0, fmt.Errorf("%d keys", len(found))
	}
	return found[0], nil
}

// seal gives the IV, as the parameters hold it afterwards, and the output. args
// is the IV in hex or "-"; a second word asks for a multiple-part operation.
func (s *session) seal(args []string) (string, error) {
	key, err := s.key()
	if err != nil {
		return "", err
	}
	var iv []byte
	if len(args) > 0 && args[0] != "-" {
		if iv, err = hex.DecodeString(args[0]); err != nil {
			return "", err
		}
	}
	params := pkcs11.NewGCMParams(iv, aad, 128)
	defer params.Free()
	if err := s.ctx.EncryptInit(s.handle, mechanism(pkcs11.CKM_AES_GCM, params), key); err != nil {
		return "", err
	}
	if len(args) > 1 {
		_, err := s.ctx.EncryptUpdate(s.handle, plaintext)
		return "", err
	}
	out, err := s.ctx.Encrypt(s.handle, plaintext)
	return fmt.Sprintf("iv=%x out=%x", params.IV(), out), err
}

func (s *session) open(iv, box string) (string, error) {
	key, err := s.key()
	if err != nil {
		return "", err
	}
	rawIV, err := hex.DecodeString(iv)
	if err != nil {
		return "", err
	}
	rawBox, err := hex.DecodeString(box)
	if err != nil {
		return "", err
	}
	params := pkcs11.NewGCMParams(rawIV, aad, 128)
	defer params.Free()
	if err := s.ctx.DecryptInit(s.handle, mechanism(pkcs11.CKM_AES_GCM, params), key); err != nil {
		return "", err
	}
	out, err := s.ctx.Decrypt(s.handle, rawBox)
	return fmt.Sprintf("%x", out), err
}

func mechanism(typ uint, params any) []*pkcs11.Mechanism {
	return []*pkcs11.Mechanism{pkcs11.NewMechanism(typ, params)}
}

func keyTemplate() []*pkcs11.Attribute {
	return []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
		pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true),
		pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, "sealing"),
		pkcs11.NewAttribute(pkcs11.CKA_ID, []byte{1, 2}),
	}
}

// parent runs a client as its child, so that a killed parent can be seen.
func parent(args []string) int {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), role+"=client")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Println("the child ended:", err)
		return 1
	}
	return 0
}

// clientOf gives the command that does the operations on k, by m when there is
// one.
func clientOf(t testing.TB, k Tok, m *Module, operations ...string) *exec.Cmd {
	t.Helper()
	library := k.Library
	if m != nil {
		library = m.Path
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{library, k.Serial, k.PIN}, operations...)...)
	cmd.Env = append(os.Environ(), role+"=client", noRaceDelay)
	return cmd
}

// clientAnswers runs the operations and gives the lines the client printed; a client
// that does not end well fails the test.
func clientAnswers(t testing.TB, k Tok, m *Module, operations ...string) []string {
	t.Helper()
	cmd := clientOf(t, k, m, operations...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("client: %v\n%s%s", err, out, complaint.Bytes())
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}
