package propagation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/member"
	"github.com/cellfed/cellfed/internal/render"
	"github.com/cellfed/cellfed/internal/report"
	"github.com/cellfed/cellfed/internal/scope"
)

// How reports follow each other, where Reporter does not say otherwise.
const (
	// defaultSettle is how long the first report of a change waits for topologies that are not known yet. A change that
	// has reached all of them is reported at once.
	defaultSettle = 200 * time.Millisecond
	// defaultYield is how long a report, or the end of a deletion, waits while many objects of the type are being changed:
	// first they go to the members, and to the host what they need for that. yieldDelay is how often it is looked whether
	// they still are; a look costs little, but there is one for each of them.
	defaultYield = 10 * time.Second
	yieldDelay   = time.Second
	// defaultGap is the least time between two reports of one object.
	defaultGap = 500 * time.Millisecond
)

// Reporter writes what became of a federated object into its status, and lets a deleted object go.
type Reporter struct {
	Host    Host
	Members Members
	Queues  Queues
	Ledger  *Ledger
	Metrics *Metrics
	Traces  *Traces
	// Clock tells the time.
	Clock clock.PassiveClock
	// Busy says whether many objects of a type are being changed. Nil means never.
	Busy func(*engine.Running) bool
	// Settle, Gap and Yield are defaultSettle, defaultGap and defaultYield; zero means no wait.
	Settle, Gap, Yield time.Duration
}

// Reconcile reports when it is time to, and removes the finalizer when nothing is left in the members.
func (r *Reporter) Reconcile(ctx context.Context, key engine.ObjectKey) (reconcile.Result, error) {
	run, leave, ok := r.Queues.Enter(key.Type)
	if !ok {
		return reconcile.Result{}, nil
	}
	defer leave()
	o, known, err := r.Host.Object(run, key)
	switch {
	case err != nil:
		return reconcile.Result{}, reconcile.TerminalError(err)
	case o == nil && !known:
		return reconcile.Result{RequeueAfter: cacheDelay}, nil
	case o == nil:
		r.Ledger.Forget(key)
		r.Traces.Forget(key)
		return reconcile.Result{}, nil
	case !propagated(r.Host, run, key), o.Deleting && !slices.Contains(o.Finalizers, federated.Finalizer):
		return reconcile.Result{}, nil
	}
	if !o.Deleting && !slices.Contains(o.Finalizers, federated.Finalizer) {
		r.Queues.Plan(engine.PriorityChange, key) // Somebody took it away, or it was never there.
	}
	if r.Busy != nil && r.Busy(run) && r.Ledger.Waiting(key, r.Clock.Now()) < r.Yield {
		return reconcile.Result{RequeueAfter: yieldDelay}, nil
	}
	v, wait, err := r.view(ctx, run, key, o)
	if err != nil || wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, err
	}
	if o.Deleting && v.done() {
		return r.letGo(ctx, run, key, o)
	}
	return r.report(ctx, run, key, v)
}

// letGo removes the finalizer.
func (r *Reporter) letGo(ctx context.Context, run *engine.Running, key engine.ObjectKey, o *federated.Object) (reconcile.Result, error) {
	rest := slices.DeleteFunc(slices.Clone(o.Finalizers), func(f string) bool { return f == federated.Finalizer })
	began := r.Traces.Now()
	err := r.Host.SetFinalizers(ctx, run, o, rest)
	r.Traces.Reported(key, o, began, "let go", err)
	switch {
	case apierrors.IsConflict(err):
		return reconcile.Result{RequeueAfter: conflictDelay}, nil
	case err != nil && !apierrors.IsNotFound(err):
		return reconcile.Result{}, err
	}
	r.Ledger.Forget(key)
	r.Traces.Settled(key, o, stateGone)
	return reconcile.Result{}, nil
}

func (r *Reporter) report(ctx context.Context, run *engine.Running, key engine.ObjectKey, v *view) (reconcile.Result, error) {
	now := r.Clock.Now()
	if wait := r.Ledger.Wait(key, now, !v.pending, r.Settle, r.Gap); wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	status, changed := report.Build(report.Input{
		Object: withGenerations(v.object), Topologies: v.topologies, Reason: v.reason, Message: v.message,
		Now: now.UTC().Format(time.RFC3339), Policy: v.policy, Kind: run.Target.Kind,
	})
	if changed {
		began := r.Traces.Now()
		err := r.Host.SetStatus(ctx, run, v.object, status)
		r.Traces.Reported(key, v.object, began, "report", err)
		switch {
		case apierrors.IsConflict(err):
			return reconcile.Result{RequeueAfter: conflictDelay}, nil
		case apierrors.IsNotFound(err):
		case err != nil:
			return reconcile.Result{}, err
		}
		r.Metrics.reported(key.Type, r.Ledger.Waiting(key, r.Clock.Now()))
		log.FromContext(ctx).V(1).Info("Reported on a federated object", "generation", v.object.Generation)
	}
	state := stateOf(v, status.Summary)
	r.Ledger.Noted(key, state)
	if !v.pending && !v.object.Deleting {
		r.Traces.Settled(key, v.object, state)
	}
	r.Ledger.Reported(key, now, changed)
	if v.busy {
		return reconcile.Result{RequeueAfter: cacheDelay}, nil
	}
	return reconcile.Result{}, nil
}

// withGenerations returns an object whose status says of each topology which generation it received and when, also where upstream
// wrote it: that knows one generation, and one time of its last change, for all. Reported once, it is known as long as the
// topology gets no other.
func withGenerations(o *federated.Object) *federated.Object {
	if o.Status.Summary != nil || len(o.Status.Clusters) == 0 {
		return o
	}
	copied := *o
	copied.Status.Clusters = slices.Clone(o.Status.Clusters)
	for i := range copied.Status.Clusters {
		c := &copied.Status.Clusters[i]
		if c.Status != federated.StatusOK {
			continue
		}
		if c.Generation == 0 {
			c.Generation = o.Status.ObservedGeneration
		}
		if c.LastChangeTime == "" {
			c.LastChangeTime = lastPropagated(o)
		}
	}
	return &copied
}

// lastPropagated returns when upstream last propagated a change, or failed to: that is what it updates its condition for
// (upstream's GenericPropagationStatus). It is empty where upstream has not reported.
func lastPropagated(o *federated.Object) string {
	for _, c := range o.Status.Conditions {
		if c.Type == report.ConditionPropagation {
			return c.LastUpdateTime
		}
	}
	return ""
}

// view is what is known of a federated object in all of its topologies.
type view struct {
	object     *federated.Object
	topologies []report.Topology
	// pending says that something is still to be found out about a topology that may be touched.
	pending bool
	// waits says that the member may hold something of a deleted object, by topology.
	waits map[string]bool
	// busy says that it waits for what nobody may tell the end of.
	busy   bool
	reason report.AggregateReason
	// message goes with the reason, or says what else there is to know.
	message string
	policy  *report.StatusPolicy
}

func (v *view) done() bool {
	return v.reason != federated.ReasonComputePlacementFailed && len(v.waits) == 0
}

// view gathers what is known, or says how long to wait for a cache.
func (r *Reporter) view(ctx context.Context, run *engine.Running, key engine.ObjectKey, o *federated.Object) (*view, time.Duration, error) {
	namespace, err := r.Host.Namespace(ctx, key.Namespace)
	if err != nil {
		return nil, 0, err
	}
	if namespace == nil {
		return nil, cacheDelay, nil
	}
	fedNamespace, known, err := federatedNamespace(r.Host, run, key.Namespace)
	if err != nil {
		return nil, 0, reconcile.TerminalError(err)
	}
	if !known {
		return nil, namespacesDelay, nil
	}
	v := &view{object: o, waits: map[string]bool{}, policy: statusPolicy(run.Policy())}
	eligible, lagging := r.eligible(key.Namespace, namespace, o)
	placed, err := scope.Place(o, fedNamespace, run.Namespaced, scopes(append(slices.Clone(eligible), lagging...)))
	switch {
	case err != nil:
		v.reason, v.message = federated.ReasonComputePlacementFailed, err.Error()
	case errors.Is(o.Invalid, federated.ErrMask):
		v.reason, v.message = federated.ReasonComputePlacementFailed, o.Invalid.Error()
	case run.Namespaced && fedNamespace == nil:
		v.reason = federated.ReasonNamespaceNotFederated
		v.message = fmt.Sprintf("Namespace %q has no FederatedNamespace: create one that places it", key.Namespace)
	}
	busy := r.Ledger.Busy(key) // Before what may come of it.
	entries := r.Ledger.All(key)
	for _, t := range eligible {
		entry, found := entries[t.Name]
		if found && (entry.UID != o.UID || entry.Member != t.Member) {
			entry, found = Entry{}, false
		}
		f := finding{Decision: scope.Decide(o, placed[t.Name], t.Name), found: found, entry: entry, busy: busy[t.Name]}
		r.add(run, key, v, t, &f)
	}
	for _, t := range lagging {
		v.waits[t.Name] = true
		if v.reason != federated.ReasonComputePlacementFailed {
			// The status goes on to say what it said, or the next look would not wait any more.
			v.topologies = append(v.topologies, report.Topology{Name: t.Name, Placed: placed[t.Name], Held: !o.Mask.Allows(t.Name)})
		}
	}
	if v.reason == "" {
		v.message = joined(r.unreached(o, eligible), r.dropped(run, o, eligible, placed))
	}
	return v, 0, nil
}

// unreached names the clusters that the object is placed on by name and does not reach, because they are somebody else's, and
// the cells that are on such a cluster, or in what may be somebody else's namespace there.
func (r *Reporter) unreached(o *federated.Object, eligible []Topology) string {
	// Of other namespaces' cells nothing is told, not even that they are there.
	candidates := r.Host.Topologies(o.Namespace)
	var clusters, cells []string
	for _, name := range slices.Compact(slices.Sorted(slices.Values(o.Placement.Clusters))) {
		at := slices.IndexFunc(candidates, func(t Topology) bool { return t.Name == name })
		reached := slices.ContainsFunc(eligible, func(t Topology) bool { return t.Name == name })
		switch {
		case at < 0, reached:
		case candidates[at].View != nil:
			cells = append(cells, name)
		default:
			clusters = append(clusters, name)
		}
	}
	var notes []string
	if len(clusters) > 0 {
		notes = append(notes, fmt.Sprintf("not reached, because they do not carry the tenant and the workspace group of the namespace: %s; a physical cluster with the label %s: \"true\" serves everybody",
			strings.Join(clusters, ", "), v1alpha1.SharedLabel))
	}
	if len(cells) > 0 {
		notes = append(notes, fmt.Sprintf("not reached, because these cells are not served: %s; the condition Ready of their Cells says why", strings.Join(cells, ", ")))
	}
	return joined(notes...)
}

func joined(notes ...string) string {
	return strings.Join(slices.DeleteFunc(notes, func(note string) bool { return note == "" }), "; ")
}

// eligible returns the topologies that the object may reach, and those cells of its namespace, named in its status, whose
// KubeFedCluster does not carry the namespace's labels yet. These are being mended, and are waited for.
func (r *Reporter) eligible(name string, namespace *Namespace, o *federated.Object) (eligible, lagging []Topology) {
	for _, t := range r.Host.Topologies(name) {
		if scope.Eligible(name, namespace.Labels, t.Topology) {
			eligible = append(eligible, t)
			continue
		}
		mended := t.Topology
		mended.Labels = namespace.Labels
		if t.View != nil && listed(o, t.Name) && scope.Eligible(name, namespace.Labels, mended) {
			lagging = append(lagging, t)
		}
	}
	return eligible, lagging
}

// add adds a topology to the view.
func (r *Reporter) add(run *engine.Running, key engine.ObjectKey, v *view, t Topology, f *finding) {
	if v.reason == federated.ReasonComputePlacementFailed {
		return
	}
	f.looked = f.found && f.entry.Observed == v.object.Generation
	f.listed = listed(v.object, t.Name) || f.found && f.entry.Outcome.AppliedVersion != ""
	f.kept = run.Target.IsNamespace() && t.View != nil
	namespace, name := identity(run, key, t.Topology)
	live, known := r.Members.Get(t.Member, run.Member, namespace, name)
	healthy, _ := r.Members.Healthy(t.Member)
	f.known = known && healthy && t.Blocked == ""
	if live != nil && ownerOf(live.GetLabels(), t.Topology) == ours {
		f.live = live
	}
	shown, pending := f.living()
	if v.object.Deleting {
		if shown = f.deleting(); shown {
			v.waits[t.Name] = true
			v.busy = v.busy || f.busy
		}
	}
	if !shown {
		return
	}
	v.pending = v.pending || pending
	topology := report.Topology{Name: t.Name, Placed: f.Placed, Held: f.Held, Known: f.known}
	if f.live != nil {
		topology.Live = f.live.Unstructured
	}
	if f.looked || f.found && f.entry.Outcome.Status != federated.StatusOK {
		topology.Outcome = &f.entry.Outcome
	}
	v.topologies = append(v.topologies, topology)
}

// listed reports whether the object's status says that a topology has it, or may have it.
func listed(o *federated.Object, name string) bool {
	return slices.ContainsFunc(o.Status.Clusters, func(c federated.ClusterStatus) bool { return c.Name == name && mayHave(o, c) })
}

// finding is what is known of a federated object in one topology.
type finding struct {
	scope.Decision
	// found says that there is an entry, and looked that it speaks of the object as it is now.
	found, looked bool
	entry         Entry
	// listed says that the object was delivered to the topology, or may have been.
	listed bool
	// busy says that something is being done in the topology that may have been decided before.
	busy bool
	// kept says that what is in the member stays there: it is a cell's Namespace.
	kept bool
	// known says that the member has nothing where live is nil.
	known bool
	live  *member.Object
}

// mayHold reports whether the member has the object or may have it.
func (f *finding) mayHold() bool { return f.live != nil || !f.known && (f.Placed || f.listed) }

// living says whether the status of an object that is not being deleted lists the topology, and whether something is
// still to be found out about it.
func (f *finding) living() (shown, pending bool) {
	switch {
	case f.Held:
		return f.Placed || f.mayHold(), false
	case f.Want == scope.Present:
		return true, !f.looked
	case f.Want == scope.Untouched, f.kept:
		return false, false
	}
	leaving := f.mayHold() || f.found && f.entry.Outcome.Status != federated.StatusOK
	return leaving, leaving && !f.looked
}

// deleting says whether an object that is being deleted waits for the topology. A member that was only ever asked by
// way of the cache is asked itself before the object is let go, as upstream does it.
func (f *finding) deleting() bool {
	switch {
	case f.Held:
		return f.busy || f.mayHold()
	case f.Want == scope.Untouched, f.kept, f.looked && f.entry.Gone:
		return false
	default:
		// What was ever tried may have come to something that nobody has seen.
		return f.busy || f.mayHold() || f.Placed || f.found
	}
}

// dropped says what of the template does not reach the members although people might think so.
func (r *Reporter) dropped(run *engine.Running, o *federated.Object, eligible []Topology, placed map[string]bool) string {
	for _, t := range eligible {
		if !placed[t.Name] {
			continue
		}
		rendered, err := render.Render(o, t.Topology, run.Target, run.Policy().Render)
		if err != nil || len(rendered.Dropped) == 0 {
			return ""
		}
		return "not propagated of the template's metadata: " + strings.Join(rendered.Dropped, ", ") +
			"; name annotations in propagatingAnnotations of the FederatedTypePolicy " + run.Name
	}
	return ""
}

func statusPolicy(p *engine.Policy) *report.StatusPolicy {
	if p.Status == nil || p.Status.Collection == "" || p.Status.Collection == v1alpha1.StatusAll {
		return nil
	}
	return &report.StatusPolicy{Collection: p.Status.Collection, Fields: p.StatusFields}
}
