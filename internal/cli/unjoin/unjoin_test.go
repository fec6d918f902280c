package unjoin

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/join/membership"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

const kubefed = "kube-federation-system"

func namespace(name, uid string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(uid)}}
}

func registered(memberUID string) *kubefedv1beta1.KubeFedCluster {
	c := &kubefedv1beta1.KubeFedCluster{ObjectMeta: metav1.ObjectMeta{
		Namespace: kubefed, Name: "hz-a", UID: "1", Labels: map[string]string{"city": "hangzhou"},
		Annotations: map[string]string{membership.ClusterUIDAnnotation: memberUID, membership.NamespaceAnnotation: "federation"},
	}}
	c.Spec.SecretRef.Name = "hz-a-1"
	return c
}

func TestUnjoin(t *testing.T) {
	cell := &v1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "rz00a"}, Spec: v1alpha1.CellSpec{ClusterName: "hz-a"}}
	object := func(spec string) client.Object {
		return kubetest.FromYAML(t, "{apiVersion: types.kubefed.io/v2beta1, kind: FederatedConfigMap, metadata: {name: pay, namespace: acme}, "+spec+"}")
	}
	const host = "kubefedcluster.core.kubefed.io/hz-a deleted\nsecret/hz-a-1 deleted\n"
	const whole = host + `clusterrolebinding.rbac.authorization.k8s.io/cellfed:federation:hz-a deleted in the member
clusterrole.rbac.authorization.k8s.io/cellfed:federation:hz-a deleted in the member
secret/cellfed-hz-a-token deleted in the member
serviceaccount/cellfed-hz-a deleted in the member
`
	cases := map[string]struct {
		reason  string
		objects []client.Object
		gone    bool
		foreign bool
		args    []string
		out     string
		stderr  string
		err     string
		code    int
	}{
		"Whole": {
			reason: "the host's part first, then the account", args: []string{"hz-a", "--yes"}, out: whole,
			stderr: "in the host the KubeFedCluster \"hz-a\" and its token are deleted\nin the member the account system:serviceaccount:federation:cellfed-hz-a is deleted, and nothing else: what was propagated there stays\n",
		},
		"NobodyToAsk": {reason: "a script has to agree", args: []string{"hz-a"}, err: "give --yes", code: exit.Usage},
		"DryRun":      {reason: "nothing is changed", args: []string{"hz-a", "--dry-run=client"}, out: strings.ReplaceAll(whole, "\n", " (dry run)\n")},
		"Cell":        {reason: "a cell stands on it", objects: []client.Object{cell}, args: []string{"hz-a"}, err: "acme/rz00a", code: exit.Failure},
		"Named":       {reason: "an object names it", objects: []client.Object{object("spec: {placement: {topologies: [{name: hz-a}]}}")}, args: []string{"hz-a"}, err: "configmaps/pay in acme", code: exit.Failure},
		"Selected":    {reason: "an object selects it", objects: []client.Object{object("spec: {placement: {topologySelector: {matchLabels: {city: hangzhou}}}}")}, args: []string{"hz-a"}, err: "configmaps/pay in acme", code: exit.Failure},
		"Left":        {reason: "an object is still there", objects: []client.Object{object("spec: {placement: {topologies: []}}, status: {topologies: [{name: hz-a}]}")}, args: []string{"hz-a"}, err: "configmaps/pay in acme", code: exit.Failure},
		"Elsewhere":   {reason: "an object is on another cluster", objects: []client.Object{object("spec: {placement: {topologies: [{name: hz-b}]}}")}, args: []string{"hz-a", "--yes"}, out: whole},
		"Foreign":     {reason: "the account is another host's", foreign: true, args: []string{"hz-a", "-y"}, out: host, stderr: "belongs to another host cluster"},
		"Forced":      {reason: "the member is gone for good", gone: true, objects: []client.Object{object("spec: {placement: {topologies: [{name: hz-a}]}}")}, args: []string{"hz-a", "--force", "--yes"}, out: host, stderr: "still placed on the cluster: configmaps/pay in acme"},
		"ForcedToo":   {reason: "cells keep even a member that is gone", gone: true, objects: []client.Object{cell}, args: []string{"hz-a", "--force"}, err: "--force does not spare that", code: exit.Failure},
		"Unnamed":     {reason: "no member is named", gone: true, args: []string{"hz-a"}, err: "--cluster-context", code: exit.Usage},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: kubefed, Name: "hz-a-1"}}
			h := kubetest.New(t, "default", interceptor.Funcs{}, append(tc.objects, registered("m"), secret, namespace(kubefed, "h"), kubetest.TypeConfig("configmaps", "", "v1", "ConfigMap"))...)
			account := membership.Account{Cluster: "hz-a", Namespace: "federation", Host: "h"}
			if tc.foreign {
				account.Host = "other"
			}
			member := kubetest.New(t, "default", interceptor.Funcs{}, append(account.All(), namespace("kube-system", "m"), namespace("federation", "f"))...)
			o := &Options{kube: h.Kube}
			if !tc.gone {
				o.Member.SetClient(member.Fake, nil)
			}
			cmd := newCommand(o)
			cmd.SetArgs(tc.args)
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			err := cmd.ExecuteContext(t.Context())
			if exit.Code(err) != tc.code || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: it says %v (code %d), want %q (%d)", tc.reason, err, exit.Code(err), tc.err, tc.code)
			}
			if diff := cmp.Diff(tc.out, h.Stdout.String()); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
			if !strings.Contains(h.Stderr.String(), tc.stderr) {
				t.Errorf("%s: it does not tell %q: %s", tc.reason, tc.stderr, h.Stderr)
			}
			if err := member.Fake.Get(t.Context(), client.ObjectKey{Name: "federation"}, &corev1.Namespace{}); err != nil {
				t.Errorf("%s: the member's namespace: %v", tc.reason, err)
			}
			if there := h.Fake.Get(t.Context(), client.ObjectKey{Namespace: kubefed, Name: "hz-a"}, &kubefedv1beta1.KubeFedCluster{}) == nil; tc.err != "" && !there {
				t.Errorf("%s: it refuses and deletes", tc.reason)
			}
		})
	}
}

func TestAnotherMember(t *testing.T) {
	h := kubetest.New(t, "default", interceptor.Funcs{}, registered("m"), namespace(kubefed, "h"))
	member := kubetest.New(t, "default", interceptor.Funcs{}, namespace("kube-system", "other"))
	o := &Options{kube: h.Kube}
	o.Member.SetClient(member.Fake, nil)
	cmd := newCommand(o)
	cmd.SetArgs([]string{"hz-a"})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "reaches another cluster") {
		t.Errorf("the account of another member would be deleted: %v", err)
	}
}
