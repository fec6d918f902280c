package report_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/report"
)

// TestStable: a status that was written is not written again: not when it is asked for once more, nor in another order, nor
// after a restart, when nothing is known but the status, nor while the members are seen again one by one.
func TestStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := draw(t)
		in.Object.Status = roundTrip(t, in.Object, drawBefore(t, in))
		first, _ := report.Build(in)
		in.Object.Status = roundTrip(t, in.Object, first)
		in.Now = now

		unchanged(t, "again", in)
		in.Topologies = rapid.Permutation(in.Topologies).Draw(t, "order")
		unchanged(t, "in another order", in)

		restarted := in
		restarted.Topologies = nil
		for _, topology := range in.Topologies {
			topology.Outcome = nil
			if !rapid.Bool().Draw(t, "seen") {
				topology.Live, topology.Known = nil, false
			}
			restarted.Topologies = append(restarted.Topologies, topology)
		}
		unchanged(t, "after a restart", restarted)
	})
}

func unchanged(t *rapid.T, when string, in report.Input) {
	before := in.Object.Status
	got, changed := report.Build(in)
	if changed {
		t.Fatalf("%s, -before +after:\n%s", when, cmp.Diff(before, got))
	}
	if diff := cmp.Diff(before, got); diff != "" {
		t.Fatalf("%s, unchanged and yet different:\n%s", when, diff)
	}
}

// TestCounts: the numbers and the conditions say the same as the list.
func TestCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := draw(t)
		got, _ := report.Build(in)
		placed, held, listed := int64(0), int64(0), map[string]federated.ClusterStatus{}
		for _, c := range got.Clusters {
			if _, twice := listed[c.Name]; twice {
				t.Fatalf("%s is listed twice", c.Name)
			}
			listed[c.Name] = c
			if c.Status == federated.StatusHeld {
				held++
			}
		}
		behind := false
		for _, topology := range in.Topologies {
			c, ok := listed[topology.Name]
			if topology.Placed && !in.Object.Deleting {
				placed++
				behind = behind || !topology.Held && (!ok || c.Status != "" || c.Generation != in.Object.Generation)
			}
			if topology.Live != nil && !ok {
				t.Fatalf("%s has the object, and is not listed", topology.Name)
			}
			if ok && c.Status == federated.StatusHeld && !topology.Held {
				t.Fatalf("%s is not held", topology.Name)
			}
		}
		s := got.Summary
		if !in.Object.Deleting && s.Placed != placed || s.Held != held || s.InSync > s.Placed || s.Available > s.Placed {
			t.Fatalf("got %+v, want %d placed and %d held", s, placed, held)
		}
		for _, c := range got.Conditions {
			switch {
			case c.Type == report.ConditionHeld && (c.Status == "True") != (held > 0):
				t.Fatalf("%d are held, and Held is %s", held, c.Status)
			case c.Type == report.ConditionPropagated && c.Status == "True" && behind:
				t.Fatalf("Propagated is True: %s", c.Message)
			case c.Type == report.ConditionPropagation && c.Status == "True" && s.InSync != s.Placed:
				t.Fatalf("Propagation is True with %+v", s)
			}
		}
	})
}

// roundTrip writes the status to an API server, as it were, and reads it again.
func roundTrip(t *rapid.T, o *federated.Object, status federated.Status) federated.Status {
	content, err := o.EncodeStatus(status)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(map[string]any{
		"apiVersion": o.APIVersion, "kind": o.Kind, "metadata": map[string]any{"name": o.Name, "namespace": o.Namespace},
		"spec": map[string]any{"topologyType": o.Placement.TopologyType}, "status": content,
	})
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	decoded, err := federated.Decode(u)
	if err != nil {
		t.Fatal(err)
	}
	return decoded.Status
}

// drawBefore draws a status that was written at an earlier time, for other topologies and another generation.
func drawBefore(t *rapid.T, in report.Input) federated.Status {
	if rapid.Bool().Draw(t, "new") {
		return federated.Status{}
	}
	earlier := draw(t)
	earlier.Object.APIVersion, earlier.Object.Generation = in.Object.APIVersion, in.Object.Generation-1
	status, _ := report.Build(earlier)
	return status
}

func draw(t *rapid.T) report.Input {
	version := rapid.SampledFrom([]string{federated.APIVersionV1Beta1, federated.APIVersionV2Beta1}).Draw(t, "version")
	o := pay(federated.Status{}, func(o *federated.Object) {
		o.APIVersion, o.Deleting = version, rapid.Bool().Draw(t, "deleting")
	})
	in := report.Input{Object: o, Now: then, Kind: podKind, Message: rapid.SampledFrom([]string{"", "a note"}).Draw(t, "message")}
	if rapid.Bool().Draw(t, "configMap") {
		in.Kind = configMap
	}
	in.Reason = rapid.SampledFrom([]report.AggregateReason{"", "", "", federated.ReasonComputePlacementFailed, federated.ReasonNamespaceNotFederated}).Draw(t, "reason")
	for i := range rapid.IntRange(0, 4).Draw(t, "topologies") {
		in.Topologies = append(in.Topologies, drawTopology(t, fmt.Sprintf("acme.c%d", i)))
	}
	return in
}

// drawTopology draws what can be.
func drawTopology(t *rapid.T, name string) report.Topology {
	topology := report.Topology{Name: name, Placed: rapid.Bool().Draw(t, "placed"), Held: rapid.Bool().Draw(t, "held"), Known: rapid.Bool().Draw(t, "known")}
	if rapid.Bool().Draw(t, "live") {
		topology.Live = live(map[string]any{
			"n": rapid.Int64Range(0, 3).Draw(t, "n"), "f": rapid.Float64Range(0, 2).Draw(t, "f"),
			"phase":      rapid.SampledFrom([]string{"Pending", "Running", "Failed", "Succeeded"}).Draw(t, "phase"),
			"conditions": []any{map[string]any{"type": "Ready", "status": rapid.SampledFrom([]string{"True", "False"}).Draw(t, "ready")}},
		})
	}
	if rapid.IntRange(0, 3).Draw(t, "unknown") > 0 {
		topology.Outcome = &report.Outcome{
			Status:  rapid.SampledFrom([]string{"", "", "Held", "WaitingForRemoval", "ClusterNotReady", "CreationFailed", "DeletionFailed"}).Draw(t, "status"),
			Message: rapid.SampledFrom([]string{"", "no"}).Draw(t, "why"), Generation: rapid.Int64Range(0, 5).Draw(t, "generation"),
			AppliedVersion: rapid.SampledFrom([]string{"", "d:gen:1", "d:gen:2"}).Draw(t, "version"), Changed: rapid.Bool().Draw(t, "changed"),
		}
	}
	if o := topology.Outcome; topology.Held && o != nil && (topology.Live != nil || topology.Known) {
		// The word of a topology that is held does not tell that it could not be seen.
		o.Status = federated.StatusHeld
	}
	return topology
}
