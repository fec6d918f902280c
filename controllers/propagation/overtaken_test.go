package propagation

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/member"
)

// scene is one federated object and one member, for tests of what overtakes what.
type scene struct {
	run      *engine.Running
	object   *federated.Object
	topology Topology
	cells    []Topology
	// live is what the cache holds, stored what the member holds.
	live, stored *member.Object
	// sick says why the member is not healthy.
	sick string
	// during runs while a creation is under way.
	during func()
	// refusals is how many applies and releases are conflicts.
	refusals         int
	requests, queued []string
	finished         bool
	statuses         int

	ledger     *Ledger
	clock      *clocktesting.FakePassiveClock
	planner    *Planner
	propagator *Propagator
	reporter   *Reporter
}

func newScene(t *testing.T, typ string, change func(*federated.Object)) *scene {
	t.Helper()
	s := &scene{
		run: modelTypes(t)[typ], topology: givenPhysical("hz"),
		ledger: NewLedger(), clock: clocktesting.NewFakePassiveClock(time.Unix(1000, 0)),
	}
	s.object = givenObject(func(o *federated.Object) {
		o.Finalizers, o.Placement.Clusters = []string{federated.Finalizer}, []string{"hz"}
		if change != nil {
			change(o)
		}
	})
	s.planner = &Planner{Host: s, Members: s, Queues: s, Ledger: s.ledger}
	s.propagator = &Propagator{Host: s, Members: s, Queues: s, Ledger: s.ledger, Clock: s.clock}
	s.reporter = &Reporter{Host: s, Members: s, Queues: s, Ledger: s.ledger, Clock: s.clock}
	return s
}

// change makes the object another.
func (s *scene) change(change func(*federated.Object)) {
	o := *s.object
	o.Generation++
	change(&o)
	s.object = &o
}

func (s *scene) key() engine.Key {
	return engine.Key{ObjectKey: engine.ObjectKey{Type: s.run.Name, Namespace: s.object.Namespace, Name: s.object.Name}, Topology: "hz"}
}

func (s *scene) plan(t *testing.T) {
	t.Helper()
	if _, err := s.planner.Reconcile(t.Context(), s.key().ObjectKey); err != nil {
		t.Error(err)
	}
}

func (s *scene) propagate(t *testing.T) time.Duration {
	t.Helper()
	result, err := s.propagator.Reconcile(t.Context(), s.key())
	if err != nil {
		t.Error(err)
	}
	return result.RequeueAfter
}

func (s *scene) report(t *testing.T) time.Duration {
	t.Helper()
	result, err := s.reporter.Reconcile(t.Context(), s.key().ObjectKey)
	if err != nil {
		t.Error(err)
	}
	return result.RequeueAfter
}

func (s *scene) Object(*engine.Running, engine.ObjectKey) (*federated.Object, bool, error) {
	return s.object, true, nil
}

func (s *scene) FederatedNamespace(string) (*federated.Object, bool, error) {
	return givenObject(func(o *federated.Object) { o.Placement.Clusters = []string{"hz"} }), true, nil
}

func (s *scene) Namespace(context.Context, string) (*Namespace, error) {
	return &Namespace{UID: "space"}, nil
}
func (s *scene) Topologies(string) []Topology         { return append([]Topology{s.topology}, s.cells...) }
func (s *scene) Topology(string) (Topology, bool)     { return s.topology, true }
func (s *scene) Adopts(context.Context) (bool, error) { return true, nil }
func (s *scene) IsSystem(string) bool                 { return false }
func (s *scene) Exists(context.Context, *engine.Running, engine.ObjectKey) (bool, error) {
	return false, nil
}

func (s *scene) SetFinalizers(_ context.Context, _ *engine.Running, _ *federated.Object, finalizers []string) error {
	s.finished = !slices.Contains(finalizers, federated.Finalizer)
	return nil
}

func (s *scene) SetStatus(context.Context, *engine.Running, *federated.Object, federated.Status) error {
	s.statuses++
	return nil
}

func (s *scene) Get(string, member.Target, string, string) (*member.Object, bool) {
	return s.live, true
}
func (s *scene) Healthy(string) (bool, string)        { return s.sick == "", s.sick }
func (s *scene) Trouble(string, member.Target) string { return "" }

func (s *scene) conflicts(what string) error {
	s.requests = append(s.requests, what)
	if s.refusals > 0 {
		s.refusals--
		return apierrors.NewConflict(s.run.Member.Resource.GroupResource(), "x", errors.New("it changed"))
	}
	return nil
}

func (s *scene) Create(_ context.Context, _ string, _ member.Target, desired *unstructured.Unstructured) (*member.Object, error) {
	s.requests = append(s.requests, "create")
	if s.during != nil {
		s.during()
	}
	u := desired.DeepCopy()
	u.SetUID("m1")
	u.SetResourceVersion("7")
	s.live = &member.Object{Unstructured: u}
	s.stored = s.live
	return s.live, nil
}

func (s *scene) Apply(_ context.Context, _ string, _ member.Target, desired *unstructured.Unstructured, _ *member.Object, _ bool) (*member.Object, error) {
	if err := s.conflicts("apply"); err != nil {
		return nil, err
	}
	u := desired.DeepCopy()
	u.SetUID("m1")
	u.SetResourceVersion(fmt.Sprint(100 + len(s.requests)))
	return &member.Object{Unstructured: u}, nil
}

func (s *scene) Delete(context.Context, string, member.Target, *member.Object, metav1.DeleteOptions) (bool, error) {
	s.requests = append(s.requests, "delete")
	s.live, s.stored = nil, nil
	return true, nil
}

func (s *scene) Release(context.Context, string, member.Target, *member.Object, []string) error {
	return s.conflicts("release")
}

func (s *scene) Read(context.Context, string, member.Target, string, string) (*member.Object, error) {
	s.requests = append(s.requests, "read")
	return s.stored, nil
}

func (s *scene) Enter(string) (*engine.Running, func(), bool) { return s.run, func() {}, true }
func (s *scene) Plan(int, engine.ObjectKey)                   { s.queued = append(s.queued, "plan") }
func (s *scene) Report(engine.ObjectKey)                      {}
func (s *scene) Propagate(name string, _ int, keys ...engine.Key) {
	for range keys {
		s.queued = append(s.queued, "propagate "+name)
	}
}

// TestOvertaken: what is decided while a creation is under way does not miss what it comes to.
func TestOvertaken(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*federated.Object)
	}{
		"Unplaced": {"the object does not belong there any more", func(o *federated.Object) { o.Placement.Clusters = []string{} }},
		"Deleted":  {"it is being deleted, and was taken off its placement before", func(o *federated.Object) { o.Placement.Clusters, o.Deleting = []string{}, true }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, typeConfigMaps, nil)
			s.during = func() {
				s.change(tc.change)
				s.plan(t)
				if wait := s.report(t); s.object.Deleting && (s.finished || wait == 0) {
					t.Errorf("%s: let go %v, next look after %s", tc.reason, s.finished, wait)
				}
			}
			s.propagate(t)
			if diff := cmp.Diff([]string{"propagate hz"}, s.queued); diff != "" {
				t.Errorf("%s: nobody looks again: %s", tc.reason, diff)
			}
			s.propagate(t)
			if s.stored != nil {
				t.Errorf("%s: it stays: %q", tc.reason, s.requests)
			}
			s.propagate(t)
			if s.report(t); s.object.Deleting != s.finished {
				t.Errorf("%s: let go %v", tc.reason, s.finished)
			}
			if s.ledger.Busy(s.key().ObjectKey) != nil {
				t.Errorf("%s: somebody is at work for ever", tc.reason)
			}
		})
	}
}

// TestUncertain: an object whose creation has failed, and may have succeeded, is asked for before a deletion is over.
func TestUncertain(t *testing.T) {
	s := newScene(t, typeConfigMaps, nil)
	s.ledger.Set(s.key(), Entry{UID: s.object.UID, Observed: 3, Member: "hz"})
	s.change(func(o *federated.Object) { o.Deleting, o.Placement.Clusters = true, []string{} })
	if s.report(t); s.finished {
		t.Error("it was let go before anybody asked")
	}
	s.propagate(t)
	if s.report(t); !s.finished || !slices.Equal(s.requests, []string{"read"}) {
		t.Errorf("let go %v, after %q", s.finished, s.requests)
	}
}

// TestConflict: a cache that is behind costs a read, and not a request every few milliseconds until it is not.
func TestConflict(t *testing.T) {
	changed := func(o *unstructured.Unstructured) { o.Object["data"] = map[string]any{"k": "0"} }
	cases := map[string]struct {
		reason   string
		stored   *member.Object
		refusals int
		object   func(*federated.Object)
		requests []string
		wait     time.Duration
	}{
		"Behind":    {"the member has what it should", givenLive(nil), 1, nil, []string{"apply", "read"}, 0},
		"Replaced":  {"another object has the name", givenLive(changed), 1, nil, []string{"apply", "read", "apply"}, 0},
		"Gone":      {"it has gone", nil, 1, nil, []string{"apply", "read", "create"}, 0},
		"Contended": {"it is refused for what was just read", givenLive(changed), 99, nil, []string{"apply", "read", "apply"}, firstRetry},
		"Released": {"the labels are to go", givenLive(changed), 99, func(o *federated.Object) {
			o.Deleting, o.Annotations = true, map[string]string{federated.OrphanAnnotation: "true"}
		}, []string{"release", "read", "release"}, firstRetry},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, typeConfigMaps, tc.object)
			s.live, s.stored, s.refusals = givenLive(changed), tc.stored, tc.refusals
			if wait := s.propagate(t); wait != tc.wait {
				t.Errorf("%s: again after %s", tc.reason, wait)
			}
			if diff := cmp.Diff(tc.requests, s.requests); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestReportsYield: while many objects are being changed, what became of them can wait, and not for ever.
func TestReportsYield(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		change func(*federated.Object)
		ended  func(*scene) bool
	}{
		"Status":   {"the status is written later", nil, func(s *scene) bool { return s.statuses == 1 }},
		"Deletion": {"the object goes later", func(o *federated.Object) { o.Deleting = true }, func(s *scene) bool { return s.finished }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, typeConfigMaps, tc.change)
			busy := true
			s.reporter.Busy, s.reporter.Yield = func(*engine.Running) bool { return busy }, defaultYield
			s.propagate(t)
			for waited := time.Duration(0); waited < defaultYield; waited += yieldDelay {
				if wait := s.report(t); wait != yieldDelay || tc.ended(s) {
					t.Fatalf("%s: after %s, again after %s, ended: %v", tc.reason, waited, wait, tc.ended(s))
				}
				s.clock.SetTime(s.clock.Now().Add(yieldDelay))
			}
			if s.report(t); !tc.ended(s) {
				t.Errorf("%s: it waits for longer than %s", tc.reason, defaultYield)
			}

			s = newScene(t, typeConfigMaps, tc.change)
			s.reporter.Busy, s.reporter.Yield = func(*engine.Running) bool { return busy }, defaultYield
			s.propagate(t)
			s.report(t)
			busy = false
			if s.report(t); !tc.ended(s) {
				t.Errorf("%s: it waits when nothing else is to be done", tc.reason)
			}
		})
	}
}

// TestRepairsYield: who changes an object does not have to wait because somebody else kept changing it.
func TestRepairsYield(t *testing.T) {
	s := newScene(t, typeConfigMaps, nil)
	changed := givenLive(func(o *unstructured.Unstructured) { o.Object["data"] = map[string]any{"k": "0"} })
	s.live, s.stored = changed, changed
	for range freeRepairs + 2 {
		s.propagate(t)
	}
	if wait := s.propagate(t); wait == 0 {
		t.Fatal("nobody holds back")
	}
	before := len(s.requests)
	s.change(func(o *federated.Object) { o.Template = map[string]any{"data": map[string]any{"k": "2"}} })
	if wait := s.propagate(t); wait != 0 || len(s.requests) == before {
		t.Errorf("a release waits for %s", wait)
	}
}

// TestNotAsked: a member that was just registered is no failure yet.
func TestNotAsked(t *testing.T) {
	s := newScene(t, typeConfigMaps, nil)
	s.sick = member.NotAsked
	if wait := s.propagate(t); wait != unreadDelay {
		t.Errorf("again after %s", wait)
	}
	if e, ok := s.ledger.Get(s.key()); ok {
		t.Errorf("reported %+v", e)
	}
	s.sick = "connection refused"
	s.propagate(t)
	if e, _ := s.ledger.Get(s.key()); e.Outcome.Status != federated.StatusClusterNotReady {
		t.Errorf("reported %+v", e)
	}
}

// TestNamespaceOfCell: the Namespace of a physical cluster in which there is a cell, too, does not go with the cell in it.
func TestNamespaceOfCell(t *testing.T) {
	cell := givenCell()
	cases := map[string]struct {
		reason string
		target string
		want   []string
	}{
		"Shared": {"it is the cell's, too", "acme", []string{"release"}},
		"Apart":  {"the cell has one of its own", "acme-a1", []string{"delete"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, typeNamespaces, func(o *federated.Object) {
				o.Name, o.Kind, o.Placement.Clusters = "acme", "FederatedNamespace", []string{}
			})
			view := *cell.View
			view.TargetNamespace = tc.target
			cell.View = &view
			s.cells = []Topology{cell}
			s.live = givenLive(nil)
			s.propagate(t)
			if diff := cmp.Diff(tc.want, s.requests); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestOtherQueue: a key that is in the queue of another member than its topology's does nothing there.
func TestOtherQueue(t *testing.T) {
	s := newScene(t, typeConfigMaps, nil)
	done := make(chan error)
	e := engine.New(engine.Options{Members: noWatcher{}, Reconcilers: engine.Reconcilers{
		Propagate: reconcile.TypedFunc[engine.Key](func(ctx context.Context, key engine.Key) (reconcile.Result, error) {
			result, err := s.propagator.Reconcile(ctx, key)
			done <- err
			return result, err
		}),
	}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Start(ctx) }()
	<-e.Started()
	for _, each := range []struct {
		queue string
		want  []string
	}{{"elsewhere", nil}, {"hz", []string{"create"}}} {
		if err := e.EnsureMember(each.queue); err != nil {
			t.Fatal(err)
		}
		e.Propagate(each.queue, engine.PriorityChange, s.key())
		if err := <-done; err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(each.want, s.requests); diff != "" {
			t.Errorf("in the queue of %q: -want +got:\n%s", each.queue, diff)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestNotComputed: before the topologies are known, no object is: without any it would be let go.
func TestNotComputed(t *testing.T) {
	s := newScene(t, typeConfigMaps, nil)
	h := &hostCluster{registry: &registry{}}
	if o, known, err := h.Object(s.run, s.key().ObjectKey); o != nil || known || err != nil {
		t.Errorf("got %v, %v, %v", o, known, err)
	}
	if h.registry.replace(nil); !h.registry.computed() {
		t.Error("there are none, which is known")
	}
}

// TestMessageStays: the same trouble is told in the same words.
func TestMessageStays(t *testing.T) {
	from := func(port int) error {
		return fmt.Errorf("create: %w", &net.OpError{
			Op: "read", Net: "tcp", Source: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: port},
			Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 6443}, Err: syscall.ECONNRESET,
		})
	}
	if diff := cmp.Diff(message(from(40001)), message(from(40002))); diff != "" {
		t.Error(diff)
	}
}
