package cell

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

func TestDesiredCluster(t *testing.T) {
	f := newFacts(func(f *facts) {
		f.settings.facadeURL = "https://facade:9444/"
		f.cell.Labels = map[string]string{
			"city":                  "hangzhou",
			v1alpha1.TenantLabel:    "somebody-else",
			v1alpha1.NamespaceLabel: "somewhere-else",
			"cellfed.io/anything":   "x",
			// What Argo CD tracks by.
			"app.kubernetes.io/instance":    "acme",
			"argocd.argoproj.io/managed-by": "argocd",
		}
		f.namespace.workspaceGroup = ""
	})
	got := desiredCluster(f, "t0")
	want := &kubefedv1beta1.KubeFedCluster{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "kube-federation-system",
			Name:      "shop.rz00a",
			Labels: map[string]string{
				"city":                     "hangzhou",
				"cellfed.io/tenant":        "acme",
				"cellfed.io/namespace":     "shop",
				"cellfed.io/cell":          "rz00a",
				"cellfed.io/cluster":       "hz-a",
				"cellfed.io/topology-type": "cell",
				"cellfed.io/generated":     "true",
			},
			Annotations: map[string]string{"cellfed.io/cell-uid": "uid-shop-rz00a"},
		},
		Spec: kubefedv1beta1.KubeFedClusterSpec{
			APIEndpoint:            "https://facade:9444/cells/shop/rz00a",
			CABundle:               []byte("CA"),
			SecretRef:              kubefedv1beta1.LocalSecretReference{Name: "t0"},
			DisabledTLSValidations: []kubefedv1beta1.TLSValidation{},
		},
	}
	compare(t, want, got, "the Cell's own labels lose against cellfed's, which it cannot invent either")
}

func TestUpToDate(t *testing.T) {
	f := newFacts()
	desired := desiredCluster(f, "t0")
	for name, tc := range map[string]struct {
		reason string
		change func(*kubefedv1beta1.KubeFedCluster)
		want   bool
	}{
		"Same":         {"nothing differs", func(*kubefedv1beta1.KubeFedCluster) {}, true},
		"OthersLabel":  {"a label that somebody else put there is theirs", func(c *kubefedv1beta1.KubeFedCluster) { c.Labels["x"] = "y" }, true},
		"Label":        {"a label was changed", func(c *kubefedv1beta1.KubeFedCluster) { c.Labels[v1alpha1.TenantLabel] = "y" }, false},
		"LabelGone":    {"a label was removed", func(c *kubefedv1beta1.KubeFedCluster) { delete(c.Labels, v1alpha1.CellLabel) }, false},
		"LabelStale":   {"a label that cellfed applied is not wanted any more", func(c *kubefedv1beta1.KubeFedCluster) { *c = *liveCluster(stale(desired)) }, false},
		"NeverApplied": {"it was created, and the process died", func(c *kubefedv1beta1.KubeFedCluster) { c.ManagedFields = nil }, false},
		"UID":          {"it outlived another Cell of the same name", func(c *kubefedv1beta1.KubeFedCluster) { c.Annotations = nil }, false},
		"Endpoint":     {"the endpoint was changed", func(c *kubefedv1beta1.KubeFedCluster) { c.Spec.APIEndpoint = "https://evil" }, false},
		"Bundle":       {"the bundle was changed", func(c *kubefedv1beta1.KubeFedCluster) { c.Spec.CABundle = nil }, false},
		"Secret":       {"the Secret was changed", func(c *kubefedv1beta1.KubeFedCluster) { c.Spec.SecretRef.Name = "t1" }, false},
		"Proxy":        {"a proxy was put in between", func(c *kubefedv1beta1.KubeFedCluster) { c.Spec.ProxyURL = "http://evil" }, false},
		"TLSValidations": {"checks were turned off", func(c *kubefedv1beta1.KubeFedCluster) {
			c.Spec.DisabledTLSValidations = []kubefedv1beta1.TLSValidation{"*"}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			live := liveCluster(desired)
			tc.change(live)
			if got := upToDate(live, desired); got != tc.want {
				t.Errorf("%s: upToDate() = %t, want %t", tc.reason, got, tc.want)
			}
		})
	}
}

func stale(desired *kubefedv1beta1.KubeFedCluster) *kubefedv1beta1.KubeFedCluster {
	c := desired.DeepCopy()
	c.Labels["was"] = "there"
	return c
}

func TestOwns(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		change func(*kubefedv1beta1.KubeFedCluster)
		want   bool
	}{
		"Ours":         {"what was generated", func(*kubefedv1beta1.KubeFedCluster) {}, true},
		"LabelsGone":   {"known by the UID where somebody took the labels away", func(c *kubefedv1beta1.KubeFedCluster) { c.Labels = nil }, true},
		"OlderCell":    {"known by the labels where it outlived another Cell of the name", func(c *kubefedv1beta1.KubeFedCluster) { c.Annotations = nil }, true},
		"NotGenerated": {"a cluster that carries the cell's labels without the mark of what cellfed generates", func(c *kubefedv1beta1.KubeFedCluster) { c.Annotations = nil; delete(c.Labels, v1alpha1.GeneratedLabel) }, false},
		"OtherCell":    {"one that was generated for another cell", func(c *kubefedv1beta1.KubeFedCluster) { c.Annotations = nil; c.Labels[v1alpha1.CellLabel] = "rz01a" }, false},
		"OtherSpace":   {"one that was generated for another namespace", func(c *kubefedv1beta1.KubeFedCluster) { c.Annotations = nil; c.Labels[v1alpha1.NamespaceLabel] = "x" }, false},
		"Plain":        {"one that somebody registered", func(c *kubefedv1beta1.KubeFedCluster) { c.Annotations, c.Labels = nil, nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFacts(generatedFully)
			tc.change(f.own)
			if got := owns(f.cell, f.own); got != tc.want {
				t.Errorf("%s: owns() = %t, want %t", tc.reason, got, tc.want)
			}
		})
	}
	f := newFacts(generatedFully, func(f *facts) { f.cell.UID, f.own.Labels, f.own.Annotations = "", nil, nil })
	if owns(f.cell, f.own) {
		t.Error("a Cell without a UID owns a cluster without the annotation")
	}
}
