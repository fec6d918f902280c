package validating

import (
	"context"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/inventory"
	"github.com/cellfed/cellfed/internal/placementcache"
	"github.com/cellfed/cellfed/internal/validation"
)

// remembered are Placements that are read once.
type remembered struct {
	Placements
	known map[string][]placementcache.Object
}

func (r *remembered) Objects(ctx context.Context, namespace string) ([]placementcache.Object, error) {
	if objects, ok := r.known[namespace]; ok {
		return objects, nil
	}
	objects, err := r.Placements.Objects(ctx, namespace)
	if err == nil {
		r.known[namespace] = objects
	}
	return objects, err
}

// remembering returns handlers for one request, to which several rules need to know what is placed.
func (h *handlers) remembering() *handlers {
	once := &handlers{Options: h.Options}
	once.Placements = &remembered{Placements: h.Placements, known: map[string][]placementcache.Object{}}
	return once
}

// unownedNamespace decides about Namespaces that are created and say nothing of an owner, by the cache alone: nobody is to wait for that.
func (h *handlers) unownedNamespace() decision {
	cached := &handlers{Options: h.Options}
	cached.Inventory = &inventory.Inventory{Reader: h.Inventory.Reader, KubeFedNamespace: h.Inventory.KubeFedNamespace}
	return cached.namespace
}

// namespaceOwner decides about Namespaces, and about what KubeFed would make of the objects in one that comes to a tenant.
func (h *handlers) namespaceOwner(ctx context.Context, request admission.Request) (validation.Result, error) {
	h = h.remembering()
	result, err := h.namespace(ctx, request)
	if err != nil {
		return result, err
	}
	object, before, err := typed[metav1.PartialObjectMetadata](request)
	if err != nil || object == nil || before == nil {
		return result, err
	}
	namespace, old := metadataOf(object), metadataOf(before)
	if !validation.OwnerChanges(namespace, old) {
		return result, nil
	}
	was, err := h.Inventory.TopologiesFor(ctx, namespace.Name, old.Labels)
	if err != nil {
		return validation.Result{}, err
	}
	is, err := h.Inventory.TopologiesFor(ctx, namespace.Name, namespace.Labels)
	if err != nil {
		return validation.Result{}, err
	}
	objects, err := h.stored(ctx, namespace.Name)
	if err != nil {
		return validation.Result{}, err
	}
	more := validation.NamespaceObjects(namespace, old, objects, was, is, h.TenantChange)
	result.Errors, result.Warnings = append(result.Errors, more.Errors...), append(result.Warnings, more.Warnings...)
	return result, nil
}

// clusterOwner decides about KubeFedClusters, and warns of what KubeFed places on one that comes to be, or to somebody else. That nobody
// can tell does not keep a cluster from joining.
func (h *handlers) clusterOwner(ctx context.Context, request admission.Request) (validation.Result, error) {
	h = h.remembering()
	result, err := h.kubeFedCluster(ctx, request)
	if err != nil || len(result.Errors) > 0 || request.Namespace != h.Inventory.KubeFedNamespace {
		return result, err
	}
	object, before, err := typed[fedv1b1.KubeFedCluster](request)
	if err != nil || object == nil {
		return result, err
	}
	cluster, old := validation.Cluster{Name: object.Name, Labels: object.Labels}, (*validation.Cluster)(nil)
	if before != nil {
		old = &validation.Cluster{Name: before.Name, Labels: before.Labels}
	}
	if !validation.ClusterOpens(cluster, old) {
		return result, nil
	}
	objects, err := h.stored(ctx, metav1.NamespaceAll)
	if err != nil {
		result.Warnings = append(result.Warnings, "what KubeFed places on the cluster though it does not serve it, nobody can tell now: "+err.Error())
		return result, nil
	}
	result.Warnings = append(result.Warnings, validation.KubeFedClusterPlaced(cluster, old, objects)...)
	return result, nil
}

// stored returns the federated objects of a namespace, or of all, with their types and owners.
func (h *handlers) stored(ctx context.Context, namespace string) ([]validation.Stored, error) {
	objects, err := h.read(ctx, namespace)
	if err != nil {
		return nil, err
	}
	owners := h.owners()
	var all []validation.Stored
	for _, object := range objects {
		stored := validation.Stored{Object: upstreams(object)}
		known, err := h.Inventory.TypeOf(ctx, object.Type.Resource.GroupResource())
		if err != nil {
			return nil, err
		}
		if known != nil {
			stored.Type = &validation.Type{Name: known.Name, Target: known.Target, Namespaced: known.Namespaced, Propagator: known.Propagator}
		}
		if object.GetNamespace() != "" {
			if stored.NamespaceLabels, err = owners(ctx, object.GetNamespace()); err != nil {
				return nil, err
			}
		}
		all = append(all, stored)
	}
	return all, nil
}

// upstreams returns an object as one of upstream's group and version: its form is the same in whatever group somebody has put a type.
func upstreams(object placementcache.Object) *unstructured.Unstructured {
	if object.GetAPIVersion() == federated.APIVersionV1Beta1 {
		return object.Unstructured
	}
	content := maps.Clone(object.Object)
	content["apiVersion"] = federated.APIVersionV1Beta1
	return &unstructured.Unstructured{Object: content}
}
