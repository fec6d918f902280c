// Package kube is the connection of kubectl cells to the host cluster, and what every verb asks of it: federated types,
// their objects, cells.
package kube

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/spf13/pflag"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// DefaultKubeFedNamespace is where KubeFed is unless somebody says otherwise.
const DefaultKubeFedNamespace = "kube-federation-system"

// FieldManager is the name under which kubectl cells applies what it writes.
const FieldManager = "kubectl-cells"

// Limits on the requests of one command, kubectl's own.
const (
	requestsPerSecond = 50
	burstOfRequests   = 300
)

// Kube is a connection to the host cluster, made when first asked for, from kubectl's own flags.
type Kube struct {
	genericiooptions.IOStreams
	// Flags are kubectl's flags.
	Flags *genericclioptions.ConfigFlags
	// KubeFedNamespace is --kubefed-namespace.
	KubeFedNamespace string

	mu        sync.Mutex
	client    client.WithWatch
	config    *rest.Config
	discovery discovery.ServerResourcesInterface
	// given says that the client came by SetClient, and that there may be no server to ask.
	given     bool
	resources map[string]served
}

// New returns a Kube that has not connected yet.
func New(streams genericiooptions.IOStreams) *Kube {
	return &Kube{
		IOStreams: streams,
		Flags: genericclioptions.NewConfigFlags(true).
			WithDiscoveryBurst(burstOfRequests).WithDiscoveryQPS(requestsPerSecond),
		KubeFedNamespace: DefaultKubeFedNamespace,
		resources:        map[string]served{},
	}
}

// AddFlags adds the flags of the connection, which every verb has.
func (k *Kube) AddFlags(fs *pflag.FlagSet) {
	k.Flags.AddFlags(fs)
	fs.StringVar(&k.KubeFedNamespace, "kubefed-namespace", k.KubeFedNamespace,
		"The namespace of KubeFed and of cellfed's manager in the host cluster.")
}

// Config returns how the host cluster is reached.
func (k *Kube) Config() (*rest.Config, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.restConfig()
}

// warnings prints what an API server warns of, but for what warns this program and not its user: upstream KubeFed may keep its
// leader's lease in an Endpoints object, and there only.
type warnings struct{ rest.WarningHandler }

func (w warnings) HandleWarningHeader(code int, agent, text string) {
	if !strings.HasPrefix(text, "v1 Endpoints is deprecated") {
		w.WarningHandler.HandleWarningHeader(code, agent, text)
	}
}

func (k *Kube) restConfig() (*rest.Config, error) {
	if k.config != nil {
		return k.config, nil
	}
	if k.given {
		return nil, errors.New("there is no configuration for the host cluster")
	}
	config, err := k.Flags.ToRESTConfig()
	if clientcmd.IsEmptyConfig(err) || err == nil && k.unconfigured(config) {
		return nil, errors.New("no configuration for the host cluster was found: give --kubeconfig or --server, or set KUBECONFIG")
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration for the host cluster: %w", err)
	}
	config.QPS, config.Burst = requestsPerSecond, burstOfRequests
	config.WarningHandler = warnings{rest.NewWarningWriter(k.ErrOut, rest.WarningWriterOptions{Deduplicate: true})}
	k.config = config
	return config, nil
}

// unconfigured reports whether nobody said which API server to ask, so that it is the one that client-go takes for the
// default, where hardly ever one is.
func (k *Kube) unconfigured(config *rest.Config) bool {
	if config.Host != clientcmd.ClusterDefaults.Server || k.Flags.APIServer != nil && *k.Flags.APIServer != "" {
		return false
	}
	raw, err := k.Flags.ToRawKubeConfigLoader().RawConfig()
	return err == nil && len(raw.Clusters) == 0
}

// Client returns a client of the host cluster. It knows Kubernetes' own kinds, CRDs, KubeFed's and cellfed's; federated
// objects are unstructured.
func (k *Kube) Client() (client.WithWatch, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.client != nil {
		return k.client, nil
	}
	config, err := k.restConfig()
	if err != nil {
		return nil, err
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: Scheme()})
	if err != nil {
		return nil, fmt.Errorf("set up a client of the host cluster: %w", err)
	}
	k.client = c
	return c, nil
}

// SetClient gives the Kube a client, and the configuration that goes with it or nil, instead of a connection of its own.
// Without a configuration nothing is discovered: every federated type is taken to serve v2beta1, and no short name is known.
func (k *Kube) SetClient(c client.WithWatch, config *rest.Config) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.client, k.config, k.given, k.discovery = c, config, true, nil
	clear(k.resources)
}

// SetDiscovery gives the Kube somebody else to ask what the host cluster serves. It comes after SetClient.
func (k *Kube) SetDiscovery(d discovery.ServerResourcesInterface) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.discovery = d
	clear(k.resources)
}

// Namespace returns the namespace that was chosen, by -n or else by the kubeconfig's context, and whether it was by -n.
func (k *Kube) Namespace() (name string, explicit bool, err error) {
	name, explicit, err = k.Flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return "", false, fmt.Errorf("read the namespace from the kubeconfig: %w", err)
	}
	return name, explicit, nil
}

// Scheme returns the kinds that Client knows.
func Scheme() *runtime.Scheme { return scheme() }

var scheme = sync.OnceValue(func() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, kubefedv1beta1.AddToScheme, v1alpha1.AddToScheme,
	} {
		if err := add(s); err != nil {
			// Two packages claim one kind: no input can cause that.
			panic(err)
		}
	}
	return s
})

// WithKind gives an object of a kind that Client knows its apiVersion and kind, which clients leave out, so that it can be
// printed. It returns the object.
func WithKind[T client.Object](object T) T {
	if gvk, err := apiutil.GVKForObject(object, Scheme()); err == nil {
		object.GetObjectKind().SetGroupVersionKind(gvk)
	}
	return object
}
