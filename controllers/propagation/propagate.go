package propagation

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/member"
	"github.com/cellfed/cellfed/internal/report"
	"github.com/cellfed/cellfed/internal/scope"
)

const kubeFedLabel = v1alpha1.KubeFedManagedLabel

const (
	// unreadDelay is how long a member's cache that is being read for the first time is left alone. When it has been read
	// everything is planned again.
	unreadDelay = 5 * time.Second

	firstRetry = 100 * time.Millisecond
	lastRetry  = time.Minute
	// freeRepairs is how often the same is written in a row before somebody in the member who keeps changing it is
	// written against less and less often.
	freeRepairs = 5
	// forgetRepairs is after how long of peace that is forgotten.
	forgetRepairs = 10 * lastRetry
)

// Propagator makes a federated object right in one topology.
type Propagator struct {
	Host    Host
	Members Members
	Queues  Queues
	Ledger  *Ledger
	Events  *Events
	Metrics *Metrics
	Traces  *Traces
	// Clock tells the time.
	Clock clock.PassiveClock
}

// Reconcile gathers what host and member say, decides, does one thing in the member, and records what came of it.
func (p *Propagator) Reconcile(ctx context.Context, key engine.Key) (reconcile.Result, error) {
	run, leave, ok := p.Queues.Enter(key.Type)
	if !ok {
		return reconcile.Result{}, nil
	}
	defer leave()
	defer p.Ledger.Begin(key)()
	t, ok := p.Host.Topology(key.Topology)
	if name, queued := engine.MemberOf(ctx); ok && queued && name != t.Member {
		// The cell has moved, or the member says of an object that it is of a cell which is elsewhere. What there is to do
		// is done where it is, and by one at a time.
		return reconcile.Result{}, nil
	}
	if !ok || !propagated(p.Host, run, key.ObjectKey) {
		p.drop(key)
		return reconcile.Result{}, nil
	}
	ctx, l := p.Traces.Look(ctx)
	s, wait, err := p.gather(ctx, run, key, t)
	if err != nil || wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, err
	}
	if s == nil {
		p.drop(key)
		return reconcile.Result{}, nil
	}
	if o := s.object; o != nil && !slices.Contains(o.Finalizers, federated.Finalizer) {
		// Nothing is written for an object that could go without it being taken back: it comes again when it is planned.
		// One that is being deleted is not waited for any more, and what is left of it is released when it is gone.
		if !o.Deleting {
			p.Queues.Plan(engine.PriorityChange, key.ObjectKey)
		}
		return reconcile.Result{}, nil
	}
	for {
		next := l.decide(s)
		again, wait, err := p.act(ctx, run, s, &next)
		if err != nil {
			l.done(s, step{}, err)
			return reconcile.Result{}, err
		}
		if again {
			continue
		}
		if wait > 0 {
			return reconcile.Result{RequeueAfter: wait}, nil
		}
		l.done(s, next, nil)
		return reconcile.Result{RequeueAfter: p.record(s, next)}, nil
	}
}

// gather returns the situation, nil where the object has nothing to do with the topology, or how long to wait for a
// cache that does not know yet.
func (p *Propagator) gather(ctx context.Context, run *engine.Running, key engine.Key, t Topology) (*situation, time.Duration, error) {
	s := &situation{key: key, target: run.Target, policy: run.Policy().Render, topology: t}
	var known bool
	var err error
	if s.object, known, err = p.Host.Object(run, key.ObjectKey); err != nil {
		return nil, 0, reconcile.TerminalError(err)
	}
	if s.object == nil && !known {
		return nil, cacheDelay, nil
	}
	namespace, err := p.Host.Namespace(ctx, key.Namespace)
	switch {
	case err != nil:
		return nil, 0, err
	case namespace == nil && s.object != nil:
		return nil, cacheDelay, nil
	case namespace == nil, !scope.Eligible(key.Namespace, namespace.Labels, t.Topology):
		return nil, 0, nil
	}
	s.hostNamespace = string(namespace.UID)
	s.shared = run.Target.IsNamespace() && hostsCell(p.Host, key.Namespace, t)
	if s.object != nil {
		if wait, err := p.place(run, s); err != nil || wait > 0 {
			return nil, wait, err
		}
	}
	if read := p.look(run, s); !read && s.decision.Want != scope.Untouched {
		return nil, unreadDelay, nil
	}
	if entry, ok := p.Ledger.Get(key); ok && entry.Member == t.Member && (s.object == nil || entry.UID == s.object.UID) {
		s.before = entry
	}
	if s.adopts, err = p.Host.Adopts(ctx); err != nil {
		return nil, 0, err
	}
	return s, 0, nil
}

// place decides whether the object belongs in the topology. One that nobody can place touches nothing, which is reported
// on the object.
func (p *Propagator) place(run *engine.Running, s *situation) (time.Duration, error) {
	fedNamespace, known, err := federatedNamespace(p.Host, run, s.key.Namespace)
	if err != nil {
		return 0, reconcile.TerminalError(err)
	}
	if !known {
		return namespacesDelay, nil
	}
	placed, err := scope.Place(s.object, fedNamespace, run.Namespaced, []scope.Topology{s.topology.Topology})
	if err != nil {
		return 0, nil // The zero decision touches nothing.
	}
	s.decision = scope.Decide(s.object, placed[s.key.Topology], s.key.Topology)
	return 0, nil
}

// look adds what the member's cache says. It returns false as long as that is about to be read for the first time: nothing
// is known then, not even a failure, and what was reported before stays.
func (p *Propagator) look(run *engine.Running, s *situation) (read bool) {
	name := s.topology.Member
	healthy, why := p.Members.Healthy(name)
	if !healthy {
		s.trouble = why
	}
	if s.topology.Blocked != "" {
		s.trouble = s.topology.Blocked
		return true
	}
	namespace, object := identity(run, s.key.ObjectKey, s.topology.Topology)
	live, known := p.Members.Get(name, run.Member, namespace, object)
	s.live = live
	if !known && s.trouble == "" {
		s.unread = p.Members.Trouble(name, run.Member)
		return s.unread != ""
	}
	return healthy || why != member.NotAsked
}

// act does one thing in the member. It reports true when the situation is another and is to be decided anew. What a
// request has come to is in the step.
func (p *Propagator) act(ctx context.Context, run *engine.Running, s *situation, next *step) (again bool, wait time.Duration, err error) {
	name := s.topology.Member
	switch next.verb {
	case verbCreate:
		made, err := p.Members.Create(ctx, name, run.Member, next.desired)
		if apierrors.IsAlreadyExists(err) && !s.asked {
			again, err = p.ask(ctx, run, s, next)
			return again, 0, err
		}
		p.wrote(s, next, made, federated.StatusCreationFailed, err)
	case verbApply:
		if wait := s.before.NotBefore.Sub(p.Clock.Now()); wait > 0 && s.before.Repairs > freeRepairs && strings.HasPrefix(s.before.Settled, next.digest+"@") {
			return false, wait, nil
		}
		made, err := p.Members.Apply(ctx, name, run.Member, next.desired, s.live, next.pin)
		if apierrors.IsConflict(err) && !s.asked {
			again, err = p.ask(ctx, run, s, next)
			return again, 0, err
		}
		p.wrote(s, next, made, federated.StatusUpdateFailed, err)
	case verbDelete:
		p.remove(ctx, run, s, next)
	case verbRelease:
		return p.release(ctx, run, s, next)
	case verbAsk:
		again, err = p.ask(ctx, run, s, next)
		return again, 0, err
	}
	return false, 0, nil
}

// ask reads from the member what the cache does not hold, or does not hold yet as it is. It does so once: who is refused
// for what was just read waits like for any other failure.
func (p *Propagator) ask(ctx context.Context, run *engine.Running, s *situation, next *step) (again bool, err error) {
	namespace, object := identity(run, s.key.ObjectKey, s.topology.Topology)
	live, err := p.Members.Read(ctx, s.topology.Member, run.Member, namespace, object)
	switch {
	case err == nil:
		s.live, s.asked = live, true
		return true, nil
	case s.object == nil:
		return false, fmt.Errorf("read an object in member %q: %w", s.topology.Member, err)
	}
	p.failed(s, next, federated.StatusRetrievalFailed, err)
	return false, nil
}

// wrote records the answer to a creation or an apply.
func (p *Propagator) wrote(s *situation, next *step, made *member.Object, status string, err error) {
	if err != nil {
		p.failed(s, next, status, err)
		return
	}
	repairs := 0
	now := p.Clock.Now()
	if strings.HasPrefix(s.before.Settled, next.digest+"@") && now.Sub(s.before.Wrote) < forgetRepairs {
		repairs = s.before.Repairs + 1
	}
	s.before.Repairs, s.before.Wrote, s.before.NotBefore = repairs, now, time.Time{}
	if repairs > freeRepairs {
		s.before.NotBefore = now.Add(backoff(repairs - freeRepairs))
	}
	s.before.Settled = next.digest + "@" + made.GetResourceVersion()
	next.report = true
	next.outcome = report.Outcome{
		Generation: s.object.Generation, Changed: true,
		AppliedVersion: appliedVersion(next.digest, made.Unstructured),
	}
}

// remove deletes what the member holds.
func (p *Propagator) remove(ctx context.Context, run *engine.Running, s *situation, next *step) {
	options, err := deleteOptions(s)
	if err != nil {
		p.failed(s, next, federated.StatusDeletionFailed, err)
		return
	}
	gone, err := p.Members.Delete(ctx, s.topology.Member, run.Member, s.live, options)
	if err != nil {
		p.failed(s, next, federated.StatusDeletionFailed, err)
		return
	}
	generation, applied := s.last()
	if gone {
		next.gone = s.object.Deleting
		return
	}
	*next = reported(federated.StatusWaitingForRemoval, "", generation, applied)
	next.outcome.Changed = true
}

// release takes away what marks the object as the topology's. Of an object whose federated object seems to be gone the
// host is asked first: a cache may be behind.
func (p *Propagator) release(ctx context.Context, run *engine.Running, s *situation, next *step) (bool, time.Duration, error) {
	if s.object == nil {
		exists, err := p.Host.Exists(ctx, run, s.key.ObjectKey)
		if err != nil {
			return false, 0, err
		}
		if exists {
			return false, cacheDelay, nil
		}
	}
	switch err := p.Members.Release(ctx, s.topology.Member, run.Member, s.live, labelsOf(s.topology.Topology)); {
	case apierrors.IsConflict(err) && !s.asked:
		again, err := p.ask(ctx, run, s, next)
		return again, 0, err
	case err != nil && !apierrors.IsNotFound(err):
		if s.object == nil {
			return false, 0, fmt.Errorf("release an object in member %q: %w", s.topology.Member, err)
		}
		p.failed(s, next, federated.StatusLabelRemovalFailed, err)
	default:
		if s.object == nil {
			log.FromContext(ctx).Info("Released what a member held of a federated object that is gone", "type", run.Name,
				"namespace", s.key.Namespace, "name", s.key.Name, "cluster", s.topology.Member)
		}
		next.gone = s.object != nil && s.object.Deleting
		p.passOn(run, s)
		if s.shared {
			p.Queues.Plan(engine.PriorityResync, s.key.ObjectKey) // It is the cell's to take now.
		}
	}
	return false, 0, nil
}

// passOn has an object that was released looked at again if its other labels make it another topology's: the release is
// nothing that a cache would tell of.
func (p *Propagator) passOn(run *engine.Running, s *situation) {
	labels := s.live.GetLabels()
	for _, label := range labelsOf(s.topology.Topology) {
		delete(labels, label) // GetLabels returned a copy.
	}
	if labels[v1alpha1.ManagedLabel] == labelTrue || labels[kubeFedLabel] == labelTrue {
		p.Queues.Propagate(s.topology.Member, engine.PriorityChange, keyByLabels(run, s.topology.Member, s.live, labels))
	}
}

// failed makes a failure the outcome of a step.
func (p *Propagator) failed(s *situation, next *step, status string, err error) {
	generation, applied := s.last()
	switch {
	case errors.Is(err, member.ErrUnhealthy):
		status = federated.StatusClusterNotReady
	case errors.Is(err, context.DeadlineExceeded):
		status = timedOut(status)
	}
	if refusal := apierrors.APIStatus(nil); next.verb == verbCreate && applied == "" && !errors.Is(err, member.ErrUnhealthy) && !errors.As(err, &refusal) {
		applied = attempted
	}
	*next = reported(status, message(err), generation, applied)
}

// timedOut is upstream's word for a failure that is the lack of an answer.
func timedOut(status string) string {
	switch status {
	case federated.StatusCreationFailed:
		return federated.StatusCreationTimedOut
	case federated.StatusUpdateFailed:
		return federated.StatusUpdateTimedOut
	case federated.StatusDeletionFailed:
		return federated.StatusDeletionTimedOut
	case federated.StatusLabelRemovalFailed:
		return federated.StatusLabelRemovalTimedOut
	default:
		return status
	}
}

// message is what of an error people are told: an API server's own words where it has any.
func message(err error) string {
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		return status.Status().Message
	}
	if failed, ok := errors.AsType[*net.OpError](err); ok {
		// The local port is another one each time, and every time would be news.
		failed = &net.OpError{Op: failed.Op, Net: failed.Net, Addr: failed.Addr, Err: failed.Err}
		return failed.Error()
	}
	return err.Error()
}

// record puts what was found into the ledger, tells who has to know, and returns after which time to try again.
func (p *Propagator) record(s *situation, done step) time.Duration {
	if done.event != "" && done.report && done.outcome.Changed {
		p.Events.Propagated(s, done.event)
	}
	if s.object == nil || !done.report && !done.gone {
		p.drop(s.key)
		if done.verb != verbNone {
			// The status may list what was there a moment ago, also where this process has never found anything.
			p.Queues.Report(s.key.ObjectKey)
		}
		return 0
	}
	entry := s.before
	entry.UID, entry.Observed, entry.Member = s.object.UID, s.object.Generation, s.topology.Member
	entry.Gone, entry.Outcome = done.gone, done.outcome
	// Of what no cache holds nobody tells when it is gone.
	retry := retried(done.outcome.Status) || s.asked && done.outcome.Status == federated.StatusWaitingForRemoval
	if retry {
		entry.Failures++
	} else {
		entry.Failures = 0
	}
	if since, ok := p.Ledger.Delivered(s.key, s.object.Generation, done.outcome); ok {
		p.Metrics.delivered(s.key.Type, p.Clock.Since(since))
	}
	if p.Ledger.Set(s.key, entry) || done.outcome.Changed {
		p.Queues.Report(s.key.ObjectKey)
	}
	if failing(done.outcome.Status) && s.before.Outcome.Status != done.outcome.Status {
		p.Events.Failed(s, done.outcome)
	}
	if retry {
		return backoff(entry.Failures)
	}
	return 0
}

func (p *Propagator) drop(key engine.Key) {
	if p.Ledger.Drop(key) {
		p.Queues.Report(key.ObjectKey)
	}
}

// retried says whether a failure may mend itself without anything that would be noticed.
func retried(status string) bool {
	switch status {
	case federated.StatusCreationFailed, federated.StatusUpdateFailed, federated.StatusDeletionFailed,
		federated.StatusLabelRemovalFailed, federated.StatusRetrievalFailed, federated.StatusAlreadyExists,
		federated.StatusManagedLabelFalse,
		federated.StatusCreationTimedOut, federated.StatusUpdateTimedOut, federated.StatusDeletionTimedOut,
		federated.StatusLabelRemovalTimedOut:
		return true
	}
	return false
}

// failing says whether a status is a failure that people should hear of. That a cluster is not ready its KubeFedCluster
// says.
func failing(status string) bool {
	switch status {
	case federated.StatusOK, federated.StatusHeld, federated.StatusWaitingForRemoval, federated.StatusClusterNotReady,
		federated.StatusCachedRetrievalFailed:
		return false
	}
	return true
}

func backoff(failures int) time.Duration {
	if failures > 10 {
		return lastRetry
	}
	return min(firstRetry<<max(failures-1, 0), lastRetry)
}

// keyOf returns the name under which a federated object is known to Kubernetes.
func keyOf(key engine.ObjectKey) types.NamespacedName {
	return types.NamespacedName{Namespace: key.Namespace, Name: key.Name}
}
