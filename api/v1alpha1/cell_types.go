package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CellSpec says where a cell is.
//
// +kubebuilder:validation:XValidation:rule="has(self.targetNamespace) == has(oldSelf.targetNamespace) && (!has(self.targetNamespace) || self.targetNamespace == oldSelf.targetNamespace)",message="targetNamespace is immutable: create another Cell and move the placements to it",fieldPath=".targetNamespace"
type CellSpec struct {
	// clusterName is the name of the physical KubeFedCluster, in the KubeFed namespace, that hosts the cell. It
	// may name a cluster that is not registered yet: the cell then waits for it. It must not name a
	// KubeFedCluster that stands for a cell. When it changes, what is placed on the cell is released to the new
	// cluster, and what was released to the old one stays there, for nobody reaches it through the cell any more.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="clusterName must be the name of a KubeFedCluster: lower-case letters, digits, '-' and '.', with a letter or a digit at each end and on each side of a '.'"
	ClusterName string `json:"clusterName"`

	// targetNamespace is the namespace in the member cluster that holds the cell's objects. Two cells never share
	// one namespace of one cluster. It cannot be changed. Empty means the Cell's own namespace.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="targetNamespace must be a namespace's name: lower-case letters, digits and '-', beginning and ending with a letter or a digit"
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('kube-')",message="targetNamespace must not begin with 'kube-': such namespaces are the cluster's own"
	TargetNamespace string `json:"targetNamespace,omitempty"`
}

// CellStatus is what the controller saw.
type CellStatus struct {
	// observedGeneration is the generation of the Cell that the rest of the status speaks of.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// kubeFedClusterName is the name of the KubeFedCluster that stands for the cell: the Cell's namespace, a
	// dot, and the Cell's name. Empty until it exists.
	//
	// +optional
	KubeFedClusterName string `json:"kubeFedClusterName,omitempty"`

	// targetNamespace is the namespace in the member cluster that holds the cell's objects, defaults resolved.
	//
	// +optional
	TargetNamespace string `json:"targetNamespace,omitempty"`

	// tenant is the tenant that owns the Cell's namespace. Empty means nobody.
	//
	// +optional
	Tenant string `json:"tenant,omitempty"`

	// workspaceGroup is the workspace group of the Cell's namespace. Empty means none.
	//
	// +optional
	WorkspaceGroup string `json:"workspaceGroup,omitempty"`

	// conditions tell how the cell is. Known types: Ready, ClusterReady, Generated, NamespaceFederated,
	// DeletionBlocked.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Cell is a deployment unit: the place on one physical cluster that applications of one namespace are released to.
// A federated object names the cells of its own namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=cells,singular=cell,scope=Namespaced,shortName=cel,categories=cellfed
// +kubebuilder:printcolumn:name="Cluster",type=string,JSONPath=`.spec.clusterName`,description="The physical cluster that hosts the cell."
// +kubebuilder:printcolumn:name="Target-Namespace",type=string,JSONPath=`.status.targetNamespace`,description="The namespace in the physical cluster that holds the cell's objects."
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether objects can be released to the cell now."
// +kubebuilder:printcolumn:name="KubeFedCluster",type=string,priority=1,JSONPath=`.status.kubeFedClusterName`,description="The KubeFedCluster that stands for the cell."
// +kubebuilder:printcolumn:name="Tenant",type=string,priority=1,JSONPath=`.status.tenant`,description="The tenant that owns the cell's namespace."
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,description="Why the cell is or is not ready."
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`,description="How long ago the Cell was created."
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name becomes part of a KubeFedCluster's name: use at most 63 lower-case letters, digits and '-', beginning and ending with a letter or a digit"
type Cell struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says where the cell is.
	//
	// +required
	Spec CellSpec `json:"spec"`

	// status is what the controller saw.
	//
	// +optional
	Status CellStatus `json:"status,omitempty"`
}

// TargetNamespace returns the namespace in the member cluster that holds the cell's objects, which is the Cell's
// own namespace unless the spec says otherwise.
func (c *Cell) TargetNamespace() string {
	if c.Spec.TargetNamespace != "" {
		return c.Spec.TargetNamespace
	}
	return c.Namespace
}

// CellList is a list of Cells.
//
// +kubebuilder:object:root=true
type CellList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the Cells.
	Items []Cell `json:"items"`
}
