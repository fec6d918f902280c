package diff

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/member"
)

// memberTimeout is how long a member may take to answer.
const memberTimeout = 15 * time.Second

// members reads from member clusters: with the caller's own credentials where a context is given for a cluster, else with
// those that the cluster is registered with, as far as the caller may read them.
type members struct {
	kube     *kube.Kube
	contexts map[string]string
	pool     *member.Pool

	mu      sync.Mutex
	clients map[string]*connection
}

// connection is made once for each member.
type connection struct {
	once   sync.Once
	client dynamic.Interface
	err    error
}

func newMembers(k *kube.Kube, contexts map[string]string) *members {
	return &members{kube: k, contexts: contexts, pool: member.NewPool(), clients: map[string]*connection{}}
}

func (m *members) close() { m.pool.Close() }

// read returns an object of a member, nil when there is none.
func (m *members) read(ctx context.Context, cluster string, resource schema.GroupVersionResource, namespace, name string) (*unstructured.Unstructured, error) {
	c, err := m.client(ctx, cluster)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, memberTimeout)
	defer cancel()
	var from dynamic.ResourceInterface = c.Resource(resource)
	if namespace != "" {
		from = c.Resource(resource).Namespace(namespace)
	}
	u, err := from.Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) || meta.IsNoMatchError(err):
		return nil, nil
	case apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err):
		return nil, fmt.Errorf("cluster %q does not let it be read: %w: grant get on %s there, or give another context by --member-context %s=CONTEXT", cluster, err, resource.GroupResource(), cluster)
	case err != nil:
		return nil, fmt.Errorf("cluster %q cannot be asked: %w", cluster, err)
	}
	return u, nil
}

func (m *members) client(ctx context.Context, cluster string) (dynamic.Interface, error) {
	m.mu.Lock()
	c, ok := m.clients[cluster]
	if !ok {
		c = &connection{}
		m.clients[cluster] = c
	}
	m.mu.Unlock()
	c.once.Do(func() {
		var config *rest.Config
		if name, given := m.contexts[cluster]; given {
			config, c.err = m.context(cluster, name)
		} else {
			config, c.err = m.registered(ctx, cluster)
		}
		if c.err == nil {
			config.WarningHandler = rest.NoWarnings{}
			c.client, c.err = dynamic.NewForConfig(config)
		}
	})
	return c.client, c.err
}

// context returns the configuration of a context of the caller's kubeconfig.
func (m *members) context(cluster, name string) (*rest.Config, error) {
	loader := m.kube.Flags.ToRawKubeConfigLoader()
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	if _, ok := raw.Contexts[name]; !ok {
		return nil, exit.Usagef("--member-context: the kubeconfig has no context %q for cluster %q: kubectl config get-contexts lists them", name, cluster)
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(raw, name, &clientcmd.ConfigOverrides{}, loader.ConfigAccess()).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("--member-context: the context %q cannot be used: %w", name, err)
	}
	return config, nil
}

// registered returns the configuration that the KubeFedCluster and its Secret hold: the connection that cellfed has. It is
// not shown to anybody, and used for reading alone.
func (m *members) registered(ctx context.Context, cluster string) (*rest.Config, error) {
	c, err := m.kube.Client()
	if err != nil {
		return nil, err
	}
	registration := &fedv1b1.KubeFedCluster{}
	err = c.Get(ctx, client.ObjectKey{Namespace: m.kube.KubeFedNamespace, Name: cluster}, registration)
	switch {
	case apierrors.IsForbidden(err):
		return nil, m.refusal(cluster, "get kubefedclusters.core.kubefed.io")
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("there is no KubeFedCluster %q in namespace %q: register it, or give --member-context %s=CONTEXT", cluster, m.kube.KubeFedNamespace, cluster)
	case err != nil:
		return nil, fmt.Errorf("get KubeFedCluster %q: %w", cluster, err)
	}
	secret, err := member.ReadSecret(ctx, c, registration)
	switch {
	case apierrors.IsForbidden(err):
		return nil, m.refusal(cluster, "get secrets")
	case err != nil:
		return nil, err
	}
	connected, err := m.pool.Get(registration, secret)
	if err != nil {
		return nil, err
	}
	return connected.Config(), nil
}

// refusal says which right is missing, and what can be done without it.
func (m *members) refusal(cluster, right string) error {
	return fmt.Errorf("you may not read what cluster %q is registered with: that takes the right to %s in namespace %q, which holds the credentials of all clusters and is for administrators: "+
		"give a context of your own for the cluster, --member-context %s=CONTEXT, or compare a manifest with what is stored, which needs no access to clusters: kubectl cells diff -f FILE",
		cluster, right, m.kube.KubeFedNamespace, cluster)
}
