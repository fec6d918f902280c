package cli

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	genericapiserver "k8s.io/apiserver/pkg/server"

	"github.com/cellfed/cellfed/controlplane/internal/controllermanager"
	"github.com/cellfed/cellfed/controlplane/internal/scheduler"
)

func newControllerManagerCommand() *cobra.Command {
	o := controllermanager.Defaults()
	cmd := &cobra.Command{
		Use:   "controller-manager --data-dir DIR [-- KUBE-CONTROLLER-MANAGER-FLAG...]",
		Short: "Run a kube-controller-manager for the API server of a data directory",
		Long: "Run a kube-controller-manager for the API server of a data directory, with the controllers\n" +
			"that have work in a cluster without nodes. What follows -- goes to kube-controller-manager.",
		Example: "  controlplane controller-manager --data-dir /var/lib/cellfed\n" +
			"  controlplane controller-manager --data-dir /tmp/a --controllers=default,node-lifecycle-controller",
		Args: argsAfterDash,
		RunE: func(_ *cobra.Command, args []string) error {
			o.ExtraArgs = args
			return o.Run(genericapiserver.SetupSignalContext())
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	addDataDirFlag(fs, &o.DataDir)
	fs.StringSliceVar(&o.Controllers, "controllers", o.Controllers, "controllers to run: default is those that have work without nodes, * all that kube-controller-manager has on, -NAME takes one out")
	addWaitFlag(fs, &o.WaitTimeout)
	addVerbosityFlag(fs, &o.Verbosity)
	return cmd
}

func newSchedulerCommand() *cobra.Command {
	o := scheduler.Defaults()
	cmd := &cobra.Command{
		Use:     "scheduler --data-dir DIR [-- KUBE-SCHEDULER-FLAG...]",
		Short:   "Run a kube-scheduler for the API server of a data directory",
		Long:    "Run a kube-scheduler for the API server of a data directory. What follows -- goes to kube-scheduler.",
		Example: "  controlplane scheduler --data-dir /var/lib/cellfed",
		Args:    argsAfterDash,
		RunE: func(_ *cobra.Command, args []string) error {
			o.ExtraArgs = args
			return o.Run(genericapiserver.SetupSignalContext())
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	addDataDirFlag(fs, &o.DataDir)
	addWaitFlag(fs, &o.WaitTimeout)
	addVerbosityFlag(fs, &o.Verbosity)
	return cmd
}

func addWaitFlag(fs *pflag.FlagSet, timeout *time.Duration) {
	fs.DurationVar(timeout, "wait-timeout", *timeout, "how long to wait for the API server")
}
