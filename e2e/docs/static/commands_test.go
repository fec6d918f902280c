package static

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/cellfed/cellfed/e2e/docs/pages"
	"github.com/cellfed/cellfed/internal/cli"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/options"
)

// TestVerbs: every kubectl cells command that a page shows is one, and has the flags that are given.
func TestVerbs(t *testing.T) {
	_, all := load(t)
	check := func(at, line string) {
		for _, words := range pages.Words(line) {
			if args, found := verb(words); found {
				if err := known(args); err != nil {
					t.Errorf("%s: %s: %v", at, strings.Join(words, " "), err)
				}
			}
		}
	}
	commands(all, check)
	for _, page := range all {
		for _, span := range page.Spans {
			check(fmt.Sprintf("%s:%d", page.Path, span.Line), span.Text)
		}
		for i := range page.Steps {
			check(page.Path, page.Steps[i].Run.Instead)
		}
	}
}

// verb returns what follows "kubectl cells".
func verb(words []string) ([]string, bool) {
	switch {
	case len(words) > 2 && words[0] == "kubectl" && words[1] == "cells":
		return words[2:], true
	case len(words) > 1 && words[0] == "kubectl-cells":
		return words[1:], true
	}
	return nil, false
}

// known reports what is wrong with a command line of kubectl cells, whose arguments may be placeholders.
func known(args []string) error {
	streams, _, _, _ := genericiooptions.NewTestIOStreams()
	root := cli.NewCommand(kube.New(streams), "docs")
	if args[0] == "--help" {
		return nil
	}
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if cmd == root {
		return fmt.Errorf("there is no verb in it that is known")
	}
	// A synopsis has brackets around what may be left out, and dots after what may be repeated.
	for i := range rest {
		rest[i] = strings.NewReplacer("[", "", "]", "", "...", "").Replace(rest[i])
	}
	return cmd.ParseFlags(rest)
}

// TestKnown: a verb or a flag that there is not is found.
func TestKnown(t *testing.T) {
	cases := map[string]struct {
		reason, line string
		want         bool
	}{
		"Good":    {"a command with its flags", "kubectl cells status deployment/pay -n acme --wait --timeout 3m", true},
		"Global":  {"a connection's flag before the verb", "kubectl cells -n acme get", true},
		"NoVerb":  {"a verb that there is not", "kubectl cells gett", false},
		"NoFlag":  {"a flag that the verb does not have", "kubectl cells get --wait", false},
		"NoValue": {"a value that the flag cannot have", "kubectl cells status a/b --wait --timeout soon", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			args, found := verb(pages.Words(tc.line)[0])
			if !found {
				t.Fatalf("%q is a command of kubectl cells", tc.line)
			}
			if err := known(args); (err == nil) != tc.want {
				t.Errorf("%s: got %v", tc.reason, err)
			}
		})
	}
}

// TestFlags: every flag that stands alone in the text is one of the manager's, of kubectl cells', or of a program that the page
// is about.
func TestFlags(t *testing.T) {
	_, all := load(t)
	flags := map[string]bool{"metrics-bind-address": true}
	manager := pflag.NewFlagSet("manager", pflag.ContinueOnError)
	defaults := options.Default()
	defaults.AddFlags(manager)
	manager.VisitAll(func(f *pflag.Flag) { flags[f.Name] = true })
	for _, name := range []string{
		// Those of API servers, kubectl, Helm and the demos' programs, which other pages speak of.
		"chunk-size", "force-conflicts", "request-timeout", "kubeconfig", "dry-run", "only", "rounds", "help", "print",
		"zap-log-level", "tracing-config-file", "take-ownership",
	} {
		flags[name] = true
	}
	streams, _, _, _ := genericiooptions.NewTestIOStreams()
	for _, cmd := range cli.NewCommand(kube.New(streams), "docs").Commands() {
		cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) { flags[f.Name] = true })
		cmd.Flags().VisitAll(func(f *pflag.Flag) { flags[f.Name] = true })
	}
	for _, page := range all {
		for _, span := range page.Spans {
			name, found := strings.CutPrefix(strings.Fields(span.Text + " -")[0], "--")
			name, _, _ = strings.Cut(name, "=")
			if found && name != "" && !flags[name] {
				t.Errorf("%s:%d: neither the manager nor kubectl cells has the flag --%s", page.Path, span.Line, name)
			}
		}
	}
}
