package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"ssovault/internal/doctor"
	"ssovault/internal/durable"
	"ssovault/internal/pin"
	"ssovault/internal/vault"
)

// harmless takes out of a bundle whatever is not known to hold no secret.
type harmless struct {
	// scrub takes out of a text what sks.properties says and nobody should read.
	scrub func(string) string
}

// harmlessOf reads sks.properties for a bundle; text is nil where there is none.
func harmlessOf(f *vault.Folder) (text []byte, h harmless, err error) {
	b, err := durable.Read(f.Data(vault.SKSFile), vault.MaxSKS)
	if err != nil {
		return nil, harmless{func(s string) string { return s }}, err
	}
	text, h.scrub = vault.HarmlessSKS(b)
	return text, h, nil
}

// old is for a text that an older ssovault may have written.
func (h harmless) old(text string) string { return pin.CutCommands(h.scrub(text)) }

// status takes it out of what status says.
func (h harmless) status(r statusReport) statusReport {
	if r.Problem != nil {
		p := *r.Problem
		p.Error, p.Hint = h.scrub(p.Error), h.scrub(p.Hint)
		r.Problem = &p
	}
	if r.Key != nil {
		k := *r.Key
		if source, err := pin.ParseSource(k.PIN); err == nil {
			k.PIN = source.Shown()
		} else {
			k.PIN = vault.LeftOut
		}
		for _, value := range []*string{&k.Type, &k.Library, &k.TokenLabel, &k.TokenSerial, &k.Role, &k.Label} {
			*value = h.scrub(*value)
		}
		r.Key = &k
	}
	r.PINRefused, r.PINChange = h.scrub(r.PINRefused), h.old(r.PINChange)
	if r.LastFailure != nil {
		l := *r.LastFailure
		l.Error, l.Hint = h.old(l.Error), h.old(l.Hint)
		r.LastFailure = &l
	}
	return r
}

// checklist takes it out of the doctor's lines.
func (h harmless) checklist(lines []doctor.Line) []doctor.Line {
	lines = slices.Clone(lines)
	for i := range lines {
		lines[i].Text, lines[i].Hint = h.scrub(lines[i].Text), h.scrub(lines[i].Hint)
	}
	return lines
}

// logFields are the fields that ssovault's own log lines have. A value of a
// setting, a PIN or a key is in none of them.
var logFields = []string{
	"time", "level", "message", "command", "cause", "exit", "hint", "error", "detail", "mode",
	"generation", "from_generation", "save_id", "instance", "update", "kept", "file", "size", "encrypted",
	"token", "serial", "was", "key_id", "new_key", "path", "label", "kcv", "wrapper", "attributes", "recipient", "set", "shares",
}

// logLines keeps of a log the known fields of ssovault's own lines, and a mark
// for each run of others: another program may have written there.
func (h harmless) logLines(log []byte) []byte {
	var out bytes.Buffer
	foreign := 0
	mark := func() {
		if foreign > 0 {
			fmt.Fprintf(&out, "%s: lines that are not ssovault's: %d\n", vault.LeftOut, foreign)
		}
		foreign = 0
	}
	for line := range bytes.Lines(log) {
		kept, ours := h.logLine(line)
		if !ours {
			foreign++
			continue
		}
		mark()
		out.Write(kept)
		out.WriteByte('\n')
	}
	mark()
	return out.Bytes()
}

// logLine gives the known fields of a line of ours, in the order of logFields.
func (h harmless) logLine(line []byte) (kept []byte, ours bool) {
	var fields map[string]any
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if d.Decode(&fields) != nil || len(bytes.TrimSpace(line[d.InputOffset():])) > 0 {
		return nil, false
	}
	text := func(name string) string { s, _ := fields[name].(string); return s }
	_, err := time.Parse(time.RFC3339, text("time"))
	if err != nil || !slices.Contains([]string{"debug", "info", "warn", "error"}, text("level")) || text("command") == "" || text("message") == "" {
		return nil, false
	}
	var out bytes.Buffer
	for _, name := range logFields {
		value, there := fields[name]
		switch v := value.(type) {
		case string:
			value = h.old(v)
		case bool, json.Number:
		default:
			there = false
		}
		if !there {
			continue
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if e.Encode(value) != nil {
			return nil, false
		}
		if out.Len() > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out, "%q:%s", name, bytes.TrimSpace(b.Bytes()))
	}
	return append(append([]byte{'{'}, out.Bytes()...), '}'), true
}
