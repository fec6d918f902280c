package matrix_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/matrix"
	"github.com/cellfed/cellfed/internal/federated"
)

// TestJustReady: a cell that has just become ready has nothing that failed because it was not.
func TestJustReady(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	const notReady = federated.StatusClusterNotReady
	type row struct {
		State           matrix.State
		Reason, Message string
	}
	cases := map[string]struct {
		reason string
		word   string
		ready  metav1.ConditionStatus
		since  time.Duration
		gone   bool
		now    time.Time
		want   row
	}{
		"JustReady": {
			reason: "KubeFed looks again in a moment", word: notReady, ready: "True", since: 10 * time.Second, now: now,
			want: row{matrix.Progressing, "", "ClusterNotReady was reported before the cell was ready"},
		},
		"Removed":  {reason: "what is to go goes", word: notReady, ready: "True", since: 10 * time.Second, gone: true, now: now, want: row{matrix.Removing, notReady, "down"}},
		"LongAgo":  {reason: "it does not look again by itself", word: notReady, ready: "True", since: time.Hour, now: now, want: row{matrix.Failed, notReady, "down"}},
		"NotReady": {reason: "it is true", word: notReady, ready: "False", since: 10 * time.Second, now: now, want: row{matrix.Failed, notReady, "down"}},
		"Failed": {
			reason: "what the cell refused is not about its readiness", word: federated.StatusCreationFailed, ready: "True", since: 10 * time.Second, now: now,
			want: row{matrix.Failed, federated.StatusCreationFailed, "down"},
		},
		"NoClock": {reason: "nobody can tell", word: notReady, ready: "True", since: 10 * time.Second, want: row{matrix.Failed, notReady, "down"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cell := v1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "rz00a"}}
			cell.Status.Conditions = []metav1.Condition{{Type: string(v1alpha1.ConditionReady), Status: tc.ready, LastTransitionTime: metav1.NewTime(now.Add(-tc.since))}}
			o := &federated.Object{Namespace: "acme", Name: "acme", Generation: 1, Deleting: tc.gone}
			o.Placement.TopologyType, o.Placement.Clusters = "cell", []string{"acme.rz00a"}
			o.Status.ObservedGeneration = 1
			o.Status.Clusters = []federated.ClusterStatus{{Name: "acme.rz00a", Status: tc.word, Message: "down"}}
			m := matrix.Of(matrix.Input{Propagator: v1alpha1.PropagatorKubeFed, Object: o, Cells: []v1alpha1.Cell{cell}, Now: tc.now})
			if diff := cmp.Diff(tc.want, row{m.Rows[0].State, m.Rows[0].Reason, m.Rows[0].Message}); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}
