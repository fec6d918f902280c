package propagation

import (
	"context"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/scope"
)

const (
	// cacheDelay is how long a reconciler waits for a cache that does not know yet what there is.
	cacheDelay = 100 * time.Millisecond
	// namespacesDelay is how long it waits where it is not known what the FederatedNamespaces say. When it is, everything
	// is planned again; it never is where nobody federates Namespaces.
	namespacesDelay = 5 * time.Second
	// conflictDelay is how long it waits for the version of an object that somebody else has just written.
	conflictDelay = 20 * time.Millisecond
)

// Planner fans a federated object out into its topologies.
type Planner struct {
	Host    Host
	Members Members
	Queues  Queues
	Ledger  *Ledger
	Traces  *Traces
}

// Reconcile gives the object upstream's finalizer and queues every topology that it belongs to, or that has it.
func (p *Planner) Reconcile(ctx context.Context, key engine.ObjectKey) (reconcile.Result, error) {
	run, leave, ok := p.Queues.Enter(key.Type)
	if !ok {
		return reconcile.Result{}, nil
	}
	defer leave()
	o, known, err := p.Host.Object(run, key)
	switch {
	case err != nil:
		return reconcile.Result{}, reconcile.TerminalError(err)
	case o == nil && !known:
		return reconcile.Result{RequeueAfter: cacheDelay}, nil
	case !propagated(p.Host, run, key):
		p.Ledger.Forget(key) // Its changes are noted like all others.
		return reconcile.Result{}, nil
	case o != nil && !slices.Contains(o.Finalizers, federated.Finalizer):
		if o.Deleting {
			return reconcile.Result{}, nil // Nobody waits for the members any more.
		}
		switch err := p.Host.SetFinalizers(ctx, run, o, append(slices.Clone(o.Finalizers), federated.Finalizer)); {
		case apierrors.IsConflict(err):
			return reconcile.Result{RequeueAfter: conflictDelay}, nil
		case apierrors.IsNotFound(err):
			return reconcile.Result{}, nil
		case err != nil:
			return reconcile.Result{}, err
		}
	}
	return p.fanOut(ctx, run, key, o)
}

// propagated says whether objects of this name are ever propagated: of FederatedNamespaces only the ones that have the
// name of the namespace which they are in, and no system namespace.
func propagated(host Host, run *engine.Running, key engine.ObjectKey) bool {
	return !run.Target.IsNamespace() || key.Namespace == key.Name && !host.IsSystem(key.Name)
}

func (p *Planner) fanOut(ctx context.Context, run *engine.Running, key engine.ObjectKey, o *federated.Object) (reconcile.Result, error) {
	priority, began, queued := engine.PriorityOf(ctx), p.Traces.Now(), 0
	topologies := p.Host.Topologies(key.Namespace)
	var placed map[string]bool
	if o != nil {
		namespace, err := p.Host.Namespace(ctx, key.Namespace)
		if err != nil {
			return reconcile.Result{}, err
		}
		if namespace == nil {
			return reconcile.Result{RequeueAfter: cacheDelay}, nil
		}
		topologies = slices.DeleteFunc(topologies, func(t Topology) bool {
			return !scope.Eligible(key.Namespace, namespace.Labels, t.Topology)
		})
		fedNamespace, known, err := federatedNamespace(p.Host, run, key.Namespace)
		if err != nil {
			return reconcile.Result{}, reconcile.TerminalError(err)
		}
		if !known {
			return reconcile.Result{RequeueAfter: namespacesDelay}, nil
		}
		// An object that cannot be placed touches nothing, which is then reported.
		placed, _ = scope.Place(o, fedNamespace, run.Namespaced, scopes(topologies))
	}
	since, fresh := p.Ledger.Planned(key, generationOf(o), membersOf(topologies, placed))
	busy := p.Ledger.Busy(key) // Of what these were told the object may have said something else.
	found := p.Ledger.All(key)
	for _, t := range topologies {
		_, before := found[t.Name]
		delete(found, t.Name)
		if t.Blocked != "" {
			p.block(run, key, o, t, placed[t.Name])
			continue
		}
		if placed[t.Name] || before || busy[t.Name] || p.holds(run, key, t) {
			queued++
			p.Queues.Propagate(t.Member, priority, engine.Key{ObjectKey: key, Topology: t.Name})
		}
	}
	p.Ledger.Beyond(key, found)
	if fresh {
		p.Traces.Planned(key, o, since, began, queued)
	}
	p.Queues.Report(key)
	return reconcile.Result{}, nil
}

// block records that nothing can be done in a topology. It may have no member, and so no queue.
func (p *Planner) block(run *engine.Running, key engine.ObjectKey, o *federated.Object, t Topology, placed bool) {
	if o == nil {
		return
	}
	s := &situation{
		key: engine.Key{ObjectKey: key, Topology: t.Name}, target: run.Target, object: o, topology: t,
		decision: scope.Decide(o, placed, t.Name), trouble: t.Blocked,
	}
	if entry, ok := p.Ledger.Get(s.key); ok && entry.UID == o.UID {
		s.before = entry
	}
	if done := decide(s); done.report {
		entry := s.before
		entry.UID, entry.Observed, entry.Member, entry.Outcome, entry.Gone = o.UID, o.Generation, t.Member, done.outcome, false
		p.Ledger.Set(s.key, entry)
		return
	}
	p.Ledger.Drop(s.key)
}

// holds says whether the topology's member has the object as one of the topology's.
func (p *Planner) holds(run *engine.Running, key engine.ObjectKey, t Topology) bool {
	namespace, name := identity(run, key, t.Topology)
	live, _ := p.Members.Get(t.Member, run.Member, namespace, name)
	return live != nil && ownerOf(live.GetLabels(), t.Topology) == ours
}

// federatedNamespace returns what limits the placement of the type's objects in a namespace.
func federatedNamespace(host Host, run *engine.Running, namespace string) (*federated.Object, bool, error) {
	if !run.Namespaced {
		return nil, true, nil
	}
	return host.FederatedNamespace(namespace)
}

// identity returns the namespace and name that a federated object has in a topology's member.
func identity(run *engine.Running, key engine.ObjectKey, t scope.Topology) (namespace, name string) {
	namespace, name = key.Namespace, key.Name
	if t.View != nil {
		namespace = t.View.TargetNamespace
	}
	switch {
	case run.Target.IsNamespace():
		return "", namespace
	case !run.Target.Namespaced:
		return "", name
	default:
		return namespace, name
	}
}

func scopes(topologies []Topology) []scope.Topology {
	all := make([]scope.Topology, len(topologies))
	for i := range topologies {
		all[i] = topologies[i].Topology
	}
	return all
}
