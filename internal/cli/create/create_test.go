package create

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

// reporting has the manager report on every cell at once.
func reporting(status metav1.ConditionStatus) interceptor.Funcs {
	return interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
		err := c.Get(ctx, key, object, opts...)
		if cell, ok := object.(*v1alpha1.Cell); ok && status != "" {
			cell.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: status, Reason: "ClusterNotReady", Message: "the cluster is offline", ObservedGeneration: cell.Generation}}
		}
		return err
	}}
}

func TestCreate(t *testing.T) {
	const yaml = `apiVersion: cellfed.io/v1alpha1
kind: Cell
metadata:
  labels:
    city: hangzhou
  name: rz00b
  namespace: acme
spec:
  clusterName: hz-a
  targetNamespace: acme-b
`
	cases := map[string]struct {
		reason string
		status metav1.ConditionStatus
		args   []string
		out    string
		stderr string
		err    string
		code   int
		made   bool
	}{
		"Ready":    {reason: "it is made and waited for", status: metav1.ConditionTrue, args: []string{"rz00b", "--cluster", "hz-a"}, out: "cell.cellfed.io/rz00b created\ncell.cellfed.io/rz00b ready\n", made: true},
		"NotReady": {reason: "why it is not ready is told", status: metav1.ConditionFalse, args: []string{"rz00b", "--cluster", "hz-a", "--timeout", "1s"}, out: "cell.cellfed.io/rz00b created\n", stderr: "the cluster is offline", err: "ClusterNotReady", code: exit.NotSo, made: true},
		"NoWait":   {reason: "nothing is waited for", args: []string{"rz00b", "--cluster", "hz-a", "--wait=false", "-o", "name"}, out: "cell.cellfed.io/rz00b\n", made: true},
		"Manifest": {reason: "a manifest for a repository", args: []string{"rz00b", "--cluster", "hz-a", "--target-namespace", "acme-b", "--labels", "city=hangzhou", "--dry-run=client", "-o", "yaml"}, out: yaml},
		"Warned":   {reason: "a cluster that is to come", args: []string{"rz00b", "--cluster", "hz-z", "--dry-run=client"}, out: "cell.cellfed.io/rz00b created (dry run)\n", stderr: `no KubeFedCluster is named "hz-z" yet`},
		"Taken":    {reason: "two cells never share a namespace of a cluster", args: []string{"rz00b", "--cluster", "hz-a", "--target-namespace", "taken"}, err: "which two cells cannot share", code: exit.Failure},
		"Itself":   {reason: "a cell stands on no cell", args: []string{"rz00b", "--cluster", "acme.rz00b"}, err: "name a physical cluster", code: exit.Failure},
		"System":   {reason: "a namespace that is nobody's to have", args: []string{"rz00b", "--cluster", "hz-a", "--target-namespace", "kube-system"}, err: "spec.targetNamespace", code: exit.Failure},
		"There":    {reason: "a cell that is there is left as it is", args: []string{"rz00a", "--cluster", "hz-a"}, err: "already", code: exit.Failure},
		"Name":     {reason: "no name", args: []string{"rz.00", "--cluster", "hz-a"}, err: `CELL "rz.00"`, code: exit.Usage},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cluster := &kubefedv1beta1.KubeFedCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-federation-system", Name: "hz-a"}}
			host := kubetest.New(t, "acme", reporting(tc.status), cluster, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme"}},
				&v1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "rz00a"}, Spec: v1alpha1.CellSpec{ClusterName: "hz-a", TargetNamespace: "taken"}})
			cmd := newCommand(&Options{kube: host.Kube})
			cmd.SetArgs(tc.args)
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			err := cmd.ExecuteContext(t.Context())
			if exit.Code(err) != tc.code || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: it says %v (code %d), want %q (%d)", tc.reason, err, exit.Code(err), tc.err, tc.code)
			}
			if diff := cmp.Diff(tc.out, host.Stdout.String()); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
			if !strings.Contains(host.Stderr.String(), tc.stderr) {
				t.Errorf("%s: it does not tell %q: %s", tc.reason, tc.stderr, host.Stderr)
			}
			if made := host.Fake.Get(t.Context(), client.ObjectKey{Namespace: "acme", Name: "rz00b"}, &v1alpha1.Cell{}) == nil; made != tc.made {
				t.Errorf("%s: made is %v", tc.reason, made)
			}
		})
	}
}
