package saml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// maxDepth is far above what metadata needs, extensions included.
const maxDepth = 100

// reader walks the tokens once and keeps the path to where it is. Nothing of
// the file but what Metadata needs is kept.
type reader struct {
	tokens *xml.Decoder
	path   []xml.Name
	until  []time.Time // along the path: the earliest validUntil so far

	entity *entity // being read
	found  *entity // the first with an IDPSSODescriptor
	root   xml.Name
	hasSP  bool

	encoding error // an encoding was announced that is not read

	signs       bool            // the KeyDescriptor being read is for signing
	collectText bool            // inside an X509Certificate of such a one
	text        strings.Builder // its text
}

func newReader(b []byte) *reader {
	d := xml.NewDecoder(bytes.NewReader(b))
	r := &reader{tokens: d}
	d.CharsetReader = func(charset string, in io.Reader) (io.Reader, error) {
		// The bytes are valid UTF-8. Where they are ASCII, the names of
		// encodings that hold ASCII are as good.
		if isASCII(b) && holdsASCII(strings.ToLower(charset)) {
			return in, nil
		}
		r.encoding = fmt.Errorf("%w (it says that it is %s)", ErrEncoding, charset)
		return nil, r.encoding
	}
	return r
}

func isASCII(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r >= utf8.RuneSelf })
}

func holdsASCII(charset string) bool {
	return charset == "us-ascii" || charset == "ascii" ||
		strings.HasPrefix(charset, "iso-8859-") || strings.HasPrefix(charset, "windows-125")
}

func (r *reader) read() error {
	for {
		tok, err := r.tokens.Token()
		if errors.Is(err, io.EOF) {
			return r.atEnd()
		}
		if err != nil {
			return r.syntax(err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			err = r.start(tok)
		case xml.EndElement:
			err = r.end()
		case xml.CharData:
			err = r.chars(tok)
		case xml.Directive:
			err = directive(tok)
		}
		if err != nil {
			return err
		}
	}
}

// atEnd says why the file held nothing that could be used.
func (r *reader) atEnd() error {
	switch {
	case r.root.Local == "":
		return ErrNotXML
	case r.found != nil:
		return nil
	case r.hasSP:
		return ErrServiceProvider
	}
	return ErrNoIdentity
}

// syntax tells a file that is cut off from one that is wrong.
func (r *reader) syntax(err error) error {
	var e *xml.SyntaxError
	switch {
	case r.encoding != nil:
		return r.encoding // without what the decoder says around it
	case errors.As(err, &e) && strings.Contains(e.Msg, "unexpected EOF"):
		return fmt.Errorf("%w (line %d)", ErrTruncated, e.Line)
	case errors.As(err, &e):
		return fmt.Errorf("%w: line %d: %s", ErrNotXML, e.Line, e.Msg)
	}
	return fmt.Errorf("%w: %w", ErrNotXML, err)
}

// directive refuses all of them: entities that a declaration defines are the
// classic way to make a reader of XML run out of memory or read other files.
func directive(d xml.Directive) error {
	if fields := bytes.Fields(d); len(fields) > 1 && bytes.EqualFold(fields[0], []byte("doctype")) &&
		bytes.EqualFold(fields[1], []byte("html")) {
		return ErrHTML
	}
	return ErrDTD
}

func (r *reader) start(e xml.StartElement) error {
	if len(r.path) == 0 {
		if err := r.startRoot(e.Name); err != nil {
			return err
		}
	}
	if len(r.path) == maxDepth {
		return ErrTooDeep
	}
	var until time.Time
	if n := len(r.until); n > 0 {
		until = r.until[n-1]
	}
	r.path, r.until = append(r.path, e.Name), append(r.until, until)
	return r.open(e)
}

func (r *reader) startRoot(name xml.Name) error {
	switch {
	case r.root.Local != "":
		return fmt.Errorf("%w: a second root element %q follows the first", ErrNotXML, name.Local)
	case strings.EqualFold(name.Local, "html"):
		return ErrHTML
	case name != metadata("EntityDescriptor") && name != metadata("EntitiesDescriptor"):
		return fmt.Errorf("%w: its root element is %q", ErrNotMetadata, name.Local)
	}
	r.root = name
	return nil
}

func (r *reader) end() error {
	err := r.close()
	r.path, r.until = r.path[:len(r.path)-1], r.until[:len(r.until)-1]
	return err
}

func (r *reader) chars(data xml.CharData) error {
	if len(r.path) == 0 && len(bytes.TrimSpace(data)) > 0 {
		return fmt.Errorf("%w: there is text outside the root element", ErrNotXML)
	}
	if r.collectText {
		r.text.Write(data)
	}
	return nil
}

func metadata(local string) xml.Name  { return xml.Name{Space: nsMetadata, Local: local} }
func signature(local string) xml.Name { return xml.Name{Space: nsSignature, Local: local} }
