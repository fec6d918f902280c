package validating

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/inventory"
	"github.com/cellfed/cellfed/internal/placementcache"
	"github.com/cellfed/cellfed/internal/scope"
	"github.com/cellfed/cellfed/internal/topology"
	"github.com/cellfed/cellfed/internal/validation"
)

// cell decides about Cells.
func (h *handlers) cell(ctx context.Context, request admission.Request) (validation.Result, error) {
	cell, old, err := typed[v1alpha1.Cell](request)
	if err != nil || cell == nil {
		// The deletion of a Cell waits for what is placed on it, which its finalizer sees to.
		return validation.Result{}, err
	}
	cell.Namespace = request.Namespace
	facts := validation.CellFacts{KubeFedNamespace: h.Inventory.KubeFedNamespace}
	if old == nil || old.Claim() != cell.Claim() {
		if facts, err = h.cellFacts(ctx, cell); err != nil {
			return validation.Result{}, err
		}
	}
	if old != nil && old.Spec.ClusterName != cell.Spec.ClusterName {
		if facts.Placed, err = h.placedOn(ctx, cell.Namespace, cell.Name, facts.NamespaceLabels); err != nil {
			return validation.Result{}, err
		}
	}
	return validation.Cell(cell, old, facts), nil
}

// cellFacts looks up what surrounds a Cell, in the cache.
func (h *handlers) cellFacts(ctx context.Context, cell *v1alpha1.Cell) (validation.CellFacts, error) {
	facts := validation.CellFacts{KubeFedNamespace: h.Inventory.KubeFedNamespace, ClusterKnown: true}
	owner, err := h.owner(ctx, cell.Namespace)
	if err != nil {
		return facts, err
	}
	if owner != nil {
		facts.NamespaceKnown, facts.NamespaceLabels = true, owner.Labels
	}
	cluster, err := h.Inventory.Cluster(ctx, cell.Spec.ClusterName)
	if err != nil {
		return facts, err
	}
	if cluster != nil {
		facts.Cluster = &validation.Cluster{Name: cluster.Name, Labels: cluster.Labels}
	}
	if facts.Claimants, err = h.rivals(ctx, cell, facts.Cluster); err != nil {
		return facts, err
	}
	if target := cell.TargetNamespace(); target != cell.Namespace {
		// Most target namespaces are no host Namespaces: that there is none is not worth a request.
		if facts.Target, err = ownerOf(h.Inventory.CachedNamespace(ctx, target)); err != nil {
			return facts, err
		}
		facts.Nearer, err = h.nearer(ctx, target, cell.Namespace)
	}
	return facts, err
}

// nearer returns the owner of the Namespace whose cells a target namespace is meant for by its name, rather than for those of
// the one given. Nil means that there is none.
func (h *handlers) nearer(ctx context.Context, target, namespace string) (*validation.Owner, error) {
	for name := range scope.Nearer(target, namespace) {
		if owner, err := ownerOf(h.Inventory.CachedNamespace(ctx, name)); owner != nil || err != nil {
			return owner, err
		}
	}
	return nil, nil
}

// rivals returns the Cells that claim what a Cell claims. Those that the cluster is not open to, or that must not have the
// target namespace, are never served, and keep nobody from it.
func (h *handlers) rivals(ctx context.Context, cell *v1alpha1.Cell, cluster *validation.Cluster) ([]v1alpha1.Cell, error) {
	claimants, err := h.Inventory.CellsClaiming(ctx, cell.Claim())
	if err != nil || cluster == nil || len(claimants) == 0 {
		return claimants, err
	}
	namesake, err := h.Inventory.Namesake(ctx, cell.TargetNamespace())
	if err != nil {
		return nil, err
	}
	var rivals []v1alpha1.Cell
	for _, claimant := range claimants {
		owner, err := ownerOf(h.Inventory.CachedNamespace(ctx, claimant.Namespace))
		if err != nil {
			return nil, err
		}
		if owner == nil {
			rivals = append(rivals, claimant)
			continue
		}
		target := scope.Target{
			Name: claimant.TargetNamespace(), Namespace: claimant.Namespace, NamespaceLabels: owner.Labels, Namesake: namesake,
			ClusterLabels: cluster.Labels, ClusterKnown: true,
		}
		if scope.OpensTo(cluster.Labels, owner.Labels) && target.Refusal() == scope.TargetAllowed {
			rivals = append(rivals, claimant)
		}
	}
	return rivals, nil
}

// owner returns whom a Namespace belongs to, nil where there is no Namespace of that name.
func (h *handlers) owner(ctx context.Context, name string) (*validation.Owner, error) {
	return ownerOf(h.Inventory.Namespace(ctx, name))
}

func ownerOf(namespace *metav1.PartialObjectMetadata, err error) (*validation.Owner, error) {
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &validation.Owner{Labels: namespace.Labels}, nil
}

// placedOn names the federated objects that are placed on a cell, or are still there. The FederatedNamespace that cellfed
// made for the cells is not one of them: it is placed on every cell as long as there is one.
func (h *handlers) placedOn(ctx context.Context, namespace, cell string, labels map[string]string) ([]string, error) {
	name := topology.CellClusterName(namespace, cell)
	all, err := h.Inventory.TopologiesFor(ctx, namespace, labels)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(all, func(t scope.Topology) bool { return t.Name == name && t.View != nil })
	if at < 0 {
		all, at = []scope.Topology{{Name: name}}, 0
	}
	objects, err := h.objects(ctx, namespace)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, object := range objects {
		if object.On(all[at]) {
			names = append(names, object.String())
		}
	}
	slices.Sort(names)
	return names, nil
}

// objects returns the federated objects of a namespace that somebody has placed, as the API server has them.
func (h *handlers) objects(ctx context.Context, namespace string) ([]validation.Placed, error) {
	objects, err := h.read(ctx, namespace)
	if err != nil {
		return nil, err
	}
	var placed []validation.Placed
	for _, object := range objects {
		placed = append(placed, placedObject(object))
	}
	return placed, nil
}

// read returns the federated objects of a namespace, or of all, without what cellfed made. One type that cannot be read is
// enough for nobody to know what a change would cut off.
func (h *handlers) read(ctx context.Context, namespace string) ([]placementcache.Object, error) {
	objects, err := h.Placements.Objects(ctx, namespace)
	if err != nil {
		where := "anywhere"
		if namespace != metav1.NamespaceAll {
			where = fmt.Sprintf("in namespace %q", namespace)
		}
		if late, ok := errors.AsType[*inventory.LateError](err); ok {
			return nil, fmt.Errorf("what is placed %s must be known before this changes, and the API server did not tell in time: %w. Do it when the API server is less busy, "+
				"or have the webhook wait longer (its timeoutSeconds, 30 at most)", where, late)
		}
		return nil, fmt.Errorf("what is placed %s must be known, and one of the federated types cannot be read: %w. Why, its CRD's condition %s or the manager's "+
			"ClusterRoles tell; a type that nobody needs is not asked for once its FederatedTypeConfig is deleted", where, err, v1alpha1.ConditionTopologies)
	}
	var peoples []placementcache.Object
	for _, object := range objects {
		if object.Type.Name != namespacesType || object.GetLabels()[v1alpha1.GeneratedLabel] != "true" {
			peoples = append(peoples, object)
		}
	}
	return peoples, nil
}

// placedObject reads where an object is placed. Upstream's form is the same in whatever group somebody has put a type.
func placedObject(object placementcache.Object) validation.Placed {
	content := object.Object
	if object.GetAPIVersion() != federated.APIVersionV1Beta1 {
		content = maps.Clone(content)
		content["apiVersion"] = federated.APIVersionV1Beta1
	}
	placement, err := federated.PlacementOf(content)
	return validation.Placed{Kind: object.Type.Kind, Name: object.GetName(), Placement: placement, Unclear: err != nil}
}
