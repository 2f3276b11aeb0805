package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ssovault/internal/answers"
)

// flagWord is what a flag's name looks like that may be repeated: with a digit it
// may be a letter with a PIN behind it.
var flagWord = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z][A-Za-z_-]+$`) })

// unknownFlag says of a flag that a command does not know which word it is. pflag
// takes a word behind one dash for a row of letters, and names the first.
func unknownFlag(cmd *cobra.Command, err *pflag.NotExistError) error {
	letters := err.GetSpecifiedShortnames()
	dashes, name := "--", err.GetSpecifiedName()
	if letters != "" {
		dashes, name = "-", wholeWord(letters)
	}
	switch {
	case name == "config", name == "disableSKS": // translate leaves them where they have a value
		return fmt.Errorf("%s%s takes no value", dashes, name)
	case letters == "" && !flagWord().MatchString(name):
		return err
	case !flagWord().MatchString(name):
		first, _ := utf8.DecodeRuneInString(letters)
		return fmt.Errorf("unknown flag -%c", first)
	}
	if cmd.Name() == "config" {
		if refused := answers.RefusedSecret(name, "the command line"); refused != nil {
			return refused
		}
	}
	switch {
	case letters == "":
		return err
	case cmd.Flags().Lookup(name) != nil:
		return fmt.Errorf("unknown flag -%s; --%s is one", name, name)
	}
	return fmt.Errorf("unknown flag -%s", name)
}

// wholeWord gives the name in the word of the command line that ends with these
// letters: those before them were flags.
func wholeWord(letters string) string {
	name, _, _ := strings.Cut(letters, "=")
	for _, arg := range os.Args[1:] {
		if word, dashed := strings.CutPrefix(arg, "-"); dashed && word[:max(0, len(word)-len(letters))]+letters == word {
			name, _, _ = strings.Cut(word, "=")
			break
		}
	}
	return name
}
