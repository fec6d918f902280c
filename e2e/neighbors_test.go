package e2e

import (
	"net/http"
	"testing"

	"github.com/cellfed/cellfed/e2e/framework"
)

const neighbors = `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: both}
spec:
  topologyType: cell
  placement:
    topologies: [{name: rz00a}, {name: rz00b}]
  template:
    data: {cell: none}
  overrides:
  - topologyName: rz00a
    topologyOverrides: [{path: /data/cell, value: rz00a}]
  - topologyName: rz00b
    topologyOverrides: [{path: /data/cell, value: rz00b}]
---
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: only-a}
spec:
  topologyType: cell
  placement:
    topologies: [{name: rz00a}]
  template:
    data: {cell: rz00a}
---
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: only-b}
spec:
  topologyType: cell
  placement:
    topologies: [{name: rz00b}]
  template:
    data: {cell: rz00b}
`

// TestNeighbors has two cells of one namespace on one cluster. Two KubeFedClusters that reach one member make
// upstream create and delete, or write to and fro, for ever: nothing of that kind happens to cells.
func TestNeighbors(t *testing.T) {
	s := newTenant(t, environment(t), "neighbors")
	s.cell("rz00a", hangzhou, "neighbors-a", nil)
	s.cell("rz00b", hangzhou, "neighbors-b", nil)
	s.waitReady()

	before := s.mark()
	s.create(neighbors)
	settled := func() {
		s.t.Helper()
		s.waitData("rz00a", "both", map[string]string{"cell": "rz00a"})
		s.waitData("rz00b", "both", map[string]string{"cell": "rz00b"})
		s.waitData("rz00a", "only-a", map[string]string{"cell": "rz00a"})
		s.waitData("rz00b", "only-b", map[string]string{"cell": "rz00b"})
		s.waitGone("rz00b", "only-a")
		s.waitGone("rz00a", "only-b")
	}
	settled()
	s.waitPropagated("FederatedConfigMap", "both", "rz00a", "rz00b")
	s.waitPropagated("FederatedConfigMap", "only-a", "rz00a")
	s.waitPropagated("FederatedConfigMap", "only-b", "rz00b")
	s.wantOneCreateEach(before)

	quiet := s.mark()
	d := window(t)
	t.Logf("Watching for %s that nothing is written to either cell", d)
	framework.Always(t, d, "the quiet of the two cells", s.quiet(quiet))
	settled()
	s.wantNoWrites(quiet, "while nothing changed")

	// A change in one cell is none in the other.
	s.patch("FederatedConfigMap", v2beta1, "only-a", `{"spec":{"template":{"data":{"more":"yes"}}}}`)
	s.waitData("rz00a", "only-a", map[string]string{"cell": "rz00a", "more": "yes"})
	if writes := s.writes(quiet, hangzhou, s.places["rz00b"].namespace); len(writes) > 0 {
		t.Errorf("a change for one cell made writes to its neighbor:\n%s", lines(writes))
	}
}

// wantOneCreateEach checks that each object came by one successful create and was not written again.
func (s *tenant) wantOneCreateEach(since marks) {
	s.t.Helper()
	created := map[string]int{}
	for _, write := range s.cellWrites(since) {
		if write.Resource != "configmaps" || !write.Succeeded() {
			continue
		}
		// cellfed creates by server-side apply.
		if write.Verb != "create" && write.Code != http.StatusCreated {
			s.t.Errorf("an object that was only to be created was written again: %s", write)
			continue
		}
		created[write.Namespace+"/"+write.Name]++
	}
	for object, count := range created {
		if count != 1 {
			s.t.Errorf("%s was created %d times", object, count)
		}
	}
	if len(created) != 4 {
		s.t.Errorf("%d objects were created, want 4: %v", len(created), created)
	}
}
