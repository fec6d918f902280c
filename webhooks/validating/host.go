package validating

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/kubefed/pkg/apis/core/common"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/topology"
	"github.com/cellfed/cellfed/internal/validation"
)

// namespacesType is the name of the FederatedTypeConfig that federates Namespaces, which is fixed upstream.
const namespacesType = common.NamespaceName

// policy decides about FederatedTypePolicies.
func (h *handlers) policy(ctx context.Context, request admission.Request) (validation.Result, error) {
	policy, old, err := typed[v1alpha1.FederatedTypePolicy](request)
	if err != nil || policy == nil {
		// The deletion of a policy hands the type back first, which its finalizer sees to.
		return validation.Result{}, err
	}
	policy.Namespace = request.Namespace
	config, err := h.Inventory.Config(ctx, policy.Name)
	if err != nil {
		return validation.Result{}, err
	}
	return validation.Policy(policy, old, validation.PolicyFacts{
		KubeFedNamespace: h.Inventory.KubeFedNamespace, Configured: config != nil, ConfigsKnown: true,
	}), nil
}

// typeConfig decides about FederatedTypeConfigs. Those outside the KubeFed namespace are nobody's.
func (h *handlers) typeConfig(ctx context.Context, request admission.Request) (validation.Result, error) {
	config, old, err := typed[fedv1b1.FederatedTypeConfig](request)
	if err != nil || request.Namespace != h.Inventory.KubeFedNamespace {
		return validation.Result{}, err
	}
	if old == nil {
		rival, err := h.Inventory.Rival(ctx, config)
		if err != nil || rival == nil {
			return validation.Result{}, err
		}
		return validation.ConfigBesideRival(config, rival.Name), nil
	}
	var policy *v1alpha1.FederatedTypePolicy
	live := &v1alpha1.FederatedTypePolicy{}
	switch err := h.Live.Get(ctx, client.ObjectKey{Namespace: request.Namespace, Name: old.Name}, live); {
	case err == nil:
		policy = live
	case !apierrors.IsNotFound(err):
		return validation.Result{}, fmt.Errorf("get FederatedTypePolicy %q: %w", old.Name, err)
	}
	if config == nil {
		return validation.ConfigDeletion(old, policy), nil
	}
	return validation.Config(config, old, policy), nil
}

// kubeFedCluster decides about KubeFedClusters. Those outside the KubeFed namespace are nobody's.
func (h *handlers) kubeFedCluster(ctx context.Context, request admission.Request) (validation.Result, error) {
	cluster, old, err := typed[fedv1b1.KubeFedCluster](request)
	if err != nil || old == nil || request.Namespace != h.Inventory.KubeFedNamespace {
		return validation.Result{}, err
	}
	cells, err := h.Inventory.CellsOn(ctx, old.Name)
	if err != nil {
		return validation.Result{}, err
	}
	hosted, err := h.hosted(ctx, cells)
	if err != nil {
		return validation.Result{}, err
	}
	before := validation.Cluster{Name: old.Name, Labels: old.Labels}
	if cluster != nil {
		return h.clusterChange(ctx, validation.Cluster{Name: cluster.Name, Labels: cluster.Labels}, before, hosted)
	}
	generatedFor, err := h.generatedFor(ctx, old)
	if err != nil {
		return validation.Result{}, err
	}
	return validation.KubeFedClusterDeletion(before, hosted, generatedFor), nil
}

// clusterChange decides about a change of a KubeFedCluster that hosts Cells. What is placed on the cluster itself is read
// where the cluster may cease to serve somebody.
func (h *handlers) clusterChange(ctx context.Context, cluster, old validation.Cluster, hosted []validation.HostedCell) (validation.Result, error) {
	result := validation.KubeFedCluster(cluster, old, hosted, h.TenantChange)
	if !validation.ClusterCutsOff(cluster, old) {
		return result, nil
	}
	objects, err := h.allObjects(ctx)
	if err != nil {
		return validation.Result{}, err
	}
	more := validation.KubeFedClusterObjects(cluster, old, objects, h.TenantChange)
	result.Errors = append(result.Errors, more.Errors...)
	result.Warnings = append(result.Warnings, more.Warnings...)
	return result, nil
}

// allObjects returns the federated objects of all namespaces, and whom these belong to.
func (h *handlers) allObjects(ctx context.Context) ([]validation.PlacedIn, error) {
	objects, err := h.read(ctx, metav1.NamespaceAll)
	if err != nil {
		return nil, err
	}
	owners := h.owners()
	var all []validation.PlacedIn
	for _, object := range objects {
		in := validation.PlacedIn{Placed: placedObject(object), Namespace: object.GetNamespace()}
		if in.Namespace != "" {
			if in.NamespaceLabels, err = owners(ctx, in.Namespace); err != nil {
				return nil, err
			}
		}
		all = append(all, in)
	}
	return all, nil
}

// owners returns what looks up the labels of Namespaces, none for one that is not there, and each of them once.
func (h *handlers) owners() func(context.Context, string) (map[string]string, error) {
	known := map[string]map[string]string{}
	return func(ctx context.Context, namespace string) (map[string]string, error) {
		if labels, ok := known[namespace]; ok {
			return labels, nil
		}
		owner, err := h.owner(ctx, namespace)
		if err != nil {
			return nil, err
		}
		known[namespace] = nil
		if owner != nil {
			known[namespace] = owner.Labels
		}
		return known[namespace], nil
	}
}

// generatedFor returns the Cell that a KubeFedCluster stands for, if there is one that is to stay.
func (h *handlers) generatedFor(ctx context.Context, cluster *fedv1b1.KubeFedCluster) (string, error) {
	if cluster.Labels[v1alpha1.GeneratedLabel] == "" && cluster.Annotations[v1alpha1.CellUIDAnnotation] == "" {
		return "", nil
	}
	namespace, name, ok := topology.SplitCellClusterName(cluster.Name)
	if !ok {
		return "", nil
	}
	cell, err := h.Inventory.Cell(ctx, namespace, name)
	if err != nil || cell == nil || !cell.DeletionTimestamp.IsZero() {
		return "", err
	}
	return namespace + "/" + name, nil
}

// hosted adds to Cells whom they belong to, and what surrounds them.
func (h *handlers) hosted(ctx context.Context, cells []v1alpha1.Cell) ([]validation.HostedCell, error) {
	owners := h.owners()
	var hosted []validation.HostedCell
	for i := range cells {
		cell := validation.HostedCell{Namespace: cells[i].Namespace, Name: cells[i].Name, TargetNamespace: cells[i].TargetNamespace()}
		var err error
		if cell.NamespaceLabels, err = owners(ctx, cell.Namespace); err != nil {
			return nil, err
		}
		if cell.Namesake, err = h.Inventory.Namesake(ctx, cell.TargetNamespace); err != nil {
			return nil, err
		}
		cluster, err := h.Inventory.Cluster(ctx, cells[i].Spec.ClusterName)
		if err != nil {
			return nil, err
		}
		if cluster != nil {
			cell.Cluster = &validation.Cluster{Name: cluster.Name, Labels: cluster.Labels}
		}
		hosted = append(hosted, cell)
	}
	return hosted, nil
}

// namespace decides about Namespaces. Their deletion is nobody's to forbid.
func (h *handlers) namespace(ctx context.Context, request admission.Request) (validation.Result, error) {
	object, before, err := typed[metav1.PartialObjectMetadata](request)
	if err != nil || object == nil {
		return validation.Result{}, err
	}
	namespace, old := metadataOf(object), (*validation.Metadata)(nil)
	if before != nil {
		old = new(metadataOf(before))
		if !validation.OwnerChanges(namespace, *old) {
			return validation.Namespace(namespace, old, validation.NamespaceFacts{}), nil
		}
	}
	facts := validation.NamespaceFacts{Change: h.TenantChange}
	cells, err := h.Inventory.CellsTargeting(ctx, namespace.Name)
	if err != nil {
		return validation.Result{}, err
	}
	if facts.Claimants, err = h.hosted(ctx, cells); err != nil || old == nil {
		return validation.Namespace(namespace, old, facts), err
	}
	if facts.Before, err = h.Inventory.TopologiesFor(ctx, namespace.Name, old.Labels); err != nil {
		return validation.Result{}, err
	}
	if facts.After, err = h.Inventory.TopologiesFor(ctx, namespace.Name, namespace.Labels); err != nil {
		return validation.Result{}, err
	}
	if facts.Objects, err = h.objects(ctx, namespace.Name); err != nil {
		return validation.Result{}, err
	}
	return validation.Namespace(namespace, old, facts), nil
}

func metadataOf(o *metav1.PartialObjectMetadata) validation.Metadata {
	return validation.Metadata{Name: o.Name, Labels: o.Labels, Annotations: o.Annotations}
}
