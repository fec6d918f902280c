package mutating

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/defaulting"
	"github.com/cellfed/cellfed/internal/inventory"
	"github.com/cellfed/cellfed/internal/render"
)

// world is what a test has the handlers look up: one Namespace, one type.
type world struct {
	namespace           *metav1.PartialObjectMetadata
	typ                 *inventory.Type
	namespaceErr, tyErr error
}

func (w *world) TypeOf(_ context.Context, resource schema.GroupResource) (*inventory.Type, error) {
	if want := (schema.GroupResource{Group: "types.kubefed.io", Resource: "federatedthings"}); resource != want {
		return nil, nil
	}
	return w.typ, w.tyErr
}

func (w *world) Namespace(_ context.Context, name string) (*metav1.PartialObjectMetadata, error) {
	if w.namespaceErr != nil {
		return nil, w.namespaceErr
	}
	if w.namespace == nil || w.namespace.Name != name {
		return nil, apierrors.NewNotFound(corev1.Resource("namespaces"), name)
	}
	return w.namespace, nil
}

var (
	acme = &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Name: "acme-prod", Labels: map[string]string{"cellfed.io/tenant": "acme"},
	}}
	handedOver = &inventory.Type{Propagator: v1alpha1.PropagatorCellfed}
	upstreams  = &inventory.Type{Propagator: v1alpha1.PropagatorKubeFed}
	namespaces = &inventory.Type{Propagator: v1alpha1.PropagatorCellfed, Target: render.Target{Kind: corev1.SchemeGroupVersion.WithKind("Namespace")}}
)

const (
	label     = `{"op":"add","path":"/metadata/labels","value":{"cellfed.io/tenant":"acme"}}`
	finalizer = `{"op":"add","path":"/metadata/finalizers","value":["kubefed.io/sync-controller"]}`
	emptyMask = `{"op":"add","path":"/spec/placementMask","value":{"topologies":[]}}`
)

// requestFor returns a request about a federated object, or about what the change makes of it.
func requestFor(operation admissionv1.Operation, namespace, name, object, old string) admission.Request {
	r := admissionv1.AdmissionRequest{
		UID: "u", Operation: operation, Namespace: namespace, Name: name,
		Resource: metav1.GroupVersionResource{Group: "types.kubefed.io", Version: "v2beta1", Resource: "federatedthings"},
		Object:   runtime.RawExtension{Raw: []byte(object)},
	}
	if old != "" {
		r.OldObject.Raw = []byte(old)
	}
	return admission.Request{AdmissionRequest: r}
}

func TestFederated(t *testing.T) {
	const bare = `{"apiVersion":"types.kubefed.io/v2beta1","metadata":{},"spec":{"template":{"a":1}}}`
	const held = `{"apiVersion":"types.kubefed.io/v2beta1","metadata":{},"spec":{"template":{"a":2},"placementMask":{"topologies":[{"name":"a"}]}}}`
	annotated := func(value string) *metav1.PartialObjectMetadata {
		n := acme.DeepCopy()
		n.Annotations = map[string]string{"cellfed.io/default-placement-mask": value}
		return n
	}
	system := acme.DeepCopy()
	system.Name = "kube-system"
	kubeFed := acme.DeepCopy()
	kubeFed.Name = "fed"
	broken := errors.New("the cache is not there")
	cases := map[string]struct {
		reason  string
		world   world
		request admission.Request
		want    string
		warning string
		code    int32
	}{
		"Upstreams": {reason: "Upstream gives its objects their finalizer itself.", world: world{namespace: acme, typ: upstreams},
			request: requestFor(admissionv1.Create, "acme-prod", "a", bare, ""), want: `[` + label + `]`},
		"HandedOver": {reason: "What cellfed propagates gets it at once.", world: world{namespace: acme, typ: handedOver},
			request: requestFor(admissionv1.Create, "acme-prod", "a", bare, ""), want: `[` + label + `,` + finalizer + `]`},
		"NoType": {reason: "Without a type nobody propagates.", world: world{namespace: acme},
			request: requestFor(admissionv1.Create, "acme-prod", "a", bare, ""), want: `[` + label + `]`},
		"OtherResource": {reason: "The type is asked for by the resource of the request.", world: world{namespace: acme, typ: handedOver},
			request: func() admission.Request {
				r := requestFor(admissionv1.Create, "acme-prod", "a", bare, "")
				r.Resource.Resource = "federatedothers"
				return r
			}(), want: `[` + label + `]`},
		"ClusterScoped": {reason: "What is in no namespace is nobody's.", world: world{namespaceErr: broken, typ: handedOver},
			request: requestFor(admissionv1.Create, "", "a", bare, ""), want: `[` + finalizer + `]`},
		"Namespace": {reason: "A FederatedNamespace of its namespace's name is propagated.", world: world{namespace: acme, typ: namespaces},
			request: requestFor(admissionv1.Create, "acme-prod", "acme-prod", bare, ""), want: `[` + label + `,` + finalizer + `]`},
		"OddNamespace": {reason: "One of another name never is, and nobody would ever take the finalizer away.", world: world{namespace: acme, typ: namespaces},
			request: requestFor(admissionv1.Create, "acme-prod", "a", bare, ""), want: `[` + label + `]`},
		"SystemNamespace": {reason: "Nor is that of a system namespace.", world: world{namespace: system, typ: namespaces},
			request: requestFor(admissionv1.Create, "kube-system", "kube-system", bare, ""), want: `[` + label + `]`},
		"KubeFedNamespace": {reason: "Nor is that of KubeFed's own namespace.", world: world{namespace: kubeFed, typ: namespaces},
			request: requestFor(admissionv1.Create, "fed", "fed", bare, ""), want: `[` + label + `]`},
		"NamespaceDecides": {reason: "The Namespace's annotation comes before the manager's flag.", world: world{namespace: annotated("all"), typ: handedOver},
			request: requestFor(admissionv1.Update, "acme-prod", "a", bare, held), want: `[` + label + `]`},
		"ManagerDecides": {reason: "Without an annotation the manager's flag holds.", world: world{namespace: acme, typ: handedOver},
			request: requestFor(admissionv1.Update, "acme-prod", "a", bare, held),
			want:    `[` + label + `,{"op":"add","path":"/spec/placementMask","value":{"topologies":[{"name":"a"}]}}]`},
		"EmptyMask": {reason: "An update that leaves the mask out is held.", world: world{namespace: annotated("none"), typ: handedOver},
			request: requestFor(admissionv1.Update, "acme-prod", "a", bare, held), want: `[` + label + `,` + emptyMask + `]`},
		"UnknownAnnotation": {reason: "The flag holds, and the writer is told.", world: world{namespace: annotated("some"), typ: handedOver},
			request: requestFor(admissionv1.Update, "acme-prod", "a", held, held), want: `[` + label + `]`, warning: `"some"`},
		"UnknownUnderKubeFed": {reason: "Where no mask counts nobody is told.", world: world{namespace: annotated("some"), typ: upstreams},
			request: requestFor(admissionv1.Update, "acme-prod", "a", held, held), want: `[` + label + `]`},
		"NoNamespace": {reason: "A Namespace that is not there has no tenant.", world: world{typ: handedOver},
			request: requestFor(admissionv1.Create, "acme-prod", "a", bare, ""), want: `[` + finalizer + `]`},
		"Delete": {reason: "What goes needs no defaults.", world: world{namespaceErr: broken},
			request: requestFor(admissionv1.Delete, "acme-prod", "a", "", bare)},
		"NamespaceUnknown": {reason: "Who cannot look up the tenant does not guess.", world: world{namespaceErr: broken, typ: handedOver},
			request: requestFor(admissionv1.Create, "acme-prod", "a", bare, ""), code: http.StatusInternalServerError},
		"TypeUnknown": {reason: "Who cannot look up the type does not guess.", world: world{namespace: acme, tyErr: broken},
			request: requestFor(admissionv1.Create, "acme-prod", "a", bare, ""), code: http.StatusInternalServerError},
		"NoObject": {reason: "What is no object is the request's fault.", world: world{namespace: acme, typ: handedOver},
			request: requestFor(admissionv1.Create, "acme-prod", "a", `[]`, ""), code: http.StatusBadRequest},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := &handlers{options: Options{Lookups: &tc.world, KubeFedNamespace: "fed", DefaultMask: defaulting.MaskKeep}}
			wantAnswer(t, tc.reason, h.federated(t.Context(), tc.request), tc.want, tc.warning, tc.code)
		})
	}
}

func TestKubeFedCluster(t *testing.T) {
	const generated = `{"metadata":{"labels":{"cellfed.io/generated":"true"}}}`
	const marked = `{"metadata":{"annotations":{"cellfed.io/cell-uid":"u"},"labels":{"cellfed.io/tenant":"evil"}}}`
	const plain = `{"metadata":{"labels":{"cellfed.io/tenant":"evil"}}}`
	const relabel = `[{"op":"add","path":"/metadata/labels/cellfed.io~1tenant","value":"acme"}]`
	cases := map[string]struct {
		reason       string
		name         string
		object, old  string
		namespaceErr error
		want         string
		code         int32
	}{
		"Generated":  {reason: "What stands for a cell is its namespace's tenant's.", name: "acme-prod.rz00a", object: generated, want: relabel},
		"Marked":     {reason: "The Cell's UID tells as well.", name: "acme-prod.rz00a", object: marked, want: relabel},
		"Stripped":   {reason: "Who takes the marks away does not make it a cluster of somebody else's.", name: "acme-prod.rz00a", object: plain, old: generated, want: relabel},
		"Registered": {reason: "Whose a physical cluster is its own labels say, whatever its name.", name: "acme-prod.rz00a", object: plain},
		"NoCell":     {reason: "A name that can be no cell's is of no namespace.", name: "rz00a", object: generated},
		"Gone":       {reason: "A Namespace that is not there has no tenant.", name: "other.rz00a", object: marked, want: `[{"op":"remove","path":"/metadata/labels/cellfed.io~1tenant"}]`},
		"Unknown":    {reason: "Who cannot look up the tenant does not guess.", name: "acme-prod.rz00a", object: generated, namespaceErr: errors.New("no cache"), code: http.StatusInternalServerError},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := &handlers{options: Options{Lookups: &world{namespace: acme, namespaceErr: tc.namespaceErr}, KubeFedNamespace: "fed"}}
			operation := admissionv1.Create
			if tc.old != "" {
				operation = admissionv1.Update
			}
			response := h.kubeFedCluster(t.Context(), requestFor(operation, "fed", tc.name, tc.object, tc.old))
			wantAnswer(t, tc.reason, response, tc.want, "", tc.code)
		})
	}
}

func TestCell(t *testing.T) {
	h := &handlers{options: Options{Lookups: &world{namespace: acme}}}
	response := h.cell(t.Context(), requestFor(admissionv1.Create, "acme-prod", "rz00a", `{"metadata":{}}`, ""))
	wantAnswer(t, "A Cell is its namespace's tenant's.", response, `[`+label+`]`, "", 0)
}

// wantAnswer compares an answer as it is sent. A code of zero means that the write is allowed.
func wantAnswer(t *testing.T, reason string, got admission.Response, want, warning string, code int32) {
	t.Helper()
	if err := got.Complete(admission.Request{}); err != nil {
		t.Fatal(err)
	}
	if code == 0 {
		code = http.StatusOK
	}
	if got.Allowed != (code == http.StatusOK) || got.Result.Code != code {
		t.Fatalf("%s\nallowed: %v, code %d: %s, want %d", reason, got.Allowed, got.Result.Code, got.Result.Message, code)
	}
	if diff := cmp.Diff(want, string(got.Patch)); diff != "" {
		t.Errorf("%s\n-want +got:\n%s", reason, diff)
	}
	if (got.PatchType != nil) != (want != "") {
		t.Errorf("%s\nthe type of the patch is %v", reason, got.PatchType)
	}
	if told := strings.Join(got.Warnings, "\n"); (told != "") != (warning != "") || !strings.Contains(told, warning) {
		t.Errorf("%s\nwarnings %q, want one with %q", reason, told, warning)
	}
}
