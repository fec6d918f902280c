package federated

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A token tree is all that a JSON document says: an object is []entry, in order and with every entry that occurs more
// than once, an array is []any, a number is its text, a string is its value.
type entry struct {
	Key   string
	Value any
}

func parseTokens(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	tree, err := readTokens(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("data after the value")
	}
	return tree, nil
}

func readTokens(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		object := []entry{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			value, err := readTokens(d)
			if err != nil {
				return nil, err
			}
			object = append(object, entry{Key: key.(string), Value: value})
		}
		_, err := d.Token()
		return object, err
	case json.Delim('['):
		array := []any{}
		for d.More() {
			value, err := readTokens(d)
			if err != nil {
				return nil, err
			}
			array = append(array, value)
		}
		_, err := d.Token()
		return array, err
	}
	return token, nil
}

// failer is what testing.T and rapid.T have in common.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

func tokens(t failer, data []byte) any {
	t.Helper()
	tree, err := parseTokens(data)
	if err != nil {
		t.Fatalf("cannot read %.2000q: %v", data, err)
	}
	return tree
}

// mustConvert converts and demands that the result is JSON.
func mustConvert(t failer, src []byte, to string) []byte {
	t.Helper()
	got, err := Convert(src, to)
	if err != nil {
		t.Fatalf("Convert(%.2000s, %s): %v", src, to, err)
	}
	if !json.Valid(got) {
		t.Fatalf("Convert(%.2000s, %s) is not JSON: %.2000s", src, to, got)
	}
	return got
}

// assertRoundTrip demands that converting to the other version and back gives the same token tree, and returns the
// object in the other version.
func assertRoundTrip(t failer, src []byte, from, to string) []byte {
	t.Helper()
	there := mustConvert(t, src, to)
	back := mustConvert(t, there, from)
	if want, got := tokens(t, src), tokens(t, back); !reflect.DeepEqual(want, got) {
		t.Fatalf("%s to %s and back: -want +got:\n%s\nin %s: %.4000s", from, to, cmp.Diff(want, got), to, there)
	}
	return there
}

func TestTokensTellDifferences(t *testing.T) {
	same := tokens(t, []byte(`{"a":1,"a":[1.0,"x"]}`))
	cases := map[string]struct {
		reason, data string
		equal        bool
	}{
		"Spaces":    {reason: "spaces say nothing", data: ` { "a" : 1 , "a" : [ 1.0 , "x" ] } `, equal: true},
		"Escapes":   {reason: "an escape is a spelling", data: `{"\u0061":1,"a":[1.0,"\u0078"]}`, equal: true},
		"Order":     {reason: "order counts", data: `{"a":[1.0,"x"],"a":1}`},
		"Duplicate": {reason: "every entry counts", data: `{"a":[1.0,"x"]}`},
		"Number":    {reason: "a number's text counts", data: `{"a":1,"a":[1,"x"]}`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := reflect.DeepEqual(same, tokens(t, []byte(tc.data))); got != tc.equal {
				t.Errorf("%s: equal = %t, want %t", tc.reason, got, tc.equal)
			}
		})
	}
}
