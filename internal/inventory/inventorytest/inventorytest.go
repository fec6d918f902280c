// Package inventorytest gives tests an Inventory that reads from a real cache, with its indexes, and no API server.
package inventorytest

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/inventory"
)

// KubeFedNamespace is the namespace that upstream KubeFed runs in.
const KubeFedNamespace = "kube-federation-system"

// ErrRequest is what every request to the API server fails with.
var ErrRequest = errors.New("a request was made to the API server")

// Fixture is an Inventory and what it reads. Its Live fails with ErrRequest, and counts.
type Fixture struct {
	*inventory.Inventory
	Cache  cache.Cache
	Scheme *runtime.Scheme

	t         testing.TB
	mu        sync.Mutex
	informers map[reflect.Type]toolscache.SharedIndexInformer
	version   int
	requests  int
}

// New returns an Inventory over a cache that holds the objects.
func New(t testing.TB, objects ...client.Object) *Fixture {
	t.Helper()
	f := &Fixture{t: t, informers: map[reflect.Type]toolscache.SharedIndexInformer{}}
	scheme := runtime.NewScheme()
	f.Scheme = scheme
	f.must(corev1.AddToScheme(scheme), fedv1b1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme))
	kinds := map[client.Object]schema.GroupVersionKind{
		&metav1.PartialObjectMetadata{}: corev1.SchemeGroupVersion.WithKind("Namespace"),
		&fedv1b1.KubeFedCluster{}:       fedv1b1.SchemeGroupVersion.WithKind("KubeFedCluster"),
		&fedv1b1.FederatedTypeConfig{}:  fedv1b1.SchemeGroupVersion.WithKind("FederatedTypeConfig"),
		&v1alpha1.FederatedTypePolicy{}: v1alpha1.GroupVersion.WithKind("FederatedTypePolicy"),
		&v1alpha1.Cell{}:                v1alpha1.GroupVersion.WithKind("Cell"),
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	for object, kind := range kinds {
		object.GetObjectKind().SetGroupVersionKind(kind)
		scope := meta.RESTScopeNamespace
		if kind.Kind == "Namespace" {
			scope = meta.RESTScopeRoot
		}
		mapper.Add(kind, scope)
	}
	var err error
	f.Cache, err = cache.New(&rest.Config{Host: "http://127.0.0.1:1"}, cache.Options{
		Scheme: scheme, Mapper: mapper, HTTPClient: http.DefaultClient,
		NewInformer: func(_ toolscache.ListerWatcher, example runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
			shared := toolscache.NewSharedIndexInformer(silent{}, example, resync, indexers)
			f.mu.Lock()
			defer f.mu.Unlock()
			f.informers[reflect.TypeOf(example)] = shared
			return shared
		},
	})
	f.must(err, inventory.IndexFields(t.Context(), f.Cache))
	for object := range kinds {
		_, err := f.Cache.GetInformer(t.Context(), object, cache.BlockUntilSynced(false))
		f.must(err)
	}
	f.run()
	f.Inventory = &inventory.Inventory{Reader: f.Cache, Live: live{f}, KubeFedNamespace: KubeFedNamespace}
	f.Put(objects...)
	return f
}

func (f *Fixture) run() {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := f.Cache.Start(ctx); err != nil {
			f.t.Errorf("the cache ended with %v", err)
		}
	})
	f.t.Cleanup(func() { cancel(); done.Wait() })
	if !f.Cache.WaitForCacheSync(ctx) {
		f.t.Fatal("the cache did not begin")
	}
}

// Put has the cache hold objects, which get a UID if they have none, and a new resourceVersion. A Namespace is held as
// metadata.
func (f *Fixture) Put(objects ...client.Object) {
	f.t.Helper()
	for _, object := range objects {
		object = f.stored(object)
		f.must(f.indexer(object).Add(object))
	}
}

// Remove has the cache hold objects no more.
func (f *Fixture) Remove(objects ...client.Object) {
	f.t.Helper()
	for _, object := range objects {
		object = f.stored(object)
		f.must(f.indexer(object).Delete(object))
	}
}

// Requests returns how many requests were made to the API server.
func (f *Fixture) Requests() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests
}

func (f *Fixture) stored(object client.Object) client.Object {
	object = object.DeepCopyObject().(client.Object)
	if n, ok := object.(*corev1.Namespace); ok {
		object = &metav1.PartialObjectMetadata{ObjectMeta: n.ObjectMeta}
		object.GetObjectKind().SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.version++
	object.SetResourceVersion(strconv.Itoa(f.version))
	if object.GetUID() == "" {
		object.SetUID(types.UID(object.GetNamespace() + "/" + object.GetName()))
	}
	return object
}

// indexer returns where the cache holds objects of a type. It waits for nothing: every type was asked for already.
func (f *Fixture) indexer(object client.Object) toolscache.Indexer {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	informer, ok := f.informers[reflect.TypeOf(object)]
	if !ok {
		f.t.Fatalf("admission has nothing to do with a %T", object)
	}
	return informer.GetIndexer()
}

func (f *Fixture) must(errs ...error) {
	f.t.Helper()
	if err := errors.Join(errs...); err != nil {
		f.t.Fatal(err)
	}
}

// live fails.
type live struct{ f *Fixture }

func (l live) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return l.count()
}

func (l live) List(context.Context, client.ObjectList, ...client.ListOption) error { return l.count() }

func (l live) count() error {
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	l.f.requests++
	return ErrRequest
}

// silent is a source that holds nothing and never tells of anything.
type silent struct{}

func (silent) List(metav1.ListOptions) (runtime.Object, error) {
	return &metav1.List{ListMeta: metav1.ListMeta{ResourceVersion: "1"}}, nil
}

func (silent) Watch(metav1.ListOptions) (watch.Interface, error) { return watch.NewFake(), nil }

// IsWatchListSemanticsUnSupported tells the informer to list.
func (silent) IsWatchListSemanticsUnSupported() bool { return true }
