package e2e

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/e2e/framework"
)

// TestClusterTopologyUntouched follows an existing KubeFed user's object through a time before cellfed, with it, and
// after it. It has an environment of its own, in which cellfed comes and goes.
func TestClusterTopologyUntouched(t *testing.T) {
	env, err := framework.StartEnvironment(t.Context(), framework.EnvironmentOptions{
		Dir: filepath.Join(suite.dir, "untouched"), Members: []framework.MemberOptions{{Name: hangzhou, Unshared: true}}, WithoutCellfed: true,
		Progress: func(line string) { t.Log(line) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	s := &tenant{t: t, ctx: t.Context(), env: env, namespace: "existing", places: map[string]place{}}
	s.must(env.Host.CreateNamespace(s.ctx, s.namespace, nil))
	s.create(fmt.Sprintf(existingUser, s.namespace, hangzhou))
	s.waitPlain(hangzhou, "plain", map[string]string{"from": "cluster"})
	s.waitSettled("plain")
	crds, object := s.federatedCRDs(), s.get("FederatedConfigMap", v1beta1, "plain")

	mark := s.mark()
	t.Log("cellfed is installed")
	s.must(env.InstallCellfed(s.ctx))
	s.wantSame(object, mark)
	s.changes("with-cellfed")

	t.Log("A tenant uses cells, in the same host namespace and on the same member")
	s.cell("rz00a", hangzhou, "existing-rz00a", nil)
	s.patch("FederatedNamespace", v1beta1, s.namespace, fmt.Sprintf(
		`{"spec":{"placement":{"clusters":[{"name":"%s"},{"name":"%s.rz00a"}]}}}`, hangzhou, s.namespace))
	s.waitReady()
	s.create(celledInExisting)
	s.waitData("rz00a", "celled", map[string]string{"from": "cell"})
	s.changes("beside-a-cell")
	object = s.get("FederatedConfigMap", v1beta1, "plain")

	mark = s.mark()
	t.Log("cellfed is removed")
	s.must(env.Cellfed.Stop(s.ctx))
	s.removeWhileUsed(crds)
	s.wantSame(object, mark)
	s.changes("after-cellfed")
	s.waitData("rz00a", "celled", map[string]string{"from": "cell"})
	s.patch("FederatedConfigMap", v1beta1, "celled", `{"spec":{"topologyType":null}}`)
	_, err = env.Cellfed.RemoveV2Beta1(s.ctx)
	s.must(err)
	s.wantCRDs(crds, s.federatedCRDs())
	s.waitData("rz00a", "celled", map[string]string{"from": "cell"})
	s.wantNoWrites(mark, "after the removal of cellfed")

	s.delete("FederatedConfigMap", v1beta1, "plain")
}

const configMapCRD = "federatedconfigmaps.types.kubefed.io"

const celledInExisting = `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: celled}
spec:
  topologyType: cell
  placement: {topologies: [{name: rz00a}]}
  template:
    data: {from: cell}
`

// removeWhileUsed removes cellfed while an object has a topology type. As long as one has, its v1beta1 declares it: the
// API server would drop it otherwise.
func (s *tenant) removeWhileUsed(before map[string]apiextensionsv1.CustomResourceDefinitionSpec) {
	s.t.Helper()
	out, err := s.env.Cellfed.RemoveV2Beta1(s.ctx)
	s.must(err)
	if !strings.Contains(out, "existing/celled") {
		s.t.Errorf("the removal does not name the object that still uses what cellfed declared:\n%s", out)
	}
	got, want := s.federatedCRDs(), maps.Clone(before)
	s.wantTopologyTypeOnly(want[configMapCRD], got[configMapCRD])
	delete(got, configMapCRD)
	delete(want, configMapCRD)
	s.wantCRDs(want, got)
}

// waitSettled waits until upstream has written all that it writes about a new object.
func (s *tenant) waitSettled(name string) {
	s.t.Helper()
	s.eventually("upstream's status of "+name, func(ctx context.Context) error {
		object := federated("FederatedConfigMap", v1beta1)
		if err := s.env.Host.Client.Get(ctx, s.key(name), object); err != nil {
			return err
		}
		clusters, _, err := unstructured.NestedSlice(object.Object, "status", "clusters")
		if err != nil {
			return err
		}
		observed, _, err := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
		if err != nil {
			return err
		}
		if len(clusters) != 1 || observed != object.GetGeneration() {
			return fmt.Errorf("status.clusters is %v, of generation %d", clusters, observed)
		}
		return nil
	})
}

// changes changes the existing user's object and sees the change arrive, as ever.
func (s *tenant) changes(value string) {
	s.t.Helper()
	s.patch("FederatedConfigMap", v1beta1, "plain", fmt.Sprintf(`{"spec":{"template":{"data":{"last":"%s"}}}}`, value))
	s.waitPlain(hangzhou, "plain", map[string]string{"from": "cluster", "last": value})
	s.waitSettled("plain")
}

// wantSame checks that the object is what it was, to the last field, and that nothing was written to it in the member.
func (s *tenant) wantSame(before *unstructured.Unstructured, since marks) {
	s.t.Helper()
	if diff := cmp.Diff(before.Object, s.get("FederatedConfigMap", v1beta1, "plain").Object); diff != "" {
		s.t.Errorf("the existing user's object is another (-want +got):\n%s", diff)
	}
	for _, write := range s.writes(since, hangzhou, s.namespace) {
		s.t.Errorf("the existing user's object, or its namespace, was written in the member: %s", write)
	}
}

// wantCRDs checks that the removal of cellfed leaves the CRDs as they were before it came.
func (s *tenant) wantCRDs(want, got map[string]apiextensionsv1.CustomResourceDefinitionSpec) {
	s.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("the removal of cellfed leaves other federated CRDs behind than it found (-want +got):\n%s", diff)
	}
}

// wantTopologyTypeOnly checks that a CRD differs from what it was by cellfed's two fields in v1beta1 alone.
func (s *tenant) wantTopologyTypeOnly(want, got apiextensionsv1.CustomResourceDefinitionSpec) {
	s.t.Helper()
	got = *got.DeepCopy()
	if len(got.Versions) != 1 {
		s.t.Fatalf("the CRD has %d versions after the removal, want one", len(got.Versions))
	}
	spec := got.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	if _, found := spec.Properties["topologyType"]; !found {
		s.t.Error("the CRD no longer declares spec.topologyType, which an object has")
	}
	delete(spec.Properties, "topologyType")
	delete(spec.Properties, "placementMask")
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("the CRD of an object with a topology type has more than that left (-want +got):\n%s", diff)
	}
}

// federatedCRDs returns the spec of every federated CRD by name.
func (s *tenant) federatedCRDs() map[string]apiextensionsv1.CustomResourceDefinitionSpec {
	s.t.Helper()
	crds := &apiextensionsv1.CustomResourceDefinitionList{}
	s.must(s.env.Host.Client.List(s.ctx, crds, client.Limit(500)))
	all := map[string]apiextensionsv1.CustomResourceDefinitionSpec{}
	for _, crd := range crds.Items {
		if crd.Spec.Group == "types.kubefed.io" {
			all[crd.Name] = crd.Spec
		}
	}
	return all
}
