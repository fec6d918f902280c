package framework

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
)

// Cluster is a control plane with a client and what else runs for it.
type Cluster struct {
	*ControlPlane
	// Client reads and writes the cluster as its admin, without a cache.
	Client client.WithWatch

	scheduler *Process
	kwok      *Process
}

// NewScheme returns the types that a Cluster's client knows: those of Kubernetes, CustomResourceDefinitions, those
// of upstream KubeFed's core group and those of cellfed.
func NewScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, kubefedv1beta1.AddToScheme, cellfedv1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("make a scheme: %w", err)
		}
	}
	return scheme, nil
}

// StartCluster starts a control plane and makes a client for it.
func StartCluster(ctx context.Context, o Options) (*Cluster, error) {
	cp, err := StartControlPlane(ctx, o)
	if err != nil {
		return nil, err
	}
	cluster := &Cluster{ControlPlane: cp}
	if cluster.Client, err = cluster.newClient(); err != nil {
		return nil, errors.Join(err, cp.Kill())
	}
	return cluster, nil
}

func (c *Cluster) newClient() (client.WithWatch, error) {
	config, err := c.Config()
	if err != nil {
		return nil, err
	}
	return newClient(config, c.Name)
}

func newClient(config *rest.Config, name string) (client.WithWatch, error) {
	scheme, err := NewScheme()
	if err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	// A server warns of what a test does on purpose; what matters is asserted.
	config.WarningHandler = rest.NoWarnings{}
	made, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("make a client of %s: %w", name, err)
	}
	return made, nil
}

// kwokStages are the files of kwok's module that make nodes ready and pods run.
var kwokStages = []string{
	"kustomize/stage/node/fast/node-initialize.yaml",
	"kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
	"kustomize/stage/pod/fast/pod-ready.yaml",
	"kustomize/stage/pod/fast/pod-complete.yaml",
	"kustomize/stage/pod/fast/pod-delete.yaml",
}

// StartWorkloads gives the cluster a scheduler, a node and kwok, which plays the kubelet, so that pods come to run.
// The cluster needs WorkloadControllers for Deployments.
func (c *Cluster) StartWorkloads(ctx context.Context) error {
	bin, err := Binary("kwok")
	if err != nil {
		return err
	}
	config, err := c.writeKwokConfig(ctx)
	if err != nil {
		return err
	}
	if c.scheduler, err = c.start("scheduler", []string{"scheduler", "--data-dir", c.dataDir()}); err != nil {
		return err
	}
	c.kwok, err = Start(Program{
		Name: "kwok", Path: bin, Dir: c.Dir, Detached: c.options.Detached,
		// kwok reads the file in the home directory too.
		Env: []string{"HOME=" + c.Dir},
		Args: []string{
			"--kubeconfig", c.Kubeconfig, "--config", config,
			"--manage-all-nodes=true", "--node-lease-duration-seconds=40",
		},
	})
	if err != nil {
		return err
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: "node-1", Labels: map[string]string{corev1.LabelHostname: "node-1"},
	}}
	if err := client.IgnoreAlreadyExists(c.Client.Create(ctx, node)); err != nil {
		return fmt.Errorf("create a node in %s: %w", c.Name, err)
	}
	return Poll(ctx, readyTimeout, "the node of "+c.Name, func(ctx context.Context) error {
		if err := c.kwok.Err(); err != nil {
			return Final(err)
		}
		if err := c.Client.Get(ctx, client.ObjectKeyFromObject(node), node); err != nil {
			return err
		}
		// Admission taints a new node as not ready, and no node controller is there to take the taint away.
		if len(node.Spec.Taints) > 0 {
			node.Spec.Taints = nil
			return errors.Join(c.Client.Update(ctx, node), errors.New("the node is tainted"))
		}
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return errors.New("the node is not ready")
	})
}

func (c *Cluster) writeKwokConfig(ctx context.Context) (string, error) {
	module, err := moduleDir(ctx, "e2e/kwok", "sigs.k8s.io/kwok")
	if err != nil {
		return "", err
	}
	var all []byte
	for _, stage := range kwokStages {
		data, err := os.ReadFile(filepath.Join(module, stage))
		if err != nil {
			return "", fmt.Errorf("read kwok's stages: %w", err)
		}
		all = append(append(all, data...), "\n---\n"...)
	}
	path := filepath.Join(c.Dir, "kwok.yaml")
	if err := os.WriteFile(path, all, 0o644); err != nil {
		return "", fmt.Errorf("write kwok's stages: %w", err)
	}
	return path, nil
}

// Processes returns all that was started for the cluster.
func (c *Cluster) Processes() []*Process {
	all := c.ControlPlane.Processes()
	for _, p := range []*Process{c.scheduler, c.kwok} {
		if p != nil {
			all = append(all, p)
		}
	}
	return all
}

// Stop ends the cluster and what runs for it.
func (c *Cluster) Stop(ctx context.Context) error {
	var errs []error
	for _, p := range []*Process{c.kwok, c.scheduler} {
		if p != nil {
			errs = append(errs, p.Stop(ctx))
		}
	}
	c.kwok, c.scheduler = nil, nil
	return errors.Join(append(errs, c.ControlPlane.Stop(ctx))...)
}

// CreateNamespace creates a namespace with labels, or sets the labels of the one that is there.
func (c *Cluster) CreateNamespace(ctx context.Context, name string, labels map[string]string) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	err := c.Client.Create(ctx, namespace)
	if client.IgnoreAlreadyExists(err) != nil {
		return fmt.Errorf("create the namespace %s in %s: %w", name, c.Name, err)
	}
	if err == nil || len(labels) == 0 {
		return nil
	}
	patch := client.MergeFrom(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	if err := c.Client.Patch(ctx, namespace, patch); err != nil {
		return fmt.Errorf("label the namespace %s in %s: %w", name, c.Name, err)
	}
	return nil
}

// waitForCRDs waits until the API server serves every one of the kinds.
func (c *Cluster) waitForCRDs(ctx context.Context, names []string) error {
	return Poll(ctx, readyTimeout, "CRDs in "+c.Name, func(ctx context.Context) error {
		for _, name := range names {
			crd := &apiextensionsv1.CustomResourceDefinition{}
			if err := c.Client.Get(ctx, client.ObjectKey{Name: name}, crd); err != nil {
				return err
			}
			if !established(crd) {
				return fmt.Errorf("the CRD %s is not established", name)
			}
			// Established comes before served.
			gvk := crdGVK(crd)
			list := newUnstructuredList(gvk)
			if err := c.Client.List(ctx, list, client.Limit(1)); err != nil {
				if meta.IsNoMatchError(err) {
					return fmt.Errorf("%s is not discovered: %w", gvk, err)
				}
				return fmt.Errorf("list %s: %w", gvk, err)
			}
		}
		return nil
	})
}
