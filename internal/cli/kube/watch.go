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
	// retryWatch is how long after a watch has ended the next one begins.
	retryWatch = time.Second
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
// ends is begun again; where none can be begun the first time, that is the error.
func (k *Kube) Follow(ctx context.Context, watched []Watched, look func(context.Context) (done bool, err error)) error {
	c, err := k.Client()
	if err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	changed := make(chan struct{}, 1)
	for _, w := range watched {
		first, err := c.Watch(watching, w.List, w.Options...)
		if err != nil {
			kind := "objects"
			if gvk, unknown := apiutil.GVKForObject(w.List, Scheme()); unknown == nil {
				kind = strings.TrimSuffix(gvk.Kind, "List") + " objects"
			}
			return fmt.Errorf("watch %s: %w", kind, err)
		}
		wg.Go(func() { forward(watching, c, w, first, changed) })
	}
	for {
		done, err := look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
		if !pause(ctx, settle) {
			return nil
		}
		// What came meanwhile is seen by the look that follows.
		select {
		case <-changed:
		default:
		}
	}
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
		if !pause(ctx, retryWatch) {
			return
		}
		// A host cluster that does not answer is asked again: what was shown goes on to stand until it does.
		current, _ = c.Watch(ctx, w.List, w.Options...)
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
