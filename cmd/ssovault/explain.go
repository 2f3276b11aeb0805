package main

import (
	"fmt"

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
}

func (a *app) explainCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "explain CODE",
		Short: "Say what a return code of a PKCS#11 library means, and what to do",
		Long: `Explain takes a return code as it stands in a log: 0x30, 48 or CKR_DEVICE_ERROR, also a
Luna's own (0x8000001F). It needs no device.`,
		Example: `  ssovault explain 0xA4
  ssovault explain CKR_KEY_NOT_WRAPPABLE
  ssovault explain 2147483679 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			code, err := cryptoki.ParseCode(args[0])
			if err != nil {
				return fault.Wrap(fault.Usage, err, "%q", args[0])
			}
			e := explain(code)
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

func (a *app) printExplanation(e explanation) error {
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
