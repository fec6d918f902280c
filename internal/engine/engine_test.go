package engine

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/member"
)

var federatedConfigMaps = schema.GroupVersionResource{Group: "types.kubefed.io", Version: "v2beta1", Resource: "federatedconfigmaps"}

func givenType(change func(*Type)) Type {
	config := &fedv1b1.FederatedTypeConfig{ObjectMeta: metav1.ObjectMeta{Name: "configmaps", UID: "ftc-1"}}
	config.Spec.TargetType = fedv1b1.APIResource{Version: "v1", Kind: "ConfigMap", PluralName: "configmaps", Scope: "Namespaced"}
	config.Spec.FederatedType = fedv1b1.APIResource{Group: "types.kubefed.io", Version: "v1beta1", Kind: "FederatedConfigMap", PluralName: "federatedconfigmaps", Scope: "Namespaced"}
	t := Type{FTC: config, Policy: &v1alpha1.FederatedTypePolicy{}, CRD: "crd-1"}
	if change != nil {
		change(&t)
	}
	return t
}

func fakeClient(objects ...runtime.Object) *dynamicfake.FakeDynamicClient {
	return dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
		map[schema.GroupVersionResource]string{federatedConfigMaps: "FederatedConfigMapList"}, objects...)
}

// watcher notes what is watched.
type watcher struct {
	mu      sync.Mutex
	watched map[member.Target]int
}

func (w *watcher) Watch(t member.Target) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watched == nil {
		w.watched = map[member.Target]int{}
	}
	w.watched[t]++
}

func (w *watcher) Unwatch(t member.Target) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watched[t]--
}

func (w *watcher) count(t member.Target) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.watched[t]
}

func ignore[K comparable](context.Context, K) (reconcile.Result, error) {
	return reconcile.Result{}, nil
}

// startEngine starts an engine that ends with the test. Nil reconcilers do nothing.
func startEngine(t *testing.T, o Options) *Engine {
	t.Helper()
	if o.Client == nil {
		o.Client = fakeClient()
	}
	if o.Members == nil {
		o.Members = &watcher{}
	}
	if o.Reconcilers.Plan == nil {
		o.Reconcilers.Plan = reconcile.TypedFunc[ObjectKey](ignore[ObjectKey])
	}
	if o.Reconcilers.Propagate == nil {
		o.Reconcilers.Propagate = reconcile.TypedFunc[Key](ignore[Key])
	}
	if o.Reconcilers.Report == nil {
		o.Reconcilers.Report = reconcile.TypedFunc[ObjectKey](ignore[ObjectKey])
	}
	e := New(o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Start(ctx) }()
	<-e.Started()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return e
}

func ensure(t *testing.T, e *Engine, given Type) *Running {
	t.Helper()
	if err := e.Ensure(t.Context(), given); err != nil {
		t.Fatal(err)
	}
	r, leave, ok := e.Enter(given.FTC.Name)
	if !ok {
		t.Fatal("the type does not run")
	}
	leave()
	return r
}

func TestEnsure(t *testing.T) {
	cases := map[string]struct {
		reason    string
		next      func(*Type)
		restarted bool
		policy    bool
	}{
		"Same":     {"it is ensured as often as one likes", nil, false, false},
		"Policy":   {"a policy is swapped in place", func(t *Type) { t.Policy.Spec.PropagatingAnnotations = []string{"a/*"} }, false, true},
		"NoPolicy": {"without a policy the defaults hold, which the empty one says too", func(t *Type) { t.Policy = nil }, false, false},
		"FTC":      {"a FederatedTypeConfig that was made anew is another type", func(t *Type) { t.FTC.UID = "ftc-2" }, true, false},
		"CRD":      {"so is a CRD", func(t *Type) { t.CRD = "crd-2" }, true, false},
		"Target":   {"what is written is another thing", func(t *Type) { t.FTC.Spec.TargetType.Version = "v2" }, true, false},
		"Labels":   {"what says nothing changes nothing", func(t *Type) { t.FTC.Labels = map[string]string{"a": "b"}; t.FTC.Generation = 7 }, false, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w, stopped := &watcher{}, 0
			e := startEngine(t, Options{Members: w, Stopped: func(string) { stopped++ }})
			first := ensure(t, e, givenType(nil))
			policy := first.Policy()
			second := ensure(t, e, givenType(tc.next))
			if restarted := first != second; restarted != tc.restarted || restarted != (stopped == 1) || restarted != first.halted() {
				t.Errorf("%s: restarted %v, stopped %d times", tc.reason, restarted, stopped)
			}
			if swapped := first == second && policy != second.Policy(); swapped != tc.policy {
				t.Errorf("%s: policy swapped %v", tc.reason, swapped)
			}
			if w.count(second.Member) != 1 || first.Member != second.Member && w.count(first.Member) != 0 {
				t.Errorf("%s: watched %v", tc.reason, w.watched)
			}
		})
	}
}

func TestEnsureBeforeStart(t *testing.T) {
	e := New(Options{Client: fakeClient(), Members: &watcher{}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Ensure(ctx, givenType(nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := e.EnsureMember("hz"); !errors.Is(err, ErrNotRunning) {
		t.Errorf("got %v", err)
	}
	if err := e.EnsureNamespaces(nil); !errors.Is(err, ErrNotRunning) {
		t.Errorf("got %v", err)
	}
}

func TestStopWaitsForThoseWhoEntered(t *testing.T) {
	w := &watcher{}
	e := startEngine(t, Options{Members: w})
	run := ensure(t, e, givenType(nil))
	_, leave, _ := e.Enter("configmaps")
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Stop(impatient, "configmaps"); !errors.Is(err, context.Canceled) {
		t.Fatalf("Stop did not wait: %v", err)
	}
	if _, _, ok := e.Enter("configmaps"); ok {
		t.Error("somebody entered a type that is being stopped")
	}
	if w.count(run.Member) != 1 {
		t.Error("the watches ended before the writes")
	}
	stopped := make(chan error, 1)
	go func() { stopped <- e.Stop(t.Context(), "configmaps") }()
	leave()
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if w.count(run.Member) != 0 || len(e.Types()) != 0 {
		t.Error("something is left")
	}
	if err := e.Stop(t.Context(), "configmaps"); err != nil {
		t.Errorf("stopping what does not run: %v", err)
	}
	if again := ensure(t, e, givenType(nil)); again == run {
		t.Error("it did not start anew")
	}
}

// TestChangeOvertakesResync has one worker that is busy while 10,000 keys are queued as a resync, and then one as a change.
func TestChangeOvertakesResync(t *testing.T) {
	const many = 10_000
	entered, proceed := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	var order []string
	priorities := map[string]int{}
	all := make(chan struct{})
	e := startEngine(t, Options{MemberWorkers: 1, Reconcilers: Reconcilers{
		Propagate: reconcile.TypedFunc[Key](func(ctx context.Context, key Key) (reconcile.Result, error) {
			if key.Name == "busy" {
				close(entered)
				<-proceed
				return reconcile.Result{}, nil
			}
			mu.Lock()
			defer mu.Unlock()
			order = append(order, key.Name)
			priorities[key.Name] = PriorityOf(ctx)
			if len(order) == many+1 {
				close(all)
			}
			return reconcile.Result{}, nil
		}),
	}})
	if err := e.EnsureMember("hz"); err != nil {
		t.Fatal(err)
	}
	key := func(name string) Key {
		return Key{ObjectKey: ObjectKey{Type: "configmaps", Name: name}, Topology: "hz"}
	}
	e.Propagate("hz", PriorityChange, key("busy"))
	<-entered
	for n := range many {
		e.Propagate("hz", PriorityResync, key(string(rune('A'+n%26))+string(rune('0'+n%10))+types.NamespacedName{Name: stringOf(n)}.Name))
	}
	e.Propagate("hz", PriorityChange, key("new"))
	e.Propagate("nowhere", PriorityChange, key("lost"))
	close(proceed)
	<-all
	mu.Lock()
	defer mu.Unlock()
	// The queue may have picked one for the worker before the change came.
	if order[0] != "new" && order[1] != "new" {
		t.Errorf("the change came after %v and others", order[:2])
	}
	if priorities["new"] != PriorityChange || priorities[order[many]] != PriorityResync {
		t.Errorf("the reconcilers see priorities %d and %d", priorities["new"], priorities[order[many]])
	}
}

func stringOf(n int) string {
	digits := []byte{}
	for ; n > 0; n /= 10 {
		digits = append(digits, byte('0'+n%10))
	}
	return string(digits)
}

func TestForgetMemberWaits(t *testing.T) {
	entered, left := make(chan struct{}), false
	e := startEngine(t, Options{Reconcilers: Reconcilers{Propagate: reconcile.TypedFunc[Key](func(ctx context.Context, _ Key) (reconcile.Result, error) {
		close(entered)
		<-ctx.Done()
		left = true
		return reconcile.Result{}, nil
	})}})
	if err := errors.Join(e.EnsureMember("hz"), e.EnsureMember("hz")); err != nil {
		t.Fatal(err)
	}
	e.Propagate("hz", PriorityChange, Key{Topology: "hz"})
	<-entered
	e.ForgetMember("hz")
	if !left {
		t.Error("somebody still writes to a member that is forgotten")
	}
	e.ForgetMember("hz")
}

func TestEndOfTheEngine(t *testing.T) {
	w := &watcher{}
	e := New(Options{Client: fakeClient(), Members: w, Reconcilers: Reconcilers{
		Plan: reconcile.TypedFunc[ObjectKey](ignore[ObjectKey]), Propagate: reconcile.TypedFunc[Key](ignore[Key]), Report: reconcile.TypedFunc[ObjectKey](ignore[ObjectKey]),
	}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Start(ctx) }()
	run := ensure(t, e, givenType(nil))
	if err := e.EnsureMember("hz"); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if !run.halted() || w.count(run.Member) != 0 {
		t.Error("something still runs")
	}
	if err := errors.Join(e.EnsureMember("sh")); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a member after the end: %v", err)
	}
	if err := e.Ensure(t.Context(), givenType(nil)); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a type after the end: %v", err)
	}
	if diff := cmp.Diff(0, len(e.Types())); diff != "" {
		t.Error(diff)
	}
}

// TestBurst: a few changes are no burst, many are one, and it is over soon after the last.
func TestBurst(t *testing.T) {
	var b burst
	now := time.Unix(1_000_000, 0)
	for range burstSize - 1 {
		b.note(now)
	}
	if b.many(now) {
		t.Error("too few changes count as many")
	}
	b.note(now)
	if !b.many(now) {
		t.Error("many changes do not count as many")
	}
	if !b.many(now.Add(burstSpan / 2)) {
		t.Error("it is over at once")
	}
	if b.many(now.Add(burstSpan)) {
		t.Error("it is not over after its span")
	}
}
