package e2e

import (
	"context"
	"fmt"
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
)

// existingUser is what somebody wrote who knows of upstream KubeFed only: %[1]s is the namespace, %[2]s the cluster.
const existingUser = `
apiVersion: types.kubefed.io/v1beta1
kind: FederatedNamespace
metadata: {name: %[1]s}
spec:
  placement: {clusters: [{name: %[2]s}]}
---
apiVersion: types.kubefed.io/v1beta1
kind: FederatedConfigMap
metadata: {name: plain}
spec:
  placement: {clusters: [{name: %[2]s}]}
  template:
    data: {from: cluster}
`

// TestCoexistence has a namespace that is placed on a member itself, by somebody who goes on writing as upstream has it, and a
// cell of the same owner whose objects go into that same namespace of that same member.
func TestCoexistence(t *testing.T) {
	env := environment(t)
	user := newNamespace(t, env, "newcomer-existing", map[string]string{
		cellfedv1alpha1.TenantLabel:         "acme",
		cellfedv1alpha1.WorkspaceGroupLabel: "newcomer",
	})
	user.create(fmt.Sprintf(existingUser, user.namespace, hangzhou))
	user.waitPlain(hangzhou, "plain", map[string]string{"from": "cluster"})

	s := newTenant(t, env, "newcomer")
	s.cell("rz00a", hangzhou, user.namespace, nil)
	s.cell("rz01a", shanghai, "", nil)
	s.waitReady()

	before := s.mark()
	s.create(`
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: celled}
spec:
  topologyType: cell
  placement: {topologies: [{name: rz00a}]}
  template:
    data: {from: cell}
---
apiVersion: types.kubefed.io/v2beta1
kind: FederatedConfigMap
metadata: {name: plain}
spec:
  topologyType: cell
  placement: {topologies: [{name: rz00a}, {name: rz01a}]}
  template:
    data: {from: cell}
`)
	s.waitData("rz00a", "celled", map[string]string{"from": "cell"})
	s.waitData("rz01a", "plain", map[string]string{"from": "cell"})
	s.waitFailed("FederatedConfigMap", "plain", "rz00a")
	user.waitPlain(hangzhou, "plain", map[string]string{"from": "cluster"})

	user.patch("FederatedConfigMap", v1beta1, "plain", `{"spec":{"template":{"data":{"more":"yes"}}}}`)
	user.waitPlain(hangzhou, "plain", map[string]string{"from": "cluster", "more": "yes"})
	s.waitData("rz00a", "celled", map[string]string{"from": "cell"})

	s.delete("FederatedConfigMap", v2beta1, "plain")
	user.waitPlain(hangzhou, "plain", map[string]string{"from": "cluster", "more": "yes"})
	user.delete("FederatedConfigMap", v1beta1, "plain")
	s.waitData("rz00a", "celled", map[string]string{"from": "cell"})

	t.Log("The Namespace is the user's: the cell sees it and cannot delete it")
	cell := s.cellKubectl("rz00a")
	s.want(cell, "", "get namespace "+s.namespace, s.namespace)
	s.refused(cell, "", "delete namespace "+s.namespace+" --wait=false", "orbidden", s.namespace)
	s.wantUntouchedNamespace(before, user.namespace)
}

// waitPlain waits until upstream's own ConfigMap in a member, in the namespace of the tenant's name, has the data.
func (s *tenant) waitPlain(cluster, name string, want map[string]string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("the ConfigMap %s in %s", name, cluster), func(ctx context.Context) error {
		got := &corev1.ConfigMap{}
		key := client.ObjectKey{Namespace: s.namespace, Name: name}
		if err := s.env.Member(cluster).Client.Get(ctx, key, got); err != nil {
			return err
		}
		if !maps.Equal(got.Data, want) {
			return fmt.Errorf("its data is %v, want %v", got.Data, want)
		}
		if got.Labels[cellfedv1alpha1.KubeFedManagedLabel] != "true" || got.Labels[cellfedv1alpha1.ManagedLabel] != "" {
			return fmt.Errorf("its labels are %v, want upstream's alone", got.Labels)
		}
		return nil
	})
}

// waitFailed waits until upstream reports a problem for the topology, under its name.
func (s *tenant) waitFailed(kind, name, topology string) string {
	s.t.Helper()
	var problem string
	s.eventually(fmt.Sprintf("%s %s to have a problem in %s", kind, name, topology), func(ctx context.Context) error {
		object := federated(kind, v2beta1)
		if err := s.env.Host.Client.Get(ctx, s.key(name), object); err != nil {
			return err
		}
		got, err := reported(object)
		if err != nil {
			return err
		}
		if got[topology] == "" {
			return fmt.Errorf("its status is %v", got)
		}
		problem = got[topology]
		return nil
	})
	return problem
}

// wantUntouchedNamespace checks that the Namespace itself, which another owns, was not written.
func (s *tenant) wantUntouchedNamespace(since marks, namespace string) {
	s.t.Helper()
	for _, write := range s.writes(since, hangzhou, namespace) {
		if write.Resource == "namespaces" && write.Succeeded() {
			s.t.Errorf("a cell wrote to a Namespace that is not its own: %s", write)
		}
	}
}
