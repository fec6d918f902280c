package describe

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

// now is when every test runs.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const pay = `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedDeployment
metadata: {name: pay, namespace: acme, generation: 2}
spec: {topologyType: cell, placementMask: {topologies: [{name: rz00a}]}}
status:
  observedGeneration: 2
  summary: {placed: 2, inSync: 1, held: 1, failed: 0, available: 1}
  topologies:
  - {name: rz00a, generation: 2, lastChangeTime: "2026-11-23T11:58:00Z", remoteStatus: {replicas: 2, updatedReplicas: 2, availableReplicas: 1}}
  - {name: rz01a, status: Held, generation: 1}
`

const settings = `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: settings, namespace: acme, generation: 1}
spec: {topologyType: cell}
status:
  observedGeneration: 1
  conditions: [{type: Propagation, status: "False", reason: CheckClusters}]
  topologies: [{name: rz00a, status: UpdateFailed}]
`

func world(t *testing.T) []client.Object {
	cell := &v1alpha1.Cell{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "acme", Name: "rz00a", UID: "u1", Generation: 2, CreationTimestamp: metav1.NewTime(now.Add(-48 * time.Hour)),
			Labels: map[string]string{"zone": "00", "city": "hangzhou"},
		},
		Spec: v1alpha1.CellSpec{ClusterName: "hz-a", TargetNamespace: "acme-rz00a"},
		Status: v1alpha1.CellStatus{
			ObservedGeneration: 2, KubeFedClusterName: "acme.rz00a", Tenant: "acme",
			Conditions: []metav1.Condition{
				{Type: "Ready", Status: "False", Reason: "ClusterNotReady", ObservedGeneration: 2, LastTransitionTime: metav1.NewTime(now.Add(-time.Minute)), Message: "The cluster hz-a\nis offline"},
				{Type: "Generated", Status: "True", Reason: "Generated", ObservedGeneration: 2, LastTransitionTime: metav1.NewTime(now.Add(-47 * time.Hour))},
			},
		},
	}
	down, region := "cluster is not reachable", "cn-hz"
	since := metav1.NewTime(now.Add(-time.Minute))
	physical := &kubefedv1beta1.KubeFedCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-federation-system", Name: "hz-a", Labels: map[string]string{v1alpha1.SharedLabel: "true"}},
		Spec:       kubefedv1beta1.KubeFedClusterSpec{APIEndpoint: "https://hz-a.example:6443"},
		Status: kubefedv1beta1.KubeFedClusterStatus{KubernetesVersion: "v1.37.2", Region: &region, Zones: []string{"a", "b"}, Conditions: []kubefedv1beta1.ClusterCondition{
			{Type: "Offline", Status: corev1.ConditionTrue, LastTransitionTime: &since},
			{Type: "Ready", Status: corev1.ConditionFalse, LastTransitionTime: &since, Message: &down},
		}},
	}
	event := func(name, reason string, ago time.Duration) *corev1.Event {
		return &corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{Namespace: "acme", Name: name},
			InvolvedObject: corev1.ObjectReference{Kind: "Cell", Name: "rz00a", UID: "u1", Namespace: "acme"},
			Type:           "Normal", Reason: reason, Message: "it happened", ReportingController: "cell", EventTime: metav1.NewMicroTime(now.Add(-ago)),
		}
	}
	former := event("c", "Former", time.Second)
	former.InvolvedObject.UID = "u0"
	return []client.Object{
		cell, physical, event("b", "Second", time.Minute), event("a", "First", time.Hour), former,
		kubetest.TypeConfig("deployments", "apps", "v1", "Deployment"), kubetest.Policy("deployments.apps", v1alpha1.PropagatorCellfed),
		kubetest.TypeConfig("configmaps", "", "v1", "ConfigMap"), kubetest.FromYAML(t, pay), kubetest.FromYAML(t, settings),
	}
}

func run(t *testing.T, h *kubetest.Host, args ...string) (string, error) {
	t.Helper()
	cmd := newCommand(&Options{kube: h.Kube, now: func() time.Time { return now }})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(append([]string{}, args...))
	err := cmd.ExecuteContext(t.Context())
	return fmt.Sprint(h.Stdout), err
}

const head = `Name:             rz00a
Namespace:        acme
Labels:           city=hangzhou, zone=00
Health:           ClusterNotReady
Age:              2d
Cluster:          hz-a
Target Namespace: acme-rz00a
Tenant:           acme
Workspace Group:  none
Conditions:
  TYPE        STATUS   REASON            SINCE   MESSAGE
  Ready       False    ClusterNotReady   60s     The cluster hz-a is offline
  Generated   True     Generated         47h
`

const objects = `Objects:          2 placed, 1 in sync, 0 held, 1 failed
  OBJECT                 GENERATION   STATE    SINCE   AVAILABLE   MESSAGE
  configmaps/settings    -            Failed   -       -           UpdateFailed
  deployments.apps/pay   2 of 2       InSync   2m      1/2
`

func TestDescribe(t *testing.T) {
	got, err := run(t, kubetest.New(t, "acme", interceptor.Funcs{}, world(t)...), "rz00a")
	if err != nil {
		t.Fatal(err)
	}
	want := head + `KubeFedCluster:
  Name:           acme.rz00a
  Health:         it is not there yet
Physical Cluster:
  Name:           hz-a
  Health:         Offline for 60s; not ready for 60s: cluster is not reachable
  Endpoint:       https://hz-a.example:6443
  Kubernetes:     v1.37.2
  Region:         cn-hz
  Zones:          a, b
  Shared:         with every tenant
` + objects + `Events:
  TYPE     REASON   AGE   FROM   MESSAGE
  Normal   First    60m   cell   it happened
  Normal   Second   60s   cell   it happened
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestTenant: whoever may read the namespace alone is told what is left out.
func TestTenant(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{}, "", errors.New("not yours"))
	h := kubetest.New(t, "acme", interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
			if _, ok := object.(*kubefedv1beta1.KubeFedCluster); ok {
				return forbidden
			}
			return c.Get(ctx, key, object, opts...)
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if _, ok := list.(*corev1.EventList); ok {
				return forbidden
			}
			return c.List(ctx, list, opts...)
		},
	}, world(t)...)
	got, err := run(t, h, "rz00a")
	if err != nil {
		t.Fatal(err)
	}
	want := head + `KubeFedCluster:
  Name:           acme.rz00a
  Health:         not known: you may not read it
Physical Cluster:
  Name:           hz-a
  Health:         not known: you may not read it
` + objects + `Events:           not known: you may not read it
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRefused(t *testing.T) {
	cases := map[string]struct {
		reason string
		args   []string
		want   string
		code   int
	}{
		"Missing": {"a cell that is not there", []string{"no"}, `cell "no" not found in the namespace "acme": choose another namespace with -n; kubectl cells get lists cells`, exit.Failure},
		"None":    {"no cell is named", nil, "0 cells given: name one; kubectl cells get lists them", exit.Usage},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := run(t, kubetest.New(t, "acme", interceptor.Funcs{}, world(t)...), tc.args...)
			if exit.Message(err) != tc.want || exit.Code(err) != tc.code {
				t.Errorf("%s: got %q, code %d", tc.reason, exit.Message(err), exit.Code(err))
			}
		})
	}
}
