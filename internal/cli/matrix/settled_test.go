package matrix_test

import (
	"testing"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/matrix"
	"github.com/cellfed/cellfed/internal/federated"
)

func TestSettled(t *testing.T) {
	propagated := federated.Condition{Type: "Propagated", Status: "True"}
	available := federated.Condition{Type: "Available", Status: "True"}
	unavailable := federated.Condition{Type: "Available", Status: "False", Message: "Not available: a"}
	works, broken := matrix.Row{Name: "a", State: matrix.InSync, Health: matrix.Available}, matrix.Row{Name: "a", State: matrix.InSync, Health: matrix.NotAvailable}
	heldWorks, heldBroken := matrix.Row{Name: "b", State: matrix.Held, Health: matrix.Available}, matrix.Row{Name: "b", State: matrix.Held, Health: matrix.Broken}
	cases := map[string]struct {
		reason string
		m      matrix.Matrix
		why    string
	}{
		"Done":        {reason: "in sync and available", m: matrix.Matrix{Rows: []matrix.Row{works}, Conditions: []federated.Condition{propagated, available}}},
		"NoRule":      {reason: "a kind without a rule has no such condition", m: matrix.Matrix{Rows: []matrix.Row{{State: matrix.InSync}}, Conditions: []federated.Condition{propagated}}},
		"Stale":       {reason: "a status of another generation tells nothing", m: matrix.Matrix{Generation: 2, ObservedGeneration: 1, Conditions: []federated.Condition{propagated}}, why: "generation 2 is not reported yet"},
		"Progressing": {reason: "a released cell lags", m: matrix.Matrix{Summary: matrix.Summary{Progressing: 1}, Rows: []matrix.Row{{Name: "a", State: matrix.Progressing}}}, why: "not there yet: a"},
		"Failed":      {reason: "a released cell has failed", m: matrix.Matrix{Summary: matrix.Summary{Failed: 1}, Rows: []matrix.Row{{Name: "a", State: matrix.Failed}}}, why: "failed in a"},
		"Unknown":     {reason: "a cell that does not exist is not in sync", m: matrix.Matrix{Summary: matrix.Summary{Unknown: 1}, Rows: []matrix.Row{{Name: "a", State: matrix.Unknown}}}, why: "not known: a"},
		"Deleting":    {reason: "what is being deleted does not settle", m: matrix.Matrix{Deleting: true, Rows: []matrix.Row{{Name: "a", State: matrix.Held}}}, why: "the object is being deleted: a"},
		"NotRunning":  {reason: "what works not yet", m: matrix.Matrix{Rows: []matrix.Row{broken}, Conditions: []federated.Condition{propagated, unavailable}}, why: "not available: a"},
		"HeldBroken": {
			reason: "what is held and does not work is not waited for",
			m:      matrix.Matrix{Summary: matrix.Summary{Held: 1, Available: 1}, Rows: []matrix.Row{works, heldBroken}, Conditions: []federated.Condition{propagated, unavailable}},
		},
		"OldStatus": {
			reason: "a member's status from before the release says that it works: the count, which is of the same moment as the condition, knows better",
			m:      matrix.Matrix{Summary: matrix.Summary{Held: 1, Available: 0}, Rows: []matrix.Row{works, heldBroken}, Conditions: []federated.Condition{propagated, unavailable}},
			why:    "not available: a",
		},
		"OldStatusHeldWorks": {
			reason: "the same where what is held works",
			m:      matrix.Matrix{Summary: matrix.Summary{Held: 1, Available: 1}, Rows: []matrix.Row{works, heldWorks}, Conditions: []federated.Condition{propagated, unavailable}},
			why:    "not available: a",
		},
		"Broken": {
			reason: "a message of other words follows",
			m: matrix.Matrix{Summary: matrix.Summary{Held: 1}, Rows: []matrix.Row{works, heldWorks}, Conditions: []federated.Condition{
				propagated, {Type: "Available", Status: "False", Message: "Failed: b"},
			}},
			why: "not available: failed: b",
		},
		"NotPropagated": {reason: "the condition prevails", m: matrix.Matrix{Conditions: []federated.Condition{{Type: "Propagated", Status: "False", Message: "2 of 3"}}}, why: "not propagated: 2 of 3"},
		"Nothing":       {reason: "nothing has been reported", m: matrix.Matrix{}, why: "not propagated"},
		"KubeFed": {
			reason: "KubeFed has another condition",
			m:      matrix.Matrix{Propagator: v1alpha1.PropagatorKubeFed, Rows: []matrix.Row{{State: matrix.InSync}}, Conditions: []federated.Condition{{Type: "Propagation", Status: "True"}}},
		},
		"KubeFedNot": {
			reason: "and that says no",
			m:      matrix.Matrix{Propagator: v1alpha1.PropagatorKubeFed, Conditions: []federated.Condition{{Type: "Propagation", Status: "False"}}}, why: "not propagated",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if settled, why := tc.m.Settled(); settled != (tc.why == "") || why != tc.why {
				t.Errorf("%s: got %t, %q, want %q", tc.reason, settled, why, tc.why)
			}
		})
	}
}
