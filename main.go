// Command manager runs cellfed's controllers, webhooks and façade beside an upstream KubeFed.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	clientconfig "sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/cellfed/cellfed/internal/member"
	"github.com/cellfed/cellfed/internal/options"
)

// version is set by the build.
var version = "dev"

func main() {
	if err := newCommand().ExecuteContext(ctrl.SetupSignalHandler()); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	opts := options.Default()
	var logging zap.Options
	cmd := &cobra.Command{
		Use:           "manager",
		Short:         "Run cellfed's controllers, webhooks and façade beside an upstream KubeFed",
		Args:          cobra.NoArgs,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctrl.SetLogger(newLogger(&logging))
			if err := opts.Validate().ToAggregate(); err != nil {
				return err
			}
			config, err := ctrl.GetConfig()
			if err != nil {
				return fmt.Errorf("find the host cluster: %w: give --kubeconfig where the manager runs outside of it", err)
			}
			// What API servers compress, lists and what watches begin with, costs more here than it spares on the way from a host that is near.
			config.DisableCompression = true
			if opts.RemoveV2Beta1 {
				return takeBack(cmd.Context(), cmd.OutOrStdout(), config, opts)
			}
			return run(cmd.Context(), config, opts)
		},
	}
	opts.AddFlags(cmd.Flags())
	// controller-runtime's --kubeconfig and zap's flags are Go flags.
	goFlags := flag.NewFlagSet("manager", flag.ContinueOnError)
	clientconfig.RegisterFlags(goFlags)
	logging.BindFlags(goFlags)
	cmd.Flags().AddGoFlagSet(goFlags)
	return cmd
}

func run(ctx context.Context, config *rest.Config, opts options.Options) error {
	tuneMemory(ctx, ctrl.Log, memlimit.FromCgroup)
	ctrl.Log.Info("Starting cellfed's manager", "version", version)
	certificates, err := newCertificates(ctx, config, opts)
	if err != nil {
		return err
	}
	mgr, err := newManager(config, opts, certificates)
	if err != nil {
		return err
	}
	tracer, err := newTracer(ctx, opts)
	if err != nil {
		return err
	}
	defer endTraces(tracer)
	pool := member.NewPool()
	server, err := setupFacade(ctx, mgr, opts, certificates, pool)
	if err != nil {
		return err
	}
	if err := setupWebhooks(ctx, mgr, opts, tracer); err != nil {
		return err
	}
	if err := setupControllers(mgr, opts, certificates, pool, tracer); err != nil {
		return err
	}
	if err := setupHealth(mgr, server, certificates); err != nil {
		return err
	}
	return mgr.Start(ctx)
}
