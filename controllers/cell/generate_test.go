package cell

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kubefed/pkg/apis/core/common"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

func TestGenerate(t *testing.T) {
	w := start(t)
	w.federateNamespaces()
	n := w.namespace("n", map[string]string{v1alpha1.TenantLabel: "acme", v1alpha1.WorkspaceGroupLabel: "prod"})
	w.join("hz-a")
	cell := w.cell(n, "rz00a", "hz-a", n+"-rz00a", map[string]string{"city": "hangzhou", v1alpha1.TenantLabel: "evil"})
	cluster := w.generatedCluster(cell, labeled(map[string]string{
		"city":                       "hangzhou",
		"cellfed.io/tenant":          "acme",
		"cellfed.io/workspace-group": "prod",
		"cellfed.io/namespace":       n,
		"cellfed.io/cell":            "rz00a",
		"cellfed.io/cluster":         "hz-a",
		"cellfed.io/topology-type":   "cell",
		"cellfed.io/generated":       "true",
	}))
	if want := facadeURL + "/cells/" + n + "/rz00a"; cluster.Spec.APIEndpoint != want {
		t.Errorf("endpoint %q, want %q", cluster.Spec.APIEndpoint, want)
	}
	if string(cluster.Spec.CABundle) != "CA" {
		t.Errorf("CA bundle %q", cluster.Spec.CABundle)
	}
	secrets := w.secrets(cell)
	if len(secrets) != 1 || secrets[0].Name != cluster.Spec.SecretRef.Name {
		t.Fatalf("%d Secrets, KubeFedCluster names %q", len(secrets), cluster.Spec.SecretRef.Name)
	}
	if !regexp.MustCompile(`^` + regexp.QuoteMeta(cluster.Name) + `-[0-9a-f]{5,}$`).MatchString(secrets[0].Name) {
		t.Errorf("the Secret is called %q", secrets[0].Name)
	}
	if token, err := base64.RawURLEncoding.DecodeString(string(secrets[0].Data["token"])); err != nil || len(token) != 32 {
		t.Errorf("the token has %d bytes (%v)", len(token), err)
	}
	if got := secrets[0].Labels[v1alpha1.TenantLabel]; got != "acme" {
		t.Errorf("the Secret's tenant is %q", got)
	}
	w.condition(cell, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonClusterUnknown)
	w.reportReady("hz-a")
	w.condition(cell, v1alpha1.ConditionClusterReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.condition(cell, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonClusterUnknown)
	w.reportReady(cluster.Name)
	w.condition(cell, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.get(cell)
	status := cell.Status
	status.Conditions = nil
	want := v1alpha1.CellStatus{
		ObservedGeneration: cell.Generation, KubeFedClusterName: n + ".rz00a", TargetNamespace: n + "-rz00a",
		Tenant: "acme", WorkspaceGroup: "prod",
	}
	if diff := cmp.Diff(want, status); diff != "" {
		t.Errorf("status: -want, +got:\n%s", diff)
	}
	w.expectEvents(cell, "KubeFedClusterCreated", "TokenIssued", "Ready")
}

// expectEvents waits until events with these reasons are there about the Cell.
func (w *world) expectEvents(cell *v1alpha1.Cell, reasons ...string) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("events %v", reasons), func() error {
		events := &corev1.EventList{}
		if err := w.c.List(w.ctx, events, client.InNamespace(cell.Namespace)); err != nil {
			return err
		}
		var got []string
		for _, e := range events.Items {
			if e.InvolvedObject.Name == cell.Name {
				got = append(got, e.Reason)
			}
		}
		for _, reason := range reasons {
			if !slices.Contains(got, reason) {
				return fmt.Errorf("events %v", got)
			}
		}
		return nil
	})
}

// labeled checks that a KubeFedCluster has these labels and no other.
func labeled(want map[string]string) func(*kubefedv1beta1.KubeFedCluster) error {
	return func(cluster *kubefedv1beta1.KubeFedCluster) error {
		if diff := cmp.Diff(want, cluster.Labels); diff != "" {
			return fmt.Errorf("labels: -want, +got:\n%s", diff)
		}
		return nil
	}
}

func TestLabelsFollow(t *testing.T) {
	w := start(t)
	n := w.namespace("n", map[string]string{v1alpha1.TenantLabel: "acme"})
	cell := w.cell(n, "a", "hz-a", "", map[string]string{"city": "hangzhou", "zone": "1"})
	base := w.generatedCluster(cell, func(c *kubefedv1beta1.KubeFedCluster) error { return has(c.Labels, "zone", "1") }).Labels
	change := func(remove []string, add map[string]string) func(*kubefedv1beta1.KubeFedCluster) error {
		base = maps.Clone(base)
		for _, key := range remove {
			delete(base, key)
		}
		maps.Copy(base, add)
		return labeled(base)
	}

	w.update(cell, func() { cell.Labels = map[string]string{"city": "shanghai"} })
	w.generatedCluster(cell, change([]string{"zone"}, map[string]string{"city": "shanghai"}))

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n}}
	w.update(namespace, func() {
		delete(namespace.Labels, v1alpha1.TenantLabel)
		namespace.Labels[v1alpha1.WorkspaceGroupLabel] = "g"
	})
	w.generatedCluster(cell, change([]string{v1alpha1.TenantLabel}, map[string]string{v1alpha1.WorkspaceGroupLabel: "g"}))
	w.eventually("the labels of the Secret", func() error {
		for _, s := range w.secrets(cell) {
			if _, ok := s.Labels[v1alpha1.TenantLabel]; ok {
				return errors.New("it still has the tenant")
			}
			if err := has(s.Labels, v1alpha1.WorkspaceGroupLabel, "g"); err != nil {
				return err
			}
		}
		return nil
	})

	w.update(cell, func() { cell.Spec.ClusterName = "hz-b" })
	w.generatedCluster(cell, change(nil, map[string]string{v1alpha1.ClusterLabel: "hz-b"}))
	w.condition(cell, v1alpha1.ConditionClusterReady, metav1.ConditionFalse, v1alpha1.ReasonClusterNotFound)
}

func has(labels map[string]string, key, value string) error {
	if labels[key] != value {
		return fmt.Errorf("label %s is %q, not %q", key, labels[key], value)
	}
	return nil
}

func TestDrift(t *testing.T) {
	w := start(t)
	n := w.namespace("n", map[string]string{v1alpha1.TenantLabel: "acme"})
	cell := w.cell(n, "a", "hz-a", "", map[string]string{"city": "hangzhou"})
	good := w.generatedCluster(cell, func(c *kubefedv1beta1.KubeFedCluster) error { return has(c.Labels, "city", "hangzhou") }).DeepCopy()
	w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)
	for reason, tamper := range map[string]func(*kubefedv1beta1.KubeFedCluster){
		"a label changed":            func(c *kubefedv1beta1.KubeFedCluster) { c.Labels[v1alpha1.TenantLabel] = "evil" },
		"one of its own labels gone": func(c *kubefedv1beta1.KubeFedCluster) { delete(c.Labels, v1alpha1.CellLabel) },
		"every label gone":           func(c *kubefedv1beta1.KubeFedCluster) { c.Labels = nil },
		"its annotation gone":        func(c *kubefedv1beta1.KubeFedCluster) { c.Annotations = nil },
		"the endpoint changed":       func(c *kubefedv1beta1.KubeFedCluster) { c.Spec.APIEndpoint = "https://evil" },
		"the CA bundle gone":         func(c *kubefedv1beta1.KubeFedCluster) { c.Spec.CABundle = nil },
		"another Secret":             func(c *kubefedv1beta1.KubeFedCluster) { c.Spec.SecretRef.Name = "evil" },
		"a proxy":                    func(c *kubefedv1beta1.KubeFedCluster) { c.Spec.ProxyURL = "http://evil" },
		"no check of the certificate": func(c *kubefedv1beta1.KubeFedCluster) {
			c.Spec.DisabledTLSValidations = []kubefedv1beta1.TLSValidation{"*"}
		},
	} {
		t.Run(reason, func(t *testing.T) {
			cluster := good.DeepCopy()
			w.update(cluster, func() { tamper(cluster) })
			w.generatedCluster(cell, func(c *kubefedv1beta1.KubeFedCluster) error {
				if diff := cmp.Diff(good.Spec, c.Spec, cmp.Transformer("empty", func(in []kubefedv1beta1.TLSValidation) int { return len(in) })); diff != "" {
					return errors.New(diff)
				}
				return errors.Join(labeled(good.Labels)(c), has(c.Annotations, v1alpha1.CellUIDAnnotation, string(cell.UID)))
			})
		})
	}
	t.Run("deleted by hand", func(t *testing.T) {
		w.remove(good)
		w.generatedCluster(cell, func(c *kubefedv1beta1.KubeFedCluster) error {
			if c.UID == good.UID {
				return errors.New("it is not a new one")
			}
			return labeled(good.Labels)(c)
		})
	})
	t.Run("a label that somebody else added is theirs", func(t *testing.T) {
		cluster := w.generatedCluster(cell, nil)
		w.update(cluster, func() { cluster.Labels["theirs"] = "x"; cluster.Labels["city"] = "x" })
		want := maps.Clone(good.Labels)
		want["theirs"] = "x"
		w.generatedCluster(cell, labeled(want))
	})
	if secrets := w.secrets(cell); len(secrets) != 1 {
		t.Errorf("mending cost %d more tokens", len(secrets)-1)
	}
}

func TestPhysicalCluster(t *testing.T) {
	w := start(t)
	w.federateNamespaces()
	n := w.namespace("n", nil)
	cell := w.cell(n, "a", "hz-a", "", nil)
	message := w.condition(cell, v1alpha1.ConditionClusterReady, metav1.ConditionFalse, v1alpha1.ReasonClusterNotFound)
	if !strings.Contains(message, `"hz-a"`) || !strings.Contains(message, "register the cluster") {
		t.Errorf("%q does not say which cluster, or what to do", message)
	}
	generated := w.generatedCluster(cell, nil)
	w.reportReady(generated.Name)
	w.condition(cell, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonClusterNotFound)

	cluster := w.join("hz-a")
	w.condition(cell, v1alpha1.ConditionClusterReady, metav1.ConditionUnknown, v1alpha1.ReasonClusterUnknown)
	w.reportReady("hz-a")
	w.condition(cell, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)

	w.report("hz-a", common.ClusterOffline, corev1.ConditionTrue)
	w.condition(cell, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonClusterNotReady)
	w.reportReady("hz-a")
	w.condition(cell, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)

	w.report(generated.Name, common.ClusterReady, corev1.ConditionFalse)
	message = w.condition(cell, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonClusterNotReady)
	if !strings.Contains(message, generated.Name) {
		t.Errorf("%q does not say which KubeFedCluster is not ready", message)
	}
	w.condition(cell, v1alpha1.ConditionClusterReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.reportReady(generated.Name)
	w.condition(cell, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)

	// It vanishes: the cell is not ready, and all stays.
	generated = w.generatedCluster(cell, nil)
	w.remove(cluster)
	w.condition(cell, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonClusterNotFound)
	after := w.generatedCluster(cell, nil)
	if after.UID != generated.UID || after.ResourceVersion != generated.ResourceVersion || len(w.secrets(cell)) != 1 {
		t.Errorf("what was generated changed:\n%s", cmp.Diff(generated, after))
	}
	w.join("hz-a")
	w.reportReady("hz-a")
	w.condition(cell, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.expectEvents(cell, string(v1alpha1.ReasonClusterNotFound), string(v1alpha1.ReasonClusterNotReady))
}

func TestCARotation(t *testing.T) {
	w := start(t)
	n := w.namespace("n", nil)
	cells := []*v1alpha1.Cell{w.cell(n, "a", "hz-a", "a", nil), w.cell(n, "b", "hz-a", "b", nil)}
	for _, cell := range cells {
		w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)
	}
	w.bundle.set("CB")
	for _, cell := range cells {
		w.generatedCluster(cell, bundled("CB"))
	}
	// No bundle is no reason to trust everybody.
	w.bundle.set("")
	late := w.cell(n, "c", "hz-a", "c", nil)
	w.condition(late, v1alpha1.ConditionGenerated, metav1.ConditionFalse, v1alpha1.ReasonGenerating)
	w.generatedCluster(cells[0], bundled("CB"))
	if secrets := w.secrets(late); len(secrets) != 0 {
		t.Errorf("%d tokens were made without a CA bundle", len(secrets))
	}
	w.bundle.set("CC")
	for _, cell := range append(cells, late) {
		w.generatedCluster(cell, bundled("CC"))
	}
}

func bundled(pem string) func(*kubefedv1beta1.KubeFedCluster) error {
	return func(c *kubefedv1beta1.KubeFedCluster) error {
		if string(c.Spec.CABundle) != pem {
			return fmt.Errorf("the CA bundle is %q", c.Spec.CABundle)
		}
		return nil
	}
}
