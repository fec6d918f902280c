package validating

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/inventory/inventorytest"
	"github.com/cellfed/cellfed/internal/placementcache"
	"github.com/cellfed/cellfed/internal/validation"
	"github.com/cellfed/cellfed/webhooks/internal/review"
)

// host is what the webhooks see of a host.
type host struct {
	*inventorytest.Fixture
	t *testing.T
	// policies are what a look at the API server shows, and placed what is placed.
	policies []client.Object
	placed   placements
	change   validation.TenantChange
}

func newHost(t *testing.T, objects ...client.Object) *host {
	t.Helper()
	return &host{Fixture: inventorytest.New(t, objects...), t: t}
}

// placements are what is placed, by namespace, or the error that reading it fails with.
type placements struct {
	objects map[string][]placementcache.Object
	err     error
	reads   int
}

func (p *placements) Objects(_ context.Context, namespace string) ([]placementcache.Object, error) {
	p.reads++
	if namespace != metav1.NamespaceAll {
		return p.objects[namespace], p.err
	}
	return slices.Concat(slices.Collect(maps.Values(p.objects))...), p.err
}

// place has a namespace hold federated ConfigMaps.
func (h *host) place(manifests ...string) {
	h.t.Helper()
	h.placed.objects = map[string][]placementcache.Object{}
	for _, text := range manifests {
		o := placementcache.Object{Type: placementcache.Type{Name: "configmaps", Kind: "FederatedConfigMap"}, Unstructured: parse(h.t, text)}
		if o.GetKind() == "FederatedNamespace" {
			o.Type = placementcache.Type{Name: "namespaces", Kind: "FederatedNamespace"}
		}
		h.placed.objects[o.GetNamespace()] = append(h.placed.objects[o.GetNamespace()], o)
	}
}

// mux is a webhook.Server that keeps what is registered.
type mux struct {
	webhook.Server
	hooks map[string]http.Handler
}

func (m *mux) Register(path string, hook http.Handler) { m.hooks[path] = hook }

// ask sends a request to the webhook at a path.
func (h *host) ask(path string, request admissionv1.AdmissionRequest) admission.Response {
	h.t.Helper()
	scheme := h.Scheme
	server := &mux{hooks: map[string]http.Handler{}}
	err := Setup(server, Options{
		Inventory: h.Inventory, Placements: &h.placed, TenantChange: h.change,
		Live: fake.NewClientBuilder().WithScheme(scheme).WithObjects(h.policies...).Build(),
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return server.hooks[path].(review.Server).Webhook.Handle(h.t.Context(), admission.Request{AdmissionRequest: request})
}

// write returns the request that creates an object, changes old into it, or, where it is nil, deletes old.
func write(t testing.TB, object, old any) admissionv1.AdmissionRequest {
	t.Helper()
	request := admissionv1.AdmissionRequest{UID: "request", Operation: admissionv1.Update}
	request.Object, request.OldObject = raw(t, object), raw(t, old)
	some := request.Object.Raw
	switch {
	case request.OldObject.Raw == nil:
		request.Operation = admissionv1.Create
	case request.Object.Raw == nil:
		request.Operation, some = admissionv1.Delete, request.OldObject.Raw
	}
	var about struct {
		metav1.TypeMeta   `json:",inline"`
		metav1.ObjectMeta `json:"metadata"`
	}
	if err := json.Unmarshal(some, &about); err != nil {
		t.Fatal(err)
	}
	request.Namespace, request.Name = about.Namespace, about.Name
	if about.Kind == "Namespace" {
		request.Namespace = about.Name
	}
	kind := about.GroupVersionKind()
	request.Kind = metav1.GroupVersionKind{Group: kind.Group, Version: kind.Version, Kind: kind.Kind}
	request.Resource = metav1.GroupVersionResource{Group: kind.Group, Version: kind.Version, Resource: fedv1b1.PluralName(kind.Kind)}
	return request
}

func raw(t testing.TB, object any) runtime.RawExtension {
	t.Helper()
	switch o := object.(type) {
	case nil:
		return runtime.RawExtension{}
	case string:
		data, err := yaml.YAMLToJSON([]byte(o))
		if err != nil {
			t.Fatal(err)
		}
		return runtime.RawExtension{Raw: data}
	}
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return runtime.RawExtension{Raw: data}
}

func parse(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(raw(t, text).Raw); err != nil {
		t.Fatal(err)
	}
	return u
}

// said is what an answer says.
type said struct {
	Allowed  bool
	Code     int32
	Reason   metav1.StatusReason
	Fields   []string
	Warnings []string
}

func sayOf(r admission.Response) said {
	s := said{Allowed: r.Allowed, Warnings: r.Warnings}
	if r.Allowed || r.Result == nil {
		return s
	}
	s.Code, s.Reason = r.Result.Code, r.Result.Reason
	if r.Result.Details != nil {
		for _, cause := range r.Result.Details.Causes {
			s.Fields = append(s.Fields, cause.Field)
		}
	}
	return s
}

// denied is an answer that refuses fields.
func denied(fields ...string) said {
	return said{Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid, Fields: fields}
}

func warned(s said, warnings ...string) said {
	s.Warnings = warnings
	return s
}

var (
	allowed = said{Allowed: true}
	failed  = said{Code: http.StatusInternalServerError}
	odd     = said{Code: http.StatusBadRequest}
	errTest = errors.New("something is broken")
)

func namespace(name, tenant string) *corev1.Namespace {
	return &corev1.Namespace{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: tenantOf(tenant)},
	}
}

func tenantOf(tenant string) map[string]string {
	if tenant == "" {
		return nil
	}
	return map[string]string{v1alpha1.TenantLabel: tenant}
}

func cluster(name, tenant string) *fedv1b1.KubeFedCluster {
	return &fedv1b1.KubeFedCluster{
		TypeMeta:   metav1.TypeMeta{APIVersion: "core.kubefed.io/v1beta1", Kind: "KubeFedCluster"},
		ObjectMeta: metav1.ObjectMeta{Namespace: inventorytest.KubeFedNamespace, Name: name, Labels: tenantOf(tenant)},
	}
}

func cell(namespace, name, cluster, target string) *v1alpha1.Cell {
	return &v1alpha1.Cell{
		TypeMeta:   metav1.TypeMeta{APIVersion: "cellfed.io/v1alpha1", Kind: "Cell"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1alpha1.CellSpec{ClusterName: cluster, TargetNamespace: target},
	}
}

func config(mode fedv1b1.PropagationMode) *fedv1b1.FederatedTypeConfig {
	return &fedv1b1.FederatedTypeConfig{
		TypeMeta:   metav1.TypeMeta{APIVersion: "core.kubefed.io/v1beta1", Kind: "FederatedTypeConfig"},
		ObjectMeta: metav1.ObjectMeta{Namespace: inventorytest.KubeFedNamespace, Name: "configmaps"},
		Spec: fedv1b1.FederatedTypeConfigSpec{
			Propagation:   mode,
			TargetType:    fedv1b1.APIResource{Version: "v1", Kind: "ConfigMap", PluralName: "configmaps", Scope: apiextensionsv1.NamespaceScoped},
			FederatedType: fedv1b1.APIResource{Group: "types.kubefed.io", Version: "v1beta1", Kind: "FederatedConfigMap", PluralName: "federatedconfigmaps", Scope: apiextensionsv1.NamespaceScoped},
		},
	}
}

func policy(wanted, now v1alpha1.Propagator) *v1alpha1.FederatedTypePolicy {
	return &v1alpha1.FederatedTypePolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: "cellfed.io/v1alpha1", Kind: "FederatedTypePolicy"},
		ObjectMeta: metav1.ObjectMeta{Namespace: inventorytest.KubeFedNamespace, Name: "configmaps"},
		Spec:       v1alpha1.FederatedTypePolicySpec{Propagator: wanted},
		Status:     v1alpha1.FederatedTypePolicyStatus{Propagator: now},
	}
}
