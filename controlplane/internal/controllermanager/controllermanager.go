// Package controllermanager runs a kube-controller-manager in this process against the API server of a
// data directory.
package controllermanager

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	basecompatibility "k8s.io/component-base/compatibility"
	"k8s.io/component-base/featuregate"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	"k8s.io/kubernetes/cmd/kube-controller-manager/names"

	"github.com/cellfed/cellfed/controlplane/internal/component"
	"github.com/cellfed/cellfed/controlplane/internal/datadir"
	"github.com/cellfed/cellfed/controlplane/internal/pki"
	"github.com/cellfed/cellfed/controlplane/internal/readiness"
)

// Options are what a user can say about a controller manager.
type Options struct {
	// DataDir is the data directory of the API server.
	DataDir string
	// Controllers are the controllers to run, in kube-controller-manager's own words (* and -name too);
	// DefaultSet stands for DefaultControllers.
	Controllers []string
	// WaitTimeout bounds the wait for the API server.
	WaitTimeout time.Duration
	// Verbosity is klog's level.
	Verbosity int
	// ExtraArgs are kube-controller-manager's own flags, which win over the defaults here.
	ExtraArgs []string
}

// Defaults returns the options of a controller manager that was told nothing but its data directory.
func Defaults() *Options {
	return &Options{Controllers: []string{DefaultSet}, WaitTimeout: time.Minute}
}

// DefaultSet is the name, among controllers, of all that DefaultControllers returns.
const DefaultSet = "default"

// DefaultControllers are those that have work in a cluster without nodes, clouds and volumes: workloads
// become Pods, Services get their endpoints, and whatever is deleted goes with all that it owns.
func DefaultControllers() []string {
	return []string{
		names.NamespaceController,
		names.GarbageCollectorController,
		names.ServiceAccountController,
		names.ServiceAccountTokenController,
		names.RootCACertificatePublisherController,
		names.ClusterRoleAggregationController,
		names.ResourceQuotaController,
		names.DeploymentController,
		names.ReplicaSetController,
		names.StatefulSetController,
		names.DaemonSetController,
		names.JobController,
		names.CronJobController,
		names.TTLAfterFinishedController,
		names.PodGarbageCollectorController,
		names.DisruptionController,
		names.EndpointsController,
		names.EndpointSliceController,
		names.EndpointSliceMirroringController,
		names.CertificateSigningRequestSigningController,
		names.CertificateSigningRequestCleanerController,
	}
}

// owned are kube-controller-manager's flags that this command sets itself.
var owned = map[string]string{
	"controllers": "--controllers before the --",
	"v":           "-v before the --",
}

// Run waits for the API server and runs the controllers until ctx ends.
func (o *Options) Run(ctx context.Context) error {
	dir, err := datadir.New(o.DataDir)
	if err != nil {
		return err
	}
	if err := o.checkControllers(); err != nil {
		return err
	}
	s, err := options.NewKubeControllerManagerOptions()
	if err != nil {
		return err
	}
	named := s.Flags(app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases())
	s.ParsedFlags = &named
	if err := (component.Flags{
		Component: "kube-controller-manager",
		Named:     named,
		Extra:     o.ExtraArgs,
		Owned:     owned,
		Defaults:  o.flags(dir),
	}).Apply(); err != nil {
		return err
	}
	registry := s.ComponentGlobalsRegistry
	if err := registry.Set(); err != nil {
		return err
	}
	gate := registry.FeatureGateFor(basecompatibility.DefaultKubeComponent)
	if err := component.ApplyLog(ctx, s.Logs, gate); err != nil {
		return err
	}
	if err := s.Validate(app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases()); err != nil {
		return err
	}
	if err := readiness.WaitDataDir(ctx, dir, o.WaitTimeout); err != nil {
		return err
	}
	// The controllers watch every version that the server serves, deprecated ones too.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	config, err := s.Config(ctx, app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases())
	if err != nil {
		return err
	}
	if mutable, ok := gate.(featuregate.MutableFeatureGate); ok {
		mutable.AddMetrics()
	}
	registry.AddMetrics()
	if err := app.Run(ctx, config.Complete()); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// checkControllers finds names that kube-controller-manager would refuse without saying which flag.
func (o *Options) checkControllers() error {
	known := app.KnownControllers()
	for _, controller := range o.Controllers {
		name := strings.TrimPrefix(controller, "-")
		if _, alias := app.ControllerAliases()[name]; alias || slices.Contains(known, name) {
			continue
		}
		if controller == "*" || controller == DefaultSet {
			continue
		}
		return fmt.Errorf("--controllers %q names none: give %s, *, or names out of %s; a - before one takes it out",
			controller, DefaultSet, strings.Join(known, ", "))
	}
	return nil
}

// controllers are the controllers as kube-controller-manager takes them. It goes by the first mention
// of a name, so that what is taken out comes first.
func (o *Options) controllers() []string {
	var out, in []string
	for _, controller := range o.Controllers {
		switch {
		case strings.HasPrefix(controller, "-"):
			out = append(out, controller)
		case controller == DefaultSet:
			in = append(in, DefaultControllers()...)
		default:
			in = append(in, controller)
		}
	}
	return append(out, in...)
}

func (o *Options) flags(dir datadir.Dir) map[string]string {
	files := &pki.Files{Dir: dir.PKI()}
	return map[string]string{
		"kubeconfig":  dir.ControllerManagerKubeconfig(),
		"controllers": strings.Join(o.controllers(), ","),
		// One controller manager belongs to one data directory: nobody to elect a leader among.
		"leader-elect": "false",
		// The system user may do little itself: every controller works under its own service account.
		"use-service-account-credentials":  "true",
		"service-account-private-key-file": files.ServiceAccountKey(),
		"root-ca-file":                     files.CACert(),
		"cluster-signing-cert-file":        files.CACert(),
		"cluster-signing-key-file":         files.CAKey(),
		// No port: several controller managers run on one machine, and nothing asks this one.
		"secure-port":    "0",
		"kube-api-qps":   "200",
		"kube-api-burst": "400",
		"profiling":      "false",
		"v":              strconv.Itoa(o.Verbosity),
	}
}
