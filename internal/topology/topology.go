// Package topology is the registry of topology types: what the placement of a federated object can name, and how
// such a name becomes the name of a KubeFedCluster, which is all that upstream KubeFed knows, and back.
//
// A type is a pure value. To add one, write a file that declares it and add a line to registered.
package topology

import (
	"slices"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// registered holds every topology type, in the order in which Names lists them.
var registered = []Type{
	cellType,
	clusterType,
}

// Default is the topology type of a federated object that does not say which one it uses, in either version.
const Default = Cluster

// Type is a kind of topology that placements can name. The zero Type stands for a type that nobody registered: its
// names are the names of KubeFedClusters and its selectors are theirs.
type Type struct {
	// Name is the value of spec.topologyType.
	Name string

	// Namespaced says that a name means something only within the namespace of the federated object that
	// holds it. Such a type makes no sense in a cluster-scoped federated object, and its selectors are
	// restricted to the object's namespace (Restriction).
	Namespaced bool

	// toCluster and fromCluster are the naming rule: for every namespace that is not empty they must be the
	// inverse of each other over all strings, or a conversion would lose what somebody wrote. Nil means that
	// the name is the cluster's.
	toCluster   func(namespace, name string) string
	fromCluster func(namespace, cluster string) string
}

// Label is a label and its value.
type Label struct {
	Key, Value string
}

// Lookup returns the registered type of that name. The empty name is that of no type: callers decide what an absent
// type means (Default).
func Lookup(name string) (Type, bool) {
	for _, t := range registered {
		if t.Name == name {
			return t, true
		}
	}
	return Type{}, false
}

// Names returns the names of the types that a federated object can use, for the enum of its schema: all of them for
// a namespaced federated kind, and for a cluster-scoped one those that need no namespace. The slice is the caller's.
func Names(namespaced bool) []string {
	names := make([]string, 0, len(registered))
	for _, t := range registered {
		if namespaced || !t.Namespaced {
			names = append(names, t.Name)
		}
	}
	return slices.Clip(names)
}

// ToCluster returns the name of the KubeFedCluster that a topology's name stands for in a federated object of that
// namespace. Every string has an image and no two share one. In an object without a namespace the name of a
// namespaced type stays as it is, for want of anything it could mean.
func (t Type) ToCluster(namespace, name string) string {
	if t.toCluster == nil || !t.applies(namespace) {
		return name
	}
	return t.toCluster(namespace, name)
}

// FromCluster is the inverse of ToCluster.
func (t Type) FromCluster(namespace, cluster string) string {
	if t.fromCluster == nil || !t.applies(namespace) {
		return cluster
	}
	return t.fromCluster(namespace, cluster)
}

// Restriction returns the labels, ordered by key, that a KubeFedCluster must carry to be selected by a selector of
// this type in that namespace. It reports false where a selector means what it says: for types that are not
// namespaced, and in objects without a namespace.
func (t Type) Restriction(namespace string) ([2]Label, bool) {
	if !t.Namespaced || namespace == "" {
		return [2]Label{}, false
	}
	return [2]Label{
		{Key: v1alpha1.NamespaceLabel, Value: namespace},
		{Key: v1alpha1.TopologyTypeLabel, Value: t.Name},
	}, true
}

func (t Type) applies(namespace string) bool {
	return !t.Namespaced || namespace != ""
}
