package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/cellfed/cellfed/internal/cli"
	"github.com/cellfed/cellfed/internal/cli/kube"
)

func TestParse(t *testing.T) {
	cases := map[string]struct {
		reason, source string
		want           []part
		fails          bool
	}{
		"Whole": {
			reason: "text is copied, commands are run as is said of them",
			source: "# A\n<!-- do: a b -->\n<!-- until: it works -->\n<!-- fails: 3 -->\n```console\n$ c\n$ d --e\n```\n<!-- a comment -->\n",
			want: []part{
				{line: 1, text: "# A\n"},
				{line: 2, commands: []string{"a b"}, quiet: true},
				{line: 5, commands: []string{"c", "d --e"}, until: "it works", code: 3},
				{line: 9, text: "<!-- a comment -->\n"},
			},
		},
		"Output":    {reason: "what a command prints is not in the source", source: "```console\n$ a\nb\n```\n", fails: true},
		"NoCode":    {reason: "a code is a number", source: "<!-- fails: badly -->\n```console\n$ a\n```\n", fails: true},
		"NoBlock":   {reason: "what is said of a block stands above it", source: "<!-- fails: 1 -->\ntext\n", fails: true},
		"NoEnd":     {reason: "a block ends", source: "```console\n$ a\n", fails: true},
		"NothingIn": {reason: "a block runs something", source: "```console\n```\n", fails: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := parse(c.source)
			if (err != nil) != c.fails {
				t.Fatalf("%s: got the error %v", c.reason, err)
			}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(part{})); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", c.reason, diff)
			}
		})
	}
}

// TestPage: the page shows every verb, with flags that it has.
func TestPage(t *testing.T) {
	parts, err := parse(source)
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for i := range parts {
		for _, command := range parts[i].commands {
			words := strings.Fields(command)
			if len(words) < 3 || words[1] != "cells" || words[2] == "--help" {
				continue
			}
			args := words[2:]
			if end := slices.Index(args, "|"); end >= 0 {
				args = args[:end]
			}
			cmd, rest, err := newRoot().Find(args)
			if err == nil {
				err = cmd.ParseFlags(rest)
			}
			if err != nil {
				t.Errorf("page.md:%d: %s: %v", parts[i].line, command, err)
			}
			if !parts[i].quiet {
				shown = append(shown, cmd.Name())
			}
		}
	}
	for _, verb := range newRoot().Commands() {
		// options lists flags, as the reference does.
		if verb.IsAvailableCommand() && verb.Name() != "options" && !slices.Contains(shown, verb.Name()) {
			t.Errorf("page.md does not show kubectl cells %s", verb.Name())
		}
	}
}

func newRoot() *cobra.Command {
	return cli.NewCommand(kube.New(genericiooptions.NewTestIOStreamsDiscard()), "")
}

// TestWritten: the page that was written has the text and the commands of its source, in their order.
func TestWritten(t *testing.T) {
	data, err := os.ReadFile("../../../docs/kubectl-cells.md")
	if err != nil {
		t.Fatal(err)
	}
	parts, err := parse(source)
	if err != nil {
		t.Fatal(err)
	}
	rest := string(data)
	for i := range parts {
		lines := []string{parts[i].text}
		if parts[i].quiet {
			continue
		}
		for _, command := range parts[i].commands {
			lines = append(lines, "$ "+command+"\n")
		}
		for _, line := range lines {
			_, after, found := strings.Cut(rest, line)
			if !found {
				t.Fatalf("docs/kubectl-cells.md does not have what page.md:%d has, %q: run make transcript", parts[i].line, line)
			}
			rest = after
		}
	}
}
