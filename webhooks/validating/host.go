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
	if err != nil || old == nil || request.Namespace != h.Inventory.KubeFedNamespace {
		return validation.Result{}, err
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
		return validation.KubeFedCluster(validation.Cluster{Name: cluster.Name, Labels: cluster.Labels}, before, hosted, h.TenantChange), nil
	}
	generatedFor, err := h.generatedFor(ctx, old)
	if err != nil {
		return validation.Result{}, err
	}
	return validation.KubeFedClusterDeletion(before, hosted, generatedFor), nil
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

// hosted adds to Cells whom they belong to.
func (h *handlers) hosted(ctx context.Context, cells []v1alpha1.Cell) ([]validation.HostedCell, error) {
	owners := map[string]*validation.Owner{}
	var hosted []validation.HostedCell
	for i := range cells {
		namespace := cells[i].Namespace
		owner, known := owners[namespace]
		if !known {
			var err error
			if owner, err = h.owner(ctx, namespace); err != nil {
				return nil, err
			}
			owners[namespace] = owner
		}
		cell := validation.HostedCell{Namespace: namespace, Name: cells[i].Name}
		if owner != nil {
			cell.NamespaceLabels = owner.Labels
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
