package validation

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/defaulting"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/scope"
)

// Metadata is what a Namespace says about itself.
type Metadata struct {
	Name                string
	Labels, Annotations map[string]string
}

// NamespaceFacts is what surrounds a Namespace. What is not known is left out.
type NamespaceFacts struct {
	// Before and After are the cells of the namespace and all physical clusters, as they are to objects of the namespace
	// with its old labels and with its new ones. They are needed where the owner changes, as are Objects, the
	// federated objects of the namespace.
	Before, After []scope.Topology
	Objects       []Placed
	// Claimants are the Cells of other namespaces that have, or ask for, the namespace of this name in their members, and their
	// clusters. They are needed where the Namespace is created, or its owner changes.
	Claimants []HostedCell
	// Change is what becomes of a change of owner that would cut objects off.
	Change TenantChange
}

// Placed is a federated object, as far as it matters where it is.
type Placed struct {
	Kind, Name string
	Placement  federated.Placement
	// Unclear says that the placement cannot be read: the object may be anywhere.
	Unclear bool
}

// String names the object.
func (p Placed) String() string { return fmt.Sprintf("%s %q", p.Kind, p.Name) }

// On reports whether the object is placed on a topology, or is still there.
func (p Placed) On(t scope.Topology) bool {
	if p.Unclear || slices.Contains(p.Placement.StatusClusters, t.Name) {
		return true
	}
	selected, err := p.Placement.Selects(t.Name, t.Labels)
	return err != nil || selected
}

// Namespace says what is wrong with what a Namespace says of its owner and of the mask's default. old is nil where the
// Namespace is created.
func Namespace(namespace Metadata, old *Metadata, facts NamespaceFacts) Result {
	var r Result
	r.Errors = maskDefault(namespace, old)
	if old != nil && !OwnerChanges(namespace, *old) {
		return r
	}
	foreign := foreignCells(namespace, old, facts.Claimants)
	if old == nil {
		r.Errors = append(r.Errors, foreign...)
		return r
	}
	for _, part := range []Result{facts.Change.judge(foreign...), ownerChange(namespace, *old, facts)} {
		r.Errors = append(r.Errors, part.Errors...)
		r.Warnings = append(r.Warnings, part.Warnings...)
	}
	return r
}

// OwnerChanges reports whether a Namespace comes to another owner.
func OwnerChanges(namespace, old Metadata) bool { return !sameOwner(namespace.Labels, old.Labels) }

func maskDefault(namespace Metadata, old *Metadata) field.ErrorList {
	value, ok := namespace.Annotations[v1alpha1.DefaultPlacementMaskAnnotation]
	if !ok || slices.Contains(defaulting.MaskDefaults(), defaulting.MaskDefault(value)) {
		return nil
	}
	if old != nil {
		if before, ok := old.Annotations[v1alpha1.DefaultPlacementMaskAnnotation]; ok && before == value {
			return nil
		}
	}
	return field.ErrorList{field.NotSupported(field.NewPath("metadata", "annotations").Key(v1alpha1.DefaultPlacementMaskAnnotation), value, defaulting.MaskDefaults())}
}

// foreignCells refuses that a Namespace comes to an owner while another's cell has the namespace of that name in a member,
// where the objects of the Namespace go too. A cell that is not served has nothing there, and keeps the name from nobody: or
// whoever may write Cells could keep it from its owner.
func foreignCells(namespace Metadata, old *Metadata, claimants []HostedCell) field.ErrorList {
	var names []string
	for _, cell := range claimants {
		// What the change makes of it is what is judged here.
		kubeFed := cell.Namesake.KubeFed
		cell.TargetNamespace, cell.Namesake = namespace.Name, scope.Namesake{}
		if old != nil {
			cell.Namesake = scope.NamesakeOf(old.Labels)
		}
		cell.Namesake.KubeFed = kubeFed
		if cell.Namespace == namespace.Name || sameOwner(cell.NamespaceLabels, namespace.Labels) || !cell.servedOn(cell.Cluster) {
			continue
		}
		names = append(names, cell.Namespace+"/"+cell.Name)
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	path, value, way := field.NewPath("metadata", "name"), namespace.Name, "use another name, or give the Namespace their owner's labels as it is created"
	if old != nil {
		key := changedLabel(namespace.Labels, old.Labels, v1alpha1.TenantLabel, v1alpha1.WorkspaceGroupLabel)
		path, value, way = labelPath(key), namespace.Labels[key], "use another name"
	}
	return field.ErrorList{field.Invalid(path, value, fmt.Sprintf(
		"Cells of another tenant or workspace group have the namespace %q in their clusters, as their spec.targetNamespace says: delete them (%s), or %s",
		namespace.Name, few(names), way))}
}

// ownerChange says which objects could not reach what they are on any more.
func ownerChange(namespace, old Metadata, facts NamespaceFacts) Result {
	after := make(map[string]scope.Topology, len(facts.After))
	for _, t := range facts.After {
		after[t.Name] = t
	}
	var cut, idle []string
	for _, t := range facts.Before {
		if !scope.Eligible(namespace.Name, old.Labels, t) {
			continue
		}
		if then, ok := after[t.Name]; ok && scope.Eligible(namespace.Name, namespace.Labels, then) {
			continue
		}
		found := false
		for _, object := range facts.Objects {
			if object.On(t) {
				found = true
				cut = append(cut, fmt.Sprintf("%s on %s", object, named(t)))
			}
		}
		if !found && t.View != nil {
			idle = append(idle, fmt.Sprintf("the cell %q is out of reach from now on: cluster %q does not serve %s", t.View.Cell, t.Member, ownerName(namespace.Labels)))
		}
	}
	if len(cut) == 0 {
		return Result{Warnings: idle}
	}
	slices.Sort(cut)
	key := changedLabel(namespace.Labels, old.Labels, v1alpha1.TenantLabel, v1alpha1.WorkspaceGroupLabel)
	r := facts.Change.judge(field.Invalid(labelPath(key), namespace.Labels[key], fmt.Sprintf(
		"the change would cut off what clusters hold that do not serve %s: %s: take these out of their placements and wait until they are gone there, or give the clusters the same labels first, or for the time of the change cellfed.io/shared: \"true\"",
		ownerName(namespace.Labels), few(cut))))
	r.Warnings = append(r.Warnings, idle...)
	return r
}

// named names a topology, and the cluster that it is on.
func named(t scope.Topology) string {
	if t.View == nil {
		return fmt.Sprintf("cluster %q", t.Name)
	}
	return fmt.Sprintf("cell %q of cluster %q", strings.TrimPrefix(t.Name, t.View.Namespace+"."), t.Member)
}
