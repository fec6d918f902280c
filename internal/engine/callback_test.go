package engine

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/internal/member"
)

// patience bounds what a test waits for, on a machine that is busy with others.
const patience = time.Minute

// waiting is a Watcher that, like the real one, waits for callbacks which use the engine.
type waiting struct {
	watcher
	engine *Engine
	stuck  bool
}

func (w *waiting) callBack() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.engine.PlanAll("", "", PriorityResync)
	}()
	select {
	case <-done:
	case <-time.After(patience):
		w.stuck = true
	}
}

func (w *waiting) Watch(t member.Target) {
	w.callBack()
	w.watcher.Watch(t)
}

func (w *waiting) Unwatch(t member.Target) {
	w.callBack()
	w.watcher.Unwatch(t)
}

// TestCallbacks: what members tell of while a type starts or stops does not wait for that, which waits for it.
func TestCallbacks(t *testing.T) {
	w := &waiting{}
	e := New(Options{Client: fakeClient(), Members: w, Reconcilers: Reconcilers{
		Plan: reconcile.TypedFunc[ObjectKey](ignore[ObjectKey]), Propagate: reconcile.TypedFunc[Key](ignore[Key]), Report: reconcile.TypedFunc[ObjectKey](ignore[ObjectKey]),
	}})
	w.engine = e
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Start(ctx) }()
	ensure(t, e, givenType(nil))
	if err := e.Stop(t.Context(), "configmaps"); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if w.stuck {
		t.Error("a callback waited for the engine, which waited for the callback")
	}
}

// TestSharedTarget: of two types with one target, the one that stops does not take the other one's watches with it.
func TestSharedTarget(t *testing.T) {
	w := &watcher{}
	e := startEngine(t, Options{Members: w})
	r := ensure(t, e, givenType(nil))
	ensure(t, e, givenType(func(t *Type) { t.FTC.Name, t.FTC.UID = "twin", "ftc-2" }))
	watched := w.count(r.Member)
	if err := e.Stop(t.Context(), "twin"); err != nil {
		t.Fatal(err)
	}
	if got := w.count(r.Member); got != watched {
		t.Errorf("the target is not watched any more: %d, want %d", got, watched)
	}
	if err := e.Stop(t.Context(), "configmaps"); err != nil {
		t.Fatal(err)
	}
	if got := w.count(r.Member); got != watched-1 {
		t.Errorf("nobody ended the watches: %d", got)
	}
}

// TestMemberOf: a reconciler knows in whose queue its key was.
func TestMemberOf(t *testing.T) {
	got := make(chan string, 1)
	e := startEngine(t, Options{Reconcilers: Reconcilers{Propagate: reconcile.TypedFunc[Key](func(ctx context.Context, _ Key) (reconcile.Result, error) {
		name, _ := MemberOf(ctx)
		got <- name
		return reconcile.Result{}, nil
	})}})
	if err := e.EnsureMember("hz-a"); err != nil {
		t.Fatal(err)
	}
	e.Propagate("hz-a", PriorityChange, Key{Topology: "acme.a1"})
	select {
	case name := <-got:
		if name != "hz-a" {
			t.Errorf("got %q", name)
		}
	case <-time.After(patience):
		t.Error("nothing comes")
	}
	if name, ok := MemberOf(t.Context()); ok {
		t.Errorf("outside of a queue it is %q", name)
	}
}

// TestNamespacesKnown: when it is known what the FederatedNamespaces say, all objects are planned again, those in a namespace
// that has none included.
func TestNamespacesKnown(t *testing.T) {
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "types.kubefed.io/v2beta1", "kind": "FederatedConfigMap", "metadata": map[string]any{"namespace": "acme", "name": "x"},
	}}
	client := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
		federatedConfigMaps: "FederatedConfigMapList",
		{Group: "types.kubefed.io", Version: "v2beta1", Resource: "federatednamespaces"}: "FederatedNamespaceList",
	}, object)
	planned := make(chan ObjectKey, 10)
	e := startEngine(t, Options{Client: client, Reconcilers: Reconcilers{Plan: reconcile.TypedFunc[ObjectKey](func(_ context.Context, key ObjectKey) (reconcile.Result, error) {
		planned <- key
		return reconcile.Result{}, nil
	})}})
	expect := func(why string) {
		t.Helper()
		select {
		case <-planned:
		case <-time.After(patience):
			t.Fatalf("it is not planned, though %s", why)
		}
	}
	ensure(t, e, givenType(nil))
	expect("it is there")
	config := &fedv1b1.FederatedTypeConfig{ObjectMeta: metav1.ObjectMeta{Name: "namespaces", UID: "ftc-n"}}
	config.Spec.TargetType = fedv1b1.APIResource{Version: "v1", Kind: "Namespace", PluralName: "namespaces", Scope: "Cluster"}
	config.Spec.FederatedType = fedv1b1.APIResource{Group: "types.kubefed.io", Version: "v1beta1", Kind: "FederatedNamespace", PluralName: "federatednamespaces", Scope: "Namespaced"}
	if err := e.EnsureNamespaces(config); err != nil {
		t.Fatal(err)
	}
	expect("the FederatedNamespaces are known")
	if _, known, err := e.FederatedNamespace("acme"); !known || err != nil {
		t.Errorf("known %v, %v", known, err)
	}
}
