package helmlife

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/e2e/framework"
)

// workload says how what a Deployment of the chart's runs is run here.
type workload struct {
	deployment, program string
	// before comes before the container's arguments.
	before []string
	// moved are the flags of ports that are no values of the chart's: they are given ports that are free here.
	moved []string
	// health is the flag that says where /healthz is, ready what is asked there.
	health, ready string
}

// managerName is the name of cellfed's Deployment.
const managerName = "cellfed-manager"

var workloads = []workload{
	{
		deployment: "kubefed-controller-manager", program: "hyperfed", before: []string{"controller-manager"},
		moved: []string{"--healthz-addr", "--metrics-addr"}, health: "--healthz-addr", ready: "/healthz",
	},
	{deployment: managerName, program: "manager", health: "--health-probe-bind-address", ready: "/readyz"},
}

// pods are the processes that run in place of the pods of the chart's Deployments, one for each Deployment.
type pods struct {
	host    *framework.Cluster
	running map[string]*pod
}

type pod struct {
	*framework.Process
	// template is that of the Deployment, as it was when the process was started, volumes are where its volumes are here.
	template string
	volumes  map[string]corev1.Volume
	address  string
}

// roll brings what runs up to what the Deployments say, and waits until it is ready. What they say as before goes on running.
func (s *story) roll() {
	s.Helper()
	for _, w := range workloads {
		if err := s.pods.roll(s.Context(), w); err != nil {
			s.Fatalf("run what the Deployment %s says: %v", w.deployment, err)
		}
	}
}

func (p *pods) roll(ctx context.Context, w workload) error {
	deployment := &appsv1.Deployment{}
	if err := p.host.Client.Get(ctx, client.ObjectKey{Namespace: system, Name: w.deployment}, deployment); err != nil {
		return err
	}
	data, err := json.Marshal(deployment.Spec.Template)
	if err != nil {
		return err
	}
	if old := p.running[w.deployment]; old != nil {
		if err := old.Err(); err != nil {
			return err
		}
		if old.template == string(data) {
			return nil
		}
		delete(p.running, w.deployment)
		if err := old.Stop(ctx); err != nil {
			return err
		}
	}
	started, err := p.start(ctx, w, &deployment.Spec.Template.Spec)
	if err != nil {
		return err
	}
	started.template = string(data)
	p.running[w.deployment] = started
	return started.waitReady(ctx, w.ready)
}

// start starts a container as a kubelet would: with its arguments, its volumes, and a token of its account.
func (p *pods) start(ctx context.Context, w workload, spec *corev1.PodSpec) (*pod, error) {
	container := spec.Containers[0]
	home := filepath.Join(dir, w.deployment)
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	kubeconfig := filepath.Join(home, "kubeconfig")
	if err := p.host.WriteAccountKubeconfig(ctx, kubeconfig, system, spec.ServiceAccountName); err != nil {
		return nil, err
	}
	made := &pod{volumes: map[string]corev1.Volume{}}
	mounts, err := made.mount(home, spec)
	if err != nil {
		return nil, err
	}
	if err := p.fill(ctx, made); err != nil {
		return nil, err
	}
	args := append(slices.Clone(w.before), "--kubeconfig="+kubeconfig)
	for _, arg := range container.Args {
		name, value, _ := strings.Cut(arg, "=")
		if slices.Contains(w.moved, name) {
			port, err := framework.FreePort()
			if err != nil {
				return nil, err
			}
			value = fmt.Sprintf(":%d", port)
		}
		if strings.HasPrefix(value, ":") {
			value = "127.0.0.1" + value
		}
		if mounted := mounts[value]; mounted != "" {
			value = mounted
		}
		if name == w.health {
			made.address = value
		}
		args = append(args, name+"="+value)
	}
	bin, err := framework.Binary(w.program)
	if err != nil {
		return nil, err
	}
	made.Process, err = framework.Start(framework.Program{Name: w.deployment, Path: bin, Dir: home, Args: args})
	return made, err
}

// waitReady waits as a readiness probe does.
func (p *pod) waitReady(ctx context.Context, path string) error {
	return framework.Poll(ctx, patience, p.Name+" to be ready", func(ctx context.Context) error {
		if err := p.Err(); err != nil {
			return framework.Final(err)
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+path, nil)
		if err != nil {
			return framework.Final(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		if err := response.Body.Close(); err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	})
}

// err says what has ended without being asked to, or nil.
func (p *pods) err() error {
	for _, pod := range p.running {
		if err := pod.Err(); err != nil {
			return err
		}
	}
	return nil
}

// stop ends all that runs.
func (p *pods) stop(ctx context.Context) error {
	var errs []error
	for name, pod := range p.running {
		errs = append(errs, pod.Err(), pod.Stop(ctx))
		delete(p.running, name)
	}
	return errors.Join(errs...)
}
