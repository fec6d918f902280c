package pages

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const page = "# One `two` [three](x.md), four\n" +
	"text [a\nb](c.md#d) and `code [x](y) \\|` on\n" +
	"<!-- file: a.yaml lint=skip -->\n```yaml\na: 1\n```\n" +
	"<!-- test: kill sh-b -->\n\n" +
	"<!-- run: until -->\n<!-- run: fails=3 -->\n<!-- output: contains a b -->\n\n```console\n$ one \\\n  two\nprinted\n$ cat <<'EOF'\n# no heading\nEOF\n$ three\n```\n" +
	"## One\n## One\n"

func TestParse(t *testing.T) {
	got, err := Parse("p.md", page)
	if err != nil {
		t.Fatal(err)
	}
	want := Page{
		Path: "p.md",
		Steps: []Step{
			{Line: 5, Language: "yaml", Lines: []string{"a: 1"}, File: "a.yaml", LintSkip: true},
			{Line: 8, Test: "kill sh-b"},
			{
				Line: 14, Language: "console", Run: Run{Until: true, Fails: 3}, Contains: []string{"a b"},
				Lines: []string{`$ one \`, "  two", "printed", "$ cat <<'EOF'", "# no heading", "EOF", "$ three"},
			},
		},
		Links:   []Text{{"x.md", 1}, {"c.md#d", 2}},
		Spans:   []Text{{"two", 1}, {"code [x](y) |", 3}},
		Anchors: map[string]bool{"one-two-three-four": true, "one": true, "one-1": true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a page is read in the order of the reader (-want +got):\n%s", diff)
	}
	commands := []string{"one \\\n  two", "cat <<'EOF'\n# no heading\nEOF", "three"}
	if diff := cmp.Diff(commands, got.Steps[2].Commands()); diff != "" {
		t.Errorf("what a command prints is no command (-want +got):\n%s", diff)
	}
}

func TestParseRefuses(t *testing.T) {
	cases := map[string]struct {
		reason, text, want string
	}{
		"Unknown":  {"a word that is misspelled must not leave a block untested", "<!-- run: skipped=x -->\n```console\n```\n", `"skipped=x"`},
		"NoReason": {"what is skipped has a reason", "<!-- run: skip= -->\n```console\n```\n", `"skip="`},
		"NoBlock":  {"what is said of no block is a mistake", "<!-- run: until -->\ntext\n", "followed by text"},
		"AtEnd":    {"so it is at the end of the page", "<!-- run: until -->\n", "no block follows"},
		"Open":     {"a block that does not end swallows the page", "```console\n$ x\n", "no end"},
		"Code":     {"0 is no failure", "<!-- run: fails=0 -->\n```console\n```\n", "fails="},
		"Output":   {"an output that is compared with nothing", "<!-- output: contains -->\n```console\n```\n", "contains"},
		"File":     {"a file has one option", "<!-- file: a b -->\n```yaml\n```\n", "lint=skip"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("p.md", tc.text)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: got %v, want an error with %q", tc.reason, err, tc.want)
			}
		})
	}
}

func TestWords(t *testing.T) {
	cases := map[string]struct {
		reason, line string
		want         [][]string
	}{
		"Quotes":   {"quotes hold a word together", `a 'b c' "d|e"f`, [][]string{{"a", "b c", "d|ef"}}},
		"Pipes":    {"each side of a pipe is a command", "a b | c && d; e", [][]string{{"a", "b"}, {"c"}, {"d"}, {"e"}}},
		"Files":    {"what is redirected is no word", "a > x b 2>y", [][]string{{"a", "b", "2"}}},
		"Here":     {"a here-document is no command", "a -f - <<'EOF'\nb: c\nEOF", [][]string{{"a", "-f", "-"}}},
		"Lines":    {"a backslash has the line go on", "a \\\n  --b", [][]string{{"a", "--b"}}},
		"Escape":   {"and else takes the next as it is", `a \$b`, [][]string{{"a", "$b"}}},
		"Nothing":  {"nothing is no command", "  ", nil},
		"EmptyArg": {"an empty word is one", "a ''", [][]string{{"a", ""}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Words(tc.line)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestSlug(t *testing.T) {
	for heading, want := range map[string]string{
		"1. A namespace and three cells": "1-a-namespace-and-three-cells",
		"The mask's default":             "the-masks-default",
		"If you write `v1beta1`":         "if-you-write-v1beta1",
		"GitOps and the CRDs, again":     "gitops-and-the-crds-again",
		"The façade: a cell":             "the-façade-a-cell",
	} {
		if got := Slug(heading); got != want {
			t.Errorf("the anchor of %q is %q, want %q, which GitHub gives it", heading, got, want)
		}
	}
}
