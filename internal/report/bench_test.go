package report_test

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/report"
)

// BenchmarkBuild builds the status of a Deployment in 200 topologies: once when nothing changed, and once when one
// topology did.
func BenchmarkBuild(b *testing.B) {
	topologies := make([]report.Topology, 200)
	for i := range topologies {
		topologies[i] = report.Topology{Name: fmt.Sprintf("acme.c%03d", i), Placed: true, Outcome: wrote(5), Live: running()}
	}
	in := report.Input{Object: pay(federated.Status{}), Topologies: topologies, Now: now, Kind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}}
	in.Object.Status, _ = report.Build(in)
	for name, generation := range map[string]int64{"Unchanged": 5, "Changed": 4} {
		b.Run(name, func(b *testing.B) {
			in.Topologies[100].Outcome = wrote(generation)
			b.ReportAllocs()
			for b.Loop() {
				if _, changed := report.Build(in); changed != (generation == 4) {
					b.Fatal("changed: ", changed)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "objects/s")
		})
	}
}

func running() *unstructured.Unstructured {
	condition := func(t string) any {
		return map[string]any{"type": t, "status": "True", "reason": "MinimumReplicasAvailable", "message": "Deployment has minimum availability.",
			"lastUpdateTime": then, "lastTransitionTime": then}
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"generation": int64(3)}, "spec": map[string]any{"replicas": int64(3)},
		"status": map[string]any{"observedGeneration": int64(3), "replicas": int64(3), "updatedReplicas": int64(3), "readyReplicas": int64(3),
			"availableReplicas": int64(3), "conditions": []any{condition("Available"), condition("Progressing")}},
	}}
}
