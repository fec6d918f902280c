package placementcache

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
)

const patience = 30 * time.Second

var (
	configMaps = Type{Name: "configmaps", Kind: "FederatedConfigMap", Resource: resource("federatedconfigmaps")}
	secrets    = Type{Name: "secrets", Kind: "FederatedSecret", Resource: resource("federatedsecrets")}
)

func resource(plural string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "types.kubefed.io", Version: "v1beta1", Resource: plural}
}

func newClient(objects ...runtime.Object) *fake.FakeDynamicClient {
	return fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
		configMaps.Resource: "FederatedConfigMapList",
		secrets.Resource:    "FederatedSecretList",
		{Group: "types.kubefed.io", Version: "v2beta1", Resource: "federatedconfigmaps"}: "FederatedConfigMapList",
	}, objects...)
}

func newObject(kind, namespace, name string, spec map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetAPIVersion("types.kubefed.io/v1beta1")
	u.SetKind(kind)
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

func placedOn(clusters ...any) map[string]any {
	items := []any{}
	for _, c := range clusters {
		items = append(items, map[string]any{"name": c})
	}
	return map[string]any{"placement": map[string]any{"clusters": items}, "template": map[string]any{"x": "y"}}
}

// started returns a cache that runs until the test ends, and what it announces.
func started(t *testing.T, client *fake.FakeDynamicClient) (*Cache, <-chan Change) {
	t.Helper()
	c := New(client)
	changes := make(chan Change, 100)
	c.OnChange(func(change Change) { changes <- change })
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Error("the cache does not end")
		}
	})
	return c, changes
}

func expect(t *testing.T, changes <-chan Change, want Change) {
	t.Helper()
	select {
	case got := <-changes:
		if got != want {
			t.Fatalf("announced %+v, want %+v", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("%+v was not announced", want)
	}
}

func names(t *testing.T, c *Cache, namespace string) []string {
	t.Helper()
	objects, err := c.List(namespace)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, o := range objects {
		if _, ok := o.Object["spec"].(map[string]any)["template"]; ok {
			t.Errorf("%s has its template", o.GetName())
		}
		all = append(all, o.Type.Kind+"/"+o.GetName())
	}
	slices.Sort(all)
	return all
}

func ensure(t *testing.T, c *Cache, all ...Type) {
	t.Helper()
	for _, each := range all {
		if err := c.Ensure(each); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTypesComeAndGo(t *testing.T) {
	client := newClient(
		newObject("FederatedConfigMap", "shop", "cfg", placedOn("shop.a")),
		newObject("FederatedConfigMap", "other", "cfg", placedOn("shop.a")),
		newObject("FederatedSecret", "shop", "key", placedOn("shop.b")),
	)
	c, changes := started(t, client)
	if object, known := c.Get("configmaps", "shop", "cfg"); known || object != nil {
		t.Errorf("a type that nobody has named is known: %v", object)
	}
	ensure(t, c, configMaps)
	expect(t, changes, Change{Type: configMaps})
	if got := names(t, c, "shop"); !slices.Equal(got, []string{"FederatedConfigMap/cfg"}) {
		t.Errorf("one type lists %q", got)
	}
	ensure(t, c, secrets, configMaps)
	expect(t, changes, Change{Type: secrets})
	if got := names(t, c, "shop"); !slices.Equal(got, []string{"FederatedConfigMap/cfg", "FederatedSecret/key"}) {
		t.Errorf("both types list %q", got)
	}
	if object, known := c.Get("secrets", "shop", "key"); !known || object.GetName() != "key" {
		t.Errorf("got %v, %t", object, known)
	}
	if object, known := c.Get("secrets", "shop", "none"); !known || object != nil {
		t.Errorf("got %v, %t where there is none", object, known)
	}

	c.Stop("configmaps")
	expect(t, changes, Change{Type: configMaps})
	if got := names(t, c, "shop"); !slices.Equal(got, []string{"FederatedSecret/key"}) {
		t.Errorf("the other type lists %q", got)
	}
	c.Stop("configmaps")
	if got := c.Types(); !slices.Equal(got, []Type{secrets}) {
		t.Errorf("left are %+v", got)
	}

	// The same type of a CRD that was made again is another one.
	again := secrets
	again.CRD = "another"
	ensure(t, c, again)
	expect(t, changes, Change{Type: again})
	if got := c.Types(); !slices.Equal(got, []Type{again}) {
		t.Errorf("left are %+v", got)
	}
}

func TestChanges(t *testing.T) {
	client := newClient(newObject("FederatedConfigMap", "shop", "old", placedOn("shop.a")))
	c, changes := started(t, client)
	ensure(t, c, configMaps)
	expect(t, changes, Change{Type: configMaps})
	objects := client.Resource(configMaps.Resource).Namespace("shop")
	cfg := newObject("FederatedConfigMap", "shop", "cfg", placedOn("shop.a"))
	write := func(change func()) {
		t.Helper()
		change()
		if _, err := objects.Update(t.Context(), cfg, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	here := Change{Type: configMaps, Namespace: "shop"}

	if _, err := objects.Create(t.Context(), cfg, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	expect(t, changes, here)
	// What leaves the placement alone is not announced: the next announcement is the one after it.
	write(func() {
		cfg.SetResourceVersion("2")
		cfg.Object["spec"].(map[string]any)["template"] = map[string]any{"x": "z"}
	})
	write(func() { cfg.SetResourceVersion("3"); cfg.SetAnnotations(map[string]string{"a": "b"}) })
	write(func() { cfg.Object["spec"] = placedOn("shop.b") })
	expect(t, changes, here)
	write(func() {
		cfg.Object["status"] = map[string]any{"clusters": []any{map[string]any{"name": "shop.b", "status": "X"}}}
	})
	expect(t, changes, here)
	write(func() { cfg.SetFinalizers([]string{"f"}) })
	expect(t, changes, here)
	if err := objects.Delete(t.Context(), "cfg", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	expect(t, changes, here)
	if len(changes) != 0 {
		t.Errorf("%d more changes were announced", len(changes))
	}
}

// What is asked for before the cache runs begins when it does, and nothing begins after its end.
func TestStart(t *testing.T) {
	c := New(newClient())
	changes := make(chan Change, 10)
	c.OnChange(func(change Change) { changes <- change })
	ensure(t, c, configMaps)
	if _, known := c.Get("configmaps", "shop", "x"); known {
		t.Error("a type is known before the cache runs")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Start(ctx) }()
	expect(t, changes, Change{Type: configMaps})
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	ensure(t, c, secrets)
	if _, known := c.Get("secrets", "shop", "x"); known {
		t.Error("a type is read after the end")
	}
	c.Stop("secrets")
}

// A type that cannot be read holds up no other.
func TestBrokenType(t *testing.T) {
	client := newClient(newObject("FederatedConfigMap", "shop", "cfg", placedOn("shop.a")))
	broken := func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewNotFound(secrets.Resource.GroupResource(), "")
	}
	client.PrependReactor("list", secrets.Resource.Resource, broken)
	c, changes := started(t, client)
	ensure(t, c, secrets, configMaps)
	expect(t, changes, Change{Type: configMaps})
	if got := names(t, c, "shop"); !slices.Equal(got, []string{"FederatedConfigMap/cfg"}) {
		t.Errorf("it lists %q", got)
	}
	if _, known := c.Get("secrets", "shop", "x"); known {
		t.Error("the objects of the broken type are known")
	}
	c.Stop("secrets")
	expect(t, changes, Change{Type: secrets})
}

func TestLive(t *testing.T) {
	page := func(cont string, names ...string) *unstructured.UnstructuredList {
		list := &unstructured.UnstructuredList{Object: map[string]any{"kind": "FederatedConfigMapList", "apiVersion": "types.kubefed.io/v1beta1"}}
		for _, name := range names {
			list.Items = append(list.Items, *newObject("FederatedConfigMap", "shop", name, placedOn("shop.a")))
		}
		list.SetContinue(cont)
		return list
	}
	expired := apierrors.NewResourceExpired("too old")
	forbidden := apierrors.NewForbidden(configMaps.Resource.GroupResource(), "", errors.New("no"))
	for name, tc := range map[string]struct {
		reason  string
		answers []any
		want    []string
		fails   func(error) bool
	}{
		"One":       {"all on one page", []any{page("", "a", "b")}, []string{"a", "b"}, nil},
		"Pages":     {"every page is read", []any{page("x", "a"), page("y", "b"), page("", "c")}, []string{"a", "b", "c"}, nil},
		"Expired":   {"the first page is too old for the rest: from the beginning", []any{page("x", "a"), expired, page("", "a", "b")}, []string{"a", "b"}, nil},
		"NotServed": {"a type that is served in neither version has no objects", []any{apierrors.NewNotFound(configMaps.Resource.GroupResource(), ""), apierrors.NewNotFound(configMaps.Resource.GroupResource(), "")}, nil, nil},
		"Forbidden": {"what may not be read is not taken for absent", []any{forbidden}, nil, apierrors.IsForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient()
			calls := 0
			client.PrependReactor("list", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
				answer := tc.answers[calls]
				calls++
				if err, ok := answer.(error); ok {
					return true, nil, err
				}
				return true, answer.(runtime.Object), nil
			})
			objects, err := New(client).Live(t.Context(), configMaps, "shop")
			if tc.fails == nil && err != nil || tc.fails != nil && !tc.fails(err) {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			var got []string
			for _, o := range objects {
				got = append(got, o.GetName())
			}
			if !slices.Equal(got, tc.want) || calls != len(tc.answers) {
				t.Errorf("%s: %q in %d calls, want %q in %d", tc.reason, got, calls, tc.want, len(tc.answers))
			}
		})
	}
}

// A type that is not served in the version in which it was is not one without objects: what still places a cell must be seen.
func TestLiveInTheOtherVersion(t *testing.T) {
	for gone, served := range map[string]string{"v2beta1": "v1beta1", "v1beta1": "v2beta1"} {
		t.Run(gone, func(t *testing.T) {
			asked := configMaps
			asked.Resource.Version = gone
			client := newClient(newObject("FederatedConfigMap", "shop", "cfg", placedOn("shop.a")))
			client.PrependReactor("list", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
				if action.GetResource().Version == gone {
					return true, nil, apierrors.NewNotFound(asked.Resource.GroupResource(), "")
				}
				if got := action.GetResource().Version; got != served {
					t.Errorf("it was read in %s", got)
				}
				list, err := client.Tracker().List(configMaps.Resource, configMaps.Resource.GroupVersion().WithKind(configMaps.Kind), "shop")
				return true, list, err
			})
			objects, err := New(client).Live(t.Context(), asked, "shop")
			if err != nil || len(objects) != 1 || objects[0].GetName() != "cfg" {
				t.Errorf("got %v, %v", objects, err)
			}
		})
	}
}

// A type whose stored version changes is read in the new one.
func TestStoredVersionFollowed(t *testing.T) {
	c, changes := started(t, newClient())
	ensure(t, c, configMaps)
	expect(t, changes, Change{Type: configMaps})
	stored := configMaps
	stored.Resource.Version = "v2beta1"
	if got, ok := c.Type("configmaps"); !ok || got != configMaps {
		t.Errorf("it holds %+v, %t", got, ok)
	}
	ensure(t, c, stored)
	if got, ok := c.Type("configmaps"); !ok || got != stored {
		t.Errorf("it holds %+v, %t", got, ok)
	}
	if _, ok := c.Type("none"); ok {
		t.Error("it holds a type that nobody has named")
	}
}
