package validation

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/scope"
	"github.com/cellfed/cellfed/internal/topology"
)

// TenantChange is what becomes of a change of ownership that would cut something off.
type TenantChange string

const (
	// RefuseTenantChange denies it.
	RefuseTenantChange TenantChange = "Refuse"
	// WarnTenantChange lets it pass with a warning. What is cut off stays where it is, and nobody reaches it.
	WarnTenantChange TenantChange = "Warn"
)

// HostedCell is a Cell that names a physical cluster, and the labels of its Namespace.
type HostedCell struct {
	Namespace, Name string
	NamespaceLabels map[string]string
	// TargetNamespace is the cell's namespace in the cluster; empty means the Cell's own. Namesake is what the host has
	// under that name.
	TargetNamespace string
	Namesake        scope.Namesake
	// Cluster is the KubeFedCluster that the Cell names, nil if there is none. It is needed where Namespaces are judged.
	Cluster *Cluster
}

// servedOn reports whether the cell can be served on a cluster, nil for one that is not there.
func (h HostedCell) servedOn(c *Cluster) bool {
	if c == nil || topology.StandsForCell(c.Labels) || !scope.OpensTo(c.Labels, h.NamespaceLabels) {
		return false
	}
	target := scope.Target{
		Name: h.TargetNamespace, Namespace: h.Namespace, NamespaceLabels: h.NamespaceLabels, Namesake: h.Namesake,
		ClusterLabels: c.Labels, ClusterKnown: true,
	}
	if target.Name == "" {
		target.Name = h.Namespace
	}
	return target.Refusal() == scope.TargetAllowed
}

// KubeFedCluster says which Cells a change to the labels of a KubeFedCluster would cut off from it. cells are those that
// stand on it.
func KubeFedCluster(cluster, old Cluster, cells []HostedCell, change TenantChange) Result {
	if topology.StandsForCell(old.Labels) {
		return Result{}
	}
	lost := slices.DeleteFunc(slices.Clone(cells), func(cell HostedCell) bool { return cell.servedOn(&cluster) || !cell.servedOn(&old) })
	if len(lost) == 0 {
		return Result{}
	}
	key := changedLabel(cluster.Labels, old.Labels, v1alpha1.TopologyTypeLabel, v1alpha1.GeneratedLabel,
		v1alpha1.TenantLabel, v1alpha1.WorkspaceGroupLabel, v1alpha1.SharedLabel)
	return change.judge(field.Invalid(labelPath(key), cluster.Labels[key], fmt.Sprintf(
		"the change would cut %s off from the cluster, and nobody could reach what was released to them: delete or move them first (kubectl get cells -A, column CLUSTER), or leave the label as it was%s",
		counted(len(lost), "Cell"), wayByShared(lost))))
}

// wayByShared is the way out that the label of shared clusters is, where it is one. On a shared cluster a cell whose target
// namespace does not begin with the name of its own Namespace is not served.
func wayByShared(lost []HostedCell) string {
	shared := Cluster{Labels: map[string]string{v1alpha1.SharedLabel: "true"}}
	if slices.ContainsFunc(lost, func(cell HostedCell) bool { return !cell.servedOn(&shared) }) {
		return ""
	}
	return ", or set cellfed.io/shared: \"true\" for the time in which their Namespaces follow"
}

// KubeFedClusterDeletion says why a KubeFedCluster must not be deleted. cells are those that name it; generatedFor is the
// Cell that it was generated for, as namespace/name, if that is there and is not being deleted. A cell that is not served on
// the cluster holds up nothing, or any tenant could: of it the warning tells, for it may have been served once.
func KubeFedClusterDeletion(cluster Cluster, cells []HostedCell, generatedFor string) Result {
	if generatedFor != "" {
		return Result{Warnings: []string{fmt.Sprintf("the KubeFedCluster %q stands for the Cell %s and is made again: delete the Cell instead", cluster.Name, generatedFor)}}
	}
	if topology.StandsForCell(cluster.Labels) {
		return Result{}
	}
	closed := 0
	for _, cell := range cells {
		if !cell.servedOn(&cluster) {
			closed++
		}
	}
	var r Result
	if closed > 0 {
		r.Warnings = []string{fmt.Sprintf("%s on the KubeFedCluster %q that it does not serve: what was released to them before is out of reach", standing(closed), cluster.Name)}
	}
	if len(cells) == closed {
		return r
	}
	r.Errors = field.ErrorList{field.Invalid(field.NewPath("metadata", "name"), cluster.Name, fmt.Sprintf(
		"%s on the cluster, and nobody could reach what was released to them: delete or move them first (kubectl get cells -A, column CLUSTER)",
		standing(len(cells)-closed)))}
	return r
}

// judge makes an error of a change that is refused, and a warning of one that is not.
func (c TenantChange) judge(errs ...*field.Error) Result {
	if c != WarnTenantChange {
		return Result{Errors: errs}
	}
	var r Result
	for _, err := range errs {
		r.Warnings = append(r.Warnings, err.Error())
	}
	return r
}

// changedLabel returns the first of the keys whose label is another.
func changedLabel(labels, old map[string]string, keys ...string) string {
	for _, key := range keys {
		if labels[key] != old[key] {
			return key
		}
	}
	return keys[0]
}

func labelPath(key string) *field.Path { return field.NewPath("metadata", "labels").Key(key) }

func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func standing(n int) string {
	if n == 1 {
		return "1 Cell stands"
	}
	return fmt.Sprintf("%d Cells stand", n)
}
