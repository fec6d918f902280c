package e2e

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/e2e/framework"
)

const versioned = `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: edited}
spec:
  topologyType: cell
  placement:
    topologies: [{name: rz00a}, {name: rz01a}]
  placementMask:
    topologies: [{name: rz00a}, {name: rz01a}]
  template:
    metadata: {labels: {app: edited}}
    data: {text: "ünïcode ☃ \u0001", number: "12345678901234567890.123456789"}
  overrides:
  - topologyName: rz01a
    topologyOverrides: [{path: /data/cell, op: add, value: rz01a}]
`

// TestTwoVersions writes an object in one version and edits it in the other, by every way there is, while upstream
// writes its finalizer and its status in between.
func TestTwoVersions(t *testing.T) {
	s := newTenant(t, environment(t), "versions")
	s.cell("rz00a", hangzhou, "versions-a", nil)
	s.cell("rz01a", shanghai, "versions-s", nil)
	s.waitReady()
	s.create(versioned)
	s.waitPropagated("FederatedConfigMap", "edited", "rz00a", "rz01a")

	want := s.spec(v2beta1)
	data := want["template"].(map[string]any)["data"].(map[string]any)
	step := func(name string, edit func()) {
		s.t.Helper()
		t.Log(name)
		edit()
		data[name] = "yes"
		s.waitBoth(data)
		s.waitPropagated("FederatedConfigMap", "edited", "rz00a", "rz01a")
		if diff := cmp.Diff(want, s.spec(v2beta1)); diff != "" {
			t.Fatalf("after %s the spec in v2beta1 is another (-want +got):\n%s", name, diff)
		}
		s.wantClusterNames()
	}

	for _, version := range []string{v1beta1, v2beta1} {
		step("update-"+version, func() { s.update(version, "update-"+version) })
		step("merge-"+version, func() {
			s.patch("FederatedConfigMap", version, "edited", fmt.Sprintf(`{"spec":{"template":{"data":{"merge-%s":"yes"}}}}`, version))
		})
		step("json-"+version, func() { s.jsonPatch(version, "json-"+version) })
		step("apply-"+version, func() { s.applyData(version, "gitops-"+version, "apply-"+version) })
	}
	s.ownersOfOverrides(want)
}

// spec returns the spec of the object in a version.
func (s *tenant) spec(version string) map[string]any {
	s.t.Helper()
	spec, _, err := unstructured.NestedMap(s.get("FederatedConfigMap", version, "edited").Object, "spec")
	s.must(err)
	return spec
}

// wantClusterNames checks how the object reads for upstream.
func (s *tenant) wantClusterNames() {
	s.t.Helper()
	name := func(cell string) map[string]any { return map[string]any{"name": s.namespace + "." + cell} }
	spec := s.spec(v1beta1)
	for _, field := range []string{"placement", "placementMask"} {
		want := map[string]any{"clusters": []any{name("rz00a"), name("rz01a")}}
		if diff := cmp.Diff(want, spec[field]); diff != "" {
			s.t.Errorf("spec.%s in v1beta1 is another (-want +got):\n%s", field, diff)
		}
	}
}

// waitBoth waits until both cells have the data, the override in the second.
func (s *tenant) waitBoth(data map[string]any) {
	s.t.Helper()
	first, second := map[string]string{}, map[string]string{"cell": "rz01a"}
	for key, value := range data {
		first[key] = value.(string)
		second[key] = value.(string)
	}
	s.waitData("rz00a", "edited", first)
	s.waitData("rz01a", "edited", second)
}

// update reads, changes and writes back, again when upstream was faster.
func (s *tenant) update(version, key string) {
	s.t.Helper()
	s.eventually("an update in "+version, func(ctx context.Context) error {
		object := federated("FederatedConfigMap", version)
		if err := s.env.Host.Client.Get(ctx, s.key("edited"), object); err != nil {
			return err
		}
		if err := unstructured.SetNestedField(object.Object, "yes", "spec", "template", "data", key); err != nil {
			return framework.Final(err)
		}
		return s.env.Host.Client.Update(ctx, object)
	})
}

func (s *tenant) jsonPatch(version, key string) {
	s.t.Helper()
	object := federated("FederatedConfigMap", version)
	object.SetNamespace(s.namespace)
	object.SetName("edited")
	patch := fmt.Sprintf(`[{"op":"add","path":"/spec/template/data/%s","value":"yes"}]`, key)
	s.must(s.env.Host.Client.Patch(s.ctx, object, client.RawPatch("application/json-patch+json", []byte(patch))))
}

// applyData applies one key of the template by server-side apply.
func (s *tenant) applyData(version, manager, key string) {
	s.t.Helper()
	object := federated("FederatedConfigMap", version)
	object.SetNamespace(s.namespace)
	object.SetName("edited")
	s.must(unstructured.SetNestedField(object.Object, "yes", "spec", "template", "data", key))
	s.must(s.env.Host.Client.Apply(s.ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(manager)))
}

// ownersOfOverrides has two managers each apply the override of one cell: neither takes away the other's.
func (s *tenant) ownersOfOverrides(want map[string]any) {
	s.t.Helper()
	apply := func(manager, cell, value string) {
		s.t.Helper()
		object := federated("FederatedConfigMap", v2beta1)
		object.SetNamespace(s.namespace)
		object.SetName("edited")
		overrides := []any{map[string]any{
			"topologyName":      cell,
			"topologyOverrides": []any{map[string]any{"path": "/data/text", "value": value}},
		}}
		s.must(unstructured.SetNestedSlice(object.Object, overrides, "spec", "overrides"))
		s.must(s.env.Host.Client.Apply(s.ctx, client.ApplyConfigurationFromUnstructured(object),
			client.FieldOwner(manager), client.ForceOwnership))
	}
	apply("team-a", "rz00a", "of team a")
	apply("team-s", "rz01a", "of team s")
	apply("team-a", "rz00a", "of team a again")

	data := want["template"].(map[string]any)["data"].(map[string]any)
	expect := func(text string) map[string]string {
		all := map[string]string{}
		for key, value := range data {
			all[key] = value.(string)
		}
		all["text"] = text
		return all
	}
	s.waitData("rz00a", "edited", expect("of team a again"))
	s.waitData("rz01a", "edited", expect("of team s"))
}
