package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cellfed/cellfed/internal/federated"
)

// What is compared must do the same.
func TestBaselineDoesTheSame(t *testing.T) {
	for _, d := range directions {
		src, err := deployment(d.from)
		if err != nil {
			t.Fatal(err)
		}
		want, err := federated.Convert(src, d.to)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeAndEncode(src, d.to)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(content(t, want), content(t, got)); diff != "" {
			t.Errorf("%s to %s: -ours +baseline:\n%s", d.from, d.to, diff)
		}
		if bytes.Contains(got, []byte(d.from+`","kind`)) {
			t.Errorf("%s to %s: the baseline did not convert", d.from, d.to)
		}
	}
}

func content(t *testing.T, data []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		t.Fatal(err)
	}
	return object
}

func BenchmarkConvert(b *testing.B) {
	for _, d := range directions {
		src, err := deployment(d.from)
		if err != nil {
			b.Fatal(err)
		}
		for _, c := range contenders {
			b.Run("To"+d.to+"/"+c.name, func(b *testing.B) { run(b, c.convert, src, d.to) })
		}
	}
}
