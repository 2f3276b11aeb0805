package main

import (
	"maps"
	"strings"
	"testing"
)

func TestNoKeyTwice(t *testing.T) {
	for text, twice := range map[string]string{
		`{"a":"1","b":"2"}`:                   "",
		`{"a":"b","b":"a"}`:                   "",
		`{"a":{"a":"1"},"b":{"a":"1"}}`:       "",
		`["a","a",{"a":"a"},"a"]`:             "",
		`{"a":["x","x"],"x":"x"}`:             "",
		`{"a":`:                               "",
		`}`:                                   "",
		``:                                    "",
		`{"a":"1","a":"2"}`:                   `"a"`,
		`{"a":"1","b":{},"a":"1"}`:            `"a"`,
		`{"a":null,"\u0061":"2"}`:             `"a"`,
		`{"x":{"a":"1","b":true,"a":"2"}}`:    `"a"`,
		`[{"a":1,"a":2}]`:                     `"a"`,
		`{"a":[1,{"c":1}],"b":"a","b":"a"}`:   `"b"`,
		`{"instance":{},"instance":{"a":""}}`: `"instance"`,
	} {
		err := noKeyTwice([]byte(text))
		if (err == nil) != (twice == "") || err != nil && !strings.Contains(err.Error(), twice) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestImportOfAKeyTwice(t *testing.T) {
	c := newConnector(t)
	c.configure()
	before := c.tree()
	for _, row := range []struct {
		json string
		args []string
	}{
		{`{"admin_port":"1","admin_port":"2"}`, []string{"import", "--merge", "--file", "instance", "-"}},
		{`{"instance":{"admin_port":"1","admin_port":"2"}}`, []string{"import", "--merge", "-"}},
	} {
		if o := c.with(row.json, row.args...); o.code != 2 || !strings.Contains(o.stderr, `the key "admin_port" is there twice`) {
			t.Errorf("%s: exit %d\n%s", row.json, o.code, o.stderr)
		}
	}
	if !maps.Equal(before, c.tree()) {
		t.Error("something was changed")
	}
}
