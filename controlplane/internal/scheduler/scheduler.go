// Package scheduler runs a kube-scheduler in this process against the API server of a data directory.
package scheduler

import (
	"context"
	"strconv"
	"time"

	"k8s.io/client-go/tools/cache"
	basecompatibility "k8s.io/component-base/compatibility"
	"k8s.io/component-base/featuregate"
	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"

	"github.com/cellfed/cellfed/controlplane/internal/component"
	"github.com/cellfed/cellfed/controlplane/internal/datadir"
	"github.com/cellfed/cellfed/controlplane/internal/readiness"
)

// Options are what a user can say about a scheduler.
type Options struct {
	// DataDir is the data directory of the API server.
	DataDir string
	// WaitTimeout bounds the wait for the API server.
	WaitTimeout time.Duration
	// Verbosity is klog's level.
	Verbosity int
	// ExtraArgs are kube-scheduler's own flags, which win over the defaults here.
	ExtraArgs []string
}

// Defaults returns the options of a scheduler that was told nothing but its data directory.
func Defaults() *Options {
	return &Options{WaitTimeout: time.Minute}
}

// owned are kube-scheduler's flags that this command sets itself.
var owned = map[string]string{"v": "-v before the --"}

// Run waits for the API server and schedules Pods until ctx ends.
func (o *Options) Run(ctx context.Context) error {
	dir, err := datadir.New(o.DataDir)
	if err != nil {
		return err
	}
	s := options.NewOptions()
	if err := (component.Flags{
		Component: "kube-scheduler",
		Named:     *s.Flags,
		Extra:     o.ExtraArgs,
		Owned:     owned,
		Defaults: map[string]string{
			"kubeconfig": dir.SchedulerKubeconfig(),
			// One scheduler belongs to one data directory: nobody to elect a leader among.
			"leader-elect": "false",
			// No port: several schedulers run on one machine, and nothing asks this one.
			"secure-port": "0",
			"v":           strconv.Itoa(o.Verbosity),
		},
	}).Apply(); err != nil {
		return err
	}
	if err := s.ComponentGlobalsRegistry.Set(); err != nil {
		return err
	}
	gate := s.ComponentGlobalsRegistry.FeatureGateFor(basecompatibility.DefaultKubeComponent)
	if err := component.ApplyLog(ctx, s.Logs, gate); err != nil {
		return err
	}
	if err := readiness.WaitDataDir(ctx, dir, o.WaitTimeout); err != nil {
		return err
	}
	if s.InformerName, err = cache.NewInformerName("kube-scheduler"); err != nil {
		return err
	}
	config, sched, err := app.Setup(ctx, s)
	if err != nil {
		return err
	}
	if mutable, ok := gate.(featuregate.MutableFeatureGate); ok {
		mutable.AddMetrics()
	}
	s.ComponentGlobalsRegistry.AddMetrics()
	// Without leader election the end of ctx is reported as an error.
	if err := app.Run(ctx, config, sched); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}
