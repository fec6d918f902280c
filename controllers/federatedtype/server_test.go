package federatedtype

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	eventsv1 "k8s.io/api/events/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/webhooks/conversion"
)

func TestMain(m *testing.M) {
	// What the controller does and reports is asserted.
	ctrl.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// settle is enough for one API server that nobody else keeps busy.
const settle = time.Second

// patience is how long something that must happen may take on a busy machine.
const patience = time.Minute

// TestServer runs the controller against a real API server that converts through the real handler. Each test has a type
// of its own, made like upstream's FederatedDeployment, and a KubeFed namespace.
func TestServer(t *testing.T) {
	cluster, err := framework.StartCluster(t.Context(), framework.Options{Name: "host", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if _, err := framework.InstallKubeFed(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	policies, err := framework.ReadManifests("../../config/crd/bases/cellfed.io_federatedtypepolicies.yaml")
	if err == nil {
		err = cluster.Apply(t.Context(), policies...)
	}
	if err != nil {
		t.Fatal(err)
	}
	framework.Eventually(t, patience, "the policies' CRD", func(ctx context.Context) error {
		return cluster.Client.List(ctx, &v1alpha1.FederatedTypePolicyList{})
	})
	config, err := cluster.Config()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]func(*fixture){
		"Upgrade":         testUpgrade,
		"OddObjects":      testOddObjects,
		"WebhookDown":     testWebhookDown,
		"WrongCA":         testWrongCA,
		"Rotation":        testRotation,
		"Unsupported":     testUnsupported,
		"Refused":         testRefused,
		"SharedCRD":       testSharedCRD,
		"MissingCRD":      testMissingCRD,
		"SpecReplaced":    testSpecReplaced,
		"TypeDeleted":     testTypeDeleted,
		"Remove":          testRemove,
		"Disowned":        testDisowned,
		"TakeBack":        testTakeBack,
		"ClusterScoped":   testClusterScoped,
		"FieldManagers":   testFieldManagers,
		"Emptied":         testEmptied,
		"Selectors":       testSelectors,
		"WhatKubectlSees": testWhatKubectlSees,
		"HandOver":        testHandOver,
		"ChangeOfMind":    testChangeOfMind,
		"Restarted":       testRestarted,
		"Orphaned":        testOrphaned,
		"TakeBackStored":  testTakeBackStored,
		"V2Beta1Only":     testV2Beta1Only,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			certificates, err := framework.NewCertificates(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			f := &fixture{T: t, cluster: cluster, config: config, client: cluster.Client, kind: name, namespace: strings.ToLower(name), certificates: certificates}
			if err := cluster.CreateNamespace(t.Context(), f.namespace, nil); err != nil {
				t.Fatal(err)
			}
			f.ca = &bundle{content: certificates.CA(), changes: make(chan event.GenericEvent, 1)}
			test(f)
		})
	}
}

// fixture is what a test has to itself.
type fixture struct {
	*testing.T
	cluster   *framework.Cluster
	config    *rest.Config
	client    client.WithWatch
	kind      string // of the target type; the federated kind is this after "Federated"
	namespace string // the KubeFed namespace, and that of federated objects
	// clusterScoped is set by the test whose federated type is.
	clusterScoped bool
	certificates  *framework.Certificates
	ca            *bundle
}

// bundle is a CA bundle that a test sets.
type bundle struct {
	mu      sync.Mutex
	content []byte
	changes chan event.GenericEvent
}

func (b *bundle) Bundle() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.content
}

func (b *bundle) Changes() <-chan event.GenericEvent { return b.changes }

func (b *bundle) set(content []byte) {
	b.mu.Lock()
	b.content = content
	b.mu.Unlock()
	b.changes <- event.GenericEvent{}
}

// webhook starts the conversion webhook on the port, zero for any, and returns its URL and how to stop it.
func (f *fixture) webhook(port int) (url string, stop func()) {
	f.Helper()
	mux := http.NewServeMux()
	mux.Handle(conversion.Path, conversion.NewHandler(conversion.Options{}))
	server := httptest.NewUnstartedServer(mux)
	if port != 0 {
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		f.must(err)
		f.must(server.Listener.Close())
		server.Listener = listener
	}
	startTLS(server, f.certificates)
	var once sync.Once
	stop = func() { once.Do(server.Close) }
	f.Cleanup(stop)
	return server.URL + conversion.Path, stop
}

// start runs a manager with the controller, and whatever the test adds, and returns how to stop it and wait until it has.
func (f *fixture) start(url string, edit func(*Options), with ...manager.Runnable) (stop func()) {
	f.Helper()
	scheme, err := framework.NewScheme()
	f.must(err)
	mgr, err := ctrl.NewManager(f.config, ctrl.Options{
		Scheme:     scheme,
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: new(true)},
	})
	f.must(err)
	options := Options{StorageSettle: settle, Namespace: f.namespace, CA: f.ca, Webhook: apiextensionsv1.WebhookClientConfig{URL: &url}}
	if edit != nil {
		edit(&options)
	}
	f.must(SetupWithManager(mgr, options))
	for _, runnable := range with {
		f.must(mgr.Add(runnable))
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				f.Errorf("the manager ended with %v", err)
			}
		})
	}
	f.Cleanup(stop)
	return stop
}

// enable creates the type's CRD, as kubefedctl enable would.
func (f *fixture) enable(edit func(*apiextensionsv1.CustomResourceDefinition)) *apiextensionsv1.CustomResourceDefinition {
	f.Helper()
	model := &apiextensionsv1.CustomResourceDefinition{}
	f.must(f.client.Get(f.Context(), client.ObjectKey{Name: "federateddeployments." + federated.Group}, model))
	crd := &apiextensionsv1.CustomResourceDefinition{Spec: model.Spec}
	crd.Name = f.plural() + "." + federated.Group
	crd.Spec.Names = apiextensionsv1.CustomResourceDefinitionNames{Kind: "Federated" + f.kind, Plural: f.plural()}
	if edit != nil {
		edit(crd)
	}
	f.must(f.client.Create(f.Context(), crd))
	framework.Eventually(f.T, patience, "the CRD", func(ctx context.Context) error {
		return f.client.List(ctx, f.list(crd.Spec.Versions[0].Name))
	})
	return f.crd()
}

func (f *fixture) plural() string { return "federated" + strings.ToLower(f.kind) + "s" }

// federate creates the type's FTC.
func (f *fixture) federate() *kubefedv1beta1.FederatedTypeConfig {
	f.Helper()
	ftc := &kubefedv1beta1.FederatedTypeConfig{
		ObjectMeta: metav1.ObjectMeta{Name: strings.ToLower(f.kind) + "s", Namespace: f.namespace},
		Spec: kubefedv1beta1.FederatedTypeConfigSpec{
			Propagation: kubefedv1beta1.PropagationEnabled,
			TargetType:  kubefedv1beta1.APIResource{Version: "v1", Kind: f.kind, PluralName: strings.ToLower(f.kind) + "s", Scope: apiextensionsv1.NamespaceScoped},
			FederatedType: kubefedv1beta1.APIResource{
				Group: federated.Group, Version: federated.V1Beta1, Kind: "Federated" + f.kind, PluralName: f.plural(), Scope: apiextensionsv1.NamespaceScoped,
			},
		},
	}
	f.must(f.client.Create(f.Context(), ftc))
	return ftc
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) crd() *apiextensionsv1.CustomResourceDefinition {
	f.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{}
	f.must(f.client.Get(f.Context(), client.ObjectKey{Name: f.plural() + "." + federated.Group}, crd))
	return crd
}

// unwritten says what was written to the CRD since.
func (f *fixture) unwritten(since *apiextensionsv1.CustomResourceDefinition) error {
	f.Helper()
	if now := f.crd(); now.ResourceVersion != since.ResourceVersion {
		return fmt.Errorf("it was written again:\n%s", cmp.Diff(since, now))
	}
	return nil
}

// waitFor waits until the CRD's condition has the reason, and returns the CRD.
func (f *fixture) waitFor(reason v1alpha1.ConditionReason) *apiextensionsv1.CustomResourceDefinition {
	f.Helper()
	var crd *apiextensionsv1.CustomResourceDefinition
	framework.Eventually(f.T, patience, fmt.Sprintf("the condition %s of the CRD", reason), func(context.Context) error {
		crd = f.crd()
		if c := condition(crd); c == nil || c.Reason != string(reason) {
			return fmt.Errorf("it has %v", c)
		}
		return nil
	})
	return crd
}

// waitServed waits until the CRD is upgraded and the API server serves v2beta1 in earnest.
func (f *fixture) waitServed() *apiextensionsv1.CustomResourceDefinition {
	f.Helper()
	crd := f.waitFor(v1alpha1.ReasonServed)
	framework.Eventually(f.T, patience, "v2beta1", func(ctx context.Context) error {
		return f.client.List(ctx, f.list(federated.V2Beta1))
	})
	return crd
}

// waitEvent waits for an event on the FTC with the reason and the words.
func (f *fixture) waitEvent(ftc *kubefedv1beta1.FederatedTypeConfig, reason, words string) {
	f.Helper()
	framework.Eventually(f.T, patience, "the event "+reason, func(ctx context.Context) error {
		all := &eventsv1.EventList{}
		if err := f.client.List(ctx, all, client.InNamespace(f.namespace)); err != nil {
			return err
		}
		var seen []string
		for _, e := range all.Items {
			if e.Regarding.UID == ftc.UID && e.Reason == reason && strings.Contains(e.Note, words) {
				return nil
			}
			seen = append(seen, e.Reason+": "+e.Note)
		}
		return fmt.Errorf("only %q", seen)
	})
}

// object returns an object of the type, in the version, from YAML of the rest.
func (f *fixture) object(version, document string) *unstructured.Unstructured {
	f.Helper()
	objects, err := framework.ParseManifests([]byte(document))
	f.must(err)
	o := objects[0]
	o.SetAPIVersion(federated.Group + "/" + version)
	o.SetKind("Federated" + f.kind)
	if !f.clusterScoped {
		o.SetNamespace(f.namespace)
	}
	return o
}

// get returns the object in the version as the API server sends it.
func (f *fixture) get(version, name string) *unstructured.Unstructured {
	f.Helper()
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(federated.Group + "/" + version)
	o.SetKind("Federated" + f.kind)
	f.must(f.client.Get(f.Context(), client.ObjectKey{Namespace: f.namespace, Name: name}, o))
	return o
}

// spec returns the object's spec in the version as JSON.
func (f *fixture) spec(version, name string) string {
	f.Helper()
	raw, err := json.Marshal(f.get(version, name).Object["spec"])
	f.must(err)
	return string(raw)
}

// raw returns the bytes of all objects of the type in v1beta1.
func (f *fixture) raw() string {
	f.Helper()
	d, err := discovery.NewDiscoveryClientForConfig(f.config)
	f.must(err)
	path := fmt.Sprintf("/apis/%s/%s/namespaces/%s/%s", federated.Group, federated.V1Beta1, f.namespace, f.plural())
	raw, err := d.RESTClient().Get().AbsPath(path).Do(f.Context()).Raw()
	f.must(err)
	// The list's own resource version moves with whatever happens in the cluster.
	_, items, ok := strings.Cut(string(raw), `"items":`)
	if !ok {
		f.Fatalf("no list: %s", raw)
	}
	return items[:strings.LastIndex(items, `]`)]
}

func (f *fixture) list(version string) *unstructured.UnstructuredList {
	l := &unstructured.UnstructuredList{}
	l.SetAPIVersion(federated.Group + "/" + version)
	l.SetKind("Federated" + f.kind + "List")
	return l
}

// refused fails the test unless the API server refuses the object in these words.
func (f *fixture) refused(o *unstructured.Unstructured, words string) {
	f.Helper()
	if err := f.client.Create(f.Context(), o); err == nil || !strings.Contains(err.Error(), words) {
		f.Errorf("got error %v, want one that says %q", err, words)
	}
}
