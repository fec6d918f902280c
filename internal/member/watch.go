package member

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// watching is one target in one member: its store, and the watches that fill it while there is a session.
type watching struct {
	cluster *cluster
	target  Target
	store   *store

	// stop ends the watches of the session, and waits for them. It is nil when there are none. The cluster's lock guards it.
	stop func()

	mu sync.Mutex
	// trouble says for each flavor why its watch does not work.
	trouble [flavors]error
}

func newWatching(c *cluster, t Target) *watching {
	w := &watching{cluster: c, target: t, store: newStore(&c.all.sharer, c.all.options.clock)}
	w.store.changed = func(changes []change) {
		if notify := c.all.options.OnEvent; notify != nil {
			for _, each := range changes {
				notify(c.name, t, each.after, each.before, each.after == nil)
			}
		}
	}
	w.store.synced = func() {
		if notify := c.all.options.OnSynced; notify != nil {
			notify(c.name, &t)
		}
	}
	return w
}

// start begins to watch through a connection.
func (w *watching) start(ctx context.Context, c *connection) {
	w.store.begin()
	// What the reflector would log may repeat what a member sent. What matters is told by fails.
	ctx, cancel := context.WithCancel(logr.NewContext(ctx, logr.Discard()))
	var running sync.WaitGroup
	for flavor := range flavors {
		running.Go(func() { w.run(ctx, c, flavor) })
	}
	w.stop = func() {
		cancel()
		running.Wait()
	}
}

// run watches a flavor until the context ends. A reflector lists and watches; when to try again is decided here.
func (w *watching) run(ctx context.Context, c *connection, flavor int) {
	timing := w.cluster.all.options
	feed := &feed{store: w.store, flavor: flavor, target: w.target, works: func() { w.works(flavor) }}
	source := &source{watching: w, connection: c, label: flavorLabels[flavor] + "=true"}
	reflector := cache.NewReflectorWithOptions(source, nil, feed, cache.ReflectorOptions{
		Name: w.cluster.name, TypeDescription: w.target.Resource.String(),
	})
	delay := timing.retryFirst
	for ctx.Err() == nil {
		began := timing.clock.Now()
		round, end := context.WithCancelCause(ctx)
		feed.begin(end, timing.clock, timing.listTimeout())
		err := reflector.ListAndWatchWithContext(round)
		if err == nil {
			err = context.Cause(round)
		}
		feed.stalled.Stop()
		end(nil)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			w.fails(c, flavor, err)
		}
		if timing.clock.Since(began) > timing.retryMost {
			delay = timing.retryFirst
		}
		select {
		case <-ctx.Done():
			return
		case <-timing.clock.After(delay):
		}
		delay = min(2*delay, timing.retryMost)
	}
}

// fails notes why a watch does not work.
func (w *watching) fails(c *connection, flavor int, err error) {
	err = redacted(err, c.member.token)
	w.mu.Lock()
	news := w.trouble[flavor] == nil || w.trouble[flavor].Error() != err.Error()
	w.trouble[flavor] = err
	w.mu.Unlock()
	if news {
		w.cluster.log.V(1).Info("Cannot watch a type in a member cluster", "type", w.target.Resource.String(), "reason", err.Error())
	}
	w.cluster.doubt(c, err)
	w.cluster.judge()
}

// works notes that a watch works.
func (w *watching) works(flavor int) {
	w.mu.Lock()
	was := w.trouble[flavor]
	w.trouble[flavor] = nil
	w.mu.Unlock()
	if was != nil {
		w.cluster.judge()
	}
}

// why says why the target cannot be watched, nothing when it is.
func (w *watching) why() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, err := range w.trouble {
		switch {
		case err == nil:
		case apierrors.IsNotFound(err):
			return fmt.Sprintf("the member does not serve %s", w.target.Resource)
		default:
			return fmt.Sprintf("%s cannot be watched: %s", w.target.Resource.GroupResource(), cut(reason(err), 1024))
		}
	}
	return ""
}

// refused says whether the member lets nobody with this token watch the target.
func (w *watching) refused() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, err := range w.trouble {
		if !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
			return nil
		}
	}
	return w.trouble[0]
}

// source lists and watches the objects of a flavor.
type source struct {
	watching   *watching
	connection *connection
	label      string
}

var _ cache.ListerWatcherWithContext = (*source)(nil)

// List exists for an interface that has methods without a context still.
func (s *source) List(options metav1.ListOptions) (runtime.Object, error) {
	return s.ListWithContext(context.Background(), options)
}

// Watch exists for an interface that has methods without a context still.
func (s *source) Watch(options metav1.ListOptions) (watch.Interface, error) {
	return s.WatchWithContext(context.Background(), options)
}

// ListWithContext lists the objects, as fresh as a write that was answered before.
func (s *source) ListWithContext(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, s.watching.cluster.all.options.listTimeout())
	defer cancel()
	options.LabelSelector = s.label
	if options.ResourceVersion == "0" {
		options.ResourceVersion = ""
	}
	t := s.watching.target
	list, err := s.connection.lists.Resource(t.Resource).List(ctx, options)
	if err != nil {
		return nil, err
	}
	if list.GetAPIVersion() != t.Kind.GroupVersion().String() || !strings.HasSuffix(list.GetKind(), "List") || list.GetResourceVersion() == "" {
		return nil, &AnswerError{Problem: fmt.Sprintf("what should be a list of %s is of kind %q in %q, version %q",
			t.Kind, list.GetKind(), list.GetAPIVersion(), list.GetResourceVersion())}
	}
	return list, nil
}

// WatchWithContext watches the objects.
func (s *source) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	options.LabelSelector = s.label
	w, err := s.connection.lists.Resource(s.watching.target.Resource).Watch(ctx, options)
	if err != nil {
		s.watching.cluster.doubt(s.connection, err)
		// The reflector would wait by itself after some errors, whatever is to be stopped meanwhile.
		return nil, errors.New(err.Error())
	}
	return w, nil
}

// listTimeout bounds one page of a list.
func (o *Options) listTimeout() time.Duration { return 4 * o.Timeout }
