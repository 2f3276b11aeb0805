package helper

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"ssovault/internal/sks"
)

// op is what the helper is asked for.
type op string

const (
	opTokens     op = "tokens"
	opDial       op = "dial"
	opKey        op = "key"
	opCreate     op = "create"
	opConvention op = "convention"
	opSeal       op = "seal"
	opOpen       op = "open"
	opRecall     op = "recall"
	opRemember   op = "remember"
	opKeep       op = "keep"
	opRemove     op = "remove"
	opList       op = "list"
	opClose      op = "close"
)

// doing says what each op is, as an error message says it.
var doing = map[op]string{
	opTokens:     "list the tokens",
	opDial:       "find the token and log in",
	opKey:        "look for the key",
	opCreate:     "make the key",
	opConvention: "try AES/GCM",
	opSeal:       "seal",
	opOpen:       "open",
	opRecall:     "recall the generation",
	opRemember:   "remember the generation",
	opKeep:       "store the certificate",
	opRemove:     "remove the key",
	opList:       "list the keys",
	opClose:      "end the session",
}

// request is the head of a message to the helper. PINs, plaintexts, boxes and
// certificates are its payload.
type request struct {
	Op       op               `json:"op"`
	Access   *sks.Access      `json:"access,omitempty"`
	Library  string           `json:"library,omitempty"`
	Wait     time.Duration    `json:"wait,omitempty"`
	ID       sks.KeyID        `json:"id"`
	Label    string           `json:"label,omitempty"` // also the prefix of a list
	IV       sks.IVConvention `json:"iv,omitempty"`
	AAD      int              `json:"aad,omitempty"` // so much of the payload is AAD
	Instance string           `json:"instance,omitempty"`
	Mark     sks.Mark         `json:"mark"`
}

// response is the head of an answer. A plaintext or a box is its payload.
type response struct {
	Token  *sks.Token       `json:"token,omitempty"`
	Tokens []sks.Token      `json:"tokens,omitempty"`
	Info   *sks.KeyInfo     `json:"info,omitempty"`
	Infos  []sks.KeyInfo    `json:"infos,omitempty"`
	IV     sks.IVConvention `json:"iv,omitempty"`
	Mark   sks.Mark         `json:"mark"`
	Error  *failure         `json:"error,omitempty"`
}

// decode reads one head, strictly: both sides are the same program.
func decode(head []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(head))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		// Not %w: a text that ends early is no connection that ends early.
		return fmt.Errorf("read a message: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read a message: more than one value")
	}
	return nil
}
