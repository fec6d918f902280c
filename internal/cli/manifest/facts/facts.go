// Package facts holds what surrounds federated objects, as manifests tell it or the host cluster does: Namespaces, Cells,
// KubeFedClusters, FederatedTypeConfigs, FederatedTypePolicies and FederatedNamespaces.
package facts

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/inventory"
	"github.com/cellfed/cellfed/internal/scope"
	"github.com/cellfed/cellfed/internal/topology"
	"github.com/cellfed/cellfed/internal/validation"
)

// Known are the objects that are known. What is not among them may still be there, unless the host cluster told.
type Known struct {
	// KubeFedNamespace is the namespace that upstream KubeFed runs in.
	KubeFedNamespace string
	// Complete are the kinds of which all objects are known, so that what is not among them is not there.
	Complete map[string]bool
	// complete is the same of Cells, by namespace, and absent of single objects, by kind and name.
	complete, absent map[string]bool

	namespaces map[string]validation.Metadata
	cells      map[string]v1alpha1.Cell
	clusters   map[string]fedv1b1.KubeFedCluster
	configs    map[string]*fedv1b1.FederatedTypeConfig
	policies   map[string]*v1alpha1.FederatedTypePolicy
	federated  map[string]*federated.Object
}

// New knows nothing yet.
func New(kubeFedNamespace string) *Known {
	return &Known{
		KubeFedNamespace: kubeFedNamespace, Complete: map[string]bool{}, complete: map[string]bool{}, absent: map[string]bool{}, namespaces: map[string]validation.Metadata{}, cells: map[string]v1alpha1.Cell{},
		clusters: map[string]fedv1b1.KubeFedCluster{}, configs: map[string]*fedv1b1.FederatedTypeConfig{},
		policies: map[string]*v1alpha1.FederatedTypePolicy{}, federated: map[string]*federated.Object{},
	}
}

// The kinds that are facts.
const (
	Namespace           = "Namespace"
	Cell                = "Cell"
	KubeFedCluster      = "KubeFedCluster"
	FederatedTypeConfig = "FederatedTypeConfig"
	FederatedTypePolicy = "FederatedTypePolicy"
	FederatedNamespace  = "FederatedNamespace"
)

// Is reports whether an object is of one of the kinds, of the group that it is known by.
func Is(u *unstructured.Unstructured, kind string) bool {
	groups := map[string]string{
		Namespace: "", Cell: v1alpha1.GroupVersion.Group, FederatedTypePolicy: v1alpha1.GroupVersion.Group, FederatedNamespace: federated.Group,
		KubeFedCluster: fedv1b1.SchemeGroupVersion.Group, FederatedTypeConfig: fedv1b1.SchemeGroupVersion.Group,
	}
	return u.GroupVersionKind().GroupKind() == schema.GroupKind{Group: groups[kind], Kind: kind}
}

// Add has an object be known, in the place of one of its name. What is no fact is left out.
func (k *Known) Add(u *unstructured.Unstructured) error {
	var err error
	switch name := u.GetName(); {
	case Is(u, Namespace):
		k.namespaces[name] = validation.Metadata{Name: name, Labels: u.GetLabels(), Annotations: u.GetAnnotations()}
	case Is(u, Cell):
		var cell *v1alpha1.Cell
		if cell, err = typed[v1alpha1.Cell](u); err == nil {
			k.cells[u.GetNamespace()+"/"+name] = *cell
		}
	case Is(u, KubeFedCluster):
		var cluster *fedv1b1.KubeFedCluster
		if cluster, err = typed[fedv1b1.KubeFedCluster](u); err == nil {
			k.clusters[name] = *cluster
		}
	case Is(u, FederatedTypeConfig):
		var config *fedv1b1.FederatedTypeConfig
		if config, err = typed[fedv1b1.FederatedTypeConfig](u); err == nil {
			fedv1b1.SetFederatedTypeConfigDefaults(config)
			k.configs[name] = config
		}
	case Is(u, FederatedTypePolicy):
		var policy *v1alpha1.FederatedTypePolicy
		if policy, err = typed[v1alpha1.FederatedTypePolicy](u); err == nil {
			k.policies[name] = policy
		}
	case Is(u, FederatedNamespace):
		var o *federated.Object
		if o, err = federated.Decode(u); err == nil {
			k.federated[u.GetNamespace()] = o
		}
	}
	if err != nil {
		return fmt.Errorf("%s %q cannot be read: %w", u.GetKind(), u.GetName(), err)
	}
	return nil
}

func typed[T any](u *unstructured.Unstructured) (*T, error) {
	// Its errors name the field, which those of the converter of runtime do not.
	content, err := json.Marshal(u.Object)
	if err != nil {
		return nil, err
	}
	var into T
	if err := json.Unmarshal(content, &into); err != nil {
		return nil, err
	}
	return &into, nil
}

// Owner returns the labels of a Namespace, if they are known.
func (k *Known) Owner(namespace string) (labels map[string]string, known bool) {
	metadata, known := k.namespaces[namespace]
	return metadata.Labels, known
}

// FederatedNamespace returns that of a namespace, nil if none is known.
func (k *Known) FederatedNamespace(namespace string) *federated.Object { return k.federated[namespace] }

// Topologies returns what objects of a namespace can be placed on, as far as it is known.
func (k *Known) Topologies(namespace string) []scope.Topology {
	cells := k.cellsIn(namespace)
	namesakes := make(map[string]scope.Namesake, len(cells))
	for i := range cells {
		target := cells[i].TargetNamespace()
		namesakes[target] = k.namesake(target)
	}
	return inventory.Judge(k.namespaces[namespace].Labels, slices.Collect(maps.Values(k.clusters)), cells, namesakes)
}

// namesake returns what the host has under the name of a target namespace, as far as it is known.
func (k *Known) namesake(target string) scope.Namesake {
	var n scope.Namesake
	if labels, known := k.Owner(target); known {
		n = scope.NamesakeOf(labels)
	}
	n.KubeFed = target == k.KubeFedNamespace
	return n
}

func (k *Known) cellsIn(namespace string) []v1alpha1.Cell {
	var cells []v1alpha1.Cell
	for _, name := range slices.Sorted(maps.Keys(k.cells)) {
		if namespace != "" && strings.HasPrefix(name, namespace+"/") {
			cells = append(cells, k.cells[name])
		}
	}
	return cells
}

// topologiesKnown reports whether all that an object can name is known: cells by those of its namespace, clusters by any.
// Whoever gives some of them is taken to give them all.
func (k *Known) topologiesKnown(namespace, topologyType string) bool {
	if topologyType == topology.Cell {
		return k.cellsKnown(namespace) || len(k.cellsIn(namespace)) > 0
	}
	return k.clustersKnown()
}

// cellsKnown reports whether a Cell of the namespace that is not known is not there.
func (k *Known) cellsKnown(namespace string) bool { return k.Complete[Cell] || k.complete[namespace] }

// missing reports whether it is known that there is no object of the kind and name.
func (k *Known) missing(kind, name string) bool { return k.Complete[kind] || k.absent[kind+"/"+name] }

func (k *Known) clustersKnown() bool { return k.Complete[KubeFedCluster] || len(k.clusters) > 0 }

// ForFederated returns what validation has to know of a federated object.
func (k *Known) ForFederated(u *unstructured.Unstructured) validation.Facts {
	var f validation.Facts
	if t, err := k.Type(u); err == nil {
		f.Type = &validation.Type{Name: t.Name, Target: t.Target, Namespaced: t.Namespaced, Propagator: t.Propagator, Annotations: t.Policy}
	}
	namespace := u.GetNamespace()
	f.NamespaceLabels, f.NamespaceKnown = k.Owner(namespace)
	topologyType, _, _ := unstructured.NestedString(u.Object, "spec", "topologyType")
	if f.TopologiesKnown = k.topologiesKnown(namespace, topologyType); f.TopologiesKnown {
		f.Topologies = k.Topologies(namespace)
	}
	return f
}

// ForCell returns what validation has to know of a Cell.
func (k *Known) ForCell(cell *v1alpha1.Cell) validation.CellFacts {
	f := validation.CellFacts{KubeFedNamespace: k.KubeFedNamespace, ClusterKnown: k.clustersKnown()}
	f.NamespaceLabels, f.NamespaceKnown = k.Owner(cell.Namespace)
	if cluster, ok := k.clusters[cell.Spec.ClusterName]; ok {
		f.Cluster = &validation.Cluster{Name: cluster.Name, Labels: cluster.Labels}
	}
	for _, name := range slices.Sorted(maps.Keys(k.cells)) {
		other := k.cells[name]
		owner, known := k.Owner(other.Namespace)
		if other.Claim() == cell.Claim() && (f.Cluster == nil || !known || scope.OpensTo(f.Cluster.Labels, owner)) {
			f.Claimants = append(f.Claimants, other)
		}
	}
	if target := cell.TargetNamespace(); target != cell.Namespace {
		if labels, known := k.Owner(target); known {
			f.Target = &validation.Owner{Labels: labels}
		}
		for name := range scope.Nearer(target, cell.Namespace) {
			if labels, known := k.Owner(name); known {
				f.Nearer = &validation.Owner{Labels: labels}
				break
			}
		}
	}
	return f
}

// ForPolicy returns what validation has to know of a FederatedTypePolicy.
func (k *Known) ForPolicy(name string) validation.PolicyFacts {
	return validation.PolicyFacts{
		KubeFedNamespace: k.KubeFedNamespace, Configured: k.configs[name] != nil,
		ConfigsKnown: k.Complete[FederatedTypeConfig] || len(k.configs) > 0,
	}
}

// ForNamespace returns what validation has to know of a Namespace that is created.
func (k *Known) ForNamespace(name string) validation.NamespaceFacts {
	var f validation.NamespaceFacts
	for _, key := range slices.Sorted(maps.Keys(k.cells)) {
		cell := k.cells[key]
		labels, known := k.Owner(cell.Namespace)
		if !known || cell.Namespace == name || cell.TargetNamespace() != name {
			continue
		}
		hosted := validation.HostedCell{
			Namespace: cell.Namespace, Name: cell.Name, NamespaceLabels: labels, TargetNamespace: name, Namesake: k.namesake(name),
		}
		if cluster, ok := k.clusters[cell.Spec.ClusterName]; ok {
			hosted.Cluster = &validation.Cluster{Name: cluster.Name, Labels: cluster.Labels}
		}
		f.Claimants = append(f.Claimants, hosted)
	}
	return f
}

// Clone returns the same knowledge, to be added to.
func (k *Known) Clone() *Known {
	c := *k
	c.complete, c.absent = maps.Clone(k.complete), maps.Clone(k.absent)
	c.Complete, c.namespaces, c.cells, c.clusters = maps.Clone(k.Complete), maps.Clone(k.namespaces), maps.Clone(k.cells), maps.Clone(k.clusters)
	c.configs, c.policies, c.federated = maps.Clone(k.configs), maps.Clone(k.policies), maps.Clone(k.federated)
	return &c
}
