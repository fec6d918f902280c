package mutating

import (
	"context"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/defaulting"
	"github.com/cellfed/cellfed/internal/inventory"
	"github.com/cellfed/cellfed/internal/topology"
)

type handlers struct {
	options Options
}

// federated answers for federated objects of every type.
func (h *handlers) federated(ctx context.Context, request admission.Request) admission.Response {
	if !writes(request) {
		return admission.Allowed("")
	}
	namespace, err := h.namespace(ctx, request.Namespace)
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	typ, err := h.options.Lookups.TypeOf(ctx, schema.GroupResource{Group: request.Resource.Group, Resource: request.Resource.Resource})
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	facts := defaulting.Facts{NamespaceLabels: namespace.Labels, Propagated: h.propagated(typ, request)}
	var warning string
	if facts.Propagated {
		facts.Mask, warning = defaulting.MaskDefaultOf(namespace.Annotations, h.options.DefaultMask)
	}
	// A creation has no old object.
	var old []byte
	if request.Operation == admissionv1.Update {
		old = request.OldObject.Raw
	}
	response := answer(defaulting.Federated(request.Object.Raw, old, facts))
	if warning != "" {
		return response.WithWarnings(warning)
	}
	return response
}

// cell answers for Cells.
func (h *handlers) cell(ctx context.Context, request admission.Request) admission.Response {
	if !writes(request) {
		return admission.Allowed("")
	}
	return h.relabel(ctx, request, request.Namespace)
}

// kubeFedCluster answers for KubeFedClusters. One that people registered is theirs to label.
func (h *handlers) kubeFedCluster(ctx context.Context, request admission.Request) admission.Response {
	if !writes(request) || !defaulting.Generated(request.Object.Raw) && !defaulting.Generated(request.OldObject.Raw) {
		return admission.Allowed("")
	}
	namespace, _, ok := topology.SplitCellClusterName(request.Name)
	if !ok {
		return admission.Allowed("")
	}
	return h.relabel(ctx, request, namespace)
}

// relabel answers with the labels of the Namespace.
func (h *handlers) relabel(ctx context.Context, request admission.Request, name string) admission.Response {
	namespace, err := h.namespace(ctx, name)
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	return answer(defaulting.Labels(request.Object.Raw, namespace.Labels))
}

// writes reports whether there is anything to give defaults to.
func writes(request admission.Request) bool {
	return request.Operation == admissionv1.Create || request.Operation == admissionv1.Update
}

// namespace returns a Namespace, an empty one where there is none, as for what is cluster-scoped.
func (h *handlers) namespace(ctx context.Context, name string) (*metav1.PartialObjectMetadata, error) {
	if name == "" {
		return &metav1.PartialObjectMetadata{}, nil
	}
	namespace, err := h.options.Lookups.Namespace(ctx, name)
	if apierrors.IsNotFound(err) {
		return &metav1.PartialObjectMetadata{}, nil
	}
	return namespace, err
}

// propagated reports whether cellfed propagates an object, and so takes the finalizer from it one day. Of what federates
// Namespaces it does so only for the object that has the name of its namespace, and for no system namespace's.
func (h *handlers) propagated(typ *inventory.Type, request admission.Request) bool {
	if typ == nil || typ.Propagator != v1alpha1.PropagatorCellfed {
		return false
	}
	if !typ.Target.IsNamespace() {
		return true
	}
	switch request.Namespace {
	case metav1.NamespaceSystem, metav1.NamespacePublic, metav1.NamespaceDefault, h.options.KubeFedNamespace:
		return false
	}
	return request.Name == request.Namespace
}

// answer allows a write, with the patch.
func answer(patch defaulting.Patch, err error) admission.Response {
	if err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	data, err := patch.JSON()
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	response := admission.Allowed("")
	if data != nil {
		response.Patch, response.PatchType = data, new(admissionv1.PatchTypeJSONPatch)
	}
	return response
}
