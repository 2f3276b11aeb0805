package main

import (
	"bytes"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/launch"
	"ssovault/internal/properties"
	"ssovault/internal/vault"
)

// editedJSON is where an edit that could not be saved leaves what it changed: no
// more than that, so that taking it in touches nothing which others changed.
const editedJSON = "edited.json"

// leaveEdited leaves what was edited in the folder, and gives err the remedy that
// names it.
func leaveEdited(folder *launch.Scratch, was before, edited vault.Settings, err error) error {
	var files []string
	var removed []string
	changed := map[string]map[string]string{}
	for _, f := range []struct {
		name     string
		was, now *properties.Set
	}{{"instance", was.instance, edited.Instance}, {"shared", was.shared, edited.Shared}} {
		if !bytes.Equal(f.was.Encode(), f.now.Encode()) {
			files = append(files, f.name+".properties")
		}
		values := map[string]string{}
		for _, key := range f.now.Keys() {
			value, _ := f.now.Get(key)
			if before, had := f.was.Get(key); !had || before != value {
				values[key] = value
			}
		}
		if len(values) > 0 {
			changed[f.name] = values
		}
		for _, key := range f.was.Keys() {
			if _, have := f.now.Get(key); !have {
				removed = append(removed, shellWord(key))
			}
		}
	}
	var commands []string
	if len(removed) > 0 {
		slices.Sort(removed)
		commands = append(commands, "ssovault unset "+strings.Join(removed, " "))
	}
	if len(changed) > 0 {
		var b bytes.Buffer
		path := filepath.Join(folder.Path, editedJSON)
		if jsonErr := printJSON(&b, changed); jsonErr != nil {
			return jsonErr
		}
		defer clear(b.Bytes())
		if writeErr := durable.Create(path, b.Bytes()); writeErr != nil {
			return writeErr
		}
		commands = append(commands, "ssovault import --merge "+path)
	}
	left := strings.Join(files, " and ") + " as edited: in memory in " + folder.Path
	if len(commands) > 0 {
		left += "; just what was edited there is taken in by '" + strings.Join(commands, " && ") + "'"
	} else {
		left += "; only comments, marks or the order of lines were edited there"
	}
	e := &fault.Error{Cause: fault.Of(err), Err: err}
	return e.With(fault.HintFor(err) + "; " + left + "; then remove that folder")
}

var plainWord = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_./-]+$`) })

// shellWord gives a text as one word of a shell's command.
func shellWord(s string) string {
	if plainWord().MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
