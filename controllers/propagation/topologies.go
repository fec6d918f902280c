package propagation

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/facade/mapping"
	"github.com/cellfed/cellfed/internal/inventory"
	"github.com/cellfed/cellfed/internal/member"
	"github.com/cellfed/cellfed/internal/scope"
	"github.com/cellfed/cellfed/internal/topology"
)

// namespacesType is the name of the FederatedTypeConfig of Namespaces.
const namespacesType = "namespaces"

// memberKeeper has members come and go.
type memberKeeper interface {
	Ensure(ctx context.Context, cluster *fedv1b1.KubeFedCluster) error
	Forget(name string)
}

// Topologies keeps what topologies there are, the connections to their members, and the members' queues.
type Topologies struct {
	client    client.Reader
	namespace string
	registry  *registry
	engine    feeder
	members   memberKeeper
	// look looks again at what a member holds: what a topology was left with while it was away, nobody plans.
	look func(member string)
	// joined are the members that have a queue.
	joined map[string]bool
}

// Reconcile computes all topologies anew: what changes one of them changes seldom. The key means nothing.
func (r *Topologies) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	select {
	case <-r.engine.Started():
	case <-ctx.Done():
		return reconcile.Result{}, nil
	}
	var clusters fedv1b1.KubeFedClusterList
	if err := r.client.List(ctx, &clusters, client.InNamespace(r.namespace)); err != nil {
		return reconcile.Result{}, fmt.Errorf("list KubeFedClusters: %w", err)
	}
	var cells v1alpha1.CellList
	if err := r.client.List(ctx, &cells); err != nil {
		return reconcile.Result{}, fmt.Errorf("list Cells: %w", err)
	}
	if err := r.join(ctx, clusters.Items); err != nil {
		return reconcile.Result{}, err
	}
	if err := r.namespaces(ctx); err != nil {
		return reconcile.Result{}, err
	}
	namesakes, err := r.namesakes(ctx, cells.Items)
	if err != nil {
		return reconcile.Result{}, err
	}
	next := topologiesOf(clusters.Items, cells.Items, namesakes)
	r.replan(ctx, r.registry.replace(next))
	return reconcile.Result{}, nil
}

// namesakes returns what the host has under the names of the cells' target namespaces.
func (r *Topologies) namesakes(ctx context.Context, cells []v1alpha1.Cell) (map[string]scope.Namesake, error) {
	all := make(map[string]scope.Namesake, len(cells))
	for i := range cells {
		target := cells[i].TargetNamespace()
		if _, known := all[target]; known {
			continue
		}
		namesake, err := inventory.Namesake(ctx, r.client, r.namespace, target)
		if err != nil {
			return nil, err
		}
		all[target] = namesake
	}
	return all, nil
}

// join gives every physical cluster a connection and a queue, and takes both from those that are gone.
func (r *Topologies) join(ctx context.Context, clusters []fedv1b1.KubeFedCluster) error {
	gone := maps.Clone(r.joined)
	for i := range clusters {
		if topology.StandsForCell(clusters[i].Labels) || !clusters[i].DeletionTimestamp.IsZero() {
			continue
		}
		name := clusters[i].Name
		delete(gone, name)
		if err := r.engine.EnsureMember(name); err != nil {
			return err
		}
		r.joined[name] = true
		if err := r.members.Ensure(ctx, &clusters[i]); err != nil {
			return err
		}
	}
	for name := range gone {
		r.engine.ForgetMember(name)
		r.members.Forget(name)
		delete(r.joined, name)
		log.FromContext(ctx).Info("Forgot a member", "member", name)
	}
	return nil
}

// namespaces has the engine read FederatedNamespaces as their FederatedTypeConfig says.
func (r *Topologies) namespaces(ctx context.Context) error {
	var config fedv1b1.FederatedTypeConfig
	err := r.client.Get(ctx, client.ObjectKey{Namespace: r.namespace, Name: namespacesType}, &config)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("get FederatedTypeConfig %q: %w", namespacesType, err)
	}
	if err != nil {
		return r.engine.EnsureNamespaces(nil)
	}
	return r.engine.EnsureNamespaces(&config)
}

// replan looks again at what a change of topologies concerns.
func (r *Topologies) replan(ctx context.Context, changed []Topology) {
	spaces, hosting := map[string]bool{}, map[string]bool{}
	for _, t := range changed {
		hosting[t.Member] = true
		if t.View == nil {
			spaces[""] = true
		} else {
			spaces[t.View.Namespace] = true
		}
	}
	if spaces[""] {
		spaces = map[string]bool{"": true}
	}
	for space := range spaces {
		r.engine.PlanAll("", space, engine.PriorityResync)
	}
	for name := range hosting {
		r.look(name)
	}
	if len(changed) > 0 {
		log.FromContext(ctx).V(1).Info("Topologies changed", "count", len(changed))
	}
}

// replace sets the topologies and returns those that are new, gone or another.
func (r *registry) replace(next []Topology) []Topology {
	byName := make(map[string]Topology, len(next))
	cells := map[string][]Topology{}
	var clusters []Topology
	for _, t := range next {
		byName[t.Name] = t
		if t.View != nil {
			cells[t.View.Namespace] = append(cells[t.View.Namespace], t)
		} else {
			clusters = append(clusters, t)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var changed []Topology
	for name, t := range byName {
		if before, ok := r.byName[name]; !ok || !reflect.DeepEqual(before, t) {
			changed = append(changed, t)
		}
	}
	for name, t := range r.byName {
		if _, ok := byName[name]; !ok {
			changed = append(changed, t)
		}
	}
	r.byName, r.cells, r.clusters = byName, cells, clusters
	return changed
}

// topologiesOf is a pure function: KubeFedClusters and Cells, and what the host has under the names of the Cells' target
// namespaces, to the topologies that they are, ordered by name.
func topologiesOf(clusters []fedv1b1.KubeFedCluster, cells []v1alpha1.Cell, namesakes map[string]scope.Namesake) []Topology {
	physical := map[string]*fedv1b1.KubeFedCluster{}
	for i := range clusters {
		if c := &clusters[i]; !topology.StandsForCell(c.Labels) {
			physical[c.Name] = c
		}
	}
	byCluster := map[string]*v1alpha1.Cell{}
	for i := range cells {
		byCluster[topology.CellClusterName(cells[i].Namespace, cells[i].Name)] = &cells[i]
	}
	var all []Topology
	for i := range clusters {
		c := &clusters[i]
		if physical[c.Name] != nil {
			all = append(all, Topology{Topology: scope.Topology{Name: c.Name, Labels: c.Labels, Member: c.Name, MemberLabels: c.Labels}})
			continue
		}
		if t, ok := cellTopology(c, byCluster[c.Name], physical); ok {
			all = append(all, t)
			delete(byCluster, c.Name)
		}
	}
	for name, cell := range byCluster {
		if physical[name] == nil && cell.DeletionTimestamp.IsZero() {
			all = append(all, unregistered(name, cell, physical[cell.Spec.ClusterName]))
		}
	}
	for i := range all {
		if view := all[i].View; view != nil {
			all[i].Namesake = namesakes[view.TargetNamespace]
		}
	}
	slices.SortFunc(all, func(a, b Topology) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// unregistered returns the topology of a cell that has no KubeFedCluster, or one that somebody has made another's: it is
// made again. Without the topology what the cell holds would be nobody's meanwhile, and a deletion would not wait for it.
func unregistered(name string, cell *v1alpha1.Cell, hosting *fedv1b1.KubeFedCluster) Topology {
	t := Topology{Topology: scope.Topology{
		Name: name, Member: cell.Spec.ClusterName,
		View: &mapping.View{Namespace: cell.Namespace, Cell: cell.Name, TargetNamespace: cell.TargetNamespace()},
	}, Blocked: "the Cell has no KubeFedCluster"}
	t.MemberLabels, t.MemberUnknown = memberOf(hosting)
	return t
}

// cellTopology returns the topology that a cell's KubeFedCluster is. A cell of which it is not sure where it leads is
// one in which nothing can be done now.
func cellTopology(c *fedv1b1.KubeFedCluster, cell *v1alpha1.Cell, physical map[string]*fedv1b1.KubeFedCluster) (Topology, bool) {
	namespace, name, ok := topology.SplitCellClusterName(c.Name)
	if !ok || c.Labels[v1alpha1.TopologyTypeLabel] != topology.Cell || c.Labels[v1alpha1.NamespaceLabel] != namespace {
		return Topology{}, false
	}
	t := Topology{Topology: scope.Topology{Name: c.Name, Labels: c.Labels, View: &mapping.View{Namespace: namespace, Cell: name}}}
	if cell == nil {
		t.MemberUnknown = true
		t.Blocked = "the Cell of this KubeFedCluster is gone"
		return t, true
	}
	t.Member, t.View.TargetNamespace = cell.Spec.ClusterName, cell.TargetNamespace()
	generated := meta.FindStatusCondition(cell.Status.Conditions, string(v1alpha1.ConditionGenerated))
	hosting := physical[t.Member]
	t.MemberLabels, t.MemberUnknown = memberOf(hosting)
	switch {
	case generated == nil || generated.ObservedGeneration != cell.Generation:
		t.Blocked = "the Cell's spec was not looked at yet"
	case generated.Status == metav1.ConditionFalse && v1alpha1.ConditionReason(generated.Reason).Withholds():
		t.Blocked = generated.Message
	case hosting == nil:
		t.Blocked = fmt.Sprintf("no physical KubeFedCluster is named %q", t.Member)
	}
	return t, true
}

// memberOf returns whose the physical cluster is that a cell is on, if it is there.
func memberOf(hosting *fedv1b1.KubeFedCluster) (labels map[string]string, unknown bool) {
	if hosting == nil {
		return nil, true
	}
	return hosting.Labels, false
}

// keeper is the memberKeeper over the registrations in the host.
type keeper struct {
	reader   client.Reader
	clusters *member.Clusters
	metrics  *Metrics
}

func (k *keeper) Ensure(ctx context.Context, cluster *fedv1b1.KubeFedCluster) error {
	secret, err := member.ReadSecret(ctx, k.reader, cluster)
	if err != nil {
		return err
	}
	k.clusters.Ensure(cluster, secret)
	return nil
}

func (k *keeper) Forget(name string) {
	k.clusters.Forget(name)
	k.metrics.forgetMember(name)
}
