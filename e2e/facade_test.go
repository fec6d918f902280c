package e2e

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/e2e/framework"
)

// TestKubectlThroughFacade uses plain kubectl with the kubeconfig of one cell: it looks like a cluster.
func TestKubectlThroughFacade(t *testing.T) {
	s := newTenant(t, environment(t), "facade")
	s.cell("rz00a", hangzhou, "facade-a", nil)
	s.cell("rz00b", hangzhou, "facade-b", nil)
	s.waitReady()
	s.create(strings.ReplaceAll(payInTwoCells, "rz01a", "rz00b"))
	s.waitReplicas("rz00a", "pay", 2)
	s.waitReplicas("rz00b", "pay", 3)
	s.waitData("rz00b", "pay", map[string]string{"cell": "rz00b", "currency": "CNY"})
	cell := s.cellKubectl("rz00a")

	t.Run("Read", func(t *testing.T) { s.on(t).readThroughFacade(cell) })
	if pushed() {
		t.Run("Fence", func(t *testing.T) { s.on(t).fencedByFacade(cell) })
	} else {
		t.Run("Write", func(t *testing.T) { s.on(t).writeThroughFacade(cell) })
	}
	t.Run("Refusals", func(t *testing.T) { s.on(t).refusedByFacade(cell) })
	t.Run("Revocation", func(t *testing.T) { s.on(t).revoked(cell) })
}

// on returns the tenant for a sub-test.
func (s *tenant) on(t *testing.T) *tenant {
	sub := *s
	sub.t, sub.ctx = t, t.Context()
	return &sub
}

// cellKubectl returns a kubectl for a cell's façade.
func (s *tenant) cellKubectl(cell string) *framework.Kubectl {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), cell+".kubeconfig")
	s.must(s.env.Cellfed.WriteCellKubeconfig(s.ctx, path, s.namespace, cell))
	kubectl, err := framework.NewKubectl(path)
	s.must(err)
	return kubectl
}

// want runs a command that has to succeed and checks that its output has all the texts, or, where one begins with
// "!", that it has not the rest of it.
func (s *tenant) want(kubectl *framework.Kubectl, stdin, command string, texts ...string) string {
	s.t.Helper()
	out, err := kubectl.Run(s.ctx, stdin, strings.Fields(command)...)
	s.must(err)
	if out.Code != 0 {
		s.t.Errorf("kubectl %s ended with status %d:\n%s", command, out.Code, out)
		return ""
	}
	for _, text := range texts {
		forbidden, negated := strings.CutPrefix(text, "!")
		if negated && strings.Contains(out.String(), forbidden) {
			s.t.Errorf("kubectl %s has %q in its output:\n%s", command, forbidden, out)
		}
		if !negated && !strings.Contains(out.String(), text) {
			s.t.Errorf("kubectl %s has no %q in its output:\n%s", command, text, out)
		}
	}
	return out.Stdout
}

// refused runs a command that has to fail and checks that its message has all the texts.
func (s *tenant) refused(kubectl *framework.Kubectl, stdin, command string, texts ...string) {
	s.t.Helper()
	out, err := kubectl.Run(s.ctx, stdin, strings.Fields(command)...)
	s.must(err)
	if out.Code == 0 {
		s.t.Errorf("kubectl %s was not refused:\n%s", command, out)
	}
	for _, text := range texts {
		if !strings.Contains(out.String(), text) {
			s.t.Errorf("kubectl %s has no %q in its message:\n%s", command, text, out)
		}
	}
}

func (s *tenant) readThroughFacade(cell *framework.Kubectl) {
	n := s.namespace
	s.want(cell, "", "version", "Server Version")
	s.want(cell, "", "get nodes", "node-1")
	s.want(cell, "", "get namespaces", n, "!kube-system", "!facade-a", "!facade-b")
	s.want(cell, "", "-n "+n+" get deployments,configmaps", "deployment.apps/pay", "2/2", "configmap/pay")
	s.want(cell, "", "get configmaps --all-namespaces", n, "pay", "!facade-a", "!facade-b")
	s.want(cell, "", "get configmaps --all-namespaces -l kubefed.io/managed=true -o name", "configmap/pay", "!kube-root-ca.crt")
	s.want(cell, "", "-n "+n+" get configmap pay -o yaml --show-managed-fields",
		"namespace: "+n, `kubefed.io/managed: "true"`, "cell: rz00a", "f:kubefed.io/managed", "!cellfed.io/", "!facade-a")
	s.want(cell, "", "-n "+n+" get pods", "1/1", "Running")
	s.want(cell, "", "-n "+n+" describe deployment pay", "registry.invalid/pay:1.0", "!facade-a")
	s.want(cell, "", "-n "+n+" rollout status deployment/pay --timeout=30s", "successfully rolled out")
	s.want(cell, "", "-n "+n+" wait deployment/pay --for=condition=Available --timeout=30s", "condition met")
}

func (s *tenant) writeThroughFacade(cell *framework.Kubectl) {
	const settings = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {app: pay}}
data: {level: info}
`
	in := "-n " + s.namespace + " "
	s.want(cell, settings, in+"apply -f -", "configmap/settings created")
	s.want(cell, settings, in+"apply -f -", "configmap/settings unchanged")
	s.want(cell, strings.ReplaceAll(settings, "info", "debug"), in+"apply --server-side --force-conflicts -f -", "serverside-applied")
	s.want(cell, "", in+"label configmap settings tier=gold", "labeled")
	s.want(cell, "", in+`patch configmap settings --type=json -p [{"op":"add","path":"/data/size","value":"10"}]`, "patched")
	s.want(cell, "", in+`patch configmap settings --type=merge -p {"data":{"color":"red"}}`, "patched")
	s.want(cell, "", in+`patch configmap settings --type=strategic -p {"data":{"shape":"round"}}`, "patched")
	s.want(cell, "", in+"delete configmap settings --dry-run=server", "deleted")

	member, key := s.in("rz00a", "settings")
	got := &corev1.ConfigMap{}
	s.must(member.Get(s.ctx, key, got))
	want := map[string]string{"level": "debug", "size": "10", "color": "red", "shape": "round"}
	if len(got.Data) != len(want) || got.Data["shape"] != "round" || got.Data["level"] != "debug" {
		s.t.Errorf("the member has the data %v, want %v", got.Data, want)
	}
	if got.Labels["tier"] != "gold" {
		s.t.Errorf("the member has the labels %v, want tier=gold among them", got.Labels)
	}
	other, otherKey := s.in("rz00b", "settings")
	if err := gone(other.Get(s.ctx, otherKey, got)); err != nil {
		s.t.Errorf("what was written through one façade is in the other cell: %v", err)
	}
	s.want(cell, "", in+"create configmap hello --from-literal=a=b", "created")
	s.want(cell, "", in+"scale replicaset --all --replicas=1 --dry-run=server", "scaled")
	s.want(cell, "", in+"delete configmap settings hello", "deleted")
	s.must(gone(member.Get(s.ctx, key, got)))
}

// fenced is what the façade says of a kind that cellfed propagates: whoever writes through it is, for all that it knows,
// upstream.
const fenced = "cellfed propagates it"

// fencedByFacade writes kinds that cellfed propagates, which is refused, and one that nobody does.
func (s *tenant) fencedByFacade(cell *framework.Kubectl) {
	in := "-n " + s.namespace + " "
	s.refused(cell, "", in+"create configmap hello --from-literal=a=b", fenced, "FederatedTypePolicy")
	s.refused(cell, "", in+`patch deployment pay --type=merge -p {"spec":{"replicas":0}}`, fenced)
	s.refused(cell, "", in+"delete configmap pay", fenced)
	s.want(cell, "", in+"create role reader --verb=get --resource=pods", "created")
	s.want(cell, "", in+"delete role reader", "deleted")
	s.want(cell, "", in+"get deployment pay", "2/2")
}

func (s *tenant) refusedByFacade(cell *framework.Kubectl) {
	in := "-n " + s.namespace + " "
	other := s.cellKubectl("rz00b")
	s.refused(cell, "", "-n kube-system get configmaps", "Forbidden", "kube-system", s.namespace)
	s.refused(cell, "", "-n facade-b get configmap pay", "Forbidden", "facade-b", s.namespace)
	s.refused(cell, "", "create namespace elsewhere", "orbidden")
	s.refused(cell, "", "create clusterrole all --verb=get --resource=pods", "orbidden")
	s.want(cell, "", "get clusterroles", "No resources found")
	s.refused(cell, "", in+"label configmap pay cellfed.io/cell=rz00b --overwrite", map[bool]string{false: "cellfed.io/cell", true: fenced}[pushed()])

	// The token of one cell is not good for another.
	config, err := s.env.Cellfed.CellConfig(s.ctx, s.namespace, "rz00b")
	s.must(err)
	s.refused(cell, "", in+"--server "+config.Host+" get configmaps", "must be logged in")
	s.want(other, "", in+"get configmap pay -o jsonpath={.data.cell}", "rz00b")

	member, key := s.in("rz00b", "pay")
	got := &corev1.ConfigMap{}
	s.must(client.IgnoreNotFound(member.Get(s.ctx, key, got)))
	if got.Data["cell"] != "rz00b" {
		s.t.Errorf("the other cell's ConfigMap is %v", got.Data)
	}
}

// revoked deletes the token that kubectl and upstream have: it is good for nothing any more, and upstream has another.
func (s *tenant) revoked(cell *framework.Kubectl) {
	cluster := &kubefedv1beta1.KubeFedCluster{}
	key := client.ObjectKey{Namespace: framework.KubeFedNamespace, Name: s.namespace + ".rz00a"}
	s.must(s.env.Host.Client.Get(s.ctx, key, cluster))
	old := cluster.Spec.SecretRef.Name
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: old, Namespace: framework.KubeFedNamespace}}
	s.must(s.env.Host.Client.Delete(s.ctx, secret))
	s.eventually("another token", func(ctx context.Context) error {
		if err := s.env.Host.Client.Get(ctx, key, cluster); err != nil {
			return err
		}
		if cluster.Spec.SecretRef.Name == old {
			return errors.New("the KubeFedCluster still names the old one")
		}
		return nil
	})
	s.waitUpstream("rz00a", true)
	in := "-n " + s.namespace + " "
	s.refused(cell, "", in+"get configmaps", "must be logged in")
	s.want(s.cellKubectl("rz00a"), "", in+"get configmap pay -o jsonpath={.data.cell}", "rz00a")
}
