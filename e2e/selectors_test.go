package e2e

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
)

const selected = `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: by-city}
spec:
  topologyType: cell
  placement:
    topologySelector: {matchLabels: {city: hangzhou}}
  template:
    data: {by: city}
---
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: everywhere}
spec:
  topologyType: cell
  placement:
    topologySelector: {}
  template:
    data: {by: all}
---
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: nowhere}
spec:
  topologyType: cell
  placement:
    topologies: []
    topologySelector: {}
  template:
    data: {by: none}
---
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: by-expression}
spec:
  topologyType: cell
  placement:
    topologySelector:
      matchExpressions: [{key: city, operator: NotIn, values: [hangzhou]}]
  template:
    data: {by: expression}
`

// TestSelectors places objects on the cells that carry a label. A selector never reaches another namespace's cells,
// nor the physical clusters, whatever they are labeled with.
func TestSelectors(t *testing.T) {
	env := environment(t)
	neighbor := newTenant(t, env, "selectors-other")
	neighbor.cell("rz00a", hangzhou, "", map[string]string{"city": "hangzhou"})

	s := newTenant(t, env, "selectors")
	s.cell("rz00a", hangzhou, "selectors-a", map[string]string{"city": "hangzhou"})
	s.cell("rz01a", shanghai, "selectors-s", map[string]string{"city": "shanghai"})
	s.waitReady()
	neighbor.waitReady()

	s.create(selected)
	s.waitData("rz00a", "by-city", map[string]string{"by": "city"})
	s.waitData("rz00a", "everywhere", map[string]string{"by": "all"})
	s.waitData("rz01a", "everywhere", map[string]string{"by": "all"})
	s.waitData("rz01a", "by-expression", map[string]string{"by": "expression"})
	s.waitPropagated("FederatedConfigMap", "by-city", "rz00a")
	s.waitPropagated("FederatedConfigMap", "everywhere", "rz00a", "rz01a")
	s.waitPropagated("FederatedConfigMap", "by-expression", "rz01a")
	s.waitPropagated("FederatedConfigMap", "nowhere")
	s.wantOnly(neighbor)

	t.Log("A second cell with the label joins, on the same cluster")
	s.cell("rz00b", hangzhou, "selectors-b", map[string]string{"city": "hangzhou"})
	s.waitReady()
	s.waitData("rz00b", "by-city", map[string]string{"by": "city"})
	s.waitPropagated("FederatedConfigMap", "by-city", "rz00a", "rz00b")

	t.Log("The first cell moves out of the selection by its label")
	cell := &cellfedv1alpha1.Cell{}
	s.must(env.Host.Client.Get(s.ctx, s.key("rz00a"), cell))
	before := cell.DeepCopy()
	cell.Labels["city"] = "ningbo"
	s.must(env.Host.Client.Patch(s.ctx, cell, client.MergeFrom(before)))
	s.waitGone("rz00a", "by-city")
	s.waitData("rz00a", "by-expression", map[string]string{"by": "expression"})
	s.waitData("rz00b", "by-city", map[string]string{"by": "city"})
	s.wantOnly(neighbor)
}

// wantOnly checks that nothing of the story's came to another namespace's cell, nor to upstream's namespaces of the
// host namespace's name.
func (s *tenant) wantOnly(neighbor *tenant) {
	s.t.Helper()
	for _, name := range []string{"by-city", "everywhere", "nowhere", "by-expression"} {
		if _, err := neighbor.configMap(s.ctx, "rz00a", name); gone(err) != nil {
			s.t.Errorf("the ConfigMap %s is in the cell of another namespace", name)
		}
		for cluster := range s.env.Members {
			plain := place{cluster: cluster, namespace: s.namespace}
			s.places["physical"] = plain
			if _, err := s.configMap(s.ctx, "physical", name); gone(err) != nil {
				s.t.Errorf("the ConfigMap %s came to %s through the physical cluster", name, cluster)
			}
			delete(s.places, "physical")
		}
	}
}
