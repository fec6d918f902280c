package engine

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/cellfed/cellfed/internal/federated"
)

var keyX = types.NamespacedName{Namespace: "acme", Name: "x"}

// version makes a state of the federated object acme/x.
func version(resourceVersion string, change func(*unstructured.Unstructured)) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": federated.APIVersionV2Beta1, "kind": "FederatedConfigMap",
		"metadata": map[string]any{"namespace": "acme", "name": "x", "uid": "f1", "resourceVersion": resourceVersion, "generation": int64(1)},
		"spec":     map[string]any{"topologyType": "cluster", "template": map[string]any{"data": map[string]any{"k": "1"}}},
	}}
	if change != nil {
		change(u)
	}
	return u
}

func observed(generation int64) func(*unstructured.Unstructured) {
	return func(u *unstructured.Unstructured) {
		u.Object["status"] = map[string]any{"observedGeneration": generation}
	}
}

// told is what a store has told.
type told struct {
	key    types.NamespacedName
	change Change
}

// startStore starts a store over a fake host, and returns what it tells.
func startStore(t *testing.T, objects ...*unstructured.Unstructured) (*Store, dynamic.ResourceInterface, chan told) {
	t.Helper()
	client := fakeClient()
	host := client.Resource(federatedConfigMaps).Namespace("acme")
	for _, o := range objects {
		if _, err := host.Create(t.Context(), o, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	tells := make(chan told, 100)
	s, err := newStore(client, federatedConfigMaps, func(key types.NamespacedName, c Change) { tells <- told{key, c} })
	if err != nil {
		t.Fatal(err)
	}
	s.start(t.Context())
	t.Cleanup(s.stop)
	return s, host, tells
}

func get(t *testing.T, s *Store) *federated.Object {
	t.Helper()
	o, err := s.Get(keyX)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestStoreFollows(t *testing.T) {
	s, host, tells := startStore(t, version("5", nil))
	expect := func(reason string, want Change) {
		t.Helper()
		if got := <-tells; got != (told{keyX, want}) {
			t.Fatalf("%s: told %+v", reason, got)
		}
	}
	update := func(u *unstructured.Unstructured) {
		t.Helper()
		if _, err := host.Update(t.Context(), u, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	expect("it was there", Listed)
	first := get(t, s)
	if first != get(t, s) {
		t.Error("it is decoded anew each time")
	}
	update(version("6", observed(1)))
	expect("somebody else has written the status", Reported)
	update(version("7", func(u *unstructured.Unstructured) { observed(1)(u); u.SetGeneration(2) }))
	expect("people have changed it", Specified)
	update(version("8", func(u *unstructured.Unstructured) {
		observed(1)(u)
		u.SetGeneration(2)
		u.SetAnnotations(map[string]string{"a": "b"})
	}))
	expect("annotations count", Specified)
	if got := get(t, s); got.Generation != 2 || got.Annotations["a"] != "b" || first.Generation != 1 {
		t.Errorf("got %+v", got)
	}
	if keys := s.Keys("globex"); len(keys) != 0 {
		t.Errorf("another namespace has %v", keys)
	}
	if keys := append(s.Keys("acme"), s.Keys("")...); len(keys) != 2 || keys[0] != keyX || keys[1] != keyX {
		t.Errorf("keys %v", keys)
	}
	if err := host.Delete(t.Context(), "x", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	expect("it is gone", Gone)
	if o := get(t, s); o != nil {
		t.Errorf("got %+v", o)
	}
}

func TestStoreShowsWhatWasWritten(t *testing.T) {
	s, host, tells := startStore(t, version("5", nil))
	<-tells
	written := version("7", observed(1))
	s.Written(written.DeepCopy())
	if got := get(t, s); got.ResourceVersion != "7" || got.Status.ObservedGeneration != 1 {
		t.Errorf("what was written is not there: %+v", got)
	}
	s.Written(version("6", nil))
	if got := get(t, s); got.ResourceVersion != "7" {
		t.Errorf("an older answer prevails: %+v", got)
	}
	// The watch is behind, then brings what was written, which is told to nobody, and then something newer.
	for _, u := range []*unstructured.Unstructured{version("6", observed(9)), written, version("8", func(u *unstructured.Unstructured) { observed(1)(u); u.SetGeneration(2) })} {
		if _, err := host.Update(t.Context(), u, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := <-tells; got.change != Reported {
		t.Errorf("a foreign status is told as %v", got.change)
	}
	if got := <-tells; got.change != Specified {
		t.Errorf("the echo of a write is told as %v", got.change)
	}
	if got := get(t, s); got.ResourceVersion != "8" {
		t.Errorf("got %+v", got)
	}
	s.mu.Lock()
	left := len(s.written)
	s.mu.Unlock()
	if left != 0 {
		t.Errorf("%d writes are remembered though the watch has caught up", left)
	}
}

func TestStoreOfAnotherObject(t *testing.T) {
	s, _, tells := startStore(t, version("5", func(u *unstructured.Unstructured) { u.SetUID("f2") }))
	<-tells
	s.Written(version("9", nil))
	if got := get(t, s); got.UID != "f2" {
		t.Errorf("a write to an object that is gone is shown: %+v", got)
	}
}

func TestStoreWithoutManagedFields(t *testing.T) {
	s, _, tells := startStore(t, version("5", func(u *unstructured.Unstructured) {
		u.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "kubectl", Operation: "Update"}})
	}))
	<-tells
	if u := s.latest(keyX); u == nil || len(u.GetManagedFields()) != 0 {
		t.Errorf("got %v", u)
	}
}

func TestSamePlan(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*unstructured.Unstructured)
		want   bool
	}{
		"Status":      {"what cellfed says itself changes nothing", observed(4), true},
		"Labels":      {"labels decide nothing", func(u *unstructured.Unstructured) { u.SetLabels(map[string]string{"a": "b"}) }, true},
		"Generation":  {"people have changed the spec", func(u *unstructured.Unstructured) { u.SetGeneration(2) }, false},
		"Annotations": {"they orphan and give options", func(u *unstructured.Unstructured) { u.SetAnnotations(map[string]string{"a": "b"}) }, false},
		"Finalizers":  {"somebody may have taken ours", func(u *unstructured.Unstructured) { u.SetFinalizers([]string{"a/b"}) }, false},
		"Deletion":    {"it is being deleted", func(u *unstructured.Unstructured) { u.SetDeletionTimestamp(new(metav1.Now())) }, false},
		"UID":         {"it is another object", func(u *unstructured.Unstructured) { u.SetUID("f2") }, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := samePlan(version("5", nil), version("6", tc.change)); got != tc.want {
				t.Errorf("%s: got %v", tc.reason, got)
			}
		})
	}
}
