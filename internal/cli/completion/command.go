package completion

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
)

// shells are what New knows, kubectl among them.
var shells = []string{"bash", "fish", "kubectl", "powershell", "zsh"}

// plugin is what kubectl runs to complete the plugin's command line: an executable of this name on the PATH.
const plugin = `#!/bin/sh
# Put this on your PATH, executable, as kubectl_complete-cells.
exec kubectl-cells __complete "$@"
`

// New returns the verb that prints what completes command lines.
func New(k *kube.Kube) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|fish|kubectl|powershell|zsh",
		Short: "Print what completes command lines",
		Long: `Print what completes command lines.

With kubectl it prints a small program that completes "kubectl cells ..." wherever kubectl's own completion works, in any shell: kubectl
runs it under the name kubectl_complete-cells. With a shell's name it prints a script for that shell that completes
"kubectl-cells ...", for those who call the plugin by its own name.`,
		Example: `
# Complete "kubectl cells ..." (once; ~/bin is on the PATH)
kubectl cells completion kubectl > ~/bin/kubectl_complete-cells && chmod +x ~/bin/kubectl_complete-cells

# Complete "kubectl-cells ..." in this shell
source <(kubectl cells completion bash)`,
		ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return exit.Usagef("%d arguments given: give one of bash, fish, kubectl, powershell and zsh", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(k.Out, true)
			case "fish":
				return root.GenFishCompletion(k.Out, true)
			case "kubectl":
				_, err := fmt.Fprint(k.Out, plugin)
				return err
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(k.Out)
			case "zsh":
				return root.GenZshCompletion(k.Out)
			default:
				return exit.Usagef("%q is no shell that is known here: give one of bash, fish, kubectl, powershell and zsh", args[0])
			}
		},
	}
}
