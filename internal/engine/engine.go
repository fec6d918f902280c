// Package engine owns the life of the push reconciler: a set of controllers for every federated type that cellfed
// propagates, and a queue for every member. Types and members come and go at run time. The reconcilers do not know.
//
// A federated object that changed is planned: the plan fans out into one key for each topology, which waits in the
// queue of the topology's member. What becomes of it is reported on the federated object. A member that does not answer
// fills its own queue, and no other.
package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/member"
)

// ErrNotRunning is returned when the engine does not run yet, or any more.
var ErrNotRunning = errors.New("the engine does not run")

// Watcher has the watches on members follow the types that run.
type Watcher interface {
	// Watch has every member watched for objects of the target.
	Watch(t member.Target)
	// Unwatch undoes it, and returns when nothing of it runs any more.
	Unwatch(t member.Target)
}

// Reconcilers do the work. Each is called for one key by one goroutine at a time.
type Reconcilers struct {
	// Plan fans a federated object out into its topologies.
	Plan reconcile.TypedReconciler[ObjectKey]
	// Propagate makes one topology right.
	Propagate reconcile.TypedReconciler[Key]
	// Report writes what became of it on the federated object.
	Report reconcile.TypedReconciler[ObjectKey]
}

// Options are what an Engine needs.
type Options struct {
	// Client reads federated objects from the host. It must not be limited in its rate.
	Client dynamic.Interface
	// Members are watched for the types that run.
	Members Watcher
	// Reconcilers do the work.
	Reconcilers Reconcilers
	// PlanWorkers is how many objects of a type are planned at a time, and ReportWorkers how many are reported on; zero
	// means 32 and 8.
	PlanWorkers, ReportWorkers int
	// MemberWorkers is how many objects are written to a member at a time; zero means 32.
	MemberWorkers int
	// Changed, unless it is nil, is told of each change of a federated object that the watch brings.
	Changed func(key ObjectKey, generation int64)
	// Stopped, unless it is nil, is told the name of each type that has stopped.
	Stopped func(name string)
	// Log is the log.
	Log logr.Logger
}

// Engine runs the push reconciler. Its methods can be called at any time and from any goroutine; Ensure and Stop of one
// type must not be called at the same time.
type Engine struct {
	options Options
	started chan struct{}

	mu sync.Mutex
	// ctx is nil before Start.
	ctx        context.Context
	ended      bool
	types      map[string]*Running
	members    map[string]*unit[Key]
	namespaces *Store
	// namespacesOf says for which FederatedTypeConfig of Namespaces namespaces was made.
	namespacesOf namespacesIdentity
}

// New returns an engine that runs nothing before it is started.
func New(options Options) *Engine {
	if options.PlanWorkers == 0 {
		options.PlanWorkers = 32
	}
	if options.ReportWorkers == 0 {
		options.ReportWorkers = 8
	}
	if options.MemberWorkers == 0 {
		options.MemberWorkers = 32
	}
	return &Engine{options: options, started: make(chan struct{}), types: map[string]*Running{}, members: map[string]*unit[Key]{}}
}

// NeedLeaderElection says that only the leader writes to members.
func (e *Engine) NeedLeaderElection() bool { return true }

// Start runs what was ensured before and what will be, until the context ends. It returns when nothing runs any more.
func (e *Engine) Start(ctx context.Context) error {
	e.mu.Lock()
	e.ctx = ctx
	close(e.started)
	e.mu.Unlock()
	<-ctx.Done()
	e.mu.Lock()
	e.ended = true
	running := slices.Collect(maps.Values(e.types))
	queues := slices.Collect(maps.Values(e.members))
	namespaces := e.namespaces
	e.types, e.members, e.namespaces = map[string]*Running{}, map[string]*unit[Key]{}, nil
	e.mu.Unlock()
	var wg sync.WaitGroup
	for _, r := range running {
		wg.Go(func() { e.stop(r); <-r.halt() })
	}
	for _, q := range queues {
		wg.Go(q.stop)
	}
	wg.Wait()
	if namespaces != nil {
		namespaces.stop()
	}
	return nil
}

// Started is closed when the engine runs.
func (e *Engine) Started() <-chan struct{} { return e.started }

// Ensure runs the type, or brings one that runs to what the policy says now. It returns at once, or when the engine
// runs. A type whose FederatedTypeConfig or CRD is another is stopped first.
func (e *Engine) Ensure(ctx context.Context, t Type) error {
	select {
	case <-e.started:
	case <-ctx.Done():
		return fmt.Errorf("start type %q: %w", t.FTC.Name, ctx.Err())
	}
	next, err := newRunning(t)
	if err != nil {
		return err
	}
	e.mu.Lock()
	current := e.types[next.Name]
	e.mu.Unlock()
	if current != nil && current.identity == next.identity && !current.halted() {
		if policy := next.Policy(); policy.hash != current.Policy().hash {
			current.policy.Store(policy)
			e.options.Log.Info("Policy changed", "type", current.Name)
			e.PlanAll(current.Name, "", PriorityResync)
		}
		return nil
	}
	if current != nil {
		if err := e.Stop(ctx, next.Name); err != nil {
			return err
		}
	}
	return e.start(next)
}

func (e *Engine) start(r *Running) error {
	var err error
	r.Store, err = newStore(e.options.Client, r.Resource, func(key types.NamespacedName, change Change) {
		o := ObjectKey{Type: r.Name, Namespace: key.Namespace, Name: key.Name}
		switch change {
		case Listed:
			r.plan.add(PriorityResync, o)
		case Specified:
			r.changes.note(time.Now())
			e.changed(r, o)
			r.plan.add(PriorityChange, o)
		case Gone:
			r.plan.add(PriorityChange, o)
		case Reported:
			r.report.add(PriorityResync, o)
		}
	})
	if err != nil {
		return err
	}
	if err := e.register(r); err != nil {
		return err
	}
	// This waits for what ends in other members and types, which may just be telling the engine of something: it must
	// not have to wait for the engine.
	e.options.Members.Watch(r.Member)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return fmt.Errorf("start type %q: %w", r.Name, ErrNotRunning)
	}
	r.Store.start(e.ctx)
	e.options.Log.Info("Started to propagate a type", "type", r.Name)
	return nil
}

// register makes a type known, and starts its queues. The watches on members come after it, for what they bring is for a
// type that is known; and the federated objects after these, for they are propagated to members that are watched.
func (e *Engine) register(r *Running) (err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx == nil || e.ended {
		return fmt.Errorf("start type %q: %w", r.Name, ErrNotRunning)
	}
	log := e.options.Log.WithValues("type", r.Name)
	if r.plan, err = startUnit(e.ctx, log, "plan-"+r.Name, e.options.PlanWorkers, e.options.Reconcilers.Plan); err != nil {
		return err
	}
	if r.report, err = startUnit(e.ctx, log, "report-"+r.Name, e.options.ReportWorkers, e.options.Reconcilers.Report); err != nil {
		r.plan.stop()
		return err
	}
	e.types[r.Name] = r
	return nil
}

// Stop returns when nothing of the type runs or writes any more, or with the context's error when that takes longer; the
// type is being stopped all the same, and a later call waits for the rest.
func (e *Engine) Stop(ctx context.Context, name string) error {
	e.mu.Lock()
	r := e.types[name]
	e.mu.Unlock()
	if r == nil {
		return nil
	}
	idle := r.halt()
	select {
	case <-idle:
	case <-ctx.Done():
		return fmt.Errorf("wait until nothing of type %q is being written: %w", name, ctx.Err())
	}
	e.stop(r)
	e.mu.Lock()
	if e.types[name] == r {
		delete(e.types, name)
	}
	e.mu.Unlock()
	if e.options.Stopped != nil {
		e.options.Stopped(name)
	}
	e.options.Log.Info("Stopped to propagate a type", "type", name)
	return nil
}

// stop ends what runs for a type, the workers first.
func (e *Engine) stop(r *Running) {
	r.halt()
	r.plan.stop()
	r.report.stop()
	r.Store.stop()
	if !e.sharesTarget(r) {
		e.options.Members.Unwatch(r.Member)
	}
}

// sharesTarget reports whether another type that runs has the same target: nobody keeps two FederatedTypeConfigs from it.
func (e *Engine) sharesTarget(r *Running) bool {
	return slices.ContainsFunc(e.Types(), func(other *Running) bool { return other != r && other.Member == r.Member && !other.halted() })
}

// Enter returns the type if it runs, and has Stop wait until leave is called.
func (e *Engine) Enter(name string) (r *Running, leave func(), ok bool) {
	e.mu.Lock()
	r = e.types[name]
	e.mu.Unlock()
	if r == nil || !r.enter() {
		return nil, nil, false
	}
	return r, r.leave, true
}

// Types returns the types that run, in no order.
func (e *Engine) Types() []*Running {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Collect(maps.Values(e.types))
}

// EnsureMember gives a member a queue.
func (e *Engine) EnsureMember(name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.members[name] != nil {
		return nil
	}
	if e.ctx == nil || e.ended {
		return fmt.Errorf("start the queue of member %q: %w", name, ErrNotRunning)
	}
	propagate := reconcile.TypedFunc[Key](func(ctx context.Context, key Key) (reconcile.Result, error) {
		return e.options.Reconcilers.Propagate.Reconcile(context.WithValue(ctx, memberKey{}, name), key)
	})
	u, err := startUnit(e.ctx, e.options.Log.WithValues("member", name), "member-"+name, e.options.MemberWorkers, propagate)
	if err == nil {
		e.members[name] = u
	}
	return err
}

// ForgetMember ends the queue of a member, and returns when nothing is written to it any more.
func (e *Engine) ForgetMember(name string) {
	e.mu.Lock()
	u := e.members[name]
	delete(e.members, name)
	e.mu.Unlock()
	u.stop()
}

// Propagate queues keys for a member. Nothing happens for a member without a queue: it is planned again when it comes.
func (e *Engine) Propagate(name string, priority int, keys ...Key) {
	e.mu.Lock()
	u := e.members[name]
	e.mu.Unlock()
	u.add(priority, keys...)
}

// Plan queues a federated object to be fanned out.
func (e *Engine) Plan(priority int, key ObjectKey) {
	if r := e.running(key.Type); r != nil {
		r.plan.add(priority, key)
	}
}

// PlanAll queues the objects of a type, or of all types where it is empty, in a namespace, or in all where it is empty.
func (e *Engine) PlanAll(typeName, namespace string, priority int) {
	for _, r := range e.Types() {
		if typeName != "" && r.Name != typeName {
			continue
		}
		for _, key := range r.Store.Keys(namespace) {
			r.plan.add(priority, ObjectKey{Type: r.Name, Namespace: key.Namespace, Name: key.Name})
		}
	}
}

// Report queues a federated object to be reported on.
func (e *Engine) Report(key ObjectKey) {
	if r := e.running(key.Type); r != nil {
		r.report.add(PriorityChange, key)
	}
}

func (e *Engine) running(name string) *Running {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.types[name]
}

// EnsureNamespaces keeps the FederatedNamespaces, which every namespaced type is placed by, whoever propagates
// Namespaces. A nil config means that nobody federates them.
func (e *Engine) EnsureNamespaces(config *fedv1b1.FederatedTypeConfig) error {
	var want namespacesIdentity
	if config != nil {
		if resource, ok := namespacesResource(config); ok {
			want = namespacesIdentity{config.UID, resource}
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx == nil || e.ended {
		return fmt.Errorf("read FederatedNamespaces: %w", ErrNotRunning)
	}
	if e.namespacesOf == want {
		return nil
	}
	var next *Store
	if want != (namespacesIdentity{}) {
		var err error
		next, err = newStore(e.options.Client, want.resource, func(key types.NamespacedName, change Change) {
			if change != Reported && key.Namespace == key.Name {
				e.PlanAll("", key.Namespace, PriorityChange)
			}
		})
		if err != nil {
			return err
		}
		next.synced = func() { e.PlanAll("", "", PriorityResync) }
		next.start(e.ctx)
	}
	if before := e.namespaces; before != nil {
		go before.stop()
	}
	e.namespaces, e.namespacesOf = next, want
	return nil
}

// namespacesIdentity tells what FederatedNamespaces are read for and as; zero where nobody federates Namespaces.
type namespacesIdentity struct {
	uid      types.UID
	resource schema.GroupVersionResource
}

// FederatedNamespace returns the FederatedNamespace of a namespace, nil if there is none. It reports false as long as
// that is not known.
func (e *Engine) FederatedNamespace(namespace string) (object *federated.Object, known bool, err error) {
	e.mu.Lock()
	store := e.namespaces
	e.mu.Unlock()
	// Where nobody federates Namespaces nothing is known, and nothing is removed for the lack of them.
	if store == nil || !store.Synced() {
		return nil, false, nil
	}
	object, err = store.Get(types.NamespacedName{Namespace: namespace, Name: namespace})
	return object, true, err
}
