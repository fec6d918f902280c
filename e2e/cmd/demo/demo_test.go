package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cellfed/cellfed/e2e/framework"
)

func TestQuote(t *testing.T) {
	cases := map[string]struct {
		reason string
		word   string
		want   string
	}{
		"Plain": {reason: "a plain word is left alone", word: "--context=hz-a", want: "--context=hz-a"},
		"Empty": {reason: "an empty word is still a word", word: "", want: "''"},
		"JSON":  {reason: "a patch is copied into a shell as it is", word: `[{"op":"add"}]`, want: `'[{"op":"add"}]'`},
		"Quote": {reason: "a quote does not end the word", word: "it's", want: `'it'\''s'`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := quote(tc.word); got != tc.want {
				t.Errorf("%s: quote(%q) = %s, want %s", tc.reason, tc.word, got, tc.want)
			}
		})
	}
}

func TestCommand(t *testing.T) {
	var out bytes.Buffer
	say := &narrator{out: &out}
	say.command([]string{"get", "cells", "-o", "jsonpath={.items}"}, "a\n\nb\n")
	want := "   $ kubectl get cells -o 'jsonpath={.items}'\n   a\n   \n   b\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestRender(t *testing.T) {
	got := strings.Join(render([][][]string{
		{{"OBJECT"}, {"ConfigMap ünï"}},
		{{"RZ00A"}, {"a=1", "b=2"}},
	}), "\n")
	want := `
+---------------+-------+
| OBJECT        | RZ00A |
+---------------+-------+
| ConfigMap ünï | a=1   |
|               | b=2   |
+---------------+-------+`
	if diff := cmp.Diff(strings.TrimSpace(want), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestStop stops what was left running, and nothing that only has its id.
func TestStop(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	process, err := framework.Start(framework.Program{Name: "sleeper", Path: "/bin/sleep", Args: []string{"600"}, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := process.Kill(); err != nil {
			t.Error(err)
		}
	})
	started, err := startTime(process.PID())
	if err != nil {
		t.Fatal(err)
	}

	another := keptProcess{Name: "sleeper", PID: process.PID(), Started: started + "1"}
	if err := another.stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if process.Err() != nil {
		t.Fatal("a process of the same id was stopped")
	}
	if err := (keptProcess{Name: "sleeper", PID: process.PID(), Started: started}).stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-process.Done()
	if err := stop(t.Context(), &narrator{out: &bytes.Buffer{}}); err != nil {
		t.Errorf("there is no demo to stop, which is no error: %v", err)
	}
}
