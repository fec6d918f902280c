package status

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

// now is when every test runs.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// canary is released to one of four cells: one works, one is held, one has failed and one is being removed.
const canary = `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedDeployment
metadata: {name: pay, namespace: acme, generation: 7, labels: {app: pay}}
spec:
  topologyType: cell
  placement: {topologies: [{name: rz00a}, {name: rz00b}, {name: rz01a}]}
  placementMask: {topologies: [{name: rz00a}, {name: rz01a}, {name: old}]}
  template: {spec: {replicas: 2}}
  overrides:
  - {topologyName: rz01a, topologyOverrides: [{path: /spec/replicas, value: 3}]}
status:
  observedGeneration: 7
  summary: {placed: 3, inSync: 1, held: 1, failed: 1, available: 2}
  conditions:
  - {type: Propagation, status: "False", reason: CheckClusters, message: "Not as the object says: old, rz00b, rz01a"}
  - {type: Propagated, status: "False", reason: Failed, message: "UpdateFailed: rz01a"}
  - {type: Available, status: "False", reason: Progressing, message: "Not available: rz01a"}
  - {type: Held, status: "True", reason: Masked, message: "Not in the placement mask: rz00b"}
  topologies:
  - {name: old, status: WaitingForRemoval, generation: 6, lastChangeTime: "2026-11-23T11:59:30Z"}
  - {name: rz00a, generation: 7, lastChangeTime: "2026-11-23T11:55:00Z",
     remoteStatus: {replicas: 2, updatedReplicas: 2, availableReplicas: 2}}
  - {name: rz00b, status: Held, generation: 6, lastChangeTime: "2026-11-21T12:00:00Z",
     remoteStatus: {replicas: 4, updatedReplicas: 4, availableReplicas: 4}}
  - {name: rz01a, status: UpdateFailed, generation: 6, lastChangeTime: "2026-11-23T11:58:00Z",
     message: "the Deployment is invalid:\n spec.selector is immutable", remoteStatus: {replicas: 3, updatedReplicas: 3, availableReplicas: 1}}
`

// widened has a mask that the status does not speak of yet, and a cell that it does not list.
const widened = `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: settings, namespace: acme, generation: 5}
spec:
  topologyType: cell
  placement: {topologies: [{name: rz00a}, {name: rz00b}, {name: rz01a}, {name: typo}]}
  placementMask: {topologies: [{name: rz00a}, {name: rz00b}]}
status:
  observedGeneration: 4
  summary: {placed: 2, inSync: 1, held: 1, failed: 0, available: 0}
  conditions:
  - {type: Propagated, status: "True", reason: Propagated}
  topologies:
  - {name: rz00a, generation: 4, lastChangeTime: "2026-11-23T11:00:00Z"}
  - {name: rz00b, status: Held, generation: 3, lastChangeTime: "2026-11-23T11:00:00Z"}
`

// upstreams is as KubeFed reports it.
const upstreams = `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedSecret
metadata: {name: tls, namespace: acme, generation: 2}
spec:
  topologyType: cluster
  placement: {topologies: [{name: hz-a}, {name: sh-b}]}
status:
  observedGeneration: 2
  conditions:
  - {type: Propagation, status: "False", reason: CheckClusters, lastUpdateTime: "2026-11-23T11:00:00Z", lastTransitionTime: "2026-11-23T11:00:00Z"}
  topologies:
  - {name: hz-a}
  - {name: sh-b, status: ClusterNotReady}
`

func cell(name, cluster string) *v1alpha1.Cell {
	return &v1alpha1.Cell{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name},
		Spec:       v1alpha1.CellSpec{ClusterName: cluster, TargetNamespace: "acme-" + name},
	}
}

func world(t *testing.T, documents ...string) []client.Object {
	t.Helper()
	objects := []client.Object{
		kubetest.TypeConfig("deployments", "apps", "v1", "Deployment"), kubetest.Policy("deployments.apps", v1alpha1.PropagatorCellfed),
		kubetest.TypeConfig("configmaps", "", "v1", "ConfigMap"), kubetest.Policy("configmaps", v1alpha1.PropagatorCellfed),
		kubetest.TypeConfig("secrets", "", "v1", "Secret"),
		cell("rz00a", "hz-a"), cell("rz00b", "hz-a"), cell("rz01a", "sh-b"), cell("old", "sh-b"),
	}
	for _, d := range documents {
		objects = append(objects, kubetest.FromYAML(t, d))
	}
	return objects
}

// result is what a run of the verb comes to.
type result struct {
	Out, Err string
	Code     int
}

// run runs the verb on a host that holds the objects.
func run(t *testing.T, objects []client.Object, args ...string) result {
	t.Helper()
	return runOn(t.Context(), t, kubetest.New(t, "acme", interceptor.Funcs{}, objects...), args...)
}

func runOn(ctx context.Context, t *testing.T, h *kubetest.Host, args ...string) result {
	t.Helper()
	o := &Options{kube: h.Kube, now: func() time.Time { return now }}
	cmd := newCommand(o)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	// Without arguments cobra would take the test's own.
	cmd.SetArgs(append([]string{}, args...))
	err := cmd.ExecuteContext(ctx)
	message := ""
	if err != nil {
		message = fmt.Sprintf("error: %s\n", exit.Message(err))
	}
	return result{Out: h.Stdout.String(), Err: h.Stderr.String() + message, Code: exit.Code(err)}
}

func check(t *testing.T, reason string, want, got result) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n-want +got:\n%s\nstdout:\n%s", reason, diff, got.Out)
	}
}
