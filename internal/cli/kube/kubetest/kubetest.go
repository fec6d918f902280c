// Package kubetest gives verbs a host cluster that is none, for tests.
package kubetest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/kube"
)

// Host is a host cluster in memory, and what was written to the streams.
type Host struct {
	*kube.Kube
	Stdout, Stderr *bytes.Buffer
	// Fake is the client, for tests to change what is there.
	Fake client.WithWatch
}

// New returns a host that holds the objects, as seen from the namespace. The functions stand before what the client does.
func New(t testing.TB, namespace string, funcs interceptor.Funcs, objects ...client.Object) *Host {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, kubefedv1beta1.AddToScheme, v1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	// No kubeconfig of the machine's is read.
	config := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(config, []byte("apiVersion: v1\nkind: Config\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	streams, _, out, errOut := genericiooptions.NewTestIOStreams()
	k := kube.New(streams)
	*k.Flags.KubeConfig, *k.Flags.Namespace = config, namespace
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(funcs).
		WithIndex(&corev1.Event{}, "involvedObject.kind", func(o client.Object) []string {
			return []string{o.(*corev1.Event).InvolvedObject.Kind}
		}).
		WithIndex(&corev1.Event{}, "involvedObject.name", func(o client.Object) []string {
			return []string{o.(*corev1.Event).InvolvedObject.Name}
		}).
		Build()
	k.SetClient(c, nil)
	return &Host{Kube: k, Stdout: out, Stderr: errOut, Fake: c}
}

// FromYAML returns the object that a document holds.
func FromYAML(t testing.TB, document string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	raw, err := yaml.YAMLToJSON([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	if err := object.UnmarshalJSON(raw); err != nil {
		t.Fatalf("%v in\n%s", err, document)
	}
	return object
}

// TypeConfig returns the FederatedTypeConfig of a namespaced type: deployments, apps, v1, Deployment.
func TypeConfig(plural, group, version, kind string) *kubefedv1beta1.FederatedTypeConfig {
	name := plural
	if group != "" {
		name += "." + group
	}
	return &kubefedv1beta1.FederatedTypeConfig{
		ObjectMeta: metav1.ObjectMeta{Namespace: kube.DefaultKubeFedNamespace, Name: name},
		Spec: kubefedv1beta1.FederatedTypeConfigSpec{
			Propagation: kubefedv1beta1.PropagationEnabled,
			TargetType: kubefedv1beta1.APIResource{
				Group: group, Version: version, Kind: kind, PluralName: plural, Scope: apiextensionsv1.NamespaceScoped,
			},
			FederatedType: kubefedv1beta1.APIResource{
				Group: "types.kubefed.io", Version: "v1beta1", Kind: "Federated" + kind, PluralName: "federated" + plural,
				Scope: apiextensionsv1.NamespaceScoped,
			},
		},
	}
}

// Policy returns a FederatedTypePolicy whose type the propagator has.
func Policy(name string, propagator v1alpha1.Propagator) *v1alpha1.FederatedTypePolicy {
	return &v1alpha1.FederatedTypePolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: kube.DefaultKubeFedNamespace, Name: name},
		Spec:       v1alpha1.FederatedTypePolicySpec{Propagator: propagator},
		Status:     v1alpha1.FederatedTypePolicyStatus{Propagator: propagator},
	}
}

// serving is a host cluster that serves kinds of v2beta1 and nothing else.
type serving struct {
	discovery.ServerResourcesInterface
	kinds []string
}

// Serving returns what tells that the federated kinds are served in v2beta1, for kube.Kube's SetDiscovery.
func Serving(kinds ...string) discovery.ServerResourcesInterface { return serving{kinds: kinds} }

// ServerResourcesForGroupVersion tells what is served.
func (s serving) ServerResourcesForGroupVersion(groupVersion string) (*metav1.APIResourceList, error) {
	list := &metav1.APIResourceList{GroupVersion: groupVersion}
	if groupVersion != "types.kubefed.io/v2beta1" {
		return list, nil
	}
	for _, kind := range s.kinds {
		singular := strings.ToLower(kind)
		list.APIResources = append(list.APIResources, metav1.APIResource{
			Name: singular + "s", SingularName: singular, Kind: kind, Namespaced: true,
		})
	}
	return list, nil
}
