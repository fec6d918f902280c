package cell

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

func TestCellRules(t *testing.T) {
	w := &world{t: t, ctx: t.Context(), c: host.Client, stop: func() {}}
	t.Cleanup(w.clear)
	namespace := w.namespace("n", nil)
	const (
		cluster = "spec.clusterName"
		target  = "spec.targetNamespace"
		name    = "metadata.name"
	)
	for reason, tc := range map[string]struct {
		cell  string
		spec  v1alpha1.CellSpec
		field string
		says  string
	}{
		"a plain name": {
			cell: "rz00a", spec: v1alpha1.CellSpec{ClusterName: "hz-a"},
		},
		"the longest names there can be": {
			cell: strings.Repeat("a", 63), spec: v1alpha1.CellSpec{ClusterName: strings.Repeat("b", 63), TargetNamespace: strings.Repeat("c", 63)},
		},
		"a cluster's name with dots": {
			cell: "dots", spec: v1alpha1.CellSpec{ClusterName: "hz.a-1.b"},
		},
		"a Cell's name with a dot could not be told from a namespace and a name": {
			cell: "rz.00a", spec: v1alpha1.CellSpec{ClusterName: "hz-a"}, field: name, says: "becomes part of a KubeFedCluster's name",
		},
		"a Cell's name that is too long for a label": {
			cell: strings.Repeat("a", 64), spec: v1alpha1.CellSpec{ClusterName: "hz-a"}, field: name, says: "at most 63",
		},
		"no cluster": {
			cell: "none", field: cluster, says: "at least 1",
		},
		"a cluster's name that is too long for a label": {
			cell: "long", spec: v1alpha1.CellSpec{ClusterName: strings.Repeat("b", 64)}, field: cluster, says: "may not be more than 63",
		},
		"a cluster's name in capitals": {
			cell: "caps", spec: v1alpha1.CellSpec{ClusterName: "HZ"}, field: cluster, says: "must be the name of a KubeFedCluster",
		},
		"a cluster's name that begins with a dot": {
			cell: "dot", spec: v1alpha1.CellSpec{ClusterName: ".hz"}, field: cluster, says: "must be the name of a KubeFedCluster",
		},
		"a cluster's name with an empty part": {
			cell: "dotdot", spec: v1alpha1.CellSpec{ClusterName: "hz..a"}, field: cluster, says: "must be the name of a KubeFedCluster",
		},
		"a part of a cluster's name that ends with a dash": {
			cell: "dash", spec: v1alpha1.CellSpec{ClusterName: "hz-.a"}, field: cluster, says: "must be the name of a KubeFedCluster",
		},
		"a namespace's name with a slash": {
			cell: "slash", spec: v1alpha1.CellSpec{ClusterName: "hz", TargetNamespace: "a/b"}, field: target, says: "must be a namespace's name",
		},
		"a namespace's name with a dot": {
			cell: "nsdot", spec: v1alpha1.CellSpec{ClusterName: "hz", TargetNamespace: "a.b"}, field: target, says: "must be a namespace's name",
		},
		"a target namespace that is the cluster's own": {
			cell: "nskube", spec: v1alpha1.CellSpec{ClusterName: "hz", TargetNamespace: "kube-system"}, field: target, says: "must not begin with 'kube-'",
		},
		"a namespace's name that is too long": {
			cell: "nslong", spec: v1alpha1.CellSpec{ClusterName: "hz", TargetNamespace: strings.Repeat("c", 64)}, field: target, says: "may not be more than 63",
		},
	} {
		t.Run(reason, func(t *testing.T) {
			err := w.c.Create(w.ctx, &v1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: tc.cell}, Spec: tc.spec})
			refused(t, err, tc.field, tc.says)
		})
	}
}

func TestCellImmutability(t *testing.T) {
	w := &world{t: t, ctx: t.Context(), c: host.Client, stop: func() {}}
	t.Cleanup(w.clear)
	namespace := w.namespace("n", nil)
	for reason, tc := range map[string]struct {
		before string
		change string
		says   string
	}{
		"another target namespace":             {"a", `{"spec":{"targetNamespace":"b"}}`, "targetNamespace is immutable: create another Cell"},
		"a target namespace taken away":        {"a", `{"spec":{"targetNamespace":null}}`, "targetNamespace is immutable"},
		"a target namespace where was none":    {"", `{"spec":{"targetNamespace":"a"}}`, "targetNamespace is immutable"},
		"the Cell's own namespace, now spelt":  {"", `{"spec":{"targetNamespace":"` + namespace + `"}}`, "targetNamespace is immutable"},
		"the same target namespace once more":  {"a", `{"spec":{"targetNamespace":"a"}}`, ""},
		"another cluster is not immutable":     {"a", `{"spec":{"clusterName":"other"}}`, ""},
		"labels of a Cell can change any time": {"", `{"metadata":{"labels":{"x":"y"}}}`, ""},
	} {
		t.Run(reason, func(t *testing.T) {
			cell := &v1alpha1.Cell{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "c-"},
				Spec:       v1alpha1.CellSpec{ClusterName: "hz", TargetNamespace: tc.before},
			}
			if err := w.c.Create(w.ctx, cell); err != nil {
				t.Fatal(err)
			}
			err := w.c.Patch(w.ctx, cell, client.RawPatch("application/merge-patch+json", []byte(tc.change)))
			field := ""
			if tc.says != "" {
				field = "spec.targetNamespace"
			}
			refused(t, err, field, tc.says)
		})
	}
}

// refused asserts that the API server names the field and says why, or that it does not refuse when says is empty.
func refused(t *testing.T, err error, field, says string) {
	t.Helper()
	switch {
	case says == "" && err != nil:
		t.Errorf("refused: %v", err)
	case says != "" && err == nil:
		t.Error("not refused")
	case says != "" && (!strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), field)):
		t.Errorf("the error does not name %s, or say %q: %v", field, says, err)
	}
}
