// Package cli is the command line of the control plane: one binary, one sub-command for each of its
// parts, and kubectl, also under its own name.
package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/logs"

	// Sets the version of the Kubernetes libraries before any of them asks for it.
	"github.com/cellfed/cellfed/controlplane/internal/kubeversion"
)

const kubectlName = "kubectl"

// Main runs the command line args, args[0] being the name that the binary was called by, and returns
// the exit code.
func Main(args []string) int {
	if len(args) > 0 && filepath.Base(args[0]) == kubectlName {
		return kubectl(args[1:])
	}
	// kubectl's flags are its own, so that it is found before cobra reads any.
	if len(args) > 1 && args[1] == kubectlName {
		return kubectl(args[2:])
	}
	if len(args) > 0 {
		args = args[1:]
	}
	return execute(args, os.Stdout, os.Stderr)
}

func execute(args []string, stdout, stderr io.Writer) int {
	defer logs.FlushLogs()
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.Execute(); err != nil {
		_, _ = fmt.Fprintf(stderr, "Error: %v\n", err)
		return 1
	}
	return 0
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "controlplane",
		Short: "A Kubernetes control plane in one binary",
		Long: "A Kubernetes control plane in one binary: kube-apiserver with an embedded datastore,\n" +
			"kube-controller-manager, kube-scheduler and kubectl " + kubeversion.Kubernetes() + ".",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetGlobalNormalizationFunc(cliflag.WordSepNormalizeFunc)
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(
		newAPIServerCommand(),
		newControllerManagerCommand(),
		newSchedulerCommand(),
		newKubectlHelpCommand(),
		newVersionCommand(),
	)
	return root
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of what is in this binary",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "Kubernetes %s\nkine %s\nGo %s\n",
				kubeversion.Kubernetes(), kubeversion.Kine(), strings.TrimPrefix(runtime.Version(), "go"))
			return err
		},
	}
}
