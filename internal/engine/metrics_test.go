package engine

import (
	"context"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func TestCollector(t *testing.T) {
	idle := New(Options{})
	if n := testutil.CollectAndCount(idle.Collector()); n != 0 {
		t.Errorf("an engine that does not run has %d series", n)
	}
	at, release := make(chan struct{}, 10), make(chan struct{})
	e := startEngine(t, Options{MemberWorkers: 1, Reconcilers: Reconcilers{
		Propagate: reconcile.TypedFunc[Key](func(context.Context, Key) (reconcile.Result, error) {
			at <- struct{}{}
			<-release
			return reconcile.Result{}, nil
		}),
	}})
	t.Cleanup(func() { close(release) })
	if err := e.EnsureMember("hz-a"); err != nil {
		t.Fatal(err)
	}
	ensure(t, e, givenType(nil))
	e.Propagate("hz-a", PriorityChange, Key{Topology: "1"})
	<-at // The one worker is busy from now on.
	e.Propagate("hz-a", PriorityChange, Key{Topology: "2"}, Key{Topology: "3"}, Key{Topology: "3"})
	want := `
# HELP cellfed_engine_member_queue_depth Keys that are ready to be propagated to a member, one for each federated object and topology, by physical cluster. What is being written, and what waits for another attempt, is not in it. The leader alone has it.
# TYPE cellfed_engine_member_queue_depth gauge
cellfed_engine_member_queue_depth{cluster="hz-a"} 2
# HELP cellfed_engine_type_queue_depth Federated objects that are ready to be planned or reported on, by federated type and queue: plan or report. The leader alone has it, for the types that it propagates.
# TYPE cellfed_engine_type_queue_depth gauge
cellfed_engine_type_queue_depth{queue="plan",type="configmaps"} 0
cellfed_engine_type_queue_depth{queue="report",type="configmaps"} 0
`
	if err := testutil.CollectAndCompare(e.Collector(), strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(e.Collector()); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	if err := e.Stop(t.Context(), "configmaps"); err != nil {
		t.Error(err)
	}
	if n := testutil.CollectAndCount(e.Collector(), "cellfed_engine_type_queue_depth"); n != 0 {
		t.Errorf("%d series are left of a type that stopped", n)
	}
}

// TestChanged: who is told of changes learns the generation of what the watch brought.
func TestChanged(t *testing.T) {
	type change struct {
		key        ObjectKey
		generation int64
	}
	told, planned := make(chan change, 10), make(chan struct{}, 10)
	client := fakeClient(version("5", nil))
	e := startEngine(t, Options{
		Client: client, Changed: func(key ObjectKey, generation int64) { told <- change{key, generation} },
		Reconcilers: Reconcilers{Plan: reconcile.TypedFunc[ObjectKey](func(context.Context, ObjectKey) (reconcile.Result, error) {
			planned <- struct{}{}
			return reconcile.Result{}, nil
		})},
	})
	ensure(t, e, givenType(nil))
	<-planned // It was there before, and nobody knows when it changed.
	changed := version("6", func(u *unstructured.Unstructured) { u.SetGeneration(7) })
	if _, err := client.Resource(federatedConfigMaps).Namespace("acme").Update(t.Context(), changed, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, want := <-told, (change{ObjectKey{"configmaps", "acme", "x"}, 7}); got != want {
		t.Errorf("told of %+v, want %+v", got, want)
	}
}
