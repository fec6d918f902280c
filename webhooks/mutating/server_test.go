package mutating_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/defaulting"
	"github.com/cellfed/cellfed/internal/inventory"
	"github.com/cellfed/cellfed/webhooks/mutating"
)

const patience = time.Minute

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// lookups reads Namespaces from the API server. Cellfed propagates every type.
type lookups struct{ reader client.Reader }

func (l lookups) TypeOf(context.Context, schema.GroupResource) (*inventory.Type, error) {
	return &inventory.Type{Propagator: v1alpha1.PropagatorCellfed}, nil
}

func (l lookups) Namespace(ctx context.Context, name string) (*metav1.PartialObjectMetadata, error) {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return object, l.reader.Get(ctx, client.ObjectKey{Name: name}, object)
}

// fixture is an API server that asks as config/webhook has it. The mutating webhooks are the real ones, the validating
// ones allow everything.
type fixture struct {
	*testing.T
	cluster *framework.Cluster
	client  client.Client
	stop    func()
	notes   *notes
}

// notes are what the validating webhooks were asked.
type notes struct {
	mu    sync.Mutex
	asked []string
}

func (n *notes) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	asked := n.asked
	n.asked = nil
	slices.Sort(asked)
	return asked
}

// thingCRD is a federated type that stores its objects as they are written.
const thingCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: federatedthings.types.kubefed.io}
spec:
  group: types.kubefed.io
  scope: Namespaced
  names: {plural: federatedthings, singular: federatedthing, kind: FederatedThing, listKind: FederatedThingList}
  versions:
  - {name: v1beta1, served: true, storage: false, subresources: {status: {}}, schema: &schema {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
  - {name: v2beta1, served: true, storage: true, subresources: {status: {}}, schema: *schema}
`

func newFixture(t *testing.T) *fixture {
	t.Helper()
	cluster, err := framework.StartCluster(t.Context(), framework.Options{Name: "host", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	f := &fixture{T: t, cluster: cluster, client: cluster.Client, notes: &notes{}}
	_, err = framework.InstallKubeFed(t.Context(), cluster)
	f.must(err)
	crds, err := framework.ReadManifests("../../config/crd/bases/cellfed.io_cells.yaml", "../../config/crd/bases/cellfed.io_federatedtypepolicies.yaml")
	f.must(err)
	thing, err := framework.ParseManifests([]byte(thingCRD))
	f.must(err)
	f.must(cluster.Apply(t.Context(), append(crds, thing...)...))
	for name, labels := range map[string]map[string]string{
		"acme-prod": {"cellfed.io/tenant": "acme", "cellfed.io/workspace-group": "prod"}, "nobodys": nil,
	} {
		f.must(cluster.CreateNamespace(t.Context(), name, labels))
	}
	f.serve()
	framework.Eventually(t, patience, "the API server to ask", func(ctx context.Context) error {
		thing := f.thing("acme-prod", "probe", "v2beta1", nil)
		if err := f.client.Create(ctx, thing, client.DryRunAll); err != nil {
			return err
		}
		if len(thing.GetLabels()) == 0 {
			return fmt.Errorf("it does not")
		}
		return f.client.List(ctx, &v1alpha1.CellList{})
	})
	return f
}

// serve serves the webhooks and tells the API server of them.
func (f *fixture) serve() {
	f.Helper()
	certificates, err := framework.NewCertificates(f.TempDir())
	f.must(err)
	port, err := framework.FreePort()
	f.must(err)
	server := webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: port, CertDir: certificates.Dir})
	f.must(mutating.Setup(server, mutating.Options{
		Lookups: lookups{f.client}, KubeFedNamespace: framework.KubeFedNamespace, DefaultMask: defaulting.MaskKeep,
	}))
	configurations, err := framework.AdmissionConfigurations(fmt.Sprintf("https://127.0.0.1:%d", port), "")
	f.must(err)
	f.must(f.cluster.Apply(f.Context(), configurations...))
	validating := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	f.must(f.client.Get(f.Context(), client.ObjectKey{Name: framework.ValidatingConfiguration}, validating))
	for i := range validating.Webhooks {
		w := &validating.Webhooks[i]
		w.ClientConfig.CABundle = certificates.CA()
		path := (*w.ClientConfig.URL)[strings.LastIndex(*w.ClientConfig.URL, "/"):]
		server.Register(path, &webhook.Admission{Handler: f.record(path)})
	}
	mutating := &admissionregistrationv1.MutatingWebhookConfiguration{}
	f.must(f.client.Get(f.Context(), client.ObjectKey{Name: framework.MutatingConfiguration}, mutating))
	for i := range mutating.Webhooks {
		mutating.Webhooks[i].ClientConfig.CABundle = certificates.CA()
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := server.Start(ctx); err != nil {
			f.Error(err)
		}
	})
	f.stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	f.Cleanup(f.stop)
	f.must(f.client.Update(f.Context(), validating))
	f.must(f.client.Update(f.Context(), mutating))
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// record notes what is asked.
func (f *fixture) record(path string) admission.HandlerFunc {
	return func(_ context.Context, r admission.Request) admission.Response {
		f.notes.mu.Lock()
		defer f.notes.mu.Unlock()
		f.notes.asked = append(f.notes.asked, fmt.Sprintf("%s %s %s", path, r.Operation, r.Name))
		return admission.Allowed("")
	}
}

// wantAsked checks what the validating webhooks were asked since they were checked last.
func (f *fixture) wantAsked(what string, want ...string) {
	f.Helper()
	// An API server that took an older version of the object from its cache asks once more for the one that there is.
	if diff := cmp.Diff(slices.Compact(want), slices.Compact(f.notes.take())); diff != "" {
		f.Errorf("what was asked for %s: -want +got:\n%s", what, diff)
	}
}

func (f *fixture) thing(namespace, name, version string, labels map[string]string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"template": map[string]any{"n": int64(1)}}}}
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: "types.kubefed.io", Version: version, Kind: "FederatedThing"})
	object.SetNamespace(namespace)
	object.SetName(name)
	object.SetLabels(labels)
	return object
}

func (f *fixture) patch(object client.Object, patch string) {
	f.Helper()
	f.must(f.client.Patch(f.Context(), object, client.RawPatch("application/merge-patch+json", []byte(patch))))
}

func (f *fixture) wantLabels(object client.Object, want map[string]string) {
	f.Helper()
	if diff := cmp.Diff(want, object.GetLabels()); diff != "" {
		f.Errorf("labels of %s: -want +got:\n%s", object.GetName(), diff)
	}
}

// TestServer has a real API server ask as it is told by what is shipped.
func TestServer(t *testing.T) {
	f := newFixture(t)
	f.notes.take()
	for _, story := range []struct {
		name string
		tell func(*fixture)
	}{
		{"Federated", testFederated}, {"Versions", testVersions}, {"Large", testLarge}, {"Cells", testCells}, {"KubeFedClusters", testKubeFedClusters},
		{"Configs", testConfigs}, {"Namespaces", testNamespaces}, {"Collectors", testCollectors}, {"Down", testDown},
	} {
		t.Run(story.name, func(t *testing.T) {
			story.tell(&fixture{T: t, cluster: f.cluster, client: f.client, stop: f.stop, notes: f.notes})
		})
	}
}

var acmeLabels = map[string]string{"cellfed.io/tenant": "acme", "cellfed.io/workspace-group": "prod"}
