package validation

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/scope"
	"github.com/cellfed/cellfed/internal/topology"
)

// Stored is a federated object as it is stored, as far as that says where it is placed, in upstream's form.
type Stored struct {
	Object *unstructured.Unstructured
	// Type is the object's type, nil where nobody federates it any more.
	Type *Type
	// NamespaceLabels are those of the object's Namespace. They are needed where clusters are judged.
	NamespaceLabels map[string]string
}

// byKubeFed reports whether KubeFed places the object by what it says. What is being deleted is placed nowhere any more.
func (s Stored) byKubeFed() bool {
	return (s.Type == nil || s.Type.Propagator == v1alpha1.PropagatorKubeFed) && s.Object.GetDeletionTimestamp() == nil
}

// NamespaceObjects says which objects KubeFed would place on other tenants' clusters, some day, once a Namespace has come to a
// tenant: the same write would be refused then. Where an object could not reach what it is on any more, Namespace says so.
func NamespaceObjects(namespace, old Metadata, objects []Stored, before, after []scope.Topology, change TenantChange) Result {
	if !OwnerChanges(namespace, old) || !hasOwner(namespace.Labels) {
		return Result{}
	}
	var open []string
	for _, object := range objects {
		if object.byKubeFed() {
			open = append(open, foreignPlaces(object, namespace, old, before, after)...)
		}
	}
	if len(open) == 0 {
		return Result{}
	}
	slices.Sort(open)
	key := changedLabel(namespace.Labels, old.Labels, v1alpha1.TenantLabel, v1alpha1.WorkspaceGroupLabel)
	return change.judge(field.Invalid(labelPath(key), namespace.Labels[key], fmt.Sprintf(
		"KubeFed knows no tenants, and would place what is in the namespace on clusters that do not serve %s, be it when they join: %s: "+
			"have these name clusters that do, or shared ones, or hand their types over to cellfed (a FederatedTypePolicy), before the label is changed; after it a selector can have %s",
		ownerName(namespace.Labels), few(open), pins(namespace.Labels))))
}

// foreignPlaces names the fields by which an object would be placed on what a Namespace may not reach. What names clusters that the
// change cuts off is told as that.
func foreignPlaces(stored Stored, namespace, old Metadata, before, after []scope.Topology) []string {
	c, err := readFederated(stored.Object, Facts{
		Type: stored.Type, NamespaceLabels: namespace.Labels, NamespaceKnown: true, Topologies: after, TopologiesKnown: true,
	})
	if err != nil || because(c.o.Invalid, federated.ErrPlacement) != nil {
		return nil
	}
	object := Placed{Kind: stored.Object.GetKind(), Name: stored.Object.GetName(), Placement: c.o.Placement}
	if c.o.Placement.Clusters != nil && cutOff(object, namespace, old, before, after) {
		return nil
	}
	c.reaches()
	var fields []string
	for _, v := range c.violations {
		fields = append(fields, fmt.Sprintf("%s (%s %v)", object, v.err.Field, v.err.BadValue))
	}
	return fields
}

// cutOff reports whether a change of owner keeps an object from something that it is on.
func cutOff(object Placed, namespace, old Metadata, before, after []scope.Topology) bool {
	return slices.ContainsFunc(before, func(t scope.Topology) bool {
		return scope.Eligible(namespace.Name, old.Labels, t) && object.On(t) && !slices.ContainsFunc(after, func(then scope.Topology) bool {
			return then.Name == t.Name && scope.Eligible(namespace.Name, namespace.Labels, then)
		})
	})
}

// reaches looks for what the object names or selects that its namespace may not reach, and for nothing else.
func (c *checker) reaches() {
	placement, _ := c.spec["placement"].(map[string]any)
	a := in("spec", "placement")
	if c.o.Placement.Clusters != nil {
		c.reach(a.child(c.list))
		return
	}
	a = a.child(c.selector)
	if selector, ok := placement[c.selector].(map[string]any); ok && c.cells() {
		if _, restricted := c.peoplesSelector(selector); !restricted {
			c.selectorContent(a, selector)
		}
	}
	c.reachSelected(a)
}

// ClusterOpens reports whether a physical KubeFedCluster comes to be, or to somebody else: whether KubeFedClusterPlaced is to be asked.
func ClusterOpens(cluster Cluster, old *Cluster) bool {
	return !topology.StandsForCell(cluster.Labels) && cluster.Labels[v1alpha1.SharedLabel] != "true" &&
		(old == nil || slices.ContainsFunc(clusterOwnership, func(key string) bool { return cluster.Labels[key] != old.Labels[key] }))
}

// KubeFedClusterPlaced warns of what KubeFed places on a KubeFedCluster that comes to be, or to somebody else, though the cluster does
// not serve it. What another's namespace says must not keep a cluster from its owner. old is nil where the cluster is created; what a
// change cuts off from it, KubeFedClusterObjects says.
func KubeFedClusterPlaced(cluster Cluster, old *Cluster, objects []Stored) []string {
	now := scope.Topology{Name: cluster.Name, Labels: cluster.Labels, Member: cluster.Name, MemberLabels: cluster.Labels}
	var placed []string
	for _, stored := range objects {
		if !stored.byKubeFed() {
			continue
		}
		o, err := federated.Decode(stored.Object)
		if err != nil || because(o.Invalid, federated.ErrPlacement) != nil {
			continue
		}
		object := PlacedIn{
			Placed:    Placed{Kind: stored.Object.GetKind(), Name: o.Name, Placement: o.Placement},
			Namespace: o.Namespace, NamespaceLabels: stored.NamespaceLabels,
		}
		selected, err := o.Placement.Selects(now.Name, now.Labels)
		if err == nil && selected && !scope.Eligible(o.Namespace, stored.NamespaceLabels, now) && (old == nil || !object.losesTo(*old)) {
			placed = append(placed, object.whole())
		}
	}
	if len(placed) == 0 {
		return nil
	}
	slices.Sort(placed)
	return []string{fmt.Sprintf("KubeFed places on the cluster what it does not serve: %s: take it out of their placements, or hand their types over to cellfed", few(placed))}
}

// losesTo reports whether a cluster with its former labels had the object, as it was to.
func (p PlacedIn) losesTo(old Cluster) bool {
	before := scope.Topology{Name: old.Name, Labels: old.Labels, Member: old.Name, MemberLabels: old.Labels}
	return scope.Eligible(p.Namespace, p.NamespaceLabels, before) && p.On(before)
}
