package masking

import (
	"github.com/spf13/cobra"

	"github.com/cellfed/cellfed/internal/cli/completion"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
)

// Verb is a verb that takes an object, and cells of it or --all.
type Verb struct {
	// Use, Short, Long and Example describe it.
	Use, Short, Long, Example string
	// Some is what becomes of cells that are named, Every what becomes of the mask with --all.
	Some, Every Action
	// All describes --all.
	All string
	// Both says what --all does where cells are named as well, and None which are to be named where none are.
	Both, None string
}

// Command returns the verb's command.
func (v Verb) Command(k *kube.Kube) *cobra.Command {
	change := NewChange(k)
	all := false
	cmd := &cobra.Command{
		Use: v.Use, Short: v.Short, Long: v.Long, Example: v.Example,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completion.ObjectThenCells(k),
		RunE: func(cmd *cobra.Command, args []string) error {
			change.Object = args[0]
			change.Intent = Intent{Action: v.Some, Names: args[1:]}
			switch {
			case all && len(args) > 1:
				return exit.Usagef("--all %s: name none beside it, or leave it out", v.Both)
			case all:
				change.Intent = Intent{Action: v.Every}
			case len(args) == 1:
				return exit.Usagef("no cell is named: name those of %s %s, or give --all", args[0], v.None)
			}
			if err := change.Validate(cmd.Flags().Changed("timeout")); err != nil {
				return err
			}
			return change.Run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, v.All)
	change.AddFlags(cmd)
	return cmd
}
