package framework

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// RevisionLabel tells an Observer which revision of an object it sees. It comes from the template of a federated object.
const RevisionLabel = "e2e.cellfed.io/revision"

// Sight is an object at a revision; no revision means that it is gone after it was seen.
type Sight struct {
	Namespace, Name, Revision string
}

// Observer notes when the watch of a cluster first showed each revision of the objects that carry RevisionLabel.
type Observer struct {
	cluster string
	watch   watch.Interface
	done    sync.WaitGroup

	mu      sync.Mutex
	seen    map[Sight]time.Time
	waiters map[*waiter]bool
	closed  bool
	err     error
}

type waiter struct {
	pending map[Sight]bool
	done    chan struct{}
}

// Observe watches the objects of a kind in all namespaces of the cluster, their metadata alone. A watch that the API server
// closes, as a busy one does, goes on where it was. The caller closes the Observer.
func (c *Cluster) Observe(ctx context.Context, gvk schema.GroupVersionKind) (*Observer, error) {
	newList := func() *metav1.PartialObjectMetadataList {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		return list
	}
	now := newList()
	if err := c.Client.List(ctx, now, client.Limit(1)); err != nil {
		return nil, fmt.Errorf("list %s in %s: %w", gvk.Kind, c.Name, err)
	}
	w, err := toolswatch.NewRetryWatcherWithContext(ctx, now.ResourceVersion, &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return c.Client.Watch(ctx, newList(), client.HasLabels{RevisionLabel}, &client.ListOptions{Raw: &options})
		},
	})
	if err != nil {
		return nil, fmt.Errorf("watch %s in %s: %w", gvk.Kind, c.Name, err)
	}
	o := &Observer{cluster: c.Name, watch: w, seen: map[Sight]time.Time{}, waiters: map[*waiter]bool{}}
	o.done.Go(o.run)
	return o, nil
}

func (o *Observer) run() {
	for event := range o.watch.ResultChan() {
		now := time.Now()
		object, ok := event.Object.(client.Object)
		if !ok || event.Type == watch.Error {
			o.end(fmt.Errorf("the watch of %s failed: %v", o.cluster, event.Object))
			return
		}
		sight := Sight{Namespace: object.GetNamespace(), Name: object.GetName()}
		if event.Type != watch.Deleted {
			sight.Revision = object.GetLabels()[RevisionLabel]
		}
		o.note(sight, now)
	}
	o.end(fmt.Errorf("the watch of %s ended", o.cluster))
}

func (o *Observer) note(sight Sight, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.seen[sight]; known {
		return
	}
	o.seen[sight] = now
	for w := range o.waiters {
		delete(w.pending, sight)
		if len(w.pending) == 0 {
			close(w.done)
			delete(o.waiters, w)
		}
	}
}

func (o *Observer) end(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		err = errors.New("the observer was closed")
	}
	o.err = err
	for w := range o.waiters {
		close(w.done)
		delete(o.waiters, w)
	}
}

// Wait waits until all of the sights were seen, and returns when each of them was first.
func (o *Observer) Wait(ctx context.Context, sights ...Sight) (map[Sight]time.Time, error) {
	w := &waiter{pending: map[Sight]bool{}, done: make(chan struct{})}
	o.mu.Lock()
	for _, sight := range sights {
		if _, known := o.seen[sight]; !known {
			w.pending[sight] = true
		}
	}
	if len(w.pending) == 0 || o.err != nil {
		close(w.done)
	} else {
		o.waiters[w] = true
	}
	o.mu.Unlock()

	var cause error
	select {
	case <-w.done:
	case <-ctx.Done():
		cause = context.Cause(ctx)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.waiters, w)
	if len(w.pending) > 0 {
		first := slices.MinFunc(slices.Collect(maps.Keys(w.pending)), compareSights)
		return nil, fmt.Errorf("wait for %d of %d objects in %s, such as %s/%s at revision %q: %w",
			len(w.pending), len(sights), o.cluster, first.Namespace, first.Name, first.Revision, errors.Join(cause, o.err))
	}
	times := make(map[Sight]time.Time, len(sights))
	for _, sight := range sights {
		times[sight] = o.seen[sight]
	}
	return times, nil
}

func compareSights(a, b Sight) int {
	return slices.Compare([]string{a.Namespace, a.Name, a.Revision}, []string{b.Namespace, b.Name, b.Revision})
}

// Close ends the watch.
func (o *Observer) Close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.watch.Stop()
	o.done.Wait()
}
