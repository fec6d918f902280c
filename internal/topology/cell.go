package topology

import (
	"strings"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// Cell is the topology type whose names are those of the Cells in the federated object's own namespace.
const Cell = "cell"

// foreignPrefix marks, among the names of cells, the name of a KubeFedCluster that no cell of the namespace stands
// for. No Cell can have a name that begins so, because a colon cannot be part of it.
const foreignPrefix = "cluster:"

var cellType = Type{
	Name:        Cell,
	Namespaced:  true,
	toCluster:   cellToCluster,
	fromCluster: cellFromCluster,
}

// CellClusterName returns the name of the KubeFedCluster that stands for a cell.
func CellClusterName(namespace, cell string) string {
	return namespace + "." + cell
}

// SplitCellClusterName returns the namespace and the name of the cell that a KubeFedCluster of that name would stand
// for. It reports false for a name that CellClusterName does not make of a namespace and a Cell that can exist:
// neither can be empty or hold a dot. A cluster that people registered can have such a name too, so whether a
// KubeFedCluster stands for a cell is for its labels to say.
func SplitCellClusterName(cluster string) (namespace, cell string, ok bool) {
	namespace, cell, ok = strings.Cut(cluster, ".")
	if !ok || namespace == "" || cell == "" || strings.Contains(cell, ".") {
		return "", "", false
	}
	return namespace, cell, true
}

// StandsForCell reports whether a KubeFedCluster with these labels is, or claims to be, that of a cell.
func StandsForCell(labels map[string]string) bool {
	return labels[v1alpha1.TopologyTypeLabel] != "" || labels[v1alpha1.GeneratedLabel] != ""
}

// ReservedLabel reports whether a label is not the Cell's to give to its KubeFedCluster: cellfed's own, and those by which
// Argo CD tells what it applied, which would take the KubeFedCluster for a leftover of the Cell's application and prune it.
func ReservedLabel(key string) bool {
	return strings.HasPrefix(key, "cellfed.io/") || strings.HasPrefix(key, "argocd.argoproj.io/") || key == "app.kubernetes.io/instance"
}

func cellToCluster(namespace, name string) string {
	cluster, foreign := strings.CutPrefix(name, foreignPrefix)
	if !foreign {
		return CellClusterName(namespace, name)
	}
	// A cluster of the namespace's own prefix is never foreign, which leaves this spelling free for the
	// impossible cell whose name begins with the prefix.
	if rest, own := cutNamespace(namespace, cluster); own {
		return CellClusterName(namespace, foreignPrefix+rest)
	}
	return cluster
}

func cellFromCluster(namespace, cluster string) string {
	name, own := cutNamespace(namespace, cluster)
	if !own {
		return foreignPrefix + cluster
	}
	if rest, ok := strings.CutPrefix(name, foreignPrefix); ok {
		return foreignPrefix + CellClusterName(namespace, rest)
	}
	return name
}

// cutNamespace returns what follows the namespace and its dot in a cluster's name.
func cutNamespace(namespace, cluster string) (string, bool) {
	if len(cluster) > len(namespace) && cluster[:len(namespace)] == namespace && cluster[len(namespace)] == '.' {
		return cluster[len(namespace)+1:], true
	}
	return "", false
}
