package cli

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
	"github.com/cellfed/cellfed/internal/cli/kube/servertest"
)

// patience is how long something that must happen may take on a busy machine.
const patience = time.Minute

// newHost returns a host cluster that serves FederatedDeployments in both versions, with an object, a cell and somebody who
// may read nothing but the namespace acme. It has no controllers: the tests write what they would.
func newHost(t *testing.T) *framework.Cluster {
	t.Helper()
	host := servertest.Run(t)
	servertest.StoreDeployments(t, host)
	rules := []rbacv1.PolicyRule{
		{APIGroups: []string{"cellfed.io"}, Resources: []string{"cells"}, Verbs: []string{"get", "list", "watch"}},
		{APIGroups: []string{"types.kubefed.io"}, Resources: []string{"federateddeployments"}, Verbs: []string{"get", "list", "watch"}},
	}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme"}},
		&v1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "rz00a"}, Spec: v1alpha1.CellSpec{ClusterName: "hz-a"}},
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "tenant"}, Rules: rules},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "tenant"},
			RoleRef:    rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: "tenant"},
			Subjects:   []rbacv1.Subject{{APIGroup: "rbac.authorization.k8s.io", Kind: "User", Name: "jane"}},
		},
	} {
		if err := host.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	framework.Eventually(t, patience, "v2beta1 to be served", func(ctx context.Context) error {
		return client.IgnoreAlreadyExists(host.Client.Create(ctx, kubetest.FromYAML(t, `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedDeployment
metadata: {name: pay, namespace: acme}
spec:
  topologyType: cell
  placement: {topologies: [{name: rz00a}]}
  template: {spec: {replicas: 2}}
`)))
	})
	return host
}

// propagate writes the status that a propagator would.
func propagate(t *testing.T, host *framework.Cluster) {
	t.Helper()
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("types.kubefed.io/v2beta1")
	object.SetKind("FederatedDeployment")
	if err := host.Client.Get(t.Context(), client.ObjectKey{Namespace: "acme", Name: "pay"}, object); err != nil {
		t.Fatal(err)
	}
	object.Object["status"] = kubetest.FromYAML(t, `
apiVersion: v1
kind: Status
observedGeneration: 1
summary: {placed: 1, inSync: 1, held: 0, failed: 0, available: 1}
conditions:
- {type: Propagated, status: "True", reason: Propagated, message: 1 of 1 have generation 1, observedGeneration: 1}
- {type: Available, status: "True", reason: Available, observedGeneration: 1}
topologies:
- {name: rz00a, generation: 1, lastChangeTime: "2026-11-23T11:58:00Z", remoteStatus: {replicas: 2, updatedReplicas: 2, availableReplicas: 2}}
`).Object
	delete(object.Object["status"].(map[string]any), "apiVersion")
	delete(object.Object["status"].(map[string]any), "kind")
	if err := host.Client.Status().Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

// TestServer: what only a server can show: connection flags, discovery, short names, watches, impersonation, field selectors.
func TestServer(t *testing.T) {
	host := newHost(t)
	run := func(stderr *buffer, args ...string) result {
		out := &buffer{}
		k := kube.New(genericiooptions.IOStreams{In: strings.NewReader(""), Out: out, ErrOut: stderr})
		code := run(t.Context(), "kubectl-cells", "v1", append([]string{"--kubeconfig", host.Kubeconfig, "-n", "acme"}, args...), k)
		return result{out.String(), stderr.String(), code}
	}
	cases := map[string]struct {
		reason string
		args   []string
		want   result
	}{
		"Admin": {
			reason: "a short name that the server knows; nothing has been reported yet",
			args:   []string{"status", "deploy/pay", "--no-headers"},
			want:   result{Out: "rz00a   hz-a   -   Progressing   -   -   not reported yet\n"},
		},
		"Tenant": {
			reason: "a tenant may read the namespace and nothing of KubeFed",
			args:   []string{"status", "deploy/pay", "--no-headers", "--as", "jane"},
			want:   result{Out: "rz00a   hz-a   -   Progressing   -   -   not reported yet\n"},
		},
		"Elsewhere": {
			reason: "and no other",
			args:   []string{"get", "-n", "default", "--as", "jane"},
			want:   result{Err: "error: you may not list Cells in the namespace \"default\": choose a namespace of yours with -n\n", Code: 1},
		},
		"Name":     {reason: "cells", args: []string{"get", "-o", "name"}, want: result{Out: "cell.cellfed.io/rz00a\n"}},
		"NotSo":    {reason: "asked once", args: []string{"status", "deploy/pay", "--wait", "--timeout=0s", "-o", "name"}, want: result{Out: "federateddeployment.types.kubefed.io/pay\n", Err: "error: deployments.apps/pay: generation 1 is not reported yet\n", Code: 3}},
		"Complete": {reason: "a tenant's command line is completed", args: []string{"--as", "jane", "__completeNoDesc", "status", "deploy/"}, want: result{Out: "deploy/pay\n:4\n", Err: "Completion ended with directive: ShellCompDirectiveNoFileComp\n"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := run(&buffer{}, tc.args...)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}

	described := run(&buffer{}, "describe", "rz00a")
	if described.Code != 0 || !strings.Contains(described.Out, "\nEvents:           none\n") || !strings.Contains(described.Out, "no such cluster is registered") {
		t.Errorf("events are asked for by fields: got %+v", described)
	}
	waiting, done := &buffer{}, make(chan result, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		done <- run(waiting, "status", "deploy/pay", "--wait", "--timeout", "1m", "-o", "name", "--as", "jane")
	})
	framework.Eventually(t, patience, "the wait to begin", func(context.Context) error {
		if waiting.String() == "" {
			return context.DeadlineExceeded
		}
		return nil
	})
	propagate(t, host)
	want := result{
		Out: "federateddeployment.types.kubefed.io/pay\n",
		Err: "0 of 1 in sync, 1 on its way; generation 1 is not reported yet\n",
	}
	if diff := cmp.Diff(want, <-done); diff != "" {
		t.Errorf("a tenant waits by a watch of one object: -want +got:\n%s", diff)
	}
}

// buffer can be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
