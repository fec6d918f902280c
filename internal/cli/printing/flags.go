// Package printing writes what verbs found: tables for people, JSON and YAML for programs, names for shells.
package printing

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cellfed/cellfed/internal/cli/exit"
)

// The forms that -o can name. An empty one means FormTable.
const (
	FormTable = "table"
	FormWide  = "wide"
	FormJSON  = "json"
	FormYAML  = "yaml"
	FormName  = "name"
)

// Forms are all of them.
var Forms = []string{FormTable, FormWide, FormJSON, FormYAML, FormName}

// Flags are the flags that say how to print.
type Flags struct {
	// Output is one of Forms, or empty.
	Output string
	// NoHeaders leaves the titles of a table's columns out.
	NoHeaders bool
}

// AddFlags adds -o, with its completion, and --no-headers.
func (f *Flags) AddFlags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.Output, "output", "o", f.Output, "How to print: "+enumerate(Forms)+".")
	cmd.Flags().BoolVar(&f.NoHeaders, "no-headers", f.NoHeaders, "Leave the titles of the table's columns out.")
	// It fails for a flag that is not there or completed already: neither can be.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(Forms, cobra.ShellCompDirectiveNoFileComp))
}

// Validate refuses a form that is not known.
func (f *Flags) Validate() error {
	if f.Output != "" && !slices.Contains(Forms, f.Output) {
		return exit.Usagef("--output %q is not known: use %s", f.Output, enumerate(Forms))
	}
	return nil
}

// Structured reports whether a program is to read what is printed.
func (f *Flags) Structured() bool { return f.Output == FormJSON || f.Output == FormYAML }

// Wide reports whether all columns are asked for.
func (f *Flags) Wide() bool { return f.Output == FormWide }

// Print prints in the form that was asked for: the table, or objects, which is a runtime.Object or a value that
// encoding/json can encode, or names, one a line. Of API objects the managed fields are left out.
func (f *Flags) Print(out io.Writer, table Table, objects any, names []string) error {
	switch f.Output {
	case FormJSON:
		return printJSON(out, objects)
	case FormYAML:
		return printYAML(out, objects)
	case FormName:
		return write(out, lines(names))
	case "", FormTable, FormWide:
		return table.print(out, f.Wide(), !f.NoHeaders)
	default:
		return f.Validate()
	}
}

func enumerate(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func lines(names []string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteString(name + "\n")
	}
	return b.String()
}

func write(out io.Writer, text string) error {
	if _, err := io.WriteString(out, text); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}
