package propagation

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/report"
)

// recorder keeps what is recorded as one text each.
type recorder struct{ told []string }

func (r *recorder) Eventf(regarding, related runtime.Object, eventType, reason, action, note string, args ...any) {
	name := func(o runtime.Object) string {
		m, err := meta.Accessor(o)
		if err != nil {
			return err.Error()
		}
		return o.GetObjectKind().GroupVersionKind().Kind + " " + m.GetNamespace() + "/" + m.GetName()
	}
	r.told = append(r.told, fmt.Sprintf("%s, %s: %s %s %s: %s", name(regarding), name(related), eventType, reason, action, fmt.Sprintf(note, args...)))
}

func TestEvents(t *testing.T) {
	failed := func(status, message string) func(*Events, *situation) {
		return func(e *Events, s *situation) { e.Failed(s, report.Outcome{Status: status, Message: message}) }
	}
	propagated := func(reason string) func(*Events, *situation) {
		return func(e *Events, s *situation) { e.Propagated(s, reason) }
	}
	cases := map[string]struct {
		reason   string
		topology Topology
		happen   func(*Events, *situation)
		want     []string
	}{
		"Failed": {"why comes first, and a cell is called what its people call it", givenCell(), failed(federated.StatusUpdateFailed, "spec.replicas: no"),
			[]string{"FederatedConfigMap acme/x, Cell acme/a1: Warning PropagationFailed Propagate: Could not propagate the ConfigMap to cell a1: spec.replicas: no (UpdateFailed)"}},
		"FailedInACluster": {"a physical cluster is called one", givenPhysical("hz"), failed(federated.StatusCreationTimedOut, "no answer"),
			[]string{"FederatedConfigMap acme/x, KubeFedCluster /hz: Warning PropagationFailed Propagate: Could not propagate the ConfigMap to cluster hz: no answer (CreationTimedOut)"}},
		"FailedSilently": {"the status is a word, too", givenCell(), failed(federated.StatusDeletionFailed, ""),
			[]string{"FederatedConfigMap acme/x, Cell acme/a1: Warning PropagationFailed Propagate: Could not propagate the ConfigMap to cell a1: DeletionFailed"}},
		"FailedWithPercent": {"an API server's words are no format", givenCell(), failed(federated.StatusUpdateFailed, "100%d"),
			[]string{"FederatedConfigMap acme/x, Cell acme/a1: Warning PropagationFailed Propagate: Could not propagate the ConfigMap to cell a1: 100%d (UpdateFailed)"}},
		"Adopted": {"it was there", givenCell(), propagated(eventAdopted),
			[]string{"FederatedConfigMap acme/x, Cell acme/a1: Normal Adopted Propagate: Took over the ConfigMap that was already in cell a1"}},
		"DriftRepaired": {"somebody will miss it", givenPhysical("hz"), propagated(eventDriftRepaired),
			[]string{"FederatedConfigMap acme/x, KubeFedCluster /hz: Normal DriftRepaired Propagate: Undid a change that somebody made to the ConfigMap in cluster hz"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			to := &recorder{}
			tc.happen(&Events{Recorder: to}, &situation{
				key: engine.Key{Topology: tc.topology.Name}, target: configMap, object: givenObject(nil), topology: tc.topology,
			})
			if diff := cmp.Diff(tc.want, to.told); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestLongEvents: an API server refuses an event whose note is too long, and nobody would hear of the failure.
func TestLongEvents(t *testing.T) {
	to := &recorder{}
	s := &situation{target: namespaceKind, object: givenObject(nil), topology: givenCell()}
	s.topology.View.Cell = strings.Repeat("c", 253)
	(&Events{Recorder: to}).Failed(s, report.Outcome{Status: federated.StatusLabelRemovalTimedOut, Message: strings.Repeat("ü", 5000)})
	_, note, _ := strings.Cut(to.told[0], "Propagate: ")
	if len(note) > maxNote || !strings.HasSuffix(note, "ü... (LabelRemovalTimedOut)") {
		t.Errorf("%d bytes: %s", len(note), note)
	}
}
