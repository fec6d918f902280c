package scope

import (
	"fmt"
	"iter"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// systemPrefix begins the names of namespaces that are every cluster's own.
const systemPrefix = "kube-"

// Target is the namespace in a physical cluster that a cell has or asks for, and what is known of it.
type Target struct {
	// Name is the namespace in the physical cluster.
	Name string
	// Namespace and NamespaceLabels are the name and labels of the Cell's own Namespace.
	Namespace       string
	NamespaceLabels map[string]string
	// Namesake is what the host has under the name.
	Namesake Namesake
	// Nearer is the host's Namespace that the name tells to be meant for rather than for the Cell's: the first of Nearer(...)
	// that there is. Admission alone says: a Namespace that comes later must not cut off a cell that is served.
	Nearer Namesake
	// ClusterLabels are those of the physical cluster, if ClusterKnown. Of one that nobody has registered yet nobody can
	// tell what it holds, and nothing is served on it.
	ClusterLabels map[string]string
	ClusterKnown  bool
}

// Namesake is the Namespace in the host that has the name of a cell's target namespace. The zero value says that there is
// none.
type Namesake struct {
	// KubeFed says that upstream KubeFed runs in the Namespace of that name.
	KubeFed bool
	// Exists says that there is a Namespace of that name; Tenant and WorkspaceGroup are its owner's.
	Exists                 bool
	Tenant, WorkspaceGroup string
}

// NamesakeOf returns the namesake that a Namespace with these labels is.
func NamesakeOf(labels map[string]string) Namesake {
	return Namesake{Exists: true, Tenant: labels[v1alpha1.TenantLabel], WorkspaceGroup: labels[v1alpha1.WorkspaceGroupLabel]}
}

// TargetRefusal is why a cell must not have its target namespace.
type TargetRefusal string

const (
	// TargetAllowed means that it may.
	TargetAllowed TargetRefusal = ""
	// TargetOfSystem means that the namespace is every cluster's own.
	TargetOfSystem TargetRefusal = "System"
	// TargetOfKubeFed means that it has the name of the namespace that upstream KubeFed runs in.
	TargetOfKubeFed TargetRefusal = "KubeFed"
	// TargetOfNobody means that it is the one for what belongs to nobody.
	TargetOfNobody TargetRefusal = "Nobody"
	// TargetOfAnotherOwner means that the host's Namespace of that name is another tenant's or workspace group's, whose
	// objects go there where they are placed on the cluster itself.
	TargetOfAnotherOwner TargetRefusal = "AnotherOwner"
	// TargetNearerToAnother means that others use the cluster, and that the name tells that the namespace is meant for another
	// owner's cells.
	TargetNearerToAnother TargetRefusal = "NearerToAnother"
	// TargetUnclear means that others use the cluster, and that the name does not tell that the namespace is meant for the
	// Cell's. What the cluster holds of its own, nobody knows here.
	TargetUnclear TargetRefusal = "Unclear"
)

// Refusal says why the cell must not have the namespace. What belongs to the system and to KubeFed no cell has, a Cell in a
// namespace of that name included. Other than that a Cell's own namespace is always its to have.
func (t Target) Refusal() TargetRefusal {
	switch {
	case strings.HasPrefix(t.Name, systemPrefix):
		return TargetOfSystem
	case t.Namesake.KubeFed:
		return TargetOfKubeFed
	case t.Name == t.Namespace:
		return TargetAllowed
	case t.Name == metav1.NamespaceDefault:
		return TargetOfNobody
	case t.Namesake.Exists && !t.Namesake.ownedLike(t.NamespaceLabels):
		return TargetOfAnotherOwner
	case !t.ClusterKnown || ownCluster(t.ClusterLabels, t.NamespaceLabels):
		return TargetAllowed
	case !strings.HasPrefix(t.Name, t.OwnPrefix()):
		return TargetUnclear
	case t.Nearer.Exists && !t.Nearer.ownedLike(t.NamespaceLabels):
		return TargetNearerToAnother
	}
	return TargetAllowed
}

// Nearer yields the names of the Namespaces whose cells a target namespace would be taken to be meant for, rather than for those
// of the Namespace given, the longest first: on a cluster that others use, a target namespace tells by its beginning whose it is.
func Nearer(target, namespace string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for end := strings.LastIndexByte(target, '-'); end > len(namespace); end = strings.LastIndexByte(target[:end], '-') {
			if !yield(target[:end]) {
				return
			}
		}
	}
}

// OwnPrefix begins the names by which a namespace tells, on a cluster that others use, that it is meant for the Cell's.
func (t Target) OwnPrefix() string { return t.Namespace + "-" }

// Because says in words why a cell on the physical cluster of that name must not have its target namespace. Whose that is,
// it does not tell.
func (r TargetRefusal) Because(cluster string) string {
	switch r {
	case TargetOfSystem:
		return "namespaces that begin with " + systemPrefix + " are the cluster's own"
	case TargetOfKubeFed:
		return "it is the namespace that KubeFed runs in"
	case TargetOfNobody:
		return "what belongs to nobody is in it"
	case TargetOfAnotherOwner:
		return "it is the name of a Namespace of another tenant or workspace group, whose objects go there"
	case TargetNearerToAnother:
		return "it begins with the name of a Namespace of another tenant or workspace group, whose cells have such namespaces"
	case TargetUnclear:
		return fmt.Sprintf("cluster %q is not the tenant's alone, and the namespace may be somebody's there", cluster)
	}
	return ""
}

// RefusedMessage says why a cell that exists is not served in its target namespace, and what to do. The target namespace of
// a Cell cannot be changed.
func (t Target) RefusedMessage(r TargetRefusal, cluster string) string {
	out := fmt.Sprintf("delete the Cell, and create one whose targetNamespace is left out, or is another that begins with %q", t.OwnPrefix())
	if t.Name == t.Namespace {
		out = "delete the Cell, and create one in another namespace or with another targetNamespace"
	}
	if r == TargetUnclear {
		out += ", or have it name a cluster that is the tenant's alone"
	}
	return fmt.Sprintf("spec.targetNamespace: the cell may not have namespace %q: %s: %s", t.Name, r.Because(cluster), out)
}

func (n Namesake) ownedLike(labels map[string]string) bool {
	return n.Tenant == labels[v1alpha1.TenantLabel] && n.WorkspaceGroup == labels[v1alpha1.WorkspaceGroupLabel]
}

// ownCluster reports whether a physical cluster belongs to the tenant of a namespace alone.
func ownCluster(cluster, namespace map[string]string) bool {
	tenant := namespace[v1alpha1.TenantLabel]
	return tenant != "" && cluster[v1alpha1.TenantLabel] == tenant && !isShared(cluster)
}
