package wizard

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// final marks an error that ends the dialog, where any other refuses an answer.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// end makes err one that ends the dialog; nil stays nil.
func end(err error) error {
	if err == nil {
		return nil
	}
	return final{err}
}

// ask puts a question until accept takes the answer. What accept refuses with
// end ends the dialog.
func (d *dialog) ask(q Question, accept func(answer string) error) error {
	for {
		if d.ctx.Err() != nil {
			return interrupted(d.ctx.Err())
		}
		answer, err := d.front.Ask(q)
		if err != nil {
			return err
		}
		if err = accept(answer); err == nil {
			return nil
		}
		if err = d.refuse(q, err); err != nil {
			return err
		}
	}
}

// refuse says why an answer is not taken, unless the dialog ends with it.
func (d *dialog) refuse(q Question, why error) error {
	var f final
	if errors.As(why, &f) {
		return f.error
	}
	return d.front.Refuse(q, why)
}

func (d *dialog) say(format string, args ...any) {
	d.front.Say(printable(fmt.Sprintf(format, args...)))
}

// confirm asks for yes or no.
func (d *dialog) confirm(key, text string, byDefault bool) (yes bool, err error) {
	q := Question{Key: key, Text: text, Default: "y/N"}
	if byDefault {
		q.Default = "Y/n"
	}
	err = d.ask(q, func(answer string) error {
		switch strings.ToLower(strings.TrimSpace(answer)) {
		case "":
			yes = byDefault
		case "y", "yes", "true":
			yes = true
		case "n", "no", "false":
			yes = false
		default:
			return fmt.Errorf("answer y or n, not %q", answer)
		}
		return nil
	})
	return yes, err
}

// pick finds the one of a list that an answer means: by its name, by a prefix
// that only one has, or by its number from 1.
func pick(names []string, answer string) (int, error) {
	answer = strings.TrimSpace(answer)
	var found []int
	for i, name := range names {
		if strings.EqualFold(name, answer) {
			return i, nil
		}
		if answer != "" && len(answer) < len(name) && strings.EqualFold(name[:len(answer)], answer) {
			found = append(found, i)
		}
	}
	if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(names) {
		return n - 1, nil
	}
	if len(found) == 1 {
		return found[0], nil
	}
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = fmt.Sprintf("%d %s", i+1, name)
	}
	if len(found) > 1 {
		return 0, fmt.Errorf("%q can be several of %s", answer, strings.Join(list, ", "))
	}
	return 0, fmt.Errorf("%q is none of %s", answer, strings.Join(list, ", "))
}
