// Command bare is the smallest Go program that does the PKCS#11 work of a
// start in one process, over miekg/pkcs11 alone: no checks, no helper process,
// no causes. "bare run BASE CMD" becomes CMD, "bare unseal BASE" prints.
package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/miekg/pkcs11"
	"golang.org/x/sys/unix"
)

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	log.SetFlags(0)
	base := os.Args[2]
	sks := map[string]string{}
	for line := range strings.Lines(string(must(os.ReadFile(filepath.Join(base, "data", "sks.properties"))))) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		sks[key] = value
	}
	pin := strings.TrimSpace(string(must(os.ReadFile(filepath.Join(base, "sks.pin")))))

	p := pkcs11.New(sks["sks.library"])
	check(p.Initialize())
	slot := tokenOf(p, sks["sks.token.serial"])
	session := must(p.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION))
	check(p.Login(session, pkcs11.CKU_USER, pin))
	key := find(p, session, pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), pkcs11.NewAttribute(pkcs11.CKA_ID, must(hex.DecodeString(sks["sks.key.id"]))))
	instance := open(p, session, key, filepath.Join(base, "data", "instance.encp"))
	shared := open(p, session, key, filepath.Join(base, "data", "shared.encp"))
	mark := find(p, session, pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_DATA), pkcs11.NewAttribute(pkcs11.CKA_LABEL, "SSO Vault Generation "+sks["sks.instance"]))
	must(p.GetAttributeValue(session, mark, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_VALUE, nil)}))
	check(p.Finalize())
	p.Destroy()

	if os.Args[1] == "unseal" {
		os.Stdout.Write(instance)
		os.Stdout.Write(shared)
		return
	}
	env := os.Environ()
	for name, text := range map[string][]byte{"SSOVAULT_INSTANCE": instance, "SSOVAULT_SHARED": shared} {
		fd := must(unix.MemfdCreate(name, 0))
		must(unix.Write(fd, text))
		env = append(env, fmt.Sprintf("%s=/proc/self/fd/%d", name, fd))
	}
	check(syscall.Exec(os.Args[3], os.Args[3:], env))
}

func tokenOf(p *pkcs11.Ctx, serial string) uint {
	for _, slot := range must(p.GetSlotList(true)) {
		if must(p.GetTokenInfo(slot)).SerialNumber == serial {
			return slot
		}
	}
	log.Fatal("no such token")
	return 0
}

func find(p *pkcs11.Ctx, session pkcs11.SessionHandle, template ...*pkcs11.Attribute) pkcs11.ObjectHandle {
	check(p.FindObjectsInit(session, template))
	found, _, err := p.FindObjects(session, 2)
	check(err)
	check(p.FindObjectsFinal(session))
	if len(found) != 1 {
		log.Fatal("not one object")
	}
	return found[0]
}

func open(p *pkcs11.Ctx, session pkcs11.SessionHandle, key pkcs11.ObjectHandle, path string) []byte {
	file := must(os.ReadFile(path))
	cut := bytes.Index(file, []byte("\n\n")) + 2
	header, box := file[:cut], file[cut:len(file)-32]
	params := pkcs11.NewGCMParams(box[:12], header, 128)
	defer params.Free()
	check(p.DecryptInit(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, params)}, key))
	return must(p.Decrypt(session, box[12:]))
}
