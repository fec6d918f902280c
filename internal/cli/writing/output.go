package writing

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/printing"
)

// Output is -o of a verb that writes: without it the verb says in a sentence what it did.
type Output string

var outputs = []string{printing.FormJSON, printing.FormYAML, printing.FormName}

// AddFlag adds -o, with its completion.
func (o *Output) AddFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP((*string)(o), "output", "o", "", "How to print what was written: json, yaml or name. Without it a sentence says what was done.")
	// It fails for a flag that is not there or completed already: neither can be.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputs, cobra.ShellCompDirectiveNoFileComp))
}

// Validate refuses a form that is not known.
func (o Output) Validate() error {
	if o != "" && !slices.Contains(outputs, string(o)) {
		return exit.Usagef("--output %q is not known: use json, yaml or name", string(o))
	}
	return nil
}

// Print prints the sentence, or the objects, or the names.
func (o Output) Print(out io.Writer, sentence string, objects any, names ...string) error {
	if o == "" {
		if _, err := fmt.Fprintln(out, sentence); err != nil {
			return fmt.Errorf("write the output: %w", err)
		}
		return nil
	}
	flags := printing.Flags{Output: string(o)}
	return flags.Print(out, printing.Table{}, objects, names)
}
