package engine

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/wire"
)

// Change says what of a federated object has changed.
type Change int

const (
	// Listed objects were there when the store began.
	Listed Change = iota
	// Specified objects have come, or are another in what people say.
	Specified
	// Gone objects are there no more.
	Gone
	// Reported objects have another status than the one written last by this process.
	Reported
)

// Unread is what a client of the engine need not read, because a Store does not keep it.
var Unread = wire.Without{"metadata": {"managedFields": nil}}

// Store holds the federated objects of one type, decoded. What this process has written is there at once.
type Store struct {
	shared   cache.SharedIndexInformer
	handlers cache.ResourceEventHandlerRegistration
	changed  func(types.NamespacedName, Change)
	// synced, unless it is nil, is called once, when the store holds all that there is.
	synced func()

	cancel context.CancelFunc
	done   chan struct{}

	mu sync.Mutex
	// written holds what was written and what the watch has not brought yet.
	written map[types.NamespacedName]*unstructured.Unstructured
	decoded map[types.NamespacedName]decoded
}

// decoded is an object of one resource version.
type decoded struct {
	version string
	object  *federated.Object
	err     error
}

// newStore returns a store that is not filled before it is started. It calls changed for every change, from one goroutine.
func newStore(client dynamic.Interface, resource schema.GroupVersionResource, changed func(types.NamespacedName, Change)) (*Store, error) {
	objects := client.Resource(resource)
	s := &Store{
		changed: changed,
		written: map[types.NamespacedName]*unstructured.Unstructured{},
		decoded: map[types.NamespacedName]decoded{},
		shared: cache.NewSharedIndexInformerWithOptions(
			cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
				ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
					return objects.List(ctx, options)
				},
				WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
					return objects.Watch(ctx, options)
				},
			}, client),
			&unstructured.Unstructured{},
			cache.SharedIndexInformerOptions{
				Indexers:          cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc},
				ObjectDescription: resource.String(),
			},
		),
	}
	if err := s.shared.SetTransform(withoutManagedFields); err != nil {
		return nil, fmt.Errorf("watch %s: %w", resource.GroupResource(), err)
	}
	if err := s.shared.SetWatchErrorHandlerWithContext(watchFailed); err != nil {
		return nil, fmt.Errorf("watch %s: %w", resource.GroupResource(), err)
	}
	var err error
	if s.handlers, err = s.shared.AddEventHandler(s); err != nil {
		return nil, fmt.Errorf("watch %s: %w", resource.GroupResource(), err)
	}
	return s, nil
}

func withoutManagedFields(o any) (any, error) {
	if u, ok := o.(*unstructured.Unstructured); ok {
		u.SetManagedFields(nil)
	}
	return o, nil
}

// watchFailed keeps quiet about a version that is not served yet, or not any more.
func watchFailed(ctx context.Context, r *cache.Reflector, err error) {
	if apierrors.IsNotFound(err) {
		logr.FromContextOrDiscard(ctx).V(1).Info("Federated type is not served", "type", r.TypeDescription(), "error", err.Error())
		return
	}
	cache.DefaultWatchErrorHandler(ctx, r, err)
}

func (s *Store) start(ctx context.Context) {
	ctx, s.cancel = context.WithCancel(ctx)
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		var telling sync.WaitGroup
		telling.Go(func() {
			if s.synced != nil && cache.WaitForCacheSync(ctx.Done(), s.handlers.HasSynced) {
				s.synced()
			}
		})
		s.shared.RunWithContext(ctx)
		telling.Wait()
	}()
}

func (s *Store) stop() {
	if s.cancel == nil {
		return
	}
	s.cancel()
	<-s.done
	_ = s.shared.RemoveEventHandler(s.handlers)
}

// Synced reports whether the store holds all that there is.
func (s *Store) Synced() bool { return s.handlers.HasSynced() }

// Get returns an object, nil if there is none. The error is that of an object which cannot be decoded. The object is
// shared and must not be changed.
func (s *Store) Get(key types.NamespacedName) (*federated.Object, error) {
	u := s.latest(key)
	if u == nil {
		return nil, nil
	}
	s.mu.Lock()
	d, ok := s.decoded[key]
	s.mu.Unlock()
	if ok && d.version == u.GetResourceVersion() {
		return d.object, d.err
	}
	object, err := federated.Decode(u)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decoded[key] = decoded{version: u.GetResourceVersion(), object: object, err: err}
	return object, err
}

// latest returns the newer of what the watch brought and what was written.
func (s *Store) latest(key types.NamespacedName) *unstructured.Unstructured {
	var held *unstructured.Unstructured
	if found, exists, err := s.shared.GetIndexer().GetByKey(storeKey(key)); err == nil && exists {
		held, _ = found.(*unstructured.Unstructured)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	written := s.written[key]
	if written == nil || held == nil || held.GetUID() != written.GetUID() {
		return held
	}
	if newer(written, held) {
		return written
	}
	return held
}

// Written records the answer to a write.
func (s *Store) Written(u *unstructured.Unstructured) {
	u.SetManagedFields(nil)
	key := types.NamespacedName{Namespace: u.GetNamespace(), Name: u.GetName()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if before := s.written[key]; before == nil || before.GetUID() != u.GetUID() || newer(u, before) {
		s.written[key] = u
	}
}

// Keys returns the objects of a namespace, or all of them.
func (s *Store) Keys(namespace string) []types.NamespacedName {
	var found []any
	if namespace == "" {
		found = s.shared.GetIndexer().List()
	} else {
		found, _ = s.shared.GetIndexer().ByIndex(cache.NamespaceIndex, namespace) // The index is there.
	}
	keys := make([]types.NamespacedName, 0, len(found))
	for _, o := range found {
		if u, ok := o.(*unstructured.Unstructured); ok {
			keys = append(keys, keyOf(u))
		}
	}
	return keys
}

// OnAdd implements cache.ResourceEventHandler.
func (s *Store) OnAdd(o any, isInInitialList bool) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return
	}
	if isInInitialList {
		s.changed(keyOf(u), Listed)
		return
	}
	s.changed(keyOf(u), Specified)
}

// OnUpdate implements cache.ResourceEventHandler.
func (s *Store) OnUpdate(before, after any) {
	was, ok1 := before.(*unstructured.Unstructured)
	is, ok2 := after.(*unstructured.Unstructured)
	if !ok1 || !ok2 || was.GetResourceVersion() == is.GetResourceVersion() && was.GetUID() == is.GetUID() {
		return
	}
	key := keyOf(is)
	own, written := s.caughtUp(key, is)
	switch {
	case !samePlan(was, is), written != nil && !samePlan(written, is):
		// What this process has seen is what it wrote, too: a watch may tell of a later change alone.
		s.changed(key, Specified)
	case !own && !reflect.DeepEqual(was.Object["status"], is.Object["status"]):
		s.changed(key, Reported)
	}
}

// OnDelete implements cache.ResourceEventHandler.
func (s *Store) OnDelete(o any) {
	if unknown, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = unknown.Obj
	}
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return
	}
	key := keyOf(u)
	s.mu.Lock()
	delete(s.written, key)
	delete(s.decoded, key)
	s.mu.Unlock()
	s.changed(key, Gone)
}

// caughtUp forgets what was written once the watch has brought it, or something later. It returns whether it was just
// that, and what was written.
func (s *Store) caughtUp(key types.NamespacedName, is *unstructured.Unstructured) (own bool, written *unstructured.Unstructured) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if written = s.written[key]; written == nil {
		return false, nil
	}
	own = written.GetResourceVersion() == is.GetResourceVersion()
	if own || written.GetUID() != is.GetUID() || newer(is, written) {
		delete(s.written, key)
		return own, written
	}
	return own, nil
}

// samePlan reports whether nothing differs that decides what the members are to hold. Labels and annotations change no
// generation; of these, annotations count.
func samePlan(a, b *unstructured.Unstructured) bool {
	return a.GetUID() == b.GetUID() && a.GetGeneration() == b.GetGeneration() &&
		(a.GetDeletionTimestamp() == nil) == (b.GetDeletionTimestamp() == nil) &&
		maps.Equal(a.GetAnnotations(), b.GetAnnotations()) && slices.Equal(a.GetFinalizers(), b.GetFinalizers())
}

// newer reports whether a is of a later version than b. Versions of one resource can be compared (KEP-5504).
func newer(a, b *unstructured.Unstructured) bool {
	order, err := resourceversion.CompareResourceVersion(a.GetResourceVersion(), b.GetResourceVersion())
	return err == nil && order > 0
}

func keyOf(u *unstructured.Unstructured) types.NamespacedName {
	return types.NamespacedName{Namespace: u.GetNamespace(), Name: u.GetName()}
}

// storeKey is what client-go's MetaNamespaceKeyFunc makes of an object.
func storeKey(key types.NamespacedName) string {
	if key.Namespace == "" {
		return key.Name
	}
	return key.Namespace + "/" + key.Name
}
