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
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
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

var workloads = []workload{
	{
		deployment: "kubefed-controller-manager", program: "hyperfed", before: []string{"controller-manager"},
		moved: []string{"--healthz-addr", "--metrics-addr"}, health: "--healthz-addr", ready: "/healthz",
	},
	{deployment: "cellfed-manager", program: "manager", health: "--health-probe-bind-address", ready: "/readyz"},
}

// pods are the processes that run in place of the pods of the chart's Deployments, one for each Deployment.
type pods struct {
	host    *framework.Cluster
	running map[string]*pod
}

type pod struct {
	*framework.Process
	// template is that of the Deployment, as it was when the process was started.
	template string
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
	kubeconfig, err := p.account(ctx, home, spec.ServiceAccountName)
	if err != nil {
		return nil, err
	}
	mounts, err := p.mount(ctx, home, spec)
	if err != nil {
		return nil, err
	}
	args := append(slices.Clone(w.before), "--kubeconfig="+kubeconfig)
	made := &pod{}
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

// account writes a kubeconfig of a service account.
func (p *pods) account(ctx context.Context, home, name string) (string, error) {
	token, err := newToken(ctx, p.host, system, name)
	if err != nil {
		return "", err
	}
	config, err := trusted(p.host)
	if err != nil {
		return "", err
	}
	account := clientcmdapi.NewConfig()
	account.Clusters["host"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	account.AuthInfos["host"] = &clientcmdapi.AuthInfo{Token: token}
	account.Contexts["host"] = &clientcmdapi.Context{Cluster: "host", AuthInfo: "host"}
	account.CurrentContext = "host"
	path := filepath.Join(home, "kubeconfig")
	return path, clientcmd.WriteToFile(*account, path)
}

// mount writes the files of the container's projected volumes, and returns their directories by those of the container.
func (p *pods) mount(ctx context.Context, home string, spec *corev1.PodSpec) (map[string]string, error) {
	mounts := map[string]string{}
	for _, mount := range spec.Containers[0].VolumeMounts {
		i := slices.IndexFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name })
		if i < 0 || spec.Volumes[i].Projected == nil {
			return nil, fmt.Errorf("the mount %s is of no projected volume", mount.Name)
		}
		mounts[mount.MountPath] = filepath.Join(home, mount.Name)
		if err := os.MkdirAll(mounts[mount.MountPath], 0o700); err != nil {
			return nil, err
		}
		for _, source := range spec.Volumes[i].Projected.Sources {
			data, items, err := p.source(ctx, source)
			if err != nil {
				return nil, err
			}
			for _, item := range items {
				if len(data[item.Key]) == 0 {
					return nil, fmt.Errorf("the volume %s has no %s", mount.Name, item.Key)
				}
				if err := os.WriteFile(filepath.Join(mounts[mount.MountPath], item.Path), data[item.Key], 0o600); err != nil {
					return nil, err
				}
			}
		}
	}
	return mounts, nil
}

func (p *pods) source(ctx context.Context, source corev1.VolumeProjection) (map[string][]byte, []corev1.KeyToPath, error) {
	switch {
	case source.Secret != nil:
		secret := &corev1.Secret{}
		err := p.host.Client.Get(ctx, client.ObjectKey{Namespace: system, Name: source.Secret.Name}, secret)
		return secret.Data, source.Secret.Items, err
	case source.ConfigMap != nil:
		config, data := &corev1.ConfigMap{}, map[string][]byte{}
		err := p.host.Client.Get(ctx, client.ObjectKey{Namespace: system, Name: source.ConfigMap.Name}, config)
		for key, value := range config.Data {
			data[key] = []byte(value)
		}
		return data, source.ConfigMap.Items, err
	}
	return nil, nil, errors.New("a projected volume that is of no Secret and no ConfigMap")
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
