package kube

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

const (
	// retry is how long after a watch has ended the next one begins, and after a failure that may pass it is looked again.
	retry = time.Second
	// settle is how long changes are gathered before they are told of.
	settle = 200 * time.Millisecond
)

// Watched is what a command wants to be told of.
type Watched struct {
	// List is an empty list of the kind.
	List client.ObjectList
	// Options narrow it.
	Options []client.ListOption
}

// Follow calls the function now and whenever something of what is watched may have changed, until it reports that it is
// done or fails, or the context ends, which is no error. What happens during a call is told by the next one. A watch that
// ends is begun again; where none can be begun the first time, that is the error. A failure that may pass by itself ends
// nothing: it is told once, and the function called again in a moment.
func (k *Kube) Follow(ctx context.Context, watched []Watched, look func(context.Context) (done bool, err error)) error {
	return k.Ask(ctx, 0, watched, look)
}

// Ask is Follow for who has to look every so often too, though nothing has changed.
func (k *Kube) Ask(ctx context.Context, every time.Duration, watched []Watched, look func(context.Context) (done bool, err error)) error {
	c, err := k.Client()
	if err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	outage := outage{out: k.ErrOut}
	changed := make(chan struct{}, 1)
	for _, w := range watched {
		first, err := c.Watch(watching, w.List, w.Options...)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil
		case Transient(err):
			outage.tell(err)
		case err != nil:
			return fmt.Errorf("watch %s: %w", w.kind(), err)
		}
		wg.Go(func() { forward(watching, c, w, first, changed) })
	}
	for {
		done, err := look(ctx)
		next := every
		switch {
		case ctx.Err() != nil:
			return nil
		case Transient(err):
			outage.tell(err)
			next = retry
		case done || err != nil:
			return err
		default:
			outage.over()
		}
		if !soon(ctx, changed, next) {
			return nil
		}
	}
}

// soon waits for a change, or for as long as it is to be waited at most; 0 is for ever. It reports false if the context ended.
func soon(ctx context.Context, changed <-chan struct{}, most time.Duration) bool {
	var late <-chan time.Time
	if most > 0 {
		timer := time.NewTimer(most)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-late:
		return true
	case <-changed:
	}
	if !pause(ctx, settle) {
		return false
	}
	// What came meanwhile is seen by the look that follows.
	select {
	case <-changed:
	default:
	}
	return true
}

// kind names what is watched.
func (w *Watched) kind() string {
	gvk, err := apiutil.GVKForObject(w.List, Scheme())
	if err != nil {
		return "objects"
	}
	return strings.TrimSuffix(gvk.Kind, "List") + " objects"
}

// forward tells of every event, and begins the watch again when it ends.
func forward(ctx context.Context, c client.WithWatch, w Watched, current watch.Interface, changed chan<- struct{}) {
	for {
		for open := current != nil; open; {
			select {
			case <-ctx.Done():
				current.Stop()
				return
			case _, open = <-current.ResultChan():
				select {
				case changed <- struct{}{}:
				default:
				}
			}
		}
		if current != nil {
			current.Stop()
		}
		if !pause(ctx, retry) {
			return
		}
		// A host cluster that does not answer is asked again: what was shown goes on to stand until it does.
		current, _ = c.Watch(ctx, w.List, w.Options...)
		if current == nil {
			continue
		}
		// A watch begins with what is there, and tells nothing of what went while there was none.
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}

// pause waits, and reports false if the context ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
