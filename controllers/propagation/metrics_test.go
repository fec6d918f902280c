package propagation

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/member"
	"github.com/cellfed/cellfed/internal/report"
)

var (
	theObject = engine.ObjectKey{Type: "configmaps", Namespace: "acme", Name: "x"}
	inCell    = engine.Key{ObjectKey: theObject, Topology: "acme.a1"}
	inCluster = engine.Key{ObjectKey: theObject, Topology: "hz"}
)

// newTestMetrics returns metrics, and those that are registered.
func newTestMetrics(t *testing.T) (*Metrics, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	m, err := NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	return m, registry
}

// samples returns how often a histogram was observed by the value of its one label, and the sum of what was.
func samples(t *testing.T, registry *prometheus.Registry, name string) map[string][2]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][2]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			h := m.GetHistogram()
			if h.Schema == nil || len(h.GetBucket()) == 0 {
				t.Errorf("%s has no native buckets, or no classic ones", name)
			}
			all[m.GetLabel()[0].GetValue()] = [2]float64{float64(h.GetSampleCount()), h.GetSampleSum()}
		}
	}
	return all
}

func TestLedgerCounts(t *testing.T) {
	collector := &ledgerCollector{NewLedger(), clocktesting.NewFakePassiveClock(time.Unix(1000, 0))}
	l := collector.ledger
	expect := func(why, want string) {
		t.Helper()
		if err := testutil.CollectAndCompare(collector, strings.NewReader(want), "cellfed_propagation_placements", "cellfed_propagation_objects"); err != nil {
			t.Errorf("%s: %v", why, err)
		}
	}
	expect("a replica that propagates nothing says nothing", "")
	entry := func(status string) Entry { return Entry{Member: "hz", Outcome: report.Outcome{Status: status}} }
	l.Set(inCell, entry(federated.StatusCreationFailed))
	l.Set(inCell, entry(federated.StatusOK))
	l.Set(inCluster, entry(federated.StatusOK))
	l.Set(engine.Key{ObjectKey: theObject, Topology: "acme.a2"}, entry(federated.StatusHeld))
	l.Set(engine.Key{ObjectKey: theObject, Topology: "acme.a3"}, entry(federated.StatusWaitingForRemoval))
	l.Set(engine.Key{ObjectKey: theObject, Topology: "acme.a4"}, entry(federated.StatusClusterNotReady))
	l.Set(engine.Key{ObjectKey: theObject, Topology: "acme.a5"}, entry(federated.StatusUpdateFailed))
	l.Set(engine.Key{ObjectKey: theObject, Topology: "acme.a6"}, Entry{Member: "hz", Gone: true})
	l.Noted(theObject, objectProgressing)
	l.Noted(theObject, placementFailed)
	l.Noted(engine.ObjectKey{Type: "secrets", Namespace: "acme", Name: "s"}, placementInSync)
	placements := `
# HELP cellfed_propagation_placements What the push reconciler found of federated objects in topologies, by federated type, physical cluster, cell (the name of its KubeFedCluster; empty for the physical cluster itself) and state: in_sync, held, removing, unreachable or failed. All but removing are placed there. The leader alone has it.
# TYPE cellfed_propagation_placements gauge
`
	objects := `
# HELP cellfed_propagation_objects Federated objects by federated type and state: in_sync, progressing, failed (a topology failed or cannot be reached), held (a topology is, and the others are in sync), unplaced (placed nowhere), unplaceable (nobody can tell where it belongs) or deleting. The leader alone has it.
# TYPE cellfed_propagation_objects gauge
`
	expect("each entry is counted once, as it is now", placements+`
cellfed_propagation_placements{cell="",cluster="hz",state="in_sync",type="configmaps"} 1
cellfed_propagation_placements{cell="acme.a1",cluster="hz",state="in_sync",type="configmaps"} 1
cellfed_propagation_placements{cell="acme.a2",cluster="hz",state="held",type="configmaps"} 1
cellfed_propagation_placements{cell="acme.a3",cluster="hz",state="removing",type="configmaps"} 1
cellfed_propagation_placements{cell="acme.a4",cluster="hz",state="unreachable",type="configmaps"} 1
cellfed_propagation_placements{cell="acme.a5",cluster="hz",state="failed",type="configmaps"} 1
`+objects+`
cellfed_propagation_objects{state="failed",type="configmaps"} 1
cellfed_propagation_objects{state="in_sync",type="secrets"} 1
`)
	for _, topology := range []string{"acme.a2", "acme.a3", "acme.a4", "acme.a5", "acme.a6"} {
		l.Drop(engine.Key{ObjectKey: theObject, Topology: topology})
	}
	l.Drop(engine.Key{ObjectKey: theObject, Topology: "acme.never"})
	l.ForgetType("secrets")
	expect("what is dropped is gone, and a type that stops too", placements+`
cellfed_propagation_placements{cell="",cluster="hz",state="in_sync",type="configmaps"} 1
cellfed_propagation_placements{cell="acme.a1",cluster="hz",state="in_sync",type="configmaps"} 1
`+objects+`
cellfed_propagation_objects{state="failed",type="configmaps"} 1
`)
	l.Forget(theObject)
	expect("an object that is forgotten leaves nothing", "")
	l.Set(inCell, entry(federated.StatusOK))
	l.ForgetType("configmaps")
	l.Drop(inCell)
	expect("nor does a type that stops", "")
}

// TestBeyond: what was found in a topology that the object cannot reach any more is not counted, until it can again.
func TestBeyond(t *testing.T) {
	s := newScene(t, typeConfigMaps, nil)
	expect := func(why string, want map[placement]int) {
		t.Helper()
		got, _, _ := s.ledger.counts()
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(placement{})); diff != "" {
			t.Errorf("%s: -want +got:\n%s", why, diff)
		}
	}
	inSync := map[placement]int{{typeName: s.run.Name, cluster: "hz", state: placementInSync}: 1}
	none := map[placement]int{}
	s.plan(t)
	s.propagate(t)
	expect("it is there", inSync)
	s.topology.MemberLabels = map[string]string{v1alpha1.TenantLabel: "globex"}
	s.plan(t)
	s.plan(t)
	expect("the cluster is another tenant's", none)
	s.topology.MemberLabels = nil
	s.plan(t)
	s.propagate(t)
	expect("it is the namespace's again", inSync)
	s.topology.MemberLabels = map[string]string{v1alpha1.TenantLabel: "globex"}
	s.plan(t)
	s.ledger.Drop(s.key())
	s.ledger.Forget(s.key().ObjectKey)
	expect("what is not counted is not taken off when it is forgotten", none)
}

// TestUnpropagatedIsForgotten: of objects that are never propagated no changes pile up.
func TestUnpropagatedIsForgotten(t *testing.T) {
	s := newScene(t, typeNamespaces, func(o *federated.Object) { o.Name = "misnamed" })
	s.changed(t)
	if diff := cmp.Diff(0, len(s.ledger.tally.changes)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestDelivered(t *testing.T) {
	at := func(second int64) time.Time { return time.Unix(second, 0) }
	wrote := report.Outcome{Generation: 1, Changed: true}
	both := map[string]string{"acme.a1": "hz", "hz": "hz"}
	cases := map[string]struct {
		reason string
		do     func(l *Ledger)
		// generation and outcome are what is delivered to the cell then.
		generation int64
		outcome    report.Outcome
		want       time.Time
		// left is since when the oldest change is waited for afterwards.
		left time.Time
	}{
		"Delivered": {"the write of what was changed", func(l *Ledger) {
			l.Changed(theObject, 1, at(10))
			l.Planned(theObject, 1, map[string]string{"acme.a1": "hz"})
		}, 1, wrote, at(10), time.Time{}},
		"Others": {"each topology is waited for", func(l *Ledger) {
			l.Changed(theObject, 1, at(10))
			l.Planned(theObject, 1, both)
		}, 1, wrote, at(10), at(10)},
		"Unchanged": {"nothing had to be written: that says nothing of how long a write takes", func(l *Ledger) {
			l.Changed(theObject, 1, at(10))
			l.Planned(theObject, 1, both)
			l.Delivered(inCluster, 1, wrote)
		}, 1, report.Outcome{Generation: 1}, time.Time{}, time.Time{}},
		"Held": {"what is held is waited for by nobody", func(l *Ledger) {
			l.Changed(theObject, 1, at(10))
			l.Planned(theObject, 1, map[string]string{"acme.a1": "hz"})
		}, 1, report.Outcome{Status: federated.StatusHeld}, time.Time{}, time.Time{}},
		"Failed": {"a failure goes on to be waited for", func(l *Ledger) {
			l.Changed(theObject, 1, at(10))
			l.Planned(theObject, 1, map[string]string{"acme.a1": "hz"})
		}, 1, report.Outcome{Status: federated.StatusUpdateFailed}, time.Time{}, at(10)},
		"Unreachable": {"so does an outage", func(l *Ledger) {
			l.Changed(theObject, 1, at(10))
			l.Planned(theObject, 1, map[string]string{"acme.a1": "hz"})
		}, 1, report.Outcome{Status: federated.StatusClusterNotReady}, time.Time{}, at(10)},
		"Old": {"an earlier generation was written while a later one waits", func(l *Ledger) {
			l.Changed(theObject, 1, at(10))
			l.Planned(theObject, 1, map[string]string{"acme.a1": "hz"})
			l.Changed(theObject, 2, at(20))
			l.Planned(theObject, 2, map[string]string{"acme.a1": "hz"})
		}, 1, wrote, at(10), at(20)},
		"Coalesced": {"one write brings two changes: the older waited longer", func(l *Ledger) {
			l.Changed(theObject, 1, at(10))
			l.Planned(theObject, 1, map[string]string{"acme.a1": "hz"})
			l.Changed(theObject, 2, at(20))
			l.Planned(theObject, 2, map[string]string{"acme.a1": "hz"})
		}, 2, wrote, at(10), time.Time{}},
		"Unplanned": {"two changes are planned at once", func(l *Ledger) {
			l.Changed(theObject, 1, at(10))
			l.Changed(theObject, 2, at(20))
			l.Planned(theObject, 2, map[string]string{"acme.a1": "hz"})
		}, 2, wrote, at(10), time.Time{}},
		"PlannedBefore": {"a plan of an earlier generation does not take the change", func(l *Ledger) {
			l.Changed(theObject, 2, at(10))
			l.Planned(theObject, 1, map[string]string{"acme.a1": "hz"})
		}, 1, wrote, time.Time{}, time.Time{}},
		"Joined": {"a cell that comes later is brought what was long there", func(l *Ledger) {
			l.Changed(theObject, 1, at(10))
			l.Planned(theObject, 1, map[string]string{"hz": "hz"})
			l.Delivered(inCluster, 1, wrote)
			l.Planned(theObject, 1, both)
		}, 1, wrote, time.Time{}, time.Time{}},
		"Away": {"a topology that the object does not belong to any more is not waited for", func(l *Ledger) {
			l.Changed(theObject, 1, at(10))
			l.Planned(theObject, 1, both)
			l.Planned(theObject, 1, map[string]string{"hz": "hz"})
		}, 1, wrote, time.Time{}, at(10)},
		"Dropped": {"nor one that was dropped", func(l *Ledger) {
			l.Changed(theObject, 1, at(10))
			l.Planned(theObject, 1, both)
			l.Drop(inCell)
		}, 1, wrote, time.Time{}, at(10)},
		"Forgotten": {"nor an object that is gone", func(l *Ledger) {
			l.Changed(theObject, 1, at(10))
			l.Planned(theObject, 1, both)
			l.Forget(theObject)
		}, 1, wrote, time.Time{}, time.Time{}},
		"Stopped": {"nor one whose type has stopped", func(l *Ledger) {
			l.Changed(theObject, 1, at(10))
			l.Planned(theObject, 1, both)
			l.ForgetType("configmaps")
		}, 1, wrote, time.Time{}, time.Time{}},
		"Moved": {"what another cluster was to receive the cell's new one starts with", func(l *Ledger) {
			l.Changed(theObject, 1, at(10))
			l.Planned(theObject, 1, map[string]string{"acme.a1": "hz"})
			l.Changed(theObject, 2, at(20))
			l.Planned(theObject, 2, map[string]string{"acme.a1": "other"})
		}, 2, wrote, at(20), time.Time{}},
		"Many": {"of many changes the oldest is known", func(l *Ledger) {
			for i := range int64(50) {
				l.Changed(theObject, i+1, at(10+i))
				l.Planned(theObject, i+1, map[string]string{"acme.a1": "hz"})
			}
		}, 50, wrote, at(10), time.Time{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			l := NewLedger()
			tc.do(l)
			since, ok := l.Delivered(inCell, tc.generation, tc.outcome)
			if ok == tc.want.IsZero() || !since.Equal(tc.want) {
				t.Errorf("%s: delivered %v, since %v, want %v", tc.reason, ok, since, tc.want)
			}
			_, _, oldest := l.counts()
			left := oldest[typeInCluster{"configmaps", "hz"}]
			if !left.Equal(tc.left) {
				t.Errorf("%s: %v is waited for, want %v", tc.reason, left, tc.left)
			}
			for _, waiting := range l.tally.deliveries {
				for _, d := range waiting {
					if len(d.marks) == 0 || len(d.marks) > maxMarks {
						t.Errorf("%d marks are kept", len(d.marks))
					}
				}
			}
		})
	}
}

func TestOldestChange(t *testing.T) {
	collector := &ledgerCollector{NewLedger(), clocktesting.NewFakePassiveClock(time.Unix(1000, 0))}
	other := theObject
	other.Name = "y"
	collector.ledger.Changed(theObject, 1, time.Unix(990, 0))
	collector.ledger.Planned(theObject, 1, map[string]string{"acme.a1": "hz", "acme.b1": "fra"})
	collector.ledger.Changed(other, 1, time.Unix(940, 0))
	collector.ledger.Planned(other, 1, map[string]string{"acme.a1": "hz"})
	want := `
# HELP cellfed_propagation_oldest_change_age_seconds How long ago the watch brought the oldest change of a federated object that a topology which it is released to has not received, by federated type and physical cluster. What an outage of the member or a refusal holds up is included. There is no series where nothing is waited for. The leader alone has it.
# TYPE cellfed_propagation_oldest_change_age_seconds gauge
cellfed_propagation_oldest_change_age_seconds{cluster="fra",type="configmaps"} 10
cellfed_propagation_oldest_change_age_seconds{cluster="hz",type="configmaps"} 60
`
	if err := testutil.CollectAndCompare(collector, strings.NewReader(want), "cellfed_propagation_oldest_change_age_seconds"); err != nil {
		t.Error(err)
	}
}

// TestMeasuredRelease follows a change from the watch to the member and to the status.
func TestMeasuredRelease(t *testing.T) {
	s := newScene(t, "configmaps", nil)
	m, registry := newTestMetrics(t)
	s.propagator.Metrics, s.reporter.Metrics, s.reporter.Settle = m, m, 0
	s.ledger.Changed(s.key().ObjectKey, s.object.Generation, s.clock.Now())
	s.clock.SetTime(s.clock.Now().Add(2 * time.Second))
	s.plan(t)
	s.propagate(t)
	s.report(t)
	latency := samples(t, registry, "cellfed_propagation_latency_seconds")
	if diff := cmp.Diff(map[string][2]float64{s.run.Name: {1, 2}}, latency); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if lag := samples(t, registry, "cellfed_propagation_status_lag_seconds"); lag[s.run.Name][0] != 1 {
		t.Errorf("a status that was written is measured as %v", lag)
	}
	// What is looked at again without a change is no news.
	s.plan(t)
	s.propagate(t)
	if again := samples(t, registry, "cellfed_propagation_latency_seconds"); again[s.run.Name][0] != 1 {
		t.Errorf("measured %v", again)
	}
	_, objects, oldest := s.ledger.counts()
	if len(objects) != 1 || len(oldest) != 0 {
		t.Errorf("objects %v, waiting %v", objects, oldest)
	}
	m.forgetType(s.run.Name)
	if n, err := testutil.GatherAndCount(registry); n != 0 || err != nil {
		t.Errorf("%d series are left of a type that stopped, %v", n, err)
	}
}

func TestStateOf(t *testing.T) {
	living := &federated.Object{}
	cases := map[string]struct {
		reason  string
		view    view
		summary *federated.Summary
		want    string
	}{
		"InSync":      {"", view{object: living}, &federated.Summary{Placed: 2, InSync: 2}, placementInSync},
		"Held":        {"the rest is in sync", view{object: living}, &federated.Summary{Placed: 2, InSync: 1, Held: 1}, placementHeld},
		"HeldAndNot":  {"what is released is still on its way", view{object: living}, &federated.Summary{Placed: 3, InSync: 1, Held: 1}, objectProgressing},
		"Failed":      {"a failure is told first", view{object: living}, &federated.Summary{Placed: 3, InSync: 1, Held: 1, Failed: 1}, placementFailed},
		"Unplaced":    {"", view{object: living}, &federated.Summary{}, objectUnplaced},
		"Unplaceable": {"", view{object: living, reason: federated.ReasonComputePlacementFailed}, &federated.Summary{}, objectUnplaceable},
		"Deleting":    {"", view{object: &federated.Object{Deleting: true}}, &federated.Summary{Failed: 1}, objectDeleting},
		"Unknown":     {"a status that is upstream's counts nothing", view{object: living}, nil, objectProgressing},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := stateOf(&tc.view, tc.summary); got != tc.want {
				t.Errorf("%s: %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}

// answering answers every write with an error.
type answering struct {
	Members
	err error
}

func (m answering) Create(context.Context, string, member.Target, *unstructured.Unstructured) (*member.Object, error) {
	return nil, m.err
}

func TestWrites(t *testing.T) {
	m, registry := newTestMetrics(t)
	target := member.Target{Resource: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}}
	for _, err := range []error{
		nil, nil, apierrors.NewAlreadyExists(schema.GroupResource{}, "x"), apierrors.NewBadRequest("no"),
		apierrors.NewGenericServerResponse(http.StatusServiceUnavailable, "post", schema.GroupResource{}, "x", "", 0, true),
		errors.New("cut off"), member.ErrUnhealthy,
	} {
		_, _ = (&measured{answering{err: err}, m}).Create(t.Context(), "hz", target, nil)
	}
	want := `
# HELP cellfed_propagation_writes_total Writes of the push reconciler to members, by physical cluster, type, verb and result: ok, conflict, refused (an API server said no) or unreachable.
# TYPE cellfed_propagation_writes_total counter
cellfed_propagation_writes_total{cluster="hz",result="conflict",type="deployments.apps",verb="create"} 1
cellfed_propagation_writes_total{cluster="hz",result="ok",type="deployments.apps",verb="create"} 2
cellfed_propagation_writes_total{cluster="hz",result="refused",type="deployments.apps",verb="create"} 1
cellfed_propagation_writes_total{cluster="hz",result="unreachable",type="deployments.apps",verb="create"} 2
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "cellfed_propagation_writes_total"); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	m.forgetMember("hz")
	if n, err := testutil.GatherAndCount(registry); n != 0 || err != nil {
		t.Errorf("%d series are left of a member that is gone, %v", n, err)
	}
}
