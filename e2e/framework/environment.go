package framework

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// clusterReadyTimeout bounds how long a cluster that works takes to be ready for upstream KubeFed.
const clusterReadyTimeout = time.Minute

// MemberOptions says what member is started.
type MemberOptions struct {
	// Name is the member's name, and its KubeFedCluster's.
	Name string
	// Labels are put on its KubeFedCluster.
	Labels map[string]string
	// Unshared leaves it to nobody (JoinOptions.Unshared).
	Unshared bool
	// Workloads lets Deployments become available in it.
	Workloads bool
	// Proxied puts a Proxy before it, by which it is joined.
	Proxied bool
}

// EnvironmentOptions says what is started.
type EnvironmentOptions struct {
	// Dir holds the data and the logs of everything.
	Dir string
	// Members are the member clusters.
	Members []MemberOptions
	// AsShipped gives upstream KubeFed the intervals and the workers that it ships with, which make tests slow.
	AsShipped bool
	// AuditEvents writes the host's events down with its other writes.
	AuditEvents bool
	// FailurePolicy is what becomes of a write that cellfed's manager does not answer for (Cellfed.FailurePolicy).
	FailurePolicy admissionregistrationv1.FailurePolicyType
	// WithoutCellfed leaves upstream KubeFed alone.
	WithoutCellfed bool
	// Detached lets all processes outlive this one.
	Detached bool
	// Progress is told what happens, one line each. Nil means nobody is.
	Progress func(line string)
}

// Environment is a host cluster with upstream KubeFed and cellfed, and its members.
type Environment struct {
	// Dir holds the data and the logs of everything.
	Dir string
	// Host is the cluster that federated objects are written to.
	Host *Cluster
	// Members are the member clusters by name.
	Members map[string]*Cluster
	// Proxies are those of the members that have one.
	Proxies map[string]*Proxy
	// KubeFed is upstream KubeFed in the host.
	KubeFed *KubeFed
	// Cellfed is cellfed in the host; nil when it is left out.
	Cellfed *Cellfed

	options EnvironmentOptions
}

// StartEnvironment starts all that the options say and waits until it works. When it fails, what it started has been
// stopped, and the Environment that is returned with the error tells what it was.
func StartEnvironment(ctx context.Context, o EnvironmentOptions) (*Environment, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	e := &Environment{Members: map[string]*Cluster{}, Proxies: map[string]*Proxy{}, options: o}
	if err := e.start(ctx); err != nil {
		return e, errors.Join(fmt.Errorf("start an environment: %w", err), e.Kill())
	}
	return e, nil
}

func (e *Environment) start(ctx context.Context) error {
	if e.options.Detached && slices.ContainsFunc(e.options.Members, func(m MemberOptions) bool { return m.Proxied }) {
		return errors.New("a proxy is part of this process: it cannot outlive it as the options have it")
	}
	var err error
	if e.Dir, err = filepath.Abs(e.options.Dir); err != nil {
		return fmt.Errorf("find the directory %s: %w", e.options.Dir, err)
	}
	if err := os.MkdirAll(e.Dir, 0o700); err != nil {
		return fmt.Errorf("make the directory: %w", err)
	}
	if err := e.startClusters(ctx); err != nil {
		return err
	}
	e.options.Progress("Installing upstream KubeFed v0.10.0 in the host")
	if e.KubeFed, err = installKubeFed(ctx, e.Host, e.options.AsShipped); err != nil {
		return err
	}
	var names []string
	for _, member := range e.options.Members {
		e.options.Progress("Registering " + member.Name + " as a KubeFedCluster")
		if err := e.join(ctx, member); err != nil {
			return err
		}
		names = append(names, member.Name)
	}
	if !e.options.WithoutCellfed {
		e.options.Progress("Installing cellfed in the host")
		if err := e.InstallCellfed(ctx); err != nil {
			return err
		}
	}
	e.options.Progress("Starting upstream's controller manager")
	if err := e.KubeFed.Start(ctx); err != nil {
		return err
	}
	return e.KubeFed.WaitForClusters(ctx, clusterReadyTimeout, names...)
}

func (e *Environment) join(ctx context.Context, o MemberOptions) error {
	options := JoinOptions{Labels: o.Labels, Unshared: o.Unshared}
	if o.Proxied {
		proxy, err := e.Members[o.Name].NewProxy()
		if err != nil {
			return err
		}
		e.Proxies[o.Name] = proxy
		options.Endpoint = proxy.URL()
	}
	return e.KubeFed.JoinWith(ctx, e.Members[o.Name], options)
}

// InstallCellfed installs cellfed and starts it, where it was left out at first.
func (e *Environment) InstallCellfed(ctx context.Context) error {
	var err error
	if e.Cellfed, err = InstallCellfed(ctx, e.Host); err != nil {
		return err
	}
	e.Cellfed.FailurePolicy = e.options.FailurePolicy
	if err := e.Cellfed.Start(ctx); err != nil {
		return err
	}
	return e.Cellfed.WaitForVersions(ctx, clusterReadyTimeout, true)
}

// startClusters starts the host and the members side by side.
func (e *Environment) startClusters(ctx context.Context) error {
	members := make([]*Cluster, len(e.options.Members))
	group, groupCtx := errgroup.WithContext(ctx)
	e.options.Progress("Starting the host")
	group.Go(func() error {
		var err error
		e.Host, err = StartCluster(groupCtx, Options{
			Name: "host", Dir: e.Dir, Controllers: HostControllers, Audit: true, AuditEvents: e.options.AuditEvents,
			Detached: e.options.Detached,
		})
		return err
	})
	for i, member := range e.options.Members {
		e.options.Progress("Starting the member " + member.Name)
		group.Go(func() error {
			var err error
			members[i], err = e.startMember(groupCtx, member)
			return err
		})
	}
	err := group.Wait()
	for i, member := range e.options.Members {
		if members[i] != nil {
			e.Members[member.Name] = members[i]
		}
	}
	return err
}

func (e *Environment) startMember(ctx context.Context, o MemberOptions) (*Cluster, error) {
	controllers := append([]string{}, MemberControllers...)
	if o.Workloads {
		controllers = append(controllers, WorkloadControllers...)
	}
	cluster, err := StartCluster(ctx, Options{
		Name: o.Name, Dir: e.Dir, Controllers: controllers, Audit: true, Detached: e.options.Detached,
	})
	if err != nil {
		return nil, err
	}
	if o.Workloads {
		// The cluster is returned with the error, so that it is stopped.
		return cluster, cluster.StartWorkloads(ctx)
	}
	return cluster, nil
}

// Member returns the member of the name, which must be one of the options'.
func (e *Environment) Member(name string) *Cluster { return e.Members[name] }

// Processes returns all that was started and has not been stopped on purpose.
func (e *Environment) Processes() []*Process {
	var all []*Process
	if e.Cellfed != nil && e.Cellfed.process != nil {
		all = append(all, e.Cellfed.process)
	}
	if e.KubeFed != nil && e.KubeFed.process != nil {
		all = append(all, e.KubeFed.process)
	}
	for _, cluster := range e.clusters() {
		all = append(all, cluster.Processes()...)
	}
	return all
}

func (e *Environment) clusters() []*Cluster {
	var all []*Cluster
	for _, cluster := range e.Members {
		all = append(all, cluster)
	}
	if e.Host != nil {
		all = append(all, e.Host)
	}
	return all
}

// Err says which processes have ended without being asked to, or nil.
func (e *Environment) Err() error {
	var errs []error
	for _, process := range e.Processes() {
		errs = append(errs, process.Err())
	}
	return errors.Join(errs...)
}

// Stop ends everything in order: cellfed and upstream first, the host last.
func (e *Environment) Stop(ctx context.Context) error {
	var errs []error
	if e.Cellfed != nil {
		errs = append(errs, e.Cellfed.Stop(ctx))
	}
	if e.KubeFed != nil {
		errs = append(errs, e.KubeFed.Stop(ctx))
	}
	clusters := e.clusters()
	results := make([]error, len(clusters))
	var group errgroup.Group
	for i, cluster := range clusters {
		group.Go(func() error {
			results[i] = cluster.Stop(ctx)
			return nil
		})
	}
	_ = group.Wait()
	errs = append(errs, e.closeProxies())
	return errors.Join(append(errs, results...)...)
}

// Kill ends everything at once.
func (e *Environment) Kill() error {
	var errs []error
	for _, process := range e.Processes() {
		errs = append(errs, process.Kill())
	}
	return errors.Join(append(errs, e.closeProxies())...)
}

func (e *Environment) closeProxies() error {
	var errs []error
	for _, proxy := range e.Proxies {
		errs = append(errs, proxy.Close())
	}
	return errors.Join(errs...)
}
