package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// noKeyTwice refuses JSON in which an object has a key twice: encoding/json would
// take the last one silently. What is wrong with the JSON otherwise is for others.
func noKeyTwice(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	var open []map[string]bool // the keys of each object that is open; nil is a list
	key := true                // whether the next string in an object is a key
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) || err != nil {
			return nil
		}
		inObject := len(open) > 0 && open[len(open)-1] != nil
		switch t := token.(type) {
		case json.Delim:
			switch t {
			case '{':
				open, key = append(open, map[string]bool{}), true
			case '[':
				open = append(open, nil)
			default:
				open, key = open[:len(open)-1], true
			}
			continue
		case string:
			if inObject && key {
				seen := open[len(open)-1]
				if seen[t] {
					return fmt.Errorf("the key %q is there twice", t)
				}
				seen[t], key = true, false
				continue
			}
		}
		key = true
	}
}
