// Package scope decides which topologies a federated object may reach, on which of them it is placed, and which of
// those a change may touch.
//
// Everything here is a pure function of the objects.
package scope

import (
	"fmt"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/facade/mapping"
	"github.com/cellfed/cellfed/internal/topology"
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
	// MemberUnknown says of a cell that nobody can tell whose member it is on: the Cell, or the physical KubeFedCluster that
	// it names, is not there. MemberLabels mean nothing then. Nothing can be reached through such a cell, and what it holds
	// is still the cell's.
	MemberUnknown bool
	// View is the cell's part of the member. Nil stands for a physical cluster.
	View *mapping.View
	// Namesake is what the host has under the name of the cell's target namespace.
	Namesake Namesake
}

// Eligible reports whether objects of a namespace may reach a topology at all. Whatever is decided later, it is decided
// among eligible topologies alone. The namespace is empty, and has no labels, for cluster-scoped federated objects.
//
// A cell serves its own namespace, as long as its KubeFedCluster carries the namespace's tenant and workspace group, the
// physical cluster, where it is known, opens to the namespace (OpensTo), and the target namespace is the cell's to have there
// (Target). A physical cluster serves the namespaces whose tenant and workspace group it carries, or all if it is shared. An
// absent label is the same as an empty one: nobody's clusters serve nobody's namespaces.
func Eligible(namespace string, namespaceLabels map[string]string, t Topology) bool {
	if t.View != nil {
		return namespace != "" && t.View.Namespace == namespace &&
			sameOwner(t.Labels, namespaceLabels) && (t.MemberUnknown || OpensTo(t.MemberLabels, namespaceLabels)) &&
			t.Target(namespaceLabels).Refusal() == TargetAllowed
	}
	// What stands for a cell leads into a cell, and without a view nobody knows into which.
	if topology.StandsForCell(t.Labels) {
		return false
	}
	return isShared(t.MemberLabels) || sameOwner(t.MemberLabels, namespaceLabels)
}

// Target returns the target namespace of a cell whose Namespace has the labels given. It means nothing for a physical
// cluster.
func (t Topology) Target(namespaceLabels map[string]string) Target {
	return Target{
		Name: t.View.TargetNamespace, Namespace: t.View.Namespace, NamespaceLabels: namespaceLabels, Namesake: t.Namesake,
		ClusterLabels: t.MemberLabels, ClusterKnown: !t.MemberUnknown,
	}
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

// OpensTo reports whether a physical cluster with the given labels can host cells of a namespace with the given labels:
// it is shared, or it is the namespace's tenant's and is not set aside for another workspace group. Nobody's cluster hosts
// nobody's cells alone.
func OpensTo(memberLabels, namespaceLabels map[string]string) bool {
	if isShared(memberLabels) {
		return true
	}
	group := memberLabels[v1alpha1.WorkspaceGroupLabel]
	return memberLabels[v1alpha1.TenantLabel] == namespaceLabels[v1alpha1.TenantLabel] &&
		(group == "" || group == namespaceLabels[v1alpha1.WorkspaceGroupLabel])
}

// ClosedMessage says in what way a physical cluster that OpensTo refuses can be made to host cells of a namespace. Whose
// the cluster is, it does not tell.
func ClosedMessage(cluster, namespace string, namespaceLabels map[string]string) string {
	tenant, group := namespaceLabels[v1alpha1.TenantLabel], namespaceLabels[v1alpha1.WorkspaceGroupLabel]
	if tenant == "" {
		return fmt.Sprintf("cluster %q is not open to namespace %q, which is no tenant's: name a cluster that is no tenant's or a shared one, or have an administrator give the Namespace the label %s, or the KubeFedCluster the label %s: \"true\"",
			cluster, namespace, v1alpha1.TenantLabel, v1alpha1.SharedLabel)
	}
	labels := fmt.Sprintf("the label %s: %s", v1alpha1.TenantLabel, tenant)
	owner := fmt.Sprintf("tenant %q", tenant)
	if group != "" {
		labels += fmt.Sprintf(" and %s: %s", v1alpha1.WorkspaceGroupLabel, group)
		owner += fmt.Sprintf(" and workspace group %q", group)
	}
	return fmt.Sprintf("cluster %q is not open to namespace %q of %s: name a cluster of the tenant's or a shared one, or have an administrator give the KubeFedCluster %s, or %s: \"true\"",
		cluster, namespace, owner, labels, v1alpha1.SharedLabel)
}

func isShared(cluster map[string]string) bool {
	return cluster[v1alpha1.SharedLabel] == "true"
}
