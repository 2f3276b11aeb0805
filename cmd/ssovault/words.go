package main

import (
	"slices"
	"strings"

	"ssovault/internal/answers"
)

// translate turns the single words of the manuals (-config, -answers,
// -initialize and its words, -disableSKS) into commands and flags, also when
// they are written with two dashes. The list is closed; everything else, and
// everything behind "--" or behind the name of another command, stays as it is.
func translate(args []string) []string {
	args = translateCtkmu(args)
	end := slices.Index(args, "--")
	if end < 0 {
		end = len(args)
	}
	if name := commandIn(args[:end]); name != "" && name != "config" {
		return args
	}
	words := map[string]string{"config": "", "answers": "--answers", "initialize": "--initialize", "disableSKS": "--disable-sks"}
	for _, key := range answers.Keys() {
		words[key] = "--" + key
	}
	var out []string
	config, disable := false, false
	for i := 0; i < end; i++ {
		word, value, hasValue := strings.Cut(args[i], "=")
		name, dashed := strings.CutPrefix(word, "-")
		name = strings.TrimPrefix(name, "-")
		flag, known := words[name]
		switch {
		case !dashed || !known || hasValue && (name == "config" || name == "disableSKS"):
			out = append(out, args[i])
			if takesValue(args[i]) && i+1 < end {
				i++
				out = append(out, args[i])
			}
		case name == "config":
			config = true
		case name == "disableSKS":
			disable = true
		default:
			config = true
			out = append(out, flag)
			if hasValue {
				out = append(out, value)
			} else if i+1 < end {
				i++
				out = append(out, args[i])
			}
		}
	}
	switch {
	case commandIn(args[:end]) == "config":
	case config:
		out = append([]string{"config"}, out...)
	case disable:
		return append(append([]string{"disable-sks"}, out...), args[end:]...)
	}
	if disable {
		out = append(out, words["disableSKS"])
	}
	return append(out, args[end:]...)
}

// commandIn gives the command's name, when the first word behind the flags of
// every command is one.
func commandIn(args []string) string {
	for i := 0; i < len(args); i++ {
		switch {
		case takesValue(args[i]):
			i++
		case !strings.HasPrefix(args[i], "-"):
			return args[i]
		case !isGlobal(args[i]):
			return ""
		}
	}
	return ""
}

// takesValue tells whether a flag of every command is followed by its value.
func takesValue(arg string) bool {
	return arg == "--base" || arg == "--lock-wait" || arg == "--pin-source"
}

// isGlobal tells whether it is a flag of every command that holds its value.
func isGlobal(arg string) bool {
	name, _, _ := strings.Cut(arg, "=")
	return takesValue(name) || name == "--try-pin"
}
