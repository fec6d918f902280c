// Package placementcache keeps in memory where the federated objects of every type are placed, and says when that
// changes. Types come and go at run time: each has an informer of its own, so that a type whose CRD vanishes, is
// not there yet, or cannot be read holds up no other.
package placementcache

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/cellfed/cellfed/internal/federated"
)

// pageSize is how many objects a live list asks for at a time.
const pageSize = 500

// Type is a federated type.
type Type struct {
	// Name is the name of its FederatedTypeConfig, which no other type has.
	Name string
	// Kind is the kind of its objects.
	Kind string
	// Resource is what its objects are read as. It should be the version that is stored, or the API server converts
	// what is read. Whatever it is, objects are in v1beta1 in the cache.
	Resource schema.GroupVersionResource
	// CRD is the UID of the CRD that serves it. Objects of a CRD of another UID have nothing to do with these.
	CRD types.UID
}

// Object is a federated object of a type, reduced by Strip. It is shared: who wants to change it makes a copy.
type Object struct {
	Type Type
	*unstructured.Unstructured
}

// Change says what may have changed.
type Change struct {
	// Type is the type.
	Type Type
	// Namespace is the namespace of the object that changed. Empty means that the whole type has become readable
	// or has gone, which concerns every namespace.
	Namespace string
}

// Cache holds the placements. Its methods can be called at any time and from any goroutine.
type Cache struct {
	client dynamic.Interface

	mu sync.Mutex
	// ctx is what informers run under: nil before Start.
	ctx    context.Context
	ended  bool
	types  map[string]*informer
	notify []func(Change)
	wg     sync.WaitGroup
}

// New returns an empty cache that reads with the client.
func New(client dynamic.Interface) *Cache {
	return &Cache{client: client, types: map[string]*informer{}}
}

// OnChange has the function called for every change from now on. It must not block, nor call the cache.
func (c *Cache) OnChange(fn func(Change)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notify = append(c.notify, fn)
}

// Start runs the informers until the context ends, and returns when all of them have ended.
func (c *Cache) Start(ctx context.Context) error {
	c.mu.Lock()
	c.ctx = ctx
	for _, i := range c.types {
		c.run(i)
	}
	c.mu.Unlock()

	<-ctx.Done()

	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.wg.Wait()
	return nil
}

// Ensure makes the cache hold the objects of the type. It returns at once: until they are there, List names the type
// as pending. A type of the same name that differs is replaced.
func (c *Cache) Ensure(t Type) error {
	c.mu.Lock()
	existing := c.types[t.Name]
	if existing != nil && existing.t == t {
		c.mu.Unlock()
		return nil
	}
	i, err := c.newInformer(t)
	if err != nil {
		c.mu.Unlock()
		return fmt.Errorf("watch %s: %w", t.Resource.GroupResource(), err)
	}
	c.types[t.Name] = i
	c.run(i)
	c.mu.Unlock()

	existing.stop()
	return nil
}

// Stop makes the cache forget the type of that name, and returns when nothing of it runs any more.
func (c *Cache) Stop(name string) {
	c.mu.Lock()
	existing := c.types[name]
	delete(c.types, name)
	c.mu.Unlock()
	if existing == nil {
		return
	}
	existing.stop()
	c.changed(Change{Type: existing.t})
}

// Types returns the types that the cache holds or is about to hold, ordered by name.
func (c *Cache) Types() []Type {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]Type, 0, len(c.types))
	for _, name := range slices.Sorted(maps.Keys(c.types)) {
		all = append(all, c.types[name].t)
	}
	return all
}

// List returns the objects of the namespace, of every type whose objects are there, in no order.
func (c *Cache) List(namespace string) ([]Object, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var objects []Object
	for _, i := range c.types {
		if !i.synced() {
			continue
		}
		found, err := i.list(namespace)
		if err != nil {
			return nil, err
		}
		objects = append(objects, found...)
	}
	return objects, nil
}

// Get returns one object, or nil if there is none. It reports false while the type is unknown or its objects are not
// there yet.
func (c *Cache) Get(typeName, namespace, name string) (*unstructured.Unstructured, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.types[typeName]
	if i == nil || !i.synced() {
		return nil, false
	}
	return i.get(namespace, name), true
}

// Type returns the type of that name, if the cache holds it or is about to.
func (c *Cache) Type(name string) (Type, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := c.types[name]; i != nil {
		return i.t, true
	}
	return Type{}, false
}

// Live reads the objects of a type in a namespace from the API server, for a decision that a cache that lags behind
// must not make. A type that the API server does not serve has none. A federated type that it only serves in the other
// version has those: v2beta1 may have been taken back a moment ago, and v1beta1 may not be served.
func (c *Cache) Live(ctx context.Context, t Type, namespace string) ([]Object, error) {
	objects, served, err := c.live(ctx, t, namespace)
	if served || err != nil || t.Resource.Group != federated.Group {
		return objects, err
	}
	if t.Resource.Version == federated.V1Beta1 {
		t.Resource.Version = federated.V2Beta1
	} else {
		t.Resource.Version = federated.V1Beta1
	}
	objects, _, err = c.live(ctx, t, namespace)
	return objects, err
}

// live reports false if the API server does not serve the type in its version.
func (c *Cache) live(ctx context.Context, t Type, namespace string) ([]Object, bool, error) {
	var objects []Object
	options := metav1.ListOptions{Limit: pageSize}
	for {
		list, err := c.client.Resource(t.Resource).Namespace(namespace).List(ctx, options)
		switch {
		case apierrors.IsNotFound(err):
			return nil, false, nil
		case apierrors.IsResourceExpired(err) && options.Continue != "":
			// The pages that are left cannot be had at the first page's moment. All at once can.
			objects, options = nil, metav1.ListOptions{}
			continue
		case err != nil:
			return nil, false, fmt.Errorf("list %s in namespace %q: %w", t.Resource.GroupResource(), namespace, err)
		}
		for n := range list.Items {
			stripped, err := Strip(&list.Items[n])
			if err != nil {
				return nil, false, fmt.Errorf("list %s in namespace %q: %w", t.Resource.GroupResource(), namespace, err)
			}
			objects = append(objects, Object{Type: t, Unstructured: stripped.(*unstructured.Unstructured)})
		}
		if options.Continue = list.GetContinue(); options.Continue == "" {
			return objects, true, nil
		}
	}
}

// run starts the informer if the cache runs. The caller holds the lock.
func (c *Cache) run(i *informer) {
	if c.ctx == nil || c.ended || c.ctx.Err() != nil {
		return
	}
	i.start(c.ctx, &c.wg)
}

func (c *Cache) changed(change Change) {
	c.mu.Lock()
	notify := slices.Clone(c.notify)
	c.mu.Unlock()
	for _, fn := range notify {
		fn(change)
	}
}
