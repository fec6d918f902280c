package propagation

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/report"
)

// What upstream reported is the first thing that is known after a hand-over: of what is in sync, since when.
func TestWithGenerations(t *testing.T) {
	const upstreams, ours = "2026-01-02T03:04:05Z", "2026-02-03T04:05:06Z"
	conditions := []federated.Condition{{Type: "Other", LastUpdateTime: ours}, {Type: report.ConditionPropagation, Status: "True", LastUpdateTime: upstreams}}
	cases := map[string]struct {
		reason string
		status federated.Status
		want   []federated.ClusterStatus
	}{
		"Upstreams": {
			reason: "one generation and one time hold for all that is in sync",
			status: federated.Status{ObservedGeneration: 7, Conditions: conditions, Clusters: []federated.ClusterStatus{{Name: "a"}, {Name: "b", Status: "UpdateFailed"}}},
			want:   []federated.ClusterStatus{{Name: "a", Generation: 7, LastChangeTime: upstreams}, {Name: "b", Status: "UpdateFailed"}},
		},
		"Known": {
			reason: "what is known of a topology stays",
			status: federated.Status{ObservedGeneration: 7, Conditions: conditions, Clusters: []federated.ClusterStatus{{Name: "a", Generation: 3, LastChangeTime: ours}}},
			want:   []federated.ClusterStatus{{Name: "a", Generation: 3, LastChangeTime: ours}},
		},
		"Cellfeds": {
			reason: "cellfed's own report is as it is",
			status: federated.Status{ObservedGeneration: 7, Conditions: conditions, Summary: &federated.Summary{}, Clusters: []federated.ClusterStatus{{Name: "a"}}},
			want:   []federated.ClusterStatus{{Name: "a"}},
		},
		"NoCondition": {
			reason: "upstream has not said when",
			status: federated.Status{ObservedGeneration: 7, Clusters: []federated.ClusterStatus{{Name: "a"}}},
			want:   []federated.ClusterStatus{{Name: "a", Generation: 7}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			object := &federated.Object{Status: tc.status}
			if diff := cmp.Diff(tc.want, withGenerations(object).Status.Clusters); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}
