package validation

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/scope"
	"github.com/cellfed/cellfed/internal/topology"
)

// ownership has an object carry no other owner than its namespace's.
func (c *checker) ownership() {
	owner, known := c.owner()
	if !known {
		return
	}
	for _, key := range []string{v1alpha1.TenantLabel, v1alpha1.WorkspaceGroupLabel} {
		value, ok := c.o.Labels[key]
		if ok && value != owner[key] {
			c.invalid(in("metadata", "labels").key(key), value, "must be what the Namespace carries, %q: leave it out, it is filled in", owner[key])
		}
	}
}

// federatedName has a FederatedNamespace stand for the Namespace that it is in.
func (c *checker) federatedName() {
	t := c.facts.Type
	if t != nil && t.Target.IsNamespace() && c.o.Namespace != "" && c.o.Name != "" && c.o.Name != c.o.Namespace {
		c.invalid(in("metadata", "name"), c.o.Name, "must be the name of the namespace that the object is in, %q: it stands for that one alone", c.o.Namespace)
	}
}

func (c *checker) topologyType() {
	a := in("spec", "topologyType")
	value, ok := c.spec["topologyType"]
	if !ok {
		return
	}
	name, isString := value.(string)
	switch {
	case !isString:
		c.invalid(a, value, "must be one of %q, or be left out, which means %q", topology.Names(!c.clusterScoped()), topology.Default)
	case c.typ.Name == "":
		c.unsupported(a, name, topology.Names(!c.clusterScoped()))
	case c.typ.Namespaced && c.clusterScoped():
		c.invalid(a, name, "a %s is in no namespace, so there are no cells that could hold it: use %q", c.facts.Type.Target.Kind.Kind, topology.Cluster)
	}
}

func (c *checker) placement() {
	a := in("spec", "placement")
	value, ok := c.spec["placement"]
	if !ok {
		return
	}
	if content, ok := value.(map[string]any); ok {
		c.placementFields(a, content)
	}
	p := c.o.Placement
	c.listed(a.child(c.list), p.Clusters)
	if err := because(c.o.Invalid, federated.ErrPlacement); err != nil {
		if content, ok := value.(map[string]any); ok && c.noList(a.child(c.list), content[c.list]) {
			return
		}
		if _, isString := c.spec["topologyType"].(string); isString || c.spec["topologyType"] == nil {
			c.invalid(a, value, "%s", err)
		}
		return
	}
	if p.Clusters != nil {
		if p.Selector != nil {
			c.warn(a.child(c.selector), "is not used, because %s is there: leave one of them out", c.list)
		}
		c.reach(a.child(c.list))
		return
	}
	c.reachSelected(a.child(c.selector))
}

// noList reports whether a list of names is not one.
func (c *checker) noList(a at, value any) bool {
	if value == nil {
		return false
	}
	list, isList := value.([]any)
	if !isList {
		c.invalid(a, value, "must be a list, each entry with the name of a %s", c.thing)
		return true
	}
	wrong := len(c.violations)
	for i, entry := range list {
		item, isObject := entry.(map[string]any)
		_, isString := item["name"].(string)
		if isObject && (isString || item["name"] == nil) {
			continue
		}
		c.invalid(a.item(i, full(entry)), entry, "must be an object with the name of a %s", c.thing)
	}
	return len(c.violations) > wrong
}

// placementFields looks for fields under another name than theirs, and into the selector.
func (c *checker) placementFields(a at, placement map[string]any) {
	other := v1Words
	if !c.v2 {
		other = v2Words
	}
	for _, key := range slices.Sorted(maps.Keys(placement)) {
		value := placement[key]
		switch {
		case key == c.list:
		case key == c.selector:
			c.selectorContent(a.child(key), value)
		case strings.EqualFold(key, c.list), strings.EqualFold(key, other.list):
			c.invalid(a.child(key), value, "is not known in %s: the list of names is called %s", c.version(), c.list)
		case c.v2 && key == other.selector && c.typ.Namespaced:
			if c.selectorFields(a.child(key), value) && c.o.Placement.Clusters == nil {
				c.invalid(a.child(key), value, "selects among all clusters, though the object names cells: use %s, which selects cells of the object's namespace", c.selector)
			}
		case strings.EqualFold(key, c.selector), strings.EqualFold(key, other.selector), strings.HasSuffix(key, ":"+v2Words.selector):
			c.invalid(a.child(key), value, "is not known in %s: the selector is called %s", c.version(), c.selector)
		}
	}
}

// listed looks at names, whatever they are there for.
func (c *checker) listed(a at, clusters []string) {
	seen := make(map[string]bool, len(clusters))
	for i, cluster := range clusters {
		item := a.item(i, cluster).child("name")
		if seen[cluster] {
			c.duplicate(item, c.name(cluster), "name it once")
			continue
		}
		seen[cluster] = true
		c.named(item, cluster)
	}
}

// named has a name be one that can be that of a cell, where cells are named.
func (c *checker) named(a at, cluster string) {
	name := c.name(cluster)
	if !c.cells() {
		if cluster == "" {
			c.required(a, "name a %s", c.thing)
		}
		return
	}
	cell, own := strings.CutPrefix(cluster, c.o.Namespace+".")
	switch {
	case !own && c.v2:
		c.invalid(a, name, "is no name of a Cell, but stands for the KubeFedCluster %q, which is no cell of namespace %q: name a Cell, or put what is for clusters into an object of topologyType %q",
			cluster, c.o.Namespace, topology.Cluster)
	case !own:
		c.invalid(a, name, "is not the KubeFedCluster of a cell of namespace %q: write %s.CELL, or put what is for clusters into an object of topologyType %q",
			c.o.Namespace, c.o.Namespace, topology.Cluster)
	default:
		for _, problem := range validation.IsDNS1123Label(cell) {
			c.invalid(a, name, "no Cell can be called %q: %s: correct the name", cell, problem)
		}
	}
}

// reach has what is named be what the namespace may reach.
func (c *checker) reach(a at) {
	owner, known := c.owner()
	if !known || !c.facts.TopologiesKnown {
		return
	}
	all := c.byName()
	for i, cluster := range c.o.Placement.Clusters {
		item := a.item(i, cluster).child("name")
		t, there := all[cluster]
		_, _, isCell := topology.SplitCellClusterName(cluster)
		switch {
		case c.cells() && (!isCell || !strings.HasPrefix(cluster, c.o.Namespace+".")): // It was refused as a name.
		case !there:
			c.unknown(item, cluster)
		case t.View == nil && c.cells():
			c.invalid(item, c.name(cluster), "leads to no cell: the KubeFedCluster %q is not one that a Cell stands for. Name another cell", cluster)
		case t.View == nil && !scope.Eligible(c.o.Namespace, owner, t):
			c.invalid(item, c.name(cluster), "%s: %s", c.foreign("is", owner), ownCluster)
		case t.View != nil:
			member, there := all[t.Member]
			if there && member.View == nil && !scope.OpensTo(member.Labels, owner) {
				c.invalid(item, c.name(cluster), "stands on the cluster %q, which %s: name a cell on a cluster of this tenant, or on a shared one", t.Member, c.foreign("is", owner))
			} else if refusal := t.Target(owner).Refusal(); refusal != scope.TargetAllowed {
				c.warn(item, "nothing is placed in this cell, which is not served: it may not have namespace %q: %s", t.View.TargetNamespace, refusal.Because(t.Member))
			}
		}
	}
}

const ownCluster = "name a cluster of the namespace's tenant and workspace group, or a shared one"

// unknown is for a name that nothing has. Its owner may come later, and so it is a warning, but where nobody will ask then.
func (c *checker) unknown(a at, cluster string) {
	namespace, cell, ok := topology.SplitCellClusterName(cluster)
	own := ok && namespace == c.o.Namespace
	owner, _ := c.owner()
	switch {
	case own:
		c.warn(a, "there is no Cell %q in namespace %q yet: nothing is placed there before it is created", cell, namespace)
	case c.propagates(v1alpha1.PropagatorKubeFed) && hasOwner(owner):
		c.invalid(a, c.name(cluster), "there is no such KubeFedCluster that namespace %q may reach, and %s would not ask whose it is when it joins: "+
			"have it joined first, %s", c.o.Namespace, c.kubeFed(), c.orCellfed())
	default:
		c.warn(a, "there is no KubeFedCluster %q that namespace %q could reach yet: nothing is placed there before it joins", cluster, c.o.Namespace)
	}
}

// foreign says whose the clusters are not.
func (c *checker) foreign(verb string, owner map[string]string) string {
	if !hasOwner(owner) {
		return fmt.Sprintf("%s a tenant's, and namespace %q has no tenant", verb, c.o.Namespace)
	}
	return fmt.Sprintf("%s not of tenant %q and workspace group %q, whose namespace %q is",
		verb, owner[v1alpha1.TenantLabel], owner[v1alpha1.WorkspaceGroupLabel], c.o.Namespace)
}

func hasOwner(labels map[string]string) bool {
	return labels[v1alpha1.TenantLabel] != "" || labels[v1alpha1.WorkspaceGroupLabel] != ""
}

func (c *checker) byName() map[string]scope.Topology {
	if c.topologies == nil {
		c.topologies = make(map[string]scope.Topology, len(c.facts.Topologies))
		for _, t := range c.facts.Topologies {
			c.topologies[t.Name] = t
		}
	}
	return c.topologies
}
