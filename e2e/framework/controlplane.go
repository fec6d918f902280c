package framework

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// readyTimeout bounds the start of an API server, on a machine that is busy with others.
	readyTimeout = 2 * time.Minute
	// portTries is how many ports are tried when the one that was chosen is taken before the server has it.
	portTries = 5
)

// MemberControllers are the controllers that a cluster needs for namespaces, garbage and service accounts to work.
var MemberControllers = []string{
	"namespace-controller", "garbage-collector-controller", "serviceaccount-controller", "serviceaccount-token-controller",
}

// HostControllers are the controllers that a host needs: those of a member, and the one that fills the roles which
// are put together from others.
var HostControllers = append([]string{"clusterrole-aggregation-controller"}, MemberControllers...)

// WorkloadControllers are the ones that a Deployment, ReplicaSet or Job needs on top of MemberControllers.
var WorkloadControllers = []string{
	"deployment-controller", "replicaset-controller", "job-controller", "endpointslice-controller",
}

// Options says what cluster is started.
type Options struct {
	// Bin is the controlplane binary. Empty means Binary("controlplane").
	Bin string
	// Name names the cluster in errors, and its directory below Dir.
	Name string
	// Dir holds the cluster's directory, <Dir>/<Name>: data, kubeconfig and logs. A cluster that is in there
	// already goes on from what it finds.
	Dir string
	// Port is the port of 127.0.0.1 that the API server listens on. Zero means a free one.
	Port int
	// Controllers are the controllers that a controller manager runs. Empty means that none is started:
	// namespaces then stay Terminating, and nothing is collected.
	Controllers []string
	// Audit makes the API server write down every write it does, for Writes to read.
	Audit bool
	// AuditEvents writes down the writes of events too.
	AuditEvents bool
	// ExtraArgs are flags of kube-apiserver.
	ExtraArgs []string
	// Detached lets the processes outlive this one.
	Detached bool
}

// ControlPlane is a cluster: an API server with its datastore and, where asked for, a controller manager.
type ControlPlane struct {
	// Name is the cluster's name.
	Name string
	// Dir is the cluster's directory.
	Dir string
	// Port is the API server's port.
	Port int
	// Kubeconfig is the path of a kubeconfig of a cluster admin.
	Kubeconfig string

	options     Options
	apiserver   *Process
	controllers *Process
}

// StartControlPlane starts a cluster and waits until its API server is ready. What it started is stopped when it
// fails.
func StartControlPlane(ctx context.Context, o Options) (*ControlPlane, error) {
	if o.Name == "" || o.Dir == "" {
		return nil, errors.New("start a control plane: Name and Dir must be set")
	}
	if o.Bin == "" {
		bin, err := Binary("controlplane")
		if err != nil {
			return nil, err
		}
		o.Bin = bin
	}
	dir, err := filepath.Abs(filepath.Join(o.Dir, o.Name))
	if err != nil {
		return nil, fmt.Errorf("start the control plane %s: %w", o.Name, err)
	}
	cp := &ControlPlane{
		Name: o.Name, Dir: dir, Port: o.Port, options: o,
		Kubeconfig: filepath.Join(dir, "data", "kubeconfig"),
	}
	if err := cp.startOnFreePort(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start the control plane %s: %w", o.Name, err), cp.Kill())
	}
	return cp, nil
}

// startOnFreePort starts the cluster, on another port when somebody took the one that was chosen.
func (c *ControlPlane) startOnFreePort(ctx context.Context) error {
	if c.options.Port != 0 {
		return c.Start(ctx)
	}
	var err error
	for range portTries {
		if c.Port, err = FreePort(); err != nil {
			return err
		}
		if err = c.Start(ctx); err == nil || !strings.Contains(err.Error(), "is taken by another process") {
			return err
		}
		if killErr := c.Kill(); killErr != nil {
			return errors.Join(err, killErr)
		}
	}
	return err
}

// Start starts what is not running of the cluster, on the data and the port that it had, and waits until it is ready.
func (c *ControlPlane) Start(ctx context.Context) error {
	if !running(c.apiserver) {
		args, err := c.apiserverArgs()
		if err != nil {
			return err
		}
		if c.apiserver, err = c.start("apiserver", args); err != nil {
			return err
		}
	}
	if err := Poll(ctx, readyTimeout, "the API server of "+c.Name, c.ready); err != nil {
		return err
	}
	if len(c.options.Controllers) > 0 && !running(c.controllers) {
		args := []string{
			"controller-manager", "--data-dir", c.dataDir(),
			"--controllers", strings.Join(c.options.Controllers, ","),
		}
		var err error
		if c.controllers, err = c.start("controller-manager", args); err != nil {
			return err
		}
	}
	return nil
}

func (c *ControlPlane) dataDir() string { return filepath.Join(c.Dir, "data") }

func (c *ControlPlane) start(name string, args []string) (*Process, error) {
	return Start(Program{Name: name, Path: c.options.Bin, Args: args, Dir: c.Dir, Detached: c.options.Detached})
}

func (c *ControlPlane) apiserverArgs() ([]string, error) {
	args := []string{"apiserver", "--data-dir", c.dataDir(), "--port", strconv.Itoa(c.Port)}
	extra := c.options.ExtraArgs
	if c.options.Audit {
		auditArgs, err := c.auditArgs()
		if err != nil {
			return nil, err
		}
		extra = append(extra[:len(extra):len(extra)], auditArgs...)
	}
	if len(extra) > 0 {
		args = append(append(args, "--"), extra...)
	}
	return args, nil
}

// ready says why the API server is not ready.
func (c *ControlPlane) ready(ctx context.Context) error {
	if err := c.Err(); err != nil {
		return Final(err)
	}
	config, err := c.Config()
	if err != nil {
		return err
	}
	// A kubeconfig that is there from an earlier run may still name another port.
	if !strings.HasSuffix(config.Host, ":"+strconv.Itoa(c.Port)) {
		return fmt.Errorf("%s names %s, not port %d", c.Kubeconfig, config.Host, c.Port)
	}
	config.Timeout = 5 * time.Second
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return fmt.Errorf("make a client of %s: %w", c.Name, err)
	}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, config.Host+"/readyz", nil)
	if err != nil {
		return Final(fmt.Errorf("ask %s for /readyz: %w", c.Name, err))
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask %s for /readyz: %w", c.Name, err)
	}
	if err := response.Body.Close(); err != nil {
		return fmt.Errorf("ask %s for /readyz: %w", c.Name, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask %s for /readyz: %s", c.Name, response.Status)
	}
	return nil
}

// Config returns a new configuration of a client that is a cluster admin and is not slowed down.
func (c *ControlPlane) Config() (*rest.Config, error) {
	if _, err := os.Stat(c.Kubeconfig); err != nil {
		return nil, fmt.Errorf("configure a client of %s: %w", c.Name, err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("configure a client of %s: %w", c.Name, err)
	}
	config.QPS = -1
	return config, nil
}

// URL returns the API server's address.
func (c *ControlPlane) URL() string { return fmt.Sprintf("https://127.0.0.1:%d", c.Port) }

// Processes returns what was started, whether it still runs or not.
func (c *ControlPlane) Processes() []*Process {
	var all []*Process
	for _, p := range []*Process{c.apiserver, c.controllers} {
		if p != nil {
			all = append(all, p)
		}
	}
	return all
}

// Err says which of the processes has ended without being asked to, or nil.
func (c *ControlPlane) Err() error {
	for _, p := range c.Processes() {
		if err := p.Err(); err != nil {
			return err
		}
	}
	return nil
}

// Stop ends the cluster, the controllers first. Its data stays.
func (c *ControlPlane) Stop(ctx context.Context) error {
	var errs []error
	if c.controllers != nil {
		errs = append(errs, c.controllers.Stop(ctx))
	}
	if c.apiserver != nil {
		errs = append(errs, c.apiserver.Stop(ctx))
	}
	c.controllers, c.apiserver = nil, nil
	return errors.Join(errs...)
}

// Kill ends the cluster as a crash would. Its data stays.
func (c *ControlPlane) Kill() error {
	var errs []error
	for _, p := range c.Processes() {
		errs = append(errs, p.Kill())
	}
	c.controllers, c.apiserver = nil, nil
	return errors.Join(errs...)
}

// Restart stops the cluster and starts it again on its data and its port.
func (c *ControlPlane) Restart(ctx context.Context) error {
	if err := c.Stop(ctx); err != nil {
		return err
	}
	return c.Start(ctx)
}

// freezeTimeout bounds how long a busy machine may take to stop all threads of a process.
const freezeTimeout = 30 * time.Second

// Freeze makes the API server stop answering without closing a connection, and Thaw undoes it.
func (c *ControlPlane) Freeze() error {
	if err := c.apiserver.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return Poll(context.Background(), freezeTimeout, "the API server to be frozen", func(context.Context) error {
		return c.apiserver.stopped()
	})
}

// Thaw lets a frozen API server go on.
func (c *ControlPlane) Thaw() error { return c.apiserver.Signal(syscall.SIGCONT) }

func running(p *Process) bool {
	if p == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}
