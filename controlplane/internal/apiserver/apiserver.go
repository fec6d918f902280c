package apiserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"
	"time"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	basecompatibility "k8s.io/component-base/compatibility"
	"k8s.io/component-base/featuregate"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	"github.com/cellfed/cellfed/controlplane/internal/component"
	"github.com/cellfed/cellfed/controlplane/internal/datastore"
	"github.com/cellfed/cellfed/controlplane/internal/pki"
)

// Run runs the server until ctx ends, then drains it, closes the datastore and returns nil. When the
// server is ready, one line that says where is written to out.
func (o *Options) Run(ctx context.Context, out io.Writer) error {
	started := time.Now()
	v, err := o.validate()
	if err != nil {
		return err
	}
	if err := v.dir.Prepare(); err != nil {
		return err
	}
	release, err := v.dir.Lock()
	if err != nil {
		return err
	}
	defer release()
	// The port is taken now and kept, so that a taken one is found before anything heavy starts.
	listener, port, err := v.listen(ctx)
	if err != nil {
		return err
	}
	in := &instance{listener: listener, port: port, started: started, out: out}
	defer in.closeListener()
	if in.files, err = v.writeFiles(port); err != nil {
		return err
	}
	// Flags and log come before the datastore, so that a wrong flag is found before a wait.
	s, err := v.serverOptions(ctx, in)
	if err != nil {
		return err
	}
	store, err := datastore.Start(ctx, v.datastoreConfig())
	if err != nil {
		return stoppedEarly(ctx, err)
	}
	defer store.Close()
	transport := &s.Etcd.StorageConfig.Transport
	transport.ServerList = store.Servers
	transport.TrustedCAFile, transport.CertFile, transport.KeyFile = store.CAFile, store.CertFile, store.KeyFile
	return v.serve(ctx, in, s)
}

// stoppedEarly makes a stop that was asked for during the start no error.
func stoppedEarly(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

func (v *validated) listen(ctx context.Context) (net.Listener, int, error) {
	address := net.JoinHostPort(v.ip.String(), strconv.Itoa(v.Port))
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, 0, fmt.Errorf("--port %d on %s is taken by another process: stop it, give another --port, or give --port 0 for any free one", v.Port, v.ip)
	case errors.Is(err, syscall.EACCES):
		return nil, 0, fmt.Errorf("--port %d on %s needs privileges that this process does not have: give a --port above 1023", v.Port, v.ip)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, 0, fmt.Errorf("--bind-address %q is no address of this machine: give 127.0.0.1, 0.0.0.0 or one of its interfaces' addresses", v.BindAddress)
	case err != nil:
		return nil, 0, fmt.Errorf("listening on %s (--bind-address, --port): %w", address, err)
	}
	return listener, listener.Addr().(*net.TCPAddr).Port, nil
}

// writeFiles makes keys, certificates and kubeconfigs complete and good.
func (v *validated) writeFiles(port int) (*pki.Files, error) {
	files, err := pki.Ensure(pki.Config{Dir: v.dir.PKI(), SANs: v.sans, Now: time.Now()})
	if err != nil {
		return nil, fmt.Errorf("--data-dir %q: %w", string(v.dir), err)
	}
	server := v.url(port)
	for _, k := range []struct {
		path, client string
		embed        bool
	}{
		{v.dir.AdminKubeconfig(), pki.Admin, true},
		{v.dir.ControllerManagerKubeconfig(), pki.ControllerManager, false},
		{v.dir.SchedulerKubeconfig(), pki.Scheduler, false},
	} {
		if err := files.WriteKubeconfig(k.path, k.client, server, k.embed); err != nil {
			return nil, fmt.Errorf("--data-dir %q: %w", string(v.dir), err)
		}
	}
	return files, nil
}

func (v *validated) datastoreConfig() datastore.Config {
	return datastore.Config{
		Endpoint: v.endpoint,
		CAFile:   v.DatastoreCAFile,
		CertFile: v.DatastoreCertFile,
		KeyFile:  v.DatastoreKeyFile,
		Socket:   v.dir.Socket(),
		Timeout:  v.DatastoreTimeout,
	}
}

// instance is what one run of a server holds.
type instance struct {
	listener net.Listener
	port     int
	files    *pki.Files
	started  time.Time
	out      io.Writer
	// serving says that the server has the listener, and panics if anybody else closes it.
	serving bool
}

func (in *instance) closeListener() {
	if !in.serving {
		_ = in.listener.Close()
	}
}

// serve runs kube-apiserver: what its own command does, with the listener handed over and a check of
// readiness added.
func (v *validated) serve(ctx context.Context, in *instance, s *options.ServerRunOptions) error {
	completed, err := complete(ctx, s)
	if err != nil {
		return err
	}
	config, err := app.NewConfig(completed)
	if err != nil {
		return err
	}
	completedConfig, err := config.Complete()
	if err != nil {
		return err
	}
	server, err := app.CreateServerChain(completedConfig)
	if err != nil {
		return err
	}
	if err := addBootstrapHook(server.GenericAPIServer); err != nil {
		return err
	}
	prepared, err := server.PrepareRun()
	if err != nil {
		return err
	}
	return v.runUntil(ctx, in, prepared.Run)
}

// runUntil runs the prepared server until ctx ends and then stops it. A server that is told to stop
// while it starts is let to become ready first, for half of the time that a stop may take: its hooks
// would end the process with an error when they are cut short.
func (v *validated) runUntil(ctx context.Context, in *instance, run func(context.Context) error) error {
	if ctx.Err() != nil {
		return nil
	}
	serverCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ready := make(chan struct{})
	go func() {
		defer close(ready)
		if v.waitReady(serverCtx) && ctx.Err() == nil {
			v.announce(in)
		}
	}()
	go v.renew(serverCtx, in.port)
	done := make(chan error, 1)
	in.serving = true
	go func() { done <- run(serverCtx) }()

	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	_, _ = fmt.Fprintln(in.out, "API server stopping")
	deadline := time.After(v.StopTimeout)
	select {
	case err := <-done:
		return err
	case <-ready:
	case <-time.After(v.StopTimeout / 2):
	}
	stop()
	select {
	case err := <-done:
		return err
	case <-deadline:
		return fmt.Errorf("the server was still running %s after the signal to stop: requests that take longer need a longer --stop-timeout", v.StopTimeout)
	}
}

// serverOptions returns kube-apiserver's options without the datastore, and puts its feature gates and
// its log into force.
func (v *validated) serverOptions(ctx context.Context, in *instance) (*options.ServerRunOptions, error) {
	s := options.NewServerRunOptions()
	if err := v.applyFlags(s, in); err != nil {
		return nil, err
	}
	registry := s.GenericServerRunOptions.ComponentGlobalsRegistry
	if err := registry.Set(); err != nil {
		return nil, err
	}
	gate := registry.FeatureGateFor(basecompatibility.DefaultKubeComponent)
	if err := component.ApplyLog(ctx, s.Logs, gate); err != nil {
		return nil, err
	}
	if mutable, ok := gate.(featuregate.MutableFeatureGate); ok {
		mutable.AddMetrics()
	}
	registry.AddMetrics()
	// The server's own clients use every version that it serves, deprecated ones too.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	s.SecureServing.Listener = in.listener
	return s, nil
}

func complete(ctx context.Context, s *options.ServerRunOptions) (options.CompletedOptions, error) {
	completed, err := s.Complete(ctx)
	if err != nil {
		return completed, err
	}
	if errs := completed.Validate(); len(errs) != 0 {
		return completed, utilerrors.NewAggregate(errs)
	}
	completed.InformerName, err = cache.NewInformerName("kube-apiserver")
	return completed, err
}
