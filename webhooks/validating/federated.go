package validating

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/cellfed/cellfed/internal/validation"
)

// handlers decide about requests.
type handlers struct {
	Options
}

// federated decides about federated objects of every type.
func (h *handlers) federated(ctx context.Context, request admission.Request) (validation.Result, error) {
	object, old, err := typed[unstructured.Unstructured](request)
	if err != nil {
		return validation.Result{}, err
	}
	if object == nil {
		facts, err := h.typeFacts(ctx, request)
		if err != nil {
			return validation.Result{}, err
		}
		return validation.Result{Warnings: validation.FederatedDeletion(old, facts)}, nil
	}
	facts, err := h.facts(ctx, request)
	if err != nil {
		return validation.Result{}, err
	}
	return validation.Federated(object, old, facts), nil
}

// typeFacts looks up the type. Nil stands for a kind that nobody federates.
func (h *handlers) typeFacts(ctx context.Context, request admission.Request) (validation.Facts, error) {
	known, err := h.Inventory.TypeOf(ctx, schema.GroupResource{Group: request.Resource.Group, Resource: request.Resource.Resource})
	if err != nil || known == nil {
		return validation.Facts{}, err
	}
	return validation.Facts{Type: &validation.Type{
		Name: known.Name, Target: known.Target, Namespaced: known.Namespaced, Propagator: known.Propagator, Annotations: known.Policy,
		HandingBack: known.HandingBack, PolicyDeleted: known.PolicyDeleted,
	}}, nil
}

// facts looks up what surrounds an object. An object in no namespace is nobody's.
func (h *handlers) facts(ctx context.Context, request admission.Request) (validation.Facts, error) {
	facts, err := h.typeFacts(ctx, request)
	if err != nil {
		return facts, err
	}
	if request.Namespace != "" {
		namespace, err := h.Inventory.Namespace(ctx, request.Namespace)
		switch {
		case apierrors.IsNotFound(err):
			// It cannot be stored there, which the API server says better.
			return facts, nil
		case err != nil:
			return facts, err
		}
		facts.NamespaceLabels = namespace.Labels
	}
	facts.NamespaceKnown = true
	facts.Topologies, err = h.Inventory.TopologiesFor(ctx, request.Namespace, facts.NamespaceLabels)
	facts.TopologiesKnown = err == nil
	return facts, err
}
