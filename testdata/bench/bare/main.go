// Command bare is the smallest Go program that does the PKCS#11 work of a
// start in one process, over miekg/pkcs11 alone and with the fewest calls: no
// checks, no helper process, no causes. "bare run BASE CMD" becomes CMD, "bare
// unseal BASE" prints.
package main

import (
	"encoding/hex"
	"log"
	"os"

	"github.com/miekg/pkcs11"

	"ssovault/testdata/bench/folder"
)

func main() {
	f := folder.Read(os.Args[2])
	p := pkcs11.New(f.SKS["sks.library"])
	folder.Check(p.Initialize())
	slot := tokenOf(p, f.SKS["sks.token.serial"])
	session := folder.Must(p.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION))
	folder.Check(p.Login(session, pkcs11.CKU_USER, f.PIN))
	key := find(p, session, pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), pkcs11.NewAttribute(pkcs11.CKA_ID, folder.Must(hex.DecodeString(f.SKS["sks.key.id"]))))
	instance := open(p, session, key, f.Instance)
	shared := open(p, session, key, f.Shared)
	mark := find(p, session, pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_DATA), pkcs11.NewAttribute(pkcs11.CKA_LABEL, "SSO Vault Generation "+f.SKS["sks.instance"]))
	folder.Must(p.GetAttributeValue(session, mark, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_VALUE, nil)}))
	folder.Check(p.Finalize())
	p.Destroy()
	folder.HandOver(instance, shared)
}

func tokenOf(p *pkcs11.Ctx, serial string) uint {
	for _, slot := range folder.Must(p.GetSlotList(true)) {
		if folder.Must(p.GetTokenInfo(slot)).SerialNumber == serial {
			return slot
		}
	}
	log.Fatal("no such token")
	return 0
}

func find(p *pkcs11.Ctx, session pkcs11.SessionHandle, template ...*pkcs11.Attribute) pkcs11.ObjectHandle {
	folder.Check(p.FindObjectsInit(session, template))
	found, _, err := p.FindObjects(session, 2)
	folder.Check(err)
	folder.Check(p.FindObjectsFinal(session))
	if len(found) != 1 {
		log.Fatal("not one object")
	}
	return found[0]
}

func open(p *pkcs11.Ctx, session pkcs11.SessionHandle, key pkcs11.ObjectHandle, s folder.Sealed) []byte {
	params := pkcs11.NewGCMParams(s.IV, s.AAD, 128)
	defer params.Free()
	folder.Check(p.DecryptInit(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, params)}, key))
	return folder.Must(p.Decrypt(session, s.Box))
}
