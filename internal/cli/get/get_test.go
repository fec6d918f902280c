package get

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

// now is when every test runs.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// pay is in sync in one cell and held in another; settings has failed in the first.
const (
	pay = `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedDeployment
metadata: {name: pay, namespace: acme, generation: 2}
spec: {topologyType: cell, placementMask: {topologies: [{name: rz00a}]}}
status:
  observedGeneration: 2
  summary: {placed: 2, inSync: 1, held: 1, failed: 0, available: 2}
  topologies: [{name: rz00a, generation: 2}, {name: rz01a, status: Held, generation: 1}]
`
	settings = `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: settings, namespace: acme, generation: 1}
spec: {topologyType: cell}
status:
  observedGeneration: 1
  conditions: [{type: Propagation, status: "False", reason: CheckClusters}]
  topologies: [{name: rz00a, status: ClusterNotReady}]
`
)

func cell(namespace, name, cluster string, ready metav1.ConditionStatus, reason string) *v1alpha1.Cell {
	return &v1alpha1.Cell{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, Generation: 1, Labels: map[string]string{"city": cluster[:2]},
			CreationTimestamp: metav1.NewTime(now.Add(-5 * time.Hour)),
		},
		Spec: v1alpha1.CellSpec{ClusterName: cluster, TargetNamespace: namespace + "-" + name},
		Status: v1alpha1.CellStatus{
			KubeFedClusterName: namespace + "." + name, Tenant: "acme",
			Conditions: []metav1.Condition{{Type: "Ready", Status: ready, Reason: reason, ObservedGeneration: 1}},
		},
	}
}

func world(t *testing.T) []client.Object {
	return []client.Object{
		kubetest.TypeConfig("deployments", "apps", "v1", "Deployment"), kubetest.Policy("deployments.apps", v1alpha1.PropagatorCellfed),
		kubetest.TypeConfig("configmaps", "", "v1", "ConfigMap"), kubetest.FromYAML(t, pay), kubetest.FromYAML(t, settings),
		cell("acme", "rz01a", "sh-b", metav1.ConditionFalse, "ClusterNotReady"), cell("acme", "rz00a", "hz-a", metav1.ConditionTrue, "Ready"),
		cell("other", "x", "hz-a", metav1.ConditionTrue, "Ready"),
	}
}

// result is what a run of the verb comes to.
type result struct {
	Out, Err string
	Code     int
}

func run(ctx context.Context, h *kubetest.Host, args ...string) result {
	cmd := newCommand(&Options{kube: h.Kube, now: func() time.Time { return now }})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(append([]string{}, args...))
	err := cmd.ExecuteContext(ctx)
	message := ""
	if err != nil {
		message = fmt.Sprintf("error: %s\n", exit.Message(err))
	}
	return result{h.Stdout.String(), h.Stderr.String() + message, exit.Code(err)}
}

func TestGet(t *testing.T) {
	cases := map[string]struct {
		reason string
		args   []string
		want   result
	}{
		"Namespace": {
			reason: "the namespace's cells, by name, with what all types amount to",
			want: result{Out: `NAME    HEALTH            CLUSTER   PLACED   IN-SYNC   HELD   FAILED   AGE
rz00a   Ready             hz-a      2        1         0      1        5h
rz01a   ClusterNotReady   sh-b      1        0         1      0        5h
`},
		},
		"All": {
			reason: "all namespaces, all columns",
			args:   []string{"-A", "-o", "wide"},
			want: result{Out: `NAMESPACE   NAME    HEALTH            CLUSTER   PLACED   IN-SYNC   HELD   FAILED   AGE   TARGET-NAMESPACE   TENANT   KUBEFEDCLUSTER
acme        rz00a   Ready             hz-a      2        1         0      1        5h    acme-rz00a         acme     acme.rz00a
acme        rz01a   ClusterNotReady   sh-b      1        0         1      0        5h    acme-rz01a         acme     acme.rz01a
other       x       Ready             hz-a      0        0         0      0        5h    other-x            acme     other.x
`},
		},
		"Selector": {reason: "a selector", args: []string{"-l", "city=sh", "--no-headers"}, want: result{Out: "rz01a   ClusterNotReady   sh-b   1   0   1   0   5h\n"}},
		"Name":     {reason: "names for a shell", args: []string{"-o", "name"}, want: result{Out: "cell.cellfed.io/rz00a\ncell.cellfed.io/rz01a\n"}},
		"YAML": {
			reason: "one cell that is named is one object, without managed fields",
			args:   []string{"rz00a", "-o", "yaml"},
			want: result{Out: `apiVersion: cellfed.io/v1alpha1
kind: Cell
metadata:
  creationTimestamp: "2026-11-23T07:00:00Z"
  generation: 1
  labels:
    city: hz
  name: rz00a
  namespace: acme
  resourceVersion: "999"
spec:
  clusterName: hz-a
  targetNamespace: acme-rz00a
status:
  conditions:
  - lastTransitionTime: null
    message: ""
    observedGeneration: 1
    reason: Ready
    status: "True"
    type: Ready
  kubeFedClusterName: acme.rz00a
  tenant: acme
`},
		},
		"Missing": {
			reason: "a cell that is not there fails, and the others are printed",
			args:   []string{"rz01a", "rz09z", "--no-headers"},
			want: result{
				Out: "rz01a   ClusterNotReady   sh-b   1   0   1   0   5h\n",
				Err: "error: cell \"rz09z\" not found in the namespace \"acme\": choose another namespace with -n\n", Code: 1,
			},
		},
		"None":     {reason: "nothing is no error", args: []string{"-l", "city=none"}, want: result{Err: "No cells found in the namespace \"acme\".\n"}},
		"Output":   {reason: "a form that is not known", args: []string{"-o", "xml"}, want: result{Err: "error: --output \"xml\" is not known: use table, wide, json, yaml or name\n", Code: 2}},
		"NameAll":  {reason: "a name has one namespace", args: []string{"rz00a", "-A"}, want: result{Err: "error: a cell cannot be named together with --all-namespaces: choose its namespace with -n\n", Code: 2}},
		"TypeName": {reason: "an object is no cell", args: []string{"deploy/pay"}, want: result{Err: "error: \"deploy/pay\" is not the name of a cell: give the name alone; for an object there is kubectl cells status TYPE/NAME\n", Code: 2}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := kubetest.New(t, "acme", interceptor.Funcs{}, world(t)...)
			if diff := cmp.Diff(tc.want, run(t.Context(), h, tc.args...)); diff != "" {
				t.Errorf("%s\n-want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestForbidden(t *testing.T) {
	forbid := func(kind string) interceptor.Funcs {
		return interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if _, cells := list.(*v1alpha1.CellList); cells && kind == "Cell" || strings.HasPrefix(list.GetObjectKind().GroupVersionKind().Kind, kind) {
				return apierrors.NewForbidden(schema.GroupResource{}, "", errors.New("not yours"))
			}
			return c.List(ctx, list, opts...)
		}}
	}
	h := kubetest.New(t, "acme", forbid("FederatedConfigMap"), world(t)...)
	want := result{
		Out: "rz00a   Ready   hz-a   1   1   0   0   5h\n",
		Err: "note: you may not read federatedconfigmaps here: they are left out\n",
	}
	if diff := cmp.Diff(want, run(t.Context(), h, "rz00a", "--no-headers")); diff != "" {
		t.Errorf("what is not counted is told\n-want +got:\n%s", diff)
	}
	h = kubetest.New(t, "acme", forbid("Cell"), world(t)...)
	want = result{Err: "error: you may not list Cells in the namespace \"acme\": choose a namespace of yours with -n\n", Code: 1}
	if diff := cmp.Diff(want, run(t.Context(), h)); diff != "" {
		t.Errorf("without cells there is nothing to tell\n-want +got:\n%s", diff)
	}
}

// TestWatch: what changes is printed again, and nothing else.
func TestWatch(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	looks := 0
	h := kubetest.New(t, "acme", interceptor.Funcs{
		List: func(_ context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if err := c.List(t.Context(), list, opts...); err != nil {
				return err
			}
			if _, ok := list.(*v1alpha1.CellList); !ok {
				return nil
			}
			switch looks++; looks {
			case 2: // The first one is told from here.
				healed := list.DeepCopyObject().(*v1alpha1.CellList).Items[1]
				healed.Status.Conditions[0].Status = metav1.ConditionTrue
				return c.Update(t.Context(), &healed)
			case 3:
				return c.Delete(t.Context(), cell("acme", "rz00a", "hz-a", "", ""))
			case 4:
				return c.Delete(t.Context(), cell("acme", "rz01a", "sh-b", "", ""))
			case 5:
				cancel()
			}
			return nil
		},
	}, world(t)...)
	got := run(ctx, h, "--watch")
	want := result{Out: `NAME    HEALTH            CLUSTER   PLACED   IN-SYNC   HELD   FAILED   AGE
rz00a   Ready             hz-a      2        1         0      1        5h
rz01a   ClusterNotReady   sh-b      1        0         1      0        5h
rz01a   Ready   sh-b   1   0   1   0   5h
rz00a   Deleted   hz-a   2   1   0   1   5h
rz01a   Deleted   sh-b   1   0   1   0   5h
`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
