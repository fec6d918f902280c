package e2e

import (
	"context"
	"errors"
	"slices"
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

	before := s.versions("settings")
	s.patch("FederatedConfigMap", v2beta1, "settings", `{"spec":{"overrides":[
		{"topologyName":"west","topologyOverrides":[{"path":"/data/level","value":"warn"}]},
		{"topologyName":"east","topologyOverrides":[
			{"op":"replace","path":"/data/level","value":"debug"},
			{"op":"add","path":"/data/color","value":"red"},
			{"op":"remove","path":"/data/spare"}]}]}}`)
	s.waitData("west", "settings", map[string]string{"level": "warn", "size": "10", "spare": "yes"})
	s.waitTier("west", "silver")
	s.waitData("north", "settings", plain)
	s.wantChangedOnly(before, "settings", "west")

	before = s.versions("settings")
	s.patch("FederatedConfigMap", v2beta1, "settings", `{"spec":{"overrides":null}}`)
	s.waitData("east", "settings", plain)
	s.waitData("west", "settings", plain)
	s.waitData("north", "settings", plain)
	s.wantChangedOnly(before, "settings", "east", "west")
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

// versions returns the resource version of a ConfigMap in each cell's member.
func (s *tenant) versions(name string) map[string]string {
	s.t.Helper()
	all := map[string]string{}
	for cell := range s.places {
		object, err := s.configMap(s.ctx, cell, name)
		s.must(err)
		all[cell] = object.ResourceVersion
	}
	return all
}

// wantChangedOnly checks that the ConfigMap is what it was in the other cells. Upstream writes an object to all its
// clusters when an override for one of them changes, which changes nothing where it is the same.
func (s *tenant) wantChangedOnly(before map[string]string, name string, cells ...string) {
	s.t.Helper()
	for cell, version := range s.versions(name) {
		changed := version != before[cell]
		if want := slices.Contains(cells, cell); changed != want {
			s.t.Errorf("a change for %v changed the object in the cell %s: %v, want %v", cells, cell, changed, want)
		}
	}
}
