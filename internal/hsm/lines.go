package hsm

import (
	"bytes"

	"ssovault/internal/fault"
)

// MaxLines bounds, in bytes, what ParseLines takes.
const MaxLines = MaxComponents * (maxLine + 16)

// ParseLines reads components as a custodian's file or a pipe gives them: a
// component, then its KCV, a line each, and so on. The components are to be
// wiped, and so is b. Cause Usage names the line; no component is given then.
func ParseLines(t KeyType, bits int, b []byte) (components []Component, err error) {
	defer func() {
		if err != nil {
			WipeAll(components)
			components = nil
		}
	}()
	if len(b) > MaxLines {
		return nil, fault.New(fault.Usage, "more than %d bytes are no components", MaxLines)
	}
	b = bytes.TrimSuffix(b, []byte("\n"))
	number := 0
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		line = bytes.TrimSuffix(line, []byte("\r"))
		number++
		if number%2 == 1 {
			if len(components) == MaxComponents {
				return components, fault.New(fault.Usage, "line %d: more than %d components", number, MaxComponents)
			}
			c, err := ParseComponent(t, bits, line)
			if err != nil {
				return components, fault.Wrap(fault.Usage, err, "line %d", number)
			}
			components = append(components, c)
			continue
		}
		kcv, err := ParseKCV(line)
		if err == nil {
			err = components[len(components)-1].Check(kcv)
		}
		if err != nil {
			return components, fault.Wrap(fault.Usage, err, "line %d, the KCV of the component on line %d", number, number-1)
		}
	}
	if number%2 == 1 {
		return components, fault.New(fault.Usage, "line %d: the KCV of the component on line %d is missing", number+1, number)
	}
	return components, nil
}

// ParseComponent reads a component that stands on one line. Cause Usage as
// with Entry.
func ParseComponent(t KeyType, bits int, line []byte) (Component, error) {
	e, err := NewEntry(t, bits)
	if err != nil {
		return Component{}, err
	}
	if err := e.Add(line); err != nil {
		return Component{}, err
	}
	c, err := e.Component()
	if err != nil {
		e.Wipe()
	}
	return c, err
}

// WipeAll overwrites components.
func WipeAll(components []Component) {
	for _, c := range components {
		c.Wipe()
	}
}
