package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
)

// explanation is what explain prints. Its JSON names are relied on by scripts.
type explanation struct {
	Code    string `json:"code"`
	Name    string `json:"name"`
	Meaning string `json:"meaning,omitempty"`
	// Cause is empty where the code stands for none by itself.
	Cause  string `json:"cause,omitempty"`
	Text   string `json:"text,omitempty"`
	Exit   int    `json:"exit,omitempty"`
	Remedy string `json:"remedy"`
	// AsExitCode is there for a decimal number with which ssovault ends, too.
	AsExitCode *exitExplanation `json:"as_exit_code,omitempty"`
}

// exitExplanation is what a number means as an exit code of ssovault's.
type exitExplanation struct {
	Exit   int    `json:"exit"`
	Cause  string `json:"cause,omitempty"` // as the message has it: "a", "20"
	Text   string `json:"text"`
	Remedy string `json:"remedy"`
}

func (a *app) explainCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "explain CODE",
		Short: "Say what an exit code, or a return code of a PKCS#11 library, means, and what to do",
		Long: `Explain takes a return code as it stands in a log: 0x30, 48 or CKR_DEVICE_ERROR, also a
Luna's own (0x8000001F). A decimal number with which ssovault ends is explained as that
first: 10 is cause (a), and CKR_CANT_LOCK. It needs no device.`,
		Example: `  ssovault explain 13
  ssovault explain 0xA4
  ssovault explain CKR_KEY_NOT_WRAPPABLE
  ssovault explain 2147483679 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			code, err := cryptoki.ParseCode(args[0])
			if err != nil {
				return fault.Wrap(fault.Usage, err, "%q", args[0])
			}
			e := explain(code)
			e.AsExitCode = exitCode(args[0])
			if asJSON {
				return printJSON(a.out, e)
			}
			return a.printExplanation(e)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func explain(code uint) explanation {
	e := explanation{Code: fmt.Sprintf("0x%X", code), Name: cryptoki.Name(code), Meaning: cryptoki.Meaning(code)}
	cause, _ := cryptoki.CauseOf(code)
	switch {
	case code == 0:
		e.Remedy = "nothing"
	case cause != fault.Unclassified:
		e.Cause, e.Text, e.Exit, e.Remedy = cause.Letter(), cause.Error(), cause.ExitCode(), cause.Hint()
	case !cryptoki.Known(code):
		e.Remedy = "look the number up in the vendor's documentation"
	default:
		e.Remedy = "it has no cause of its own; the message that shows it says what was being done, and 'ssovault hsm state' how the device is"
	}
	return e
}

// exitCode explains a decimal number with which ssovault ends; nil for another.
func exitCode(s string) *exitExplanation {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return nil
	}
	for _, cause := range fault.All() {
		if cause.ExitCode() != n {
			continue
		}
		e := &exitExplanation{Exit: n, Text: cause.Error(), Remedy: cause.Hint()}
		if cause.OfKeyStorage() {
			e.Cause = cause.Letter()
		}
		return e
	}
	return nil
}

func (a *app) printExplanation(e explanation) error {
	if x := e.AsExitCode; x != nil {
		cause := ""
		if x.Cause != "" {
			cause = "cause (" + x.Cause + "), "
		}
		_, err := fmt.Fprintf(a.out, "exit code %d: %s%s\nremedy: %s\n", x.Exit, cause, x.Text, x.Remedy)
		if code, _ := strconv.ParseUint(e.Code, 0, 32); err != nil || !cryptoki.Known(uint(code)) {
			return err
		}
		fmt.Fprintln(a.out, "\nas a return code of a PKCS#11 library:")
	}
	fmt.Fprintf(a.out, "%s (%s)\n", e.Name, e.Code)
	if e.Meaning != "" {
		fmt.Fprintf(a.out, "meaning: %s\n", e.Meaning)
	}
	if e.Cause != "" {
		fmt.Fprintf(a.out, "cause (%s): %s, exit %d\n", e.Cause, e.Text, e.Exit)
	}
	_, err := fmt.Fprintf(a.out, "remedy: %s\n", e.Remedy)
	return err
}
