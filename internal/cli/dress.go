package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
)

// help is what --help prints, laid out as kubectl's: what the command does, examples, its own flags, how it is called. The
// flags that all commands have are told by the verb options.
const help = `{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}

{{end}}{{if .HasExample}}Examples:
{{.Example}}

{{end}}{{if .HasAvailableSubCommands}}{{$cmd := .}}{{range .Groups}}{{.Title}}{{$id := .ID}}{{range $cmd.Commands}}{{if and (eq .GroupID $id) .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}

{{end}}{{if not .Groups}}Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}

{{end}}{{end}}{{if and .HasParent .HasAvailableLocalFlags}}Options:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}

{{end}}Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND [options]

Use "{{.CommandPath}} COMMAND --help" for more about a command.{{else}}{{.UseLine}}{{end}}
Use "{{.Root.DisplayName}} options" for the options that every command has.
`

// dress gives every command the same help, and errors of the command line their exit code.
func dress(root *cobra.Command) {
	root.SetHelpTemplate(help)
	root.SetUsageTemplate(help)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return exit.Usagef("%w: see %s --help", err, cmd.CommandPath())
	})
	walk(root, func(cmd *cobra.Command) {
		cmd.DisableFlagsInUseLine = true
		if !cmd.HasSubCommands() && !strings.Contains(cmd.Use, "[options]") && cmd.Flags().HasFlags() {
			cmd.Use += " [options]"
		}
		cmd.InitDefaultHelpFlag()
		cmd.Flags().Lookup("help").Usage = "Tell what this command does."
		cmd.Example = indent(cmd.Example)
		if check := cmd.Args; check != nil {
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				err := check(cmd, args)
				if err != nil && exit.Code(err) == exit.Failure {
					// Cobra counts. What is to be given tells more.
					err = exit.Usagef("these arguments do not fit: write %s: see %s --help", cmd.UseLine(), cmd.CommandPath())
				}
				return err
			}
		}
	})
}

// walk calls the function for a command and all below it.
func walk(cmd *cobra.Command, fn func(*cobra.Command)) {
	fn(cmd)
	for _, c := range cmd.Commands() {
		walk(c, fn)
	}
}

// indent shifts a text of several lines by two blanks, once what all lines begin with is taken away.
func indent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	shared := -1
	for _, line := range lines {
		if trimmed := strings.TrimLeft(line, " \t"); trimmed != "" {
			if n := len(line) - len(trimmed); shared < 0 || n < shared {
				shared = n
			}
		}
	}
	for i, line := range lines {
		if line = line[min(max(shared, 0), len(line)):]; line != "" {
			line = "  " + line
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n")
}

// newOptions returns the verb that tells the flags of every command.
func newOptions(k *kube.Kube) *cobra.Command {
	return &cobra.Command{
		Use:   "options",
		Short: "Tell the options that every command has",
		Long:  "Tell the options that every command has: how the host cluster is reached, and as whom. They are kubectl's own.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(k.Out, "The following options can be given to every command:\n\n%s",
				cmd.Root().PersistentFlags().FlagUsages())
			return err
		},
	}
}
