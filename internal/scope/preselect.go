// Package scope decides which topologies a federated object may reach, on which of them it is placed, and which of
// those a change may touch.
//
// Everything here is a pure function of the objects.
package scope

import (
	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/facade/mapping"
)

// Topology is what a federated object can be placed on, and where that leads.
type Topology struct {
	// Name and Labels are the KubeFedCluster's: a cell's, or a physical cluster's own.
	Name   string
	Labels map[string]string
	// Member and MemberLabels are the name and labels of the physical KubeFedCluster that the topology is on. They are
	// Name and Labels where the topology is a physical cluster.
	Member       string
	MemberLabels map[string]string
	// View is the cell's part of the member. Nil stands for a physical cluster.
	View *mapping.View
}

// Eligible reports whether objects of a namespace may reach a topology at all. Whatever is decided later, it is decided
// among eligible topologies alone. The namespace is empty, and has no labels, for cluster-scoped federated objects.
//
// A cell serves its own namespace, as long as its KubeFedCluster carries the namespace's tenant and workspace group and
// the physical cluster is not another tenant's. A physical cluster serves the namespaces whose tenant and workspace group
// it carries, or all if it is shared. An absent label is the same as an empty one: nobody's clusters serve nobody's
// namespaces.
func Eligible(namespace string, namespaceLabels map[string]string, t Topology) bool {
	if t.View != nil {
		return namespace != "" && t.View.Namespace == namespace &&
			sameOwner(t.Labels, namespaceLabels) && opensTo(t.MemberLabels, namespaceLabels)
	}
	// What stands for a cell leads into a cell, and without a view nobody knows into which.
	if t.Labels[v1alpha1.TopologyTypeLabel] != "" || t.Labels[v1alpha1.GeneratedLabel] != "" {
		return false
	}
	return isShared(t.MemberLabels) || sameOwner(t.MemberLabels, namespaceLabels)
}

// Preselect returns the topologies that objects of a namespace may reach, in the order given.
func Preselect(namespace string, namespaceLabels map[string]string, all []Topology) []Topology {
	var eligible []Topology
	for _, t := range all {
		if Eligible(namespace, namespaceLabels, t) {
			eligible = append(eligible, t)
		}
	}
	return eligible
}

// sameOwner reports whether a cluster belongs to the tenant and the workspace group of a namespace.
func sameOwner(cluster, namespace map[string]string) bool {
	return cluster[v1alpha1.TenantLabel] == namespace[v1alpha1.TenantLabel] &&
		cluster[v1alpha1.WorkspaceGroupLabel] == namespace[v1alpha1.WorkspaceGroupLabel]
}

// opensTo reports whether a physical cluster can have cells of a namespace: it is not another tenant's.
func opensTo(member, namespace map[string]string) bool {
	tenant := member[v1alpha1.TenantLabel]
	return tenant == "" || tenant == namespace[v1alpha1.TenantLabel] || isShared(member)
}

func isShared(cluster map[string]string) bool {
	return cluster[v1alpha1.SharedLabel] == "true"
}
