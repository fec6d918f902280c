package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ConditionType is the type of a condition that cellfed sets.
type ConditionType string

// ConditionReason says why a condition has its status.
type ConditionReason string

const (
	// ConditionReady says whether objects can be released to the cell now: all that was generated for it is in
	// place, and its KubeFedCluster is ready.
	ConditionReady ConditionType = "Ready"

	// ConditionClusterReady says whether the physical cluster that hosts the cell is registered and ready.
	ConditionClusterReady ConditionType = "ClusterReady"

	// ConditionGenerated says whether the KubeFedCluster and the façade token of the cell are in place.
	ConditionGenerated ConditionType = "Generated"

	// ConditionNamespaceFederated says whether a FederatedNamespace places the cell's namespace on it, without
	// which nothing else of the namespace is placed there.
	ConditionNamespaceFederated ConditionType = "NamespaceFederated"

	// ConditionDeletionBlocked is there, with status True, while the Cell is being deleted and still waits for
	// something.
	ConditionDeletionBlocked ConditionType = "DeletionBlocked"
)

const (
	// ReasonReady goes with a true Ready or ClusterReady.
	ReasonReady ConditionReason = "Ready"
	// ReasonGenerated goes with a true Generated.
	ReasonGenerated ConditionReason = "Generated"
	// ReasonNamespacePlaced goes with a true NamespaceFederated.
	ReasonNamespacePlaced ConditionReason = "NamespacePlaced"

	// ReasonGenerating means that what the cell needs is not in place yet.
	ReasonGenerating ConditionReason = "Generating"
	// ReasonClusterNotFound means that no KubeFedCluster has the name in spec.clusterName.
	ReasonClusterNotFound ConditionReason = "ClusterNotFound"
	// ReasonClusterIsCell means that spec.clusterName names a KubeFedCluster that stands for a cell.
	ReasonClusterIsCell ConditionReason = "ClusterIsCell"
	// ReasonClusterOfAnotherTenant means that the physical cluster is neither the tenant's of the cell's namespace, and open
	// to its workspace group, nor shared. Such a cell is not served.
	ReasonClusterOfAnotherTenant ConditionReason = "ClusterOfAnotherTenant"
	// ReasonTargetOfAnotherTenant means that the target namespace is not the cell's to have on its physical cluster: it is
	// the cluster's own or KubeFed's, it is the name of another owner's Namespace, or, on a cluster that is not the tenant's
	// alone, its name does not tell that it is meant for the cell's namespace. Such a cell is not served.
	ReasonTargetOfAnotherTenant ConditionReason = "TargetOfAnotherTenant"
	// ReasonClusterNotReady means that upstream KubeFed reports the cluster as not ready or offline.
	ReasonClusterNotReady ConditionReason = "ClusterNotReady"
	// ReasonClusterUnknown means that upstream KubeFed has not reported on the cluster yet.
	ReasonClusterUnknown ConditionReason = "ClusterUnknown"
	// ReasonNameConflict means that a KubeFedCluster or Secret of the name that the cell needs exists and
	// belongs to somebody else.
	ReasonNameConflict ConditionReason = "NameConflict"
	// ReasonTargetNamespaceConflict means that an older cell claims the same namespace of the same cluster.
	ReasonTargetNamespaceConflict ConditionReason = "TargetNamespaceConflict"
	// ReasonNamespaceNotPlaced means that the namespace has a FederatedNamespace that does not place the cell.
	ReasonNamespaceNotPlaced ConditionReason = "NamespaceNotPlaced"
	// ReasonNamespacesNotFederated means that no FederatedTypeConfig federates Namespaces.
	ReasonNamespacesNotFederated ConditionReason = "NamespacesNotFederated"
	// ReasonNamespaceUnknown means that the FederatedNamespaces have not been read yet.
	ReasonNamespaceUnknown ConditionReason = "NamespaceUnknown"
	// ReasonUnreadable means that the objects of a federated type cannot be read, so that nobody knows whether
	// they place the cell.
	ReasonUnreadable ConditionReason = "Unreadable"
	// ReasonFinalizersPending means that the cell's KubeFedCluster is being deleted and somebody else's finalizer
	// keeps it.
	ReasonFinalizersPending ConditionReason = "FinalizersPending"
	// ReasonPlaced means that federated objects still place the cell.
	ReasonPlaced ConditionReason = "Placed"
	// ReasonTerminating means that the Cell is being deleted.
	ReasonTerminating ConditionReason = "Terminating"
)

// Withholds reports whether a cell whose Generated is false for that reason must not be served: its place is another's,
// or was when the controller last looked.
func (r ConditionReason) Withholds() bool {
	switch r {
	case ReasonTargetNamespaceConflict, ReasonClusterOfAnotherTenant, ReasonTargetOfAnotherTenant:
		return true
	}
	return false
}

// NewCondition returns a condition without a transition time, which apimachinery's meta.SetStatusCondition fills in.
// The message must be deterministic: sorted, without times and without the text of conflicts.
func NewCondition(t ConditionType, status metav1.ConditionStatus, reason ConditionReason, generation int64, message string) metav1.Condition {
	return metav1.Condition{
		Type:               string(t),
		Status:             status,
		Reason:             string(reason),
		ObservedGeneration: generation,
		Message:            message,
	}
}
