package e2e

import (
	"context"
	"errors"
	"testing"
)

const overridden = `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: settings}
spec:
  topologyType: cell
  placement:
    topologies: [{name: east}, {name: west}, {name: north}]
  template:
    metadata:
      labels: {tier: silver}
    data: {level: info, size: "10", spare: "yes"}
  overrides:
  - topologyName: east
    topologyOverrides:
    - {op: replace, path: /data/level, value: debug}
    - {op: add, path: /data/color, value: red}
    - {op: remove, path: /data/spare}
  - topologyName: west
    topologyOverrides:
    - {path: /metadata/labels/tier, value: gold}
    - {path: /data/size, value: "12345678901234567890"}
`

// TestOverrides differs an object by cell, two of them on one cluster, and changes how.
func TestOverrides(t *testing.T) {
	s := newTenant(t, environment(t), "overrides")
	s.cell("east", hangzhou, "overrides-east", nil)
	s.cell("west", hangzhou, "overrides-west", nil)
	s.cell("north", shanghai, "overrides-north", nil)
	s.waitReady()

	s.create(overridden)
	plain := map[string]string{"level": "info", "size": "10", "spare": "yes"}
	s.waitData("east", "settings", map[string]string{"level": "debug", "size": "10", "color": "red"})
	s.waitData("west", "settings", map[string]string{"level": "info", "size": "12345678901234567890", "spare": "yes"})
	s.waitData("north", "settings", plain)
	s.waitTier("east", "silver")
	s.waitTier("west", "gold")
	s.waitPropagated("FederatedConfigMap", "settings", "east", "west", "north")

	before := s.mark()
	s.patch("FederatedConfigMap", v2beta1, "settings", `{"spec":{"overrides":[
		{"topologyName":"west","topologyOverrides":[{"path":"/data/level","value":"warn"}]},
		{"topologyName":"east","topologyOverrides":[
			{"op":"replace","path":"/data/level","value":"debug"},
			{"op":"add","path":"/data/color","value":"red"},
			{"op":"remove","path":"/data/spare"}]}]}}`)
	s.waitData("west", "settings", map[string]string{"level": "warn", "size": "10", "spare": "yes"})
	s.waitTier("west", "silver")
	s.waitData("north", "settings", plain)
	s.wantWritesOnlyTo(before, "west")

	before = s.mark()
	s.patch("FederatedConfigMap", v2beta1, "settings", `{"spec":{"overrides":null}}`)
	s.waitData("east", "settings", plain)
	s.waitData("west", "settings", plain)
	s.waitData("north", "settings", plain)
	s.wantWritesOnlyTo(before, "east", "west")
}

func (s *tenant) waitTier(cell, want string) {
	s.t.Helper()
	s.eventually("the label tier="+want+" in the cell "+cell, func(ctx context.Context) error {
		got, err := s.configMap(ctx, cell, "settings")
		if err != nil {
			return err
		}
		if got.Labels["tier"] != want {
			return errors.New("it is tier=" + got.Labels["tier"])
		}
		return nil
	})
}

// wantWritesOnlyTo checks that the other cells were not written to.
func (s *tenant) wantWritesOnlyTo(since marks, cells ...string) {
	s.t.Helper()
	allowed := map[string]bool{}
	for _, cell := range cells {
		allowed[cell] = true
	}
	for cell, where := range s.places {
		if writes := s.writes(since, where.cluster, where.namespace); !allowed[cell] && len(writes) > 0 {
			s.t.Errorf("a change for %v made writes to the cell %s:\n%s", cells, cell, lines(writes))
		}
	}
}
