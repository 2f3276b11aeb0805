// Command same is the smallest Go program that asks of a token what ssovault
// asks at a start, call for call, in one process: a look at the token's flags
// before the login, which may not cost a try, then crypto11, and a session
// beside it for the generation. No checks, no causes. "same run BASE CMD"
// becomes CMD, "same unseal BASE" prints.
package main

import (
	"crypto/cipher"
	"encoding/hex"
	"log"
	"os"

	"github.com/ThalesIgnite/crypto11"
	"github.com/miekg/pkcs11"

	"ssovault/testdata/bench/folder"
)

func main() {
	f := folder.Read(os.Args[2])
	library, serial := f.SKS["sks.library"], f.SKS["sks.token.serial"]
	p := pkcs11.New(library)
	slot := look(p, serial)
	ctx := folder.Must(crypto11.Configure(&crypto11.Config{Path: library, TokenSerial: serial, Pin: f.PIN, MaxSessions: 2, GCMIVLength: 12}))
	template := crypto11.NewAttributeSet()
	folder.Check(template.Set(crypto11.CkaId, folder.Must(hex.DecodeString(f.SKS["sks.key.id"]))))
	folder.Check(template.Set(crypto11.CkaKeyType, uint(pkcs11.CKK_AES)))
	keys := folder.Must(ctx.FindKeysWithAttributes(template))
	if len(keys) != 1 {
		log.Fatal("not one key")
	}
	instance := open(folder.Must(keys[0].NewGCM()), f.Instance)
	shared := open(folder.Must(keys[0].NewGCM()), f.Shared)
	recall(p, slot, f.SKS["sks.instance"])
	folder.Check(ctx.Close())
	folder.HandOver(instance, shared)
}

// look finds the token and reads its flags.
func look(p *pkcs11.Ctx, serial string) uint {
	folder.Check(p.Initialize())
	defer p.Finalize()
	for _, slot := range folder.Must(p.GetSlotList(true)) {
		info := folder.Must(p.GetTokenInfo(slot))
		if info.SerialNumber == serial && info.Flags&(pkcs11.CKF_USER_PIN_LOCKED|pkcs11.CKF_USER_PIN_FINAL_TRY) == 0 {
			return slot
		}
	}
	log.Fatal("no such token")
	return 0
}

func open(aead cipher.AEAD, s folder.Sealed) []byte {
	return folder.Must(aead.Open(nil, s.IV, s.Box, s.AAD))
}

// recall reads the generation.
func recall(p *pkcs11.Ctx, slot uint, instance string) {
	session := folder.Must(p.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION))
	folder.Check(p.FindObjectsInit(session, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_DATA),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, "SSO Vault Generation "+instance),
	}))
	found, _, err := p.FindObjects(session, 100)
	folder.Check(err)
	folder.Check(p.FindObjectsFinal(session))
	for _, mark := range found {
		folder.Must(p.GetAttributeValue(session, mark, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_VALUE, nil)}))
	}
}
