// Command clidocs writes the reference of kubectl cells from its commands: clidocs FILE
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/cellfed/cellfed/internal/cli"
	"github.com/cellfed/cellfed/internal/cli/kube"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: clidocs FILE")
		os.Exit(2)
	}
	root := cli.NewCommand(kube.New(genericiooptions.NewTestIOStreamsDiscard()), "")
	if err := os.WriteFile(os.Args[1], []byte(reference(root)), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// reference returns the reference of a command and all below it, in Markdown.
func reference(root *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n<!-- Generated from the commands. -->\n\n%s\n", root.DisplayName(), strings.TrimSpace(root.Long))
	for _, group := range root.Groups() {
		fmt.Fprintf(&b, "\n%s\n\n| | |\n|---|---|\n", group.Title)
		for _, cmd := range root.Commands() {
			if cmd.GroupID == group.ID && cmd.IsAvailableCommand() {
				fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", cmd.Name(), anchor(cmd), cell(cmd.Short))
			}
		}
	}
	for _, group := range root.Groups() {
		for _, cmd := range root.Commands() {
			if cmd.GroupID == group.ID && cmd.IsAvailableCommand() {
				section(&b, cmd)
			}
		}
	}
	b.WriteString("\n## Options that every command has\n")
	options(&b, root.PersistentFlags())
	b.WriteString(exitCodes)
	return b.String()
}

const exitCodes = `
## Exit codes

| | |
|---|---|
| 0 | success |
| 1 | what was asked for could not be done |
| 2 | the command line is wrong |
| 3 | what was asked about is not so: not in sync, not ready, not so in time |
| 130 | ended by the user |

` + "`diff` follows kubectl: 0 where nothing differs, 1 where something does, above 1 where it failed.\n"

// section writes a command, and then those below it.
func section(b *strings.Builder, cmd *cobra.Command) {
	fmt.Fprintf(b, "\n## %s\n\n%s\n", cmd.CommandPath(), strings.TrimSpace(cmd.Long))
	if cmd.Runnable() {
		fmt.Fprintf(b, "\n```\n%s\n```\n", cmd.UseLine())
	}
	if cmd.HasExample() {
		fmt.Fprintf(b, "\n```sh\n%s\n```\n", outdent(cmd.Example))
	}
	options(b, cmd.NonInheritedFlags())
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			section(b, c)
		}
	}
}

// options writes flags as a table, if there are any.
func options(b *strings.Builder, flags *pflag.FlagSet) {
	var rows strings.Builder
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		kind, usage := pflag.UnquoteUsage(f)
		if kind != "" {
			name += " " + kind
		}
		fmt.Fprintf(&rows, "| `%s` | %s | %s |\n", name, value(f), cell(usage))
	})
	if rows.Len() > 0 {
		fmt.Fprintf(b, "\n| option | default | |\n|---|---|---|\n%s", rows.String())
	}
}

// value returns a flag's default, without what is of this machine.
func value(f *pflag.Flag) string {
	text := f.DefValue
	if home, err := os.UserHomeDir(); err == nil && home != "/" {
		text = strings.ReplaceAll(text, home, "$HOME")
	}
	switch text {
	case "", "[]", "false":
		return ""
	}
	return "`" + text + "`"
}

func anchor(cmd *cobra.Command) string {
	return strings.ReplaceAll(cmd.CommandPath(), " ", "-")
}

// cell makes one square of a table of a text.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

// outdent takes away the two blanks that examples begin with in the help.
func outdent(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}
