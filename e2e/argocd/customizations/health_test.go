package customizations

import (
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
)

// shipped is the argocd-cm that the chart installs.
const shipped = "../../../charts/cellfed/files/argocd/argocd-cm.yaml"

func load(t *testing.T) Overrides {
	t.Helper()
	overrides, err := Load(t.Context(), shipped)
	if err != nil {
		t.Fatal(err)
	}
	return overrides
}

// recorded returns the objects of a file of testdata by name. Numbers are of the types that the cache of a cluster has.
func recorded(t *testing.T, path string) map[string]*unstructured.Unstructured {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var contents map[string]any
	if err := yaml.Unmarshal(data, &contents); err != nil {
		t.Fatal(err)
	}
	objects := map[string]*unstructured.Unstructured{}
	for name, content := range contents {
		encoded, err := yaml.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		if encoded, err = yaml.YAMLToJSON(encoded); err != nil {
			t.Fatal(err)
		}
		objects[name] = &unstructured.Unstructured{}
		if err := objects[name].UnmarshalJSON(encoded); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return objects
}

type healthCase struct {
	reason  string
	status  health.HealthStatusCode
	message string
}

var healthCases = map[string]healthCase{
	"NoSpec": {"It is no federated object, and is waited for by nobody.", health.HealthStatusHealthy, ""},

	"PushedNew":            {"Nobody has looked at it.", health.HealthStatusProgressing, "generation 1 has not been looked at yet"},
	"PushedStale":          {"The status is the last generation's, however good it was.", health.HealthStatusProgressing, "generation 3 has not been looked at yet"},
	"PushedStaleCondition": {"So is the condition.", health.HealthStatusProgressing, "generation 3 has not been looked at yet"},
	"PushedEverywhere":     {"All cells have it.", health.HealthStatusHealthy, "3 of 3 cells up to date"},
	"PushedEverywhereV1":   {"It is the same in v1beta1.", health.HealthStatusHealthy, "2 of 2 cells up to date"},
	"PushedNoted":          {"What the condition adds is told.", health.HealthStatusHealthy, "1 of 1 clusters up to date; 1 of 1 have generation 2; sh-b is not reached"},
	"PushedCanary":         {"What is held is meant to be.", health.HealthStatusHealthy, "1 of 3 cells up to date, 2 held"},
	"PushedLagging":        {"A released cell does not have it yet.", health.HealthStatusProgressing, "1 of 3 cells up to date, 1 held; 1 of 2 have generation 5; waiting for rz00b"},
	"PushedUnlisted":       {"Of a released cell nothing is known yet.", health.HealthStatusProgressing, "1 of 2 cells up to date; 1 of 2 have generation 1; waiting for rz00b"},
	"PushedLeaving":        {"A cell that it is placed on no more still has it.", health.HealthStatusProgressing, "1 of 1 cells up to date; Waiting for removal from rz00b"},
	"PushedFailing":        {"Some could not be written.", health.HealthStatusDegraded, "1 of 3 cells up to date; ClusterNotReady: rz01a; UpdateFailed: rz00b"},
	"PushedNotWorking":     {"It is everywhere, and does not work yet.", health.HealthStatusProgressing, "2 of 2 cells up to date; Not available: rz00b"},
	"PushedBroken":         {"It is everywhere, and has failed in one.", health.HealthStatusDegraded, "2 of 2 cells up to date; Failed: rz00b"},
	"PushedUnjudged":       {"Nobody can tell whether it works, so nobody waits.", health.HealthStatusHealthy, "1 of 1 cells up to date"},
	"PushedAllHeld":        {"It waits for somebody to release it.", health.HealthStatusSuspended, "0 of 2 cells up to date, 2 held; The placement mask holds every topology"},
	"PushedAllHeldBroken":  {"What is held and broken is broken.", health.HealthStatusDegraded, "0 of 1 cells up to date, 1 held; The placement mask holds every topology; Failed: rz00a"},
	"PushedNowhere":        {"It is where it is to be.", health.HealthStatusHealthy, "0 of 0 cells up to date; The object is placed nowhere"},
	"PushedNotFederated":   {"The FederatedNamespace may come with the same sync.", health.HealthStatusProgressing, "no FederatedNamespace places the namespace"},
	"PushedInvalid":        {"Nothing happens until somebody mends it.", health.HealthStatusDegraded, "the placement cannot be read"},

	"KubeFedNew":          {"KubeFed has not written its condition.", health.HealthStatusProgressing, "KubeFed has not reported on it yet"},
	"KubeFedStale":        {"The status is the last generation's.", health.HealthStatusProgressing, "generation 2 has not been looked at yet"},
	"KubeFedEverywhere":   {"All clusters have it.", health.HealthStatusHealthy, "2 of 2 clusters up to date"},
	"KubeFedCells":        {"Cells are told by their names in v2beta1.", health.HealthStatusHealthy, "2 of 2 cells up to date"},
	"KubeFedHandedBack":   {"Conditions that cellfed left are not KubeFed's.", health.HealthStatusHealthy, "1 of 1 clusters up to date"},
	"KubeFedFailing":      {"Every failure is named.", health.HealthStatusDegraded, "0 of 2 clusters up to date; ClusterNotReady: sh-b, CreationFailed: hz-a"},
	"KubeFedManyFailing":  {"A message names ten.", health.HealthStatusDegraded, "1 of 12 clusters up to date; UpdateTimedOut: c01, UpdateTimedOut: c02, UpdateTimedOut: c03, UpdateTimedOut: c04, UpdateTimedOut: c05, UpdateTimedOut: c06, UpdateTimedOut: c07, UpdateTimedOut: c08, UpdateTimedOut: c09, UpdateTimedOut: c10 and 1 more"},
	"KubeFedLeaving":      {"It is being removed from one.", health.HealthStatusProgressing, "1 of 1 clusters up to date; waiting for removal from sh-b"},
	"KubeFedNowhere":      {"It is where it is to be.", health.HealthStatusHealthy, "0 of 0 clusters up to date"},
	"KubeFedNotFederated": {"The FederatedNamespace may come with the same sync.", health.HealthStatusProgressing, "the namespace is not federated: a FederatedNamespace must place it"},
	"KubeFedInvalid":      {"Nothing happens until somebody mends it.", health.HealthStatusDegraded, "nothing is propagated: ComputePlacementFailed"},
	"KubeFedOwnType":      {"Kinds that nobody here knows are judged too.", health.HealthStatusHealthy, "1 of 1 clusters up to date"},
	"Terminating":         {"Argo CD itself says so of what is being deleted.", health.HealthStatusProgressing, "Pending deletion"},

	"CellNew":        {"Nobody has looked at it.", health.HealthStatusProgressing, "generation 1 has not been looked at yet"},
	"CellReady":      {"It can be released to.", health.HealthStatusHealthy, "objects can be released to the cell"},
	"CellStale":      {"It was ready on the last cluster.", health.HealthStatusProgressing, "generation 2 has not been looked at yet"},
	"CellGenerating": {"cellfed is at it.", health.HealthStatusProgressing, `KubeFedCluster "acme-prod.rz00a" is not there yet`},
	"CellUnknown":    {"KubeFed is at it.", health.HealthStatusProgressing, `KubeFed has not reported on KubeFedCluster "acme-prod.rz00a" yet`},
	"CellNotPlaced":  {"cellfed makes the FederatedNamespace of a namespace's first cell.", health.HealthStatusProgressing, `there is no FederatedNamespace "acme-prod" in namespace "acme-prod"`},
	"CellDown":       {"Its cluster is down.", health.HealthStatusDegraded, `KubeFed cannot reach KubeFedCluster "hz-a"`},
	"CellConflict":   {"Somebody must give way.", health.HealthStatusDegraded, `Cell "rz00b" is older`},

	"PolicyNew":          {"Nobody has looked at it.", health.HealthStatusProgressing, "generation 1 has not been looked at yet"},
	"PolicyStale":        {"The former propagator was in place.", health.HealthStatusProgressing, "generation 2 has not been looked at yet"},
	"PolicyDone":         {"It is handed over and stored as it should.", health.HealthStatusHealthy, "cellfed propagates the type; all objects are stored in v2beta1"},
	"PolicyHandingOver":  {"Nobody propagates the type for a moment.", health.HealthStatusProgressing, "KubeFed has stopped"},
	"PolicyMigrating":    {"Objects are being stored anew.", health.HealthStatusProgressing, "10 of 20 objects are stored in v2beta1"},
	"PolicyUnmigrated":   {"The migration has not begun.", health.HealthStatusProgressing, "it is not known yet in which version objects are stored"},
	"PolicyRefused":      {"Some objects cannot be stored.", health.HealthStatusDegraded, "pay in acme-prod cannot be written"},
	"PolicyInvalid":      {"A part of it is not followed.", health.HealthStatusDegraded, "spec.retain cannot be read"},
	"PolicyHeld":         {"It waits for somebody to release what is held.", health.HealthStatusSuspended, "cellfed goes on"},
	"PolicyOrphan":       {"There is no such type.", health.HealthStatusDegraded, `there is no FederatedTypeConfig "configmaps"`},
	"PolicyNotServedYet": {"KubeFed propagates the type meanwhile.", health.HealthStatusProgressing, "KubeFed goes on: the CRD does not serve v2beta1"},
	"PolicyNotServed":    {"Nobody propagates the type.", health.HealthStatusDegraded, "the CRD does not serve v2beta1"},
}

// TestHealth: what Argo CD says of objects in every state, by its own engine.
func TestHealth(t *testing.T) {
	objects := recorded(t, "testdata/health.yaml")
	if diff := cmp.Diff(slices.Sorted(maps.Keys(healthCases)), slices.Sorted(maps.Keys(objects))); diff != "" {
		t.Fatalf("testdata/health.yaml and the cases differ (-cases +objects):\n%s", diff)
	}
	overrides := Health(load(t))
	for name, tc := range healthCases {
		t.Run(name, func(t *testing.T) {
			got, err := health.GetResourceHealth(objects[name], overrides)
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			want := &health.HealthStatus{Status: tc.status, Message: tc.message}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
