package validating

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/inventory"
)

// patience is how long something that must happen may take on a busy machine.
const patience = time.Minute

// heard are the warnings that a client was given.
type heard struct {
	mu   sync.Mutex
	text []string
}

func (h *heard) HandleWarningHeader(_ int, _, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text = append(h.text, text)
}

// take returns the warnings since it was last asked.
func (h *heard) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	text := h.text
	h.text = nil
	return text
}

// server is an API server that asks the webhooks, as config/webhook has it.
type server struct {
	*testing.T
	c     client.Client
	heard *heard
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{T: t, heard: &heard{}}
	cluster := framework.RunCluster(t, framework.Options{})
	_, err := framework.InstallKubeFed(t.Context(), cluster)
	s.must(err)
	root, err := framework.ModuleRoot()
	s.must(err)
	crds, err := framework.ReadManifests(
		filepath.Join(root, "config/crd/bases/cellfed.io_cells.yaml"), filepath.Join(root, "config/crd/bases/cellfed.io_federatedtypepolicies.yaml"))
	s.must(err)
	s.must(cluster.Apply(t.Context(), crds...))
	framework.Eventually(t, patience, "the CRDs", func(ctx context.Context) error {
		return errors.Join(cluster.Client.List(ctx, &v1alpha1.FederatedTypePolicyList{}), cluster.Client.List(ctx, &v1alpha1.CellList{}))
	})
	cfg, err := cluster.Config()
	s.must(err)
	cfg.WarningHandler = s.heard
	s.c, err = client.New(cfg, client.Options{Scheme: cluster.Client.Scheme()})
	s.must(err)
	certificates, err := framework.NewCertificates(t.TempDir())
	s.must(err)
	port, err := framework.FreePort()
	s.must(err)
	s.serve(cfg, port, certificates.Dir)
	s.install(filepath.Join(root, "config/webhook/manifests.yaml"), fmt.Sprintf("https://127.0.0.1:%d", port), certificates.CA())
	return s
}

func (s *server) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// serve runs a manager that has nothing but the webhooks.
func (s *server) serve(cfg *rest.Config, port int, certificates string) {
	s.Helper()
	mgr, err := ctrl.NewManager(cfg, ctrl.Options{
		Scheme: s.c.Scheme(), Logger: logr.Discard(), Metrics: metricsserver.Options{BindAddress: "0"},
		WebhookServer: webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: port, CertDir: certificates}),
	})
	s.must(err)
	s.must(inventory.IndexFields(s.Context(), mgr.GetFieldIndexer()))
	i := &inventory.Inventory{Reader: mgr.GetCache(), Live: mgr.GetAPIReader(), KubeFedNamespace: framework.KubeFedNamespace}
	objects, err := dynamic.NewForConfig(cfg)
	s.must(err)
	s.must(Setup(mgr.GetWebhookServer(), Options{Inventory: i, Live: mgr.GetAPIReader(), Placements: inventory.NewPlacements(i, objects)}))
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := mgr.Start(ctx); err != nil {
			s.Errorf("the manager ended with %v", err)
		}
	})
	s.Cleanup(func() { cancel(); done.Wait() })
	framework.Eventually(s.T, patience, "the webhook server", func(context.Context) error {
		return mgr.GetWebhookServer().StartedChecker()(nil)
	})
}

// install has the API server ask the webhooks at a URL.
func (s *server) install(manifests, url string, ca []byte) {
	s.Helper()
	objects, err := framework.ReadManifests(manifests)
	s.must(err)
	for _, o := range objects {
		if o.GetKind() != "ValidatingWebhookConfiguration" {
			continue
		}
		webhooks, _, err := unstructured.NestedSlice(o.Object, "webhooks")
		s.must(err)
		for _, item := range webhooks {
			path, _, err := unstructured.NestedString(item.(map[string]any), "clientConfig", "service", "path")
			s.must(err)
			item.(map[string]any)["clientConfig"] = map[string]any{"url": url + path, "caBundle": base64.StdEncoding.EncodeToString(ca)}
		}
		s.must(unstructured.SetNestedSlice(o.Object, webhooks, "webhooks"))
		s.must(s.c.Create(s.Context(), o))
	}
	// The API server reads the configuration when it comes to it.
	framework.Eventually(s.T, patience, "the API server to ask the webhooks", func(ctx context.Context) error {
		err := s.c.Create(ctx, cell(metav1.NamespaceSystem, "probe", "none", ""), client.DryRunAll)
		if !apierrors.IsInvalid(err) {
			return fmt.Errorf("a Cell in kube-system: %w", err)
		}
		return nil
	})
	s.heard.take()
}

// known waits until the webhooks know of an object, which shows in what they say.
func (s *server) known(what string, probe func() error) {
	s.Helper()
	framework.Eventually(s.T, patience, what, func(context.Context) error { return probe() })
	s.heard.take()
}

func (s *server) tryCell(c *v1alpha1.Cell) error {
	return s.c.Create(s.Context(), c, client.DryRunAll)
}

// fields returns the fields that a write was refused for.
func fields(err error) []string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsInvalid(err) || status.Status().Details == nil {
		return []string{fmt.Sprintf("not invalid: %v", err)}
	}
	var all []string
	for _, cause := range status.Status().Details.Causes {
		all = append(all, cause.Field)
	}
	return all
}

func (s *server) refused(what string, err error, want ...string) {
	s.Helper()
	if diff := cmp.Diff(want, fields(err)); diff != "" {
		s.Errorf("%s: -want +got:\n%s", what, diff)
	}
}

func (s *server) patch(o client.Object, document string, options ...client.PatchOption) error {
	return s.c.Patch(s.Context(), o, client.RawPatch(types.MergePatchType, []byte(document)), options...)
}

// TestServer asks a real API server, whose lists, patches, warnings and refusals are what the other tests only play.
func TestServer(t *testing.T) {
	s := newServer(t)
	s.must(s.c.Create(t.Context(), namespace("acme", "acme")))
	s.must(s.c.Create(t.Context(), namespace("evil", "evil")))
	for name, tenant := range map[string]string{"hz": "acme", "sh": "acme", "secret": "evil"} {
		c := cluster(name, tenant)
		c.Spec.APIEndpoint, c.Spec.SecretRef.Name = "https://"+name+".test", name
		s.must(s.c.Create(t.Context(), c))
	}
	s.known("another tenant's cluster", func() error {
		if err := s.tryCell(cell("acme", "x", "secret", "")); !apierrors.IsInvalid(err) {
			return fmt.Errorf("a Cell on it: %w", err)
		}
		return nil
	})
	a := cell("acme", "a", "hz", "acme-a")
	s.must(s.c.Create(t.Context(), a))
	s.known("the Cell", func() error {
		if err := s.tryCell(cell("acme", "b", "hz", "acme-a")); !apierrors.IsInvalid(err) {
			return fmt.Errorf("another of the same claim: %w", err)
		}
		return nil
	})
	t.Run("Cells", s.cells)
	t.Run("Federated", s.federated)
	t.Run("Clusters", s.clusters)
	t.Run("Owners", s.owners)
	t.Run("TypeConfigs", s.typeConfigs)
	t.Run("Namespaces", s.namespaces)
}

func (s *server) cells(t *testing.T) {
	s = &server{T: t, c: s.c, heard: s.heard}
	s.refused("everything that is wrong at once", s.tryCell(cell("acme", "b", "secret", "default")), "spec.targetNamespace", "spec.clusterName")
	s.must(s.tryCell(cell("acme", "b", "nowhere", "acme-b")))
	if diff := cmp.Diff([]string{`spec.clusterName: no KubeFedCluster is named "nowhere" yet: the cell waits for it`}, s.heard.take()); diff != "" {
		t.Errorf("a Cell on an unknown cluster: -want +got:\n%s", diff)
	}
	a := cell("acme", "a", "", "")
	s.must(s.patch(a, `{"metadata":{"labels":{"cellfed.io/cell":"b","city":"hz"}}}`))
	if got := s.heard.take(); len(got) != 1 || !strings.Contains(got[0], "cellfed.io/cell") {
		t.Errorf("a label that is ignored: %q", got)
	}
	s.must(s.patch(a, `{"spec":{"clusterName":"sh"}}`))
	s.must(s.patch(a, `{"spec":{"clusterName":"hz"}}`))
}

func (s *server) federated(t *testing.T) {
	s = &server{T: t, c: s.c, heard: s.heard}
	pay := parse(t, `{apiVersion: types.kubefed.io/v1beta1, kind: FederatedConfigMap, metadata: {namespace: acme, name: pay}, spec: {placement: {clusters: [{name: hz}, {name: acme.a}]}, template: {data: {x: "1"}}}}`)
	foreign := pay.DeepCopy()
	s.must(unstructured.SetNestedSlice(foreign.Object, []any{map[string]any{"name": "secret"}}, "spec", "placement", "clusters"))
	s.refused("another tenant's cluster", s.c.Create(t.Context(), foreign), "spec.placement.clusters[0].name")
	s.must(s.c.Create(t.Context(), pay))
	s.refused("a path that upstream refuses", s.patch(pay.DeepCopy(),
		`{"spec":{"overrides":[{"clusterName":"hz","clusterOverrides":[{"path":"/metadata/namespace","value":"evil"}]}]}}`),
		"spec.overrides[0].clusterOverrides[0].path")
	s.must(s.patch(pay.DeepCopy(), `{"metadata":{"finalizers":["example.com/x"]}}`))
	s.must(s.patch(pay.DeepCopy(), `{"metadata":{"finalizers":null}}`))

	moved := s.patch(cell("acme", "a", "", ""), `{"spec":{"clusterName":"sh"}}`)
	s.refused("a cell that moves away from what it holds", moved, "spec.clusterName")
	if !strings.Contains(moved.Error(), `FederatedConfigMap "pay"`) {
		t.Errorf("the object is not named: %v", moved)
	}
}

func (s *server) clusters(t *testing.T) {
	s = &server{T: t, c: s.c, heard: s.heard}
	s.refused("a cluster that a Cell stands on", s.c.Delete(t.Context(), cluster("hz", "")), "metadata.name")
	sold := s.patch(cluster("hz", ""), `{"metadata":{"labels":{"cellfed.io/tenant":"evil"}}}`)
	s.refused("a cluster that is sold with its Cell and what it holds", sold, "metadata.labels[cellfed.io/tenant]", "metadata.labels[cellfed.io/tenant]")
	if !strings.Contains(sold.Error(), `FederatedConfigMap "acme/pay"`) {
		t.Errorf("the object is not named: %v", sold)
	}
	s.must(s.patch(cluster("hz", ""), `{"metadata":{"labels":{"cellfed.io/shared":"true"}}}`))
	s.must(s.patch(cluster("hz", ""), `{"metadata":{"labels":{"cellfed.io/shared":null}}}`))
	s.must(s.c.Delete(t.Context(), cluster("secret", "")))
}

func (s *server) typeConfigs(t *testing.T) {
	s = &server{T: t, c: s.c, heard: s.heard}
	p := policy(v1alpha1.PropagatorCellfed, "")
	p.Spec.PropagatingAnnotations = []string{"a/b/c"}
	s.refused("a glob that matches nothing", s.c.Create(t.Context(), p), "spec.propagatingAnnotations[0]")
	p.Spec.PropagatingAnnotations = nil
	s.must(s.c.Create(t.Context(), p))
	c := &fedv1b1.FederatedTypeConfig{ObjectMeta: metav1.ObjectMeta{Namespace: framework.KubeFedNamespace, Name: "configmaps"}}
	s.must(s.patch(c, `{"metadata":{"annotations":{"cellfed.io/handed-over":"true"}},"spec":{"propagation":"Disabled"}}`))
	p.Status.Propagator = v1alpha1.PropagatorCellfed
	s.must(s.c.Status().Update(t.Context(), p))
	s.refused("a type that is cellfed's", s.patch(c, `{"spec":{"propagation":"Enabled"}}`), "spec.propagation")
	s.refused("a type that is cellfed's", s.patch(c, `{"spec":{"targetType":{"version":"v2"}}}`), "spec.targetType")
	s.refused("a type that is cellfed's", s.c.Delete(t.Context(), c.DeepCopy()), "metadata.name")
	// The hand-back follows the policy at once, whatever the cache has.
	s.must(s.patch(p, `{"spec":{"propagator":"KubeFed"}}`))
	s.must(s.patch(c, `{"metadata":{"annotations":{"cellfed.io/handed-over":null}},"spec":{"propagation":"Enabled"}}`))
}

func (s *server) namespaces(t *testing.T) {
	s = &server{T: t, c: s.c, heard: s.heard}
	acme := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}
	sold := s.patch(acme.DeepCopy(), `{"metadata":{"labels":{"cellfed.io/tenant":"evil"}}}`)
	s.refused("a Namespace that is sold with what it holds", sold, "metadata.labels[cellfed.io/tenant]")
	for _, part := range []string{`FederatedConfigMap "pay" on cell "a" of cluster "hz"`, `FederatedConfigMap "pay" on cluster "hz"`} {
		if !strings.Contains(sold.Error(), part) {
			t.Errorf("%s is not named: %v", part, sold)
		}
	}
	s.refused("a slip in the annotation", s.patch(acme.DeepCopy(), `{"metadata":{"annotations":{"cellfed.io/default-placement-mask":"some"}}}`),
		"metadata.annotations[cellfed.io/default-placement-mask]")
	s.must(s.patch(acme.DeepCopy(), `{"metadata":{"labels":{"city":"hz"}}}`))
	s.must(s.c.Delete(t.Context(), acme))
}

// owners has Namespaces come to be, and to a tenant, while KubeFed propagates.
func (s *server) owners(t *testing.T) {
	s = &server{T: t, c: s.c, heard: s.heard}
	taken := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme-a"}}
	s.refused("a Namespace of nobody's, where a cell is", s.c.Create(t.Context(), taken.DeepCopy()), "metadata.name")
	taken.Labels = map[string]string{v1alpha1.TenantLabel: "acme"}
	s.must(s.c.Create(t.Context(), taken, client.DryRunAll))

	plain := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "later"}}
	s.must(s.c.Create(t.Context(), plain.DeepCopy()))
	s.must(s.c.Create(t.Context(), parse(t, `{apiVersion: types.kubefed.io/v1beta1, kind: FederatedConfigMap, metadata: {namespace: later, name: pay},
  spec: {placement: {clusterSelector: {matchExpressions: [{key: cellfed.io/tenant, operator: DoesNotExist}]}}, template: {data: {x: "1"}}}}`)))
	const toAcme = `{"metadata":{"labels":{"cellfed.io/tenant":"acme"}}}`
	s.refused("a Namespace whose objects KubeFed would place on what joins", s.patch(plain.DeepCopy(), toAcme), "metadata.labels[cellfed.io/tenant]")
	s.must(s.patch(parse(t, `{apiVersion: types.kubefed.io/v1beta1, kind: FederatedConfigMap, metadata: {namespace: later, name: pay}}`), `{"spec":{"placement":{"clusters":[]}}}`))
	s.must(s.patch(plain.DeepCopy(), toAcme))
}
