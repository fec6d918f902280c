package member

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"
)

// Options say how members are watched and written to. The functions in it are called without locks. They must return soon,
// and must not change what is registered or watched.
type Options struct {
	// Log tells of members that stop and start to be healthy.
	Log logr.Logger
	// QPS limits the requests to one member in a second, watches aside. Zero is no limit.
	QPS float32
	// Timeout bounds each request. Zero means 15 seconds.
	Timeout time.Duration
	// OnEvent is called when an object is seen to have changed: with what it is now and what it was, one of which is
	// nil where there is none. What cellfed's own writes are answered with is no such change, and neither is what is
	// read before OnSynced. Events of one object come in order.
	OnEvent func(member string, t Target, now, before *Object, deleted bool)
	// OnHealthy is called when a member can be used, at first or again.
	OnHealthy func(member string)
	// OnUnhealthy is called when a member that could be used cannot be any more.
	OnUnhealthy func(member string)
	// OnSynced is called when the objects of a target are known, at first and after each time the watches began anew.
	OnSynced func(member string, t *Target)

	clock                 clock.WithDelayedExecution
	probeTimeout          time.Duration
	probeFirst, probeMost time.Duration
	retryFirst, retryMost time.Duration
}

func (o *Options) complete() {
	if o.Log.GetSink() == nil {
		o.Log = logr.Discard()
	}
	if o.clock == nil {
		o.clock = clock.RealClock{}
	}
	for _, each := range []struct {
		value     *time.Duration
		byDefault time.Duration
	}{
		{&o.Timeout, 15 * time.Second},
		// Longer than a member may take that is slow, and healthy.
		{&o.probeTimeout, 10 * time.Second},
		{&o.probeFirst, 2 * time.Second}, {&o.probeMost, 10 * time.Second},
		{&o.retryFirst, 500 * time.Millisecond}, {&o.retryMost, 10 * time.Second},
	} {
		if *each.value == 0 {
			*each.value = each.byDefault
		}
	}
}

// Clusters are all the member clusters: one connection and one set of caches for each, whatever the number of its cells.
type Clusters struct {
	pool    *Pool
	options Options
	metrics *metrics
	sharer  sharer
	ctx     context.Context
	cancel  context.CancelFunc

	// change lets one registration or target change at a time: changes wait for what they end.
	change sync.Mutex

	mu      sync.RWMutex
	members map[string]*cluster
	targets map[Target]struct{}
	closed  bool
}

// NewClusters returns Clusters without a member. They use the pool's connections.
func NewClusters(pool *Pool, options Options) *Clusters {
	options.complete()
	c := &Clusters{pool: pool, options: options, metrics: newMetrics(), members: map[string]*cluster{}, targets: map[Target]struct{}{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Ensure makes a member what its registration says. It is called whenever the KubeFedCluster or its Secret may have
// changed, and does nothing when they have not. A new connection replaces one whose token, CA or endpoint is another; what
// is known of the objects stays known until it is read again. A KubeFedCluster with another UID is another member.
func (c *Clusters) Ensure(registration *fedv1b1.KubeFedCluster, secret *corev1.Secret) {
	c.change.Lock()
	defer c.change.Unlock()
	if known := c.member(registration.Name); known != nil && known.uid != registration.UID {
		c.forget(known)
	}
	m, wrong := c.pool.Get(registration, secret)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	known := c.members[registration.Name]
	if known == nil {
		known = c.newCluster(registration)
		c.members[registration.Name] = known
	}
	if wrong != nil {
		if known.use(nil, wrong.Error()) {
			c.pool.Forget(registration.UID)
		}
		return
	}
	if now := known.current(); now != nil && now.member == m {
		return
	}
	connection, err := newConnection(m, c.options.Timeout, c.metrics)
	if err != nil {
		known.use(nil, err.Error())
		return
	}
	if c.options.QPS > 0 {
		connection.limit = rate.NewLimiter(rate.Limit(c.options.QPS), max(1, int(c.options.QPS*1.5)))
	}
	known.use(connection, "")
}

// newCluster starts a member that has no connection yet.
func (c *Clusters) newCluster(registration *fedv1b1.KubeFedCluster) *cluster {
	ctx, cancel := context.WithCancel(c.ctx)
	m := &cluster{
		all: c, name: registration.Name, uid: registration.UID, log: c.options.Log.WithValues("cluster", registration.Name),
		cancel: cancel, done: make(chan struct{}), woken: make(chan struct{}, 1),
		sick: NotAsked, watching: map[Target]*watching{},
	}
	c.metrics.join(m.name)
	for t := range c.targets {
		m.watching[t] = newWatching(m, t)
	}
	go m.run(ctx)
	return m
}

// Forget ends everything that has to do with a member whose KubeFedCluster is gone, and waits for it.
func (c *Clusters) Forget(name string) {
	c.change.Lock()
	defer c.change.Unlock()
	if known := c.member(name); known != nil {
		c.forget(known)
	}
}

func (c *Clusters) forget(m *cluster) {
	c.mu.Lock()
	delete(c.members, m.name)
	c.mu.Unlock()
	m.cancel()
	<-m.done
	c.pool.Forget(m.uid)
	c.metrics.forget(m.name)
}

// Close ends everything and waits for it. The pool stays open.
func (c *Clusters) Close() {
	c.change.Lock()
	defer c.change.Unlock()
	c.mu.Lock()
	c.closed = true
	members := c.members
	c.members = map[string]*cluster{}
	c.mu.Unlock()
	c.cancel()
	for _, m := range members {
		<-m.done
	}
}

// Watch makes the objects of a target known in every member, from then on.
func (c *Clusters) Watch(t Target) {
	c.change.Lock()
	defer c.change.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, again := c.targets[t]; again || c.closed {
		return
	}
	c.targets[t] = struct{}{}
	for _, m := range c.members {
		m.watch(t)
	}
}

// Unwatch ends the watches of a target in every member, and waits for them.
func (c *Clusters) Unwatch(t Target) {
	c.change.Lock()
	defer c.change.Unlock()
	c.mu.Lock()
	delete(c.targets, t)
	members := make([]*cluster, 0, len(c.members))
	for _, m := range c.members {
		members = append(members, m)
	}
	c.mu.Unlock()
	var waiting sync.WaitGroup
	for _, m := range members {
		waiting.Go(func() { m.unwatch(t) })
	}
	waiting.Wait()
}

func (c *Clusters) member(name string) *cluster {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.members[name]
}

// Members returns the names of all members that are registered, in no order.
func (c *Clusters) Members() []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	names := make([]string, 0, len(c.members))
	for name := range c.members {
		names = append(names, name)
	}
	return names
}

// Healthy says whether a member can be used, and else why not.
func (c *Clusters) Healthy(member string) (ok bool, why string) {
	if m := c.member(member); m != nil {
		return m.healthy()
	}
	return false, ErrUnknown.Error()
}

// Trouble says why a target's objects cannot be watched in a member. It is empty when they are, or are about to be.
func (c *Clusters) Trouble(member string, t Target) string {
	m := c.member(member)
	if m == nil {
		return ErrUnknown.Error()
	}
	if healthy, why := m.healthy(); !healthy {
		return why
	}
	w := m.of(t)
	if w == nil {
		return "nobody watches " + t.Resource.String()
	}
	return w.why()
}

// Get returns what is known of an object: nil when there is none that is propagated. known is false when nothing can be
// said, because the target's objects were not read yet.
func (c *Clusters) Get(member string, t Target, namespace, name string) (o *Object, known bool) {
	if w := c.watching(member, t); w != nil {
		return w.store.get(key{namespace, name})
	}
	return nil, false
}

// List returns all propagated objects of a target that are known, in no order.
func (c *Clusters) List(member string, t Target) []*Object {
	if w := c.watching(member, t); w != nil {
		return w.store.list()
	}
	return nil
}

// Synced says whether a target's objects were read in a member.
func (c *Clusters) Synced(member string, t Target) bool {
	w := c.watching(member, t)
	return w != nil && w.store.known()
}

func (c *Clusters) watching(member string, t Target) *watching {
	if m := c.member(member); m != nil {
		return m.of(t)
	}
	return nil
}

// use makes a connection the one that is used, or notes why there is none. It says whether that is a change.
func (c *cluster) use(conn *connection, wrong string) bool {
	c.mu.Lock()
	changed := c.connection != conn || c.wrong != wrong
	if c.connection != conn {
		c.doubted, c.refuses = false, ""
	}
	c.connection, c.wrong = conn, wrong
	if wrong != "" {
		// What comes after it has to show that it works.
		c.sick = NotAsked
	}
	c.mu.Unlock()
	if changed {
		if wrong != "" {
			c.log.Info("The member cluster is not healthy", "reason", wrong)
		}
		c.wake()
	}
	return changed
}

func (c *cluster) of(t Target) *watching {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.watching[t]
}

func (c *cluster) watch(t Target) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := newWatching(c, t)
	c.watching[t] = w
	if c.session != nil {
		w.start(c.session, c.through)
	}
}

func (c *cluster) unwatch(t Target) {
	c.mu.Lock()
	w := c.watching[t]
	delete(c.watching, t)
	var stop func()
	if w != nil {
		stop, w.stop = w.stop, nil
	}
	c.mu.Unlock()
	if stop != nil {
		stop()
	}
}
