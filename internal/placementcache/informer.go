package placementcache

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// informer holds the objects of one type.
type informer struct {
	t        Type
	shared   cache.SharedIndexInformer
	handlers cache.ResourceEventHandlerRegistration
	changed  func(Change)

	cancel context.CancelFunc
	done   chan struct{}
}

func (c *Cache) newInformer(t Type) (*informer, error) {
	resource := c.client.Resource(t.Resource)
	shared := cache.NewSharedIndexInformerWithOptions(
		cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
				return resource.List(ctx, options)
			},
			WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
				return resource.Watch(ctx, options)
			},
		}, c.client),
		&unstructured.Unstructured{},
		cache.SharedIndexInformerOptions{
			Indexers:          cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc},
			ObjectDescription: t.Resource.String(),
		},
	)
	if err := shared.SetTransform(Strip); err != nil {
		return nil, fmt.Errorf("set the transformation: %w", err)
	}
	if err := shared.SetWatchErrorHandlerWithContext(watchFailed); err != nil {
		return nil, fmt.Errorf("set the error handler: %w", err)
	}
	i := &informer{t: t, shared: shared, changed: c.changed}
	var err error
	if i.handlers, err = shared.AddEventHandler(i); err != nil {
		return nil, fmt.Errorf("add the event handler: %w", err)
	}
	return i, nil
}

// watchFailed keeps quiet about what is in order: a CRD that has just come is not served yet, and one that has just
// gone is not any more. The informer tries again by itself.
func watchFailed(ctx context.Context, r *cache.Reflector, err error) {
	if apierrors.IsNotFound(err) {
		logr.FromContextOrDiscard(ctx).V(1).Info("Federated type is not served", "type", r.TypeDescription(), "error", err.Error())
		return
	}
	cache.DefaultWatchErrorHandler(ctx, r, err)
}

// start runs the informer, once, until the context ends or it is stopped.
func (i *informer) start(ctx context.Context, wg *sync.WaitGroup) {
	if i.cancel != nil {
		return
	}
	ctx, i.cancel = context.WithCancel(ctx)
	i.done = make(chan struct{})
	wg.Go(func() {
		defer close(i.done)
		i.shared.RunWithContext(ctx)
	})
	wg.Go(func() {
		if cache.WaitForCacheSync(ctx.Done(), i.handlers.HasSynced) {
			i.changed(Change{Type: i.t})
		}
	})
}

// stop ends the informer and waits until it has ended. It may be called on nil, and on one that was never started.
func (i *informer) stop() {
	if i == nil || i.cancel == nil {
		return
	}
	i.cancel()
	<-i.done
}

func (i *informer) synced() bool { return i.handlers.HasSynced() }

func (i *informer) list(namespace string) ([]Object, error) {
	found, err := i.shared.GetIndexer().ByIndex(cache.NamespaceIndex, namespace)
	if err != nil {
		return nil, fmt.Errorf("list %s from the cache: %w", i.t.Resource.GroupResource(), err)
	}
	objects := make([]Object, 0, len(found))
	for _, object := range found {
		if u, ok := object.(*unstructured.Unstructured); ok {
			objects = append(objects, Object{Type: i.t, Unstructured: u})
		}
	}
	return objects, nil
}

func (i *informer) get(namespace, name string) *unstructured.Unstructured {
	found, exists, err := i.shared.GetIndexer().GetByKey(namespace + "/" + name)
	if err != nil || !exists {
		return nil
	}
	u, _ := found.(*unstructured.Unstructured)
	return u
}

// OnAdd implements cache.ResourceEventHandler. What the first list holds is announced at once when all of it is there.
func (i *informer) OnAdd(object any, isInInitialList bool) {
	if !isInInitialList {
		i.objectChanged(object)
	}
}

// OnUpdate implements cache.ResourceEventHandler. Upstream writes an object's status often: what leaves the placement
// as it was is no change.
func (i *informer) OnUpdate(before, after any) {
	if !samePlacement(before, after) {
		i.objectChanged(after)
	}
}

// OnDelete implements cache.ResourceEventHandler.
func (i *informer) OnDelete(object any) {
	if unknown, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = unknown.Obj
	}
	i.objectChanged(object)
}

func (i *informer) objectChanged(object any) {
	if u, ok := object.(*unstructured.Unstructured); ok {
		i.changed(Change{Type: i.t, Namespace: u.GetNamespace()})
	}
}

// samePlacement reports whether two reduced objects differ in nothing but the resource version.
func samePlacement(before, after any) bool {
	a, ok := before.(*unstructured.Unstructured)
	if !ok {
		return false
	}
	b, ok := after.(*unstructured.Unstructured)
	if !ok {
		return false
	}
	x, y := shallow(a.Object), shallow(b.Object)
	return reflect.DeepEqual(x, y)
}

// shallow returns a copy of the object without the resource version that shares all else.
func shallow(object map[string]any) map[string]any {
	out := make(map[string]any, len(object))
	for key, value := range object {
		out[key] = value
	}
	if metadata, ok := object["metadata"].(map[string]any); ok {
		kept := make(map[string]any, len(metadata))
		for key, value := range metadata {
			if key != "resourceVersion" {
				kept[key] = value
			}
		}
		out["metadata"] = kept
	}
	return out
}
