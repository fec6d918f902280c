package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	// PriorityChange is for what somebody has just changed.
	PriorityChange = 0
	// PriorityResync is for what is only looked at again. A change overtakes any number of such.
	PriorityResync = handler.LowPriority
)

const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = time.Minute
)

// ObjectKey names a federated object.
type ObjectKey struct {
	// Type is the name of the type's FederatedTypeConfig.
	Type string
	// Namespace and Name are the object's. Namespace is empty for a cluster-scoped type.
	Namespace, Name string
}

// Key names what a federated object is in one topology: one object in one member.
type Key struct {
	ObjectKey
	// Topology is the name of the KubeFedCluster.
	Topology string
}

type priorityKey struct{}

// PriorityOf returns the priority of the key that a reconciler was called for, for what follows from it.
func PriorityOf(ctx context.Context) int {
	priority, _ := ctx.Value(priorityKey{}).(int)
	return priority
}

type memberKey struct{}

// MemberOf returns the member in whose queue the key was that a reconciler was called for. It reports false where it was in
// none.
func MemberOf(ctx context.Context) (name string, ok bool) {
	name, ok = ctx.Value(memberKey{}).(string)
	return name, ok
}

// observedQueue remembers with which priority the keys that are being worked on were queued: a controller does not
// tell its reconciler.
type observedQueue[K comparable] struct {
	priorityqueue.PriorityQueue[K]
	mu      sync.Mutex
	current map[K]int
}

// GetWithPriority implements priorityqueue.PriorityQueue.
func (q *observedQueue[K]) GetWithPriority() (K, int, bool) {
	key, priority, shutdown := q.PriorityQueue.GetWithPriority()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.current == nil {
		q.current = map[K]int{}
	}
	if priority != PriorityChange {
		q.current[key] = priority
	}
	return key, priority, shutdown
}

// Done implements priorityqueue.PriorityQueue.
func (q *observedQueue[K]) Done(key K) {
	q.mu.Lock()
	delete(q.current, key)
	q.mu.Unlock()
	q.PriorityQueue.Done(key)
}

func (q *observedQueue[K]) priority(key K) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.current[key]
}

// unit is a queue with the controller that works it off.
type unit[K comparable] struct {
	queue  *observedQueue[K]
	cancel context.CancelFunc
	done   chan struct{}
}

// startUnit starts a controller that nothing but calls of add feeds. It takes none of a manager's defaults.
func startUnit[K comparable](ctx context.Context, log logr.Logger, name string, workers int, r reconcile.TypedReconciler[K]) (*unit[K], error) {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[K](firstRetry, lastRetry)
	queue := &observedQueue[K]{}
	log = log.WithValues("controller", name)
	c, err := controller.NewTypedUnmanaged(name, controller.TypedOptions[K]{
		Reconciler: reconcile.TypedFunc[K](func(ctx context.Context, key K) (reconcile.Result, error) {
			return r.Reconcile(context.WithValue(ctx, priorityKey{}, queue.priority(key)), key)
		}),
		MaxConcurrentReconciles: workers,
		RateLimiter:             limiter,
		RecoverPanic:            new(true),
		SkipNameValidation:      new(true), // A type that comes back, or a cluster, has the name that it had.
		NeedLeaderElection:      new(true),
		LogConstructor: func(key *K) logr.Logger {
			if key == nil {
				return log
			}
			return log.WithValues("key", *key)
		},
		NewQueue: func(string, workqueue.TypedRateLimiter[K]) workqueue.TypedRateLimitingInterface[K] { return queue },
	})
	if err != nil {
		return nil, fmt.Errorf("make the controller %s: %w", name, err)
	}
	queue.PriorityQueue = priorityqueue.New(name, func(o *priorityqueue.Opts[K]) { o.RateLimiter, o.Log = limiter, log })
	u := &unit[K]{queue: queue, done: make(chan struct{})}
	ctx, u.cancel = context.WithCancel(ctx)
	go func() {
		defer close(u.done)
		if err := c.Start(ctx); err != nil {
			log.Error(err, "Controller ended")
		}
	}()
	return u, nil
}

// add queues keys. It may be called on nil, and then does nothing.
func (u *unit[K]) add(priority int, keys ...K) {
	if u != nil {
		u.queue.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, keys...)
	}
}

// stop cancels the workers and waits for them. It may be called on nil.
func (u *unit[K]) stop() {
	if u != nil {
		u.cancel()
		<-u.done
	}
}
