package validation

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/scope"
	"github.com/cellfed/cellfed/internal/topology"
)

// CellFacts is what surrounds a Cell. What is not known is left out.
type CellFacts struct {
	// KubeFedNamespace is the namespace that upstream KubeFed runs in.
	KubeFedNamespace string
	// NamespaceLabels are those of the Cell's Namespace, if NamespaceKnown.
	NamespaceLabels map[string]string
	NamespaceKnown  bool
	// Cluster is the KubeFedCluster that the Cell names, if ClusterKnown. Then nil means that there is none.
	Cluster      *Cluster
	ClusterKnown bool
	// Claimants are the other Cells, of all namespaces, with the same claim.
	Claimants []v1alpha1.Cell
	// Target is the host Namespace of the name that the Cell's target namespace has, where that is not the Cell's own
	// namespace. Nil means that there is none.
	Target *Owner
	// Nearer is the first of the Namespaces that scope.Nearer names for the target namespace. Nil means that there is none.
	Nearer *Owner
	// Placed names the federated objects that are placed on the cell. It is needed where spec.clusterName changes.
	Placed []string
}

// Cluster is a KubeFedCluster, as far as it matters whom it serves.
type Cluster struct {
	Name   string
	Labels map[string]string
}

// Owner is whom a Namespace belongs to, by its labels.
type Owner struct {
	Labels map[string]string
}

// Cell says what is wrong with a Cell, beside what the schema refuses. old is nil where the Cell is created.
func Cell(cell, old *v1alpha1.Cell, facts CellFacts) Result {
	var r Result
	r.Warnings = cellLabels(cell, old)
	if old != nil && old.Claim() == cell.Claim() {
		return r
	}
	r.Errors = append(r.Errors, cellTarget(cell, facts)...)
	cluster := cellCluster(cell, facts)
	r.Errors = append(r.Errors, cluster.Errors...)
	r.Warnings = append(r.Warnings, cluster.Warnings...)
	if len(cluster.Errors) == 0 {
		// What is taken on a cluster that is closed to the writer is not the writer's to know.
		r.Errors = append(r.Errors, cellClaim(cell, old, facts)...)
	}
	if old != nil && len(facts.Placed) > 0 {
		r.Errors = append(r.Errors, field.Invalid(clusterNamePath, cell.Spec.ClusterName, fmt.Sprintf(
			"the cell is on cluster %q, and what was released to it stays there, out of reach: create another Cell, move what is placed on this one (%s), and delete it",
			old.Spec.ClusterName, few(facts.Placed))))
	}
	return r
}

var (
	clusterNamePath     = field.NewPath("spec", "clusterName")
	targetNamespacePath = field.NewPath("spec", "targetNamespace")
)

// cellLabels warns of labels that do nothing. Those of the tenant are set for the writer, whatever was written.
func cellLabels(cell, old *v1alpha1.Cell) []string {
	var ignored []string
	for _, key := range slices.Sorted(maps.Keys(cell.Labels)) {
		if !reserved(key) || key == v1alpha1.TenantLabel || key == v1alpha1.WorkspaceGroupLabel {
			continue
		}
		if old != nil {
			if before, ok := old.Labels[key]; ok && before == cell.Labels[key] {
				continue
			}
		}
		ignored = append(ignored, fmt.Sprintf("metadata.labels[%s]: %q is ignored: labels that begin with cellfed.io/ are cellfed's to set on what stands for the cell; use another prefix",
			key, cell.Labels[key]))
	}
	return ignored
}

// reserved reports whether cellfed alone decides about the label of that key on what it generates.
func reserved(key string) bool { return strings.HasPrefix(key, "cellfed.io/") }

// cellTarget refuses namespaces in members that are not the tenant's to use (scope.Target). The controller of Cells, the
// façade and the propagator go by the same rule. Of a cluster that is not registered yet they wait until it is; who writes the
// Cell is told now.
func cellTarget(cell *v1alpha1.Cell, facts CellFacts) field.ErrorList {
	target := scope.Target{
		Name: cell.TargetNamespace(), Namespace: cell.Namespace, NamespaceLabels: facts.NamespaceLabels, ClusterKnown: facts.ClusterKnown,
	}
	if facts.Target != nil {
		target.Namesake = scope.NamesakeOf(facts.Target.Labels)
	}
	if facts.Nearer != nil {
		target.Nearer = scope.NamesakeOf(facts.Nearer.Labels)
	}
	target.Namesake.KubeFed = facts.KubeFedNamespace != "" && target.Name == facts.KubeFedNamespace
	if facts.Cluster != nil {
		target.ClusterLabels = facts.Cluster.Labels
	}
	refusal := target.Refusal()
	always := refusal == scope.TargetOfSystem || refusal == scope.TargetOfKubeFed
	if refusal == scope.TargetAllowed || !always && !facts.NamespaceKnown {
		return nil
	}
	out := "name a namespace of the Cell's own"
	if refusal == scope.TargetUnclear {
		out = fmt.Sprintf("leave it out, or begin it with %q", target.OwnPrefix())
	}
	return field.ErrorList{field.Invalid(targetNamespacePath, target.Name, refusal.Because(cell.Spec.ClusterName)+": "+out)}
}

// sameOwner reports whether two Namespaces belong to the same tenant and workspace group. An absent label is an empty one.
func sameOwner(a, b map[string]string) bool {
	return a[v1alpha1.TenantLabel] == b[v1alpha1.TenantLabel] && a[v1alpha1.WorkspaceGroupLabel] == b[v1alpha1.WorkspaceGroupLabel]
}

// cellClaim refuses a place that another Cell has. A Cell of another namespace is not named: it may be another tenant's.
func cellClaim(cell, old *v1alpha1.Cell, facts CellFacts) field.ErrorList {
	var holder string
	for i := range facts.Claimants {
		other := &facts.Claimants[i]
		if other.Namespace == cell.Namespace && other.Name == cell.Name {
			continue
		}
		if holder == "" {
			holder = "a Cell of another namespace"
		}
		if other.Namespace == cell.Namespace {
			holder = fmt.Sprintf("the Cell %q", other.Name)
			break
		}
	}
	if holder == "" {
		return nil
	}
	taken := fmt.Sprintf("%s has namespace %q of cluster %q, which two cells cannot share: ", holder, cell.TargetNamespace(), cell.Spec.ClusterName)
	if old != nil {
		return field.ErrorList{field.Invalid(clusterNamePath, cell.Spec.ClusterName, taken+"name another cluster")}
	}
	return field.ErrorList{field.Invalid(targetNamespacePath, cell.TargetNamespace(), taken+"name another namespace, or another cluster in spec.clusterName")}
}

// cellCluster refuses a cluster that cannot host the cell.
func cellCluster(cell *v1alpha1.Cell, facts CellFacts) Result {
	name := cell.Spec.ClusterName
	refuse := func(format string, args ...any) Result {
		return Result{Errors: field.ErrorList{field.Invalid(clusterNamePath, name, fmt.Sprintf(format, args...))}}
	}
	switch {
	case name == cell.Namespace+"."+cell.Name:
		return refuse("it is the KubeFedCluster of this very cell: name a physical cluster")
	case !facts.ClusterKnown:
		return Result{}
	case facts.Cluster == nil:
		return Result{Warnings: []string{fmt.Sprintf("spec.clusterName: no KubeFedCluster is named %q yet: the cell waits for it", name)}}
	case topology.StandsForCell(facts.Cluster.Labels):
		return refuse("it is the KubeFedCluster of a cell: name a physical cluster")
	case facts.NamespaceKnown && !scope.OpensTo(facts.Cluster.Labels, facts.NamespaceLabels):
		return refuse("the cluster does not serve %s: name one that carries the same labels as the Namespace, or %s: \"true\"",
			ownerName(facts.NamespaceLabels), v1alpha1.SharedLabel)
	}
	return Result{}
}

// ownerName names whom a Namespace belongs to.
func ownerName(labels map[string]string) string {
	tenant, group := labels[v1alpha1.TenantLabel], labels[v1alpha1.WorkspaceGroupLabel]
	switch {
	case tenant == "" && group == "":
		return "namespaces without a tenant"
	case tenant == "":
		return fmt.Sprintf("workspace group %q without a tenant", group)
	case group == "":
		return fmt.Sprintf("tenant %q", tenant)
	}
	return fmt.Sprintf("workspace group %q of tenant %q", group, tenant)
}

// maxNamed is how many things a message names.
const maxNamed = 5

// few names some of the things.
func few(things []string) string {
	if rest := len(things) - maxNamed; rest > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(things[:maxNamed], ", "), rest)
	}
	return strings.Join(things, ", ")
}
