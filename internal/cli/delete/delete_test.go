package delete

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

func TestDelete(t *testing.T) {
	placed := kubetest.FromYAML(t, "{apiVersion: types.kubefed.io/v2beta1, kind: FederatedConfigMap, metadata: {name: pay, namespace: acme}, spec: {topologyType: cell, placement: {topologies: [{name: rz00a}]}}}")
	left := kubetest.FromYAML(t, "{apiVersion: types.kubefed.io/v2beta1, kind: FederatedConfigMap, metadata: {name: old, namespace: acme}, spec: {topologyType: cell, placement: {topologies: []}}, status: {topologies: [{name: rz00a, status: WaitingForRemoval}]}}")
	elsewhere := kubetest.FromYAML(t, "{apiVersion: types.kubefed.io/v2beta1, kind: FederatedConfigMap, metadata: {name: web, namespace: acme}, spec: {topologyType: cell, placement: {topologies: [{name: rz00b}]}}}")
	generated := kubetest.FromYAML(t, "{apiVersion: types.kubefed.io/v2beta1, kind: FederatedConfigMap, metadata: {name: all, namespace: acme, labels: {cellfed.io/generated: 'true'}}, spec: {topologyType: cell, placement: {topologies: [{name: rz00a}]}}}")
	const deleted = "cell.cellfed.io/rz00a deleted\n"
	cases := map[string]struct {
		reason  string
		objects []client.Object
		stuck   bool
		hidden  bool
		args    []string
		out     string
		stderr  string
		err     string
		code    int
		stays   bool
	}{
		"Empty":       {reason: "nothing is placed on it: nobody is asked", objects: []client.Object{elsewhere, generated}, args: []string{"rz00a"}, out: deleted},
		"Placed":      {reason: "where something is, somebody is to be asked", objects: []client.Object{placed, left}, args: []string{"rz00a"}, stderr: "configmaps/old, configmaps/pay", err: "--yes", code: exit.Usage, stays: true},
		"DryRun":      {reason: "what places it is told", objects: []client.Object{placed}, args: []string{"rz00a", "--dry-run=client"}, out: "cell.cellfed.io/rz00a would stay: its deletion waits for what is placed on it (dry run)\n", stderr: "configmaps/pay", stays: true},
		"DryRunEmpty": {reason: "nothing keeps it", args: []string{"rz00a", "--dry-run=client"}, out: "cell.cellfed.io/rz00a deleted (dry run)\n", stays: true},
		"DryRunServer": {
			reason: "the host cluster says yes to what then waits", objects: []client.Object{left}, args: []string{"rz00a", "--dry-run=server"}, stays: true,
			out: "cell.cellfed.io/rz00a would stay: its deletion waits for what is placed on it (server dry run)\n", stderr: "configmaps/old",
		},
		"DryRunHidden": {
			reason: "nobody can tell", hidden: true, args: []string{"rz00a", "--dry-run=client"}, stays: true,
			out: "cell.cellfed.io/rz00a deleted, unless something is placed on it that you may not read (dry run)\n", stderr: "you may not read federatedconfigmaps",
		},
		"NoWait": {
			reason: "nobody knows yet whether it is gone", objects: []client.Object{placed}, stuck: true, args: []string{"rz00a", "--yes", "--wait=false"}, stays: true,
			out: "cell.cellfed.io/rz00a is being deleted, and goes once nothing is placed on it\n", stderr: "configmaps/pay",
		},
		"Yes":     {reason: "the user has agreed", objects: []client.Object{placed}, args: []string{"rz00a", "--yes"}, out: deleted, stderr: "configmaps/pay"},
		"Blocked": {reason: "why it is still there is told", stuck: true, args: []string{"rz00a", "--timeout", "1s"}, err: "Placed: configmaps/pay", code: exit.NotSo, stays: true},
		"Unknown": {reason: "there is no such cell", args: []string{"rz99"}, err: "not found", code: exit.Failure, stays: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cell := &v1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "rz00a"}}
			if tc.stuck {
				cell.Finalizers = []string{v1alpha1.CellFinalizer}
				cell.Status.Conditions = []metav1.Condition{{Type: "DeletionBlocked", Status: metav1.ConditionTrue, Reason: "Placed", Message: "configmaps/pay"}}
			}
			host := kubetest.New(t, "acme", interceptor.Funcs{
				List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
					if _, ok := list.(*unstructured.UnstructuredList); ok && tc.hidden {
						return apierrors.NewForbidden(schema.GroupResource{}, "", nil)
					}
					return c.List(ctx, list, opts...)
				},
			}, append(tc.objects, cell, kubetest.TypeConfig("configmaps", "", "v1", "ConfigMap"))...)
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
			if stays := host.Fake.Get(t.Context(), client.ObjectKeyFromObject(cell), cell) == nil; stays != tc.stays {
				t.Errorf("%s: stays is %v", tc.reason, stays)
			}
		})
	}
}
