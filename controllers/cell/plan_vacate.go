package cell

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

const (
	// upstreamManagedLabel marks what upstream KubeFed, or the push reconciler for a physical cluster, has put into a
	// member (sigs.k8s.io/kubefed/pkg/controller/util, ManagedByKubeFedLabelKey).
	upstreamManagedLabel = "kubefed.io/managed"

	// maxRest is how many of the objects that keep a namespace are named.
	maxRest = 5

	// reasonNamespaceRemains means that the deletion waits for the cell's namespace in the member to be empty, or for
	// the member to say whether it is.
	reasonNamespaceRemains v1alpha1.ConditionReason = "NamespaceRemains"
)

// vacates reports whether the cell's namespace in the member may go with the Cell: it must be the cell's to have, which the
// namespace itself has to confirm (ownNamespace).
func vacates(f *facts) bool {
	return f.cluster != nil && f.servable() && len(f.rivals) == 0 && !reservedNamespace(f.cell.TargetNamespace(), f.settings.kubeFedNamespace)
}

// reservedNamespace reports whether a namespace is nobody's to remove.
func reservedNamespace(name, kubeFedNamespace string) bool {
	return name == "" || name == "default" || name == kubeFedNamespace || strings.HasPrefix(name, "kube-")
}

// ownNamespace reports whether a namespace in the member was made for the cell and is nobody else's too.
func ownNamespace(f *facts, namespace *unstructured.Unstructured) bool {
	labels := namespace.GetLabels()
	return namespace.GetName() == f.cell.TargetNamespace() &&
		labels[v1alpha1.ManagedLabel] == "true" &&
		labels[v1alpha1.NamespaceLabel] == f.cell.Namespace &&
		labels[v1alpha1.CellLabel] == f.cell.Name &&
		labels[upstreamManagedLabel] != "true"
}

// restMessage names what is left in a namespace.
func restMessage(rest []string) string {
	rest = slices.Sorted(slices.Values(rest))
	more := ""
	if n := len(rest) - maxRest; n > 0 {
		rest, more = rest[:maxRest], fmt.Sprintf(" and %d more", n)
	}
	return "it holds " + strings.Join(rest, ", ") + more
}
