package docs

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cellfed/cellfed/e2e/docs/pages"
)

// TestHelp: commands that no guide runs, those of the runbooks and of pages about other programs, name verbs and flags that kubectl,
// kubectl cells and helm know.
func TestHelp(t *testing.T) {
	d := newDesk(t)
	all, err := pages.Load(d.root)
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, page := range all {
		for i := range page.Steps {
			step := &page.Steps[i]
			if !slices.Contains([]string{"sh", "bash", "shell"}, step.Language) {
				continue
			}
			looked++
			d.lookUp(t, fmt.Sprintf("%s:%d", page.Path, step.Line), step.Lines)
		}
	}
	for _, page := range all {
		for _, span := range page.Spans {
			if words := pages.Words(span.Text); len(words) > 0 && len(words[0]) > 1 {
				d.lookUp(t, fmt.Sprintf("%s:%d", page.Path, span.Line), []string{span.Text})
			}
		}
	}
	if looked == 0 {
		t.Error("no page has commands that no guide runs, which the runbooks do")
	}
}

// lookUp asks the programs of commands that are not run for their help: each has to know the flags.
func (d *desk) lookUp(t *testing.T, at string, commands []string) {
	t.Helper()
	for _, command := range commands {
		for _, words := range pages.Words(command) {
			if !slices.Contains([]string{"kubectl", "helm"}, words[0]) {
				continue
			}
			if err := d.knows(words); err != nil {
				t.Errorf("%s: %s: %v", at, command, err)
			}
		}
	}
}

// knows reports which of the flags of a command its program does not know.
func (d *desk) knows(words []string) error {
	verb, flags := verbAndFlags(words)
	if len(verb) < 2 {
		return nil
	}
	options := "kubectl options"
	switch {
	case verb[0] == "helm":
		options = "helm --help"
	case verb[1] == "cells":
		options = "kubectl cells options"
	}
	for _, command := range []string{strings.Join(verb, " ") + " --help", options} {
		if _, found := d.help[command]; found {
			continue
		}
		help, _, err := d.shell(suite.ctx, command)
		if err != nil {
			return fmt.Errorf("%s: %w: %s", command, err, help)
		}
		d.help[command] = strings.FieldsFunc(help, func(r rune) bool { return strings.ContainsRune(" \n\t,=[]:'\"", r) })
	}
	for _, flag := range flags {
		if !slices.Contains(d.help[strings.Join(verb, " ")+" --help"], flag) && !slices.Contains(d.help[options], flag) {
			return fmt.Errorf("%s has no flag %s", strings.Join(verb, " "), flag)
		}
	}
	return nil
}

// verbAndFlags returns the program and the verb of a command, and the flags that are given.
func verbAndFlags(words []string) (verb, flags []string) {
	// Verbs that have verbs of their own.
	deep := []string{"rollout", "auth", "cells", "config", "show", "create", "top"}
	verb = words[:1:1]
	for i := 1; i < len(words); i++ {
		word, _, _ := strings.Cut(words[i], "=")
		switch {
		case strings.HasPrefix(word, "-") && word != "-":
			flags = append(flags, word)
			if slices.Contains([]string{"-n", "--namespace", "--context", "--as"}, words[i]) {
				i++
			}
		case len(verb) == 1, len(verb) == 2 && slices.Contains(deep, verb[1]):
			verb = append(verb, word)
		}
	}
	return verb, flags
}

func TestVerbAndFlags(t *testing.T) {
	verb, flags := verbAndFlags([]string{"kubectl", "-n", "a", "rollout", "status", "deployment/b", "--timeout=1m"})
	if got, want := fmt.Sprint(verb, flags), "[kubectl rollout status] [-n --timeout]"; got != want {
		t.Errorf("a namespace is no verb: got %s, want %s", got, want)
	}
}
