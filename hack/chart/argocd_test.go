package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
)

// argocdCM is the ConfigMap as Argo CD's manifests have it, and a setting of the platform's.
const argocdCM = `{
	"apiVersion": "v1", "kind": "ConfigMap",
	"metadata": {"name": "argocd-cm", "namespace": "argocd", "labels": {"app.kubernetes.io/name": "argocd-cm", "app.kubernetes.io/part-of": "argocd"}},
	"data": {"url": "https://argocd.bank"}
}`

// TestArgocdShared: what the chart says of argocd-cm is in conflict with nothing that an installation of Argo CD says of it, and
// leaves what is there.
func TestArgocdShared(t *testing.T) {
	client := fake.NewClientset().CoreV1().ConfigMaps("argocd")
	apply := func(manager, manifest string) (*corev1.ConfigMap, error) {
		return client.Patch(t.Context(), "argocd-cm", types.ApplyPatchType, []byte(manifest), metav1.PatchOptions{FieldManager: manager})
	}
	if _, err := apply("argocd", argocdCM); err != nil {
		t.Fatal(err)
	}
	if _, err := apply("another", strings.ReplaceAll(argocdCM, `/name": "argocd-cm"`, `/name": "cellfed"`)); err == nil || !strings.Contains(err.Error(), "conflict") {
		t.Fatalf("another label was not in conflict: %v", err)
	}
	object := mustTemplate(t, `{commonLabels: {team: platform}, argocd: {customizations: {install: true}}}`)["ConfigMap argocd/argocd-cm"]
	if object == nil {
		t.Fatal("the chart renders no argocd-cm")
	}
	got, err := apply("helm", document(t, object))
	if err != nil {
		t.Fatalf("Helm cannot write its keys beside those of Argo CD: %v", err)
	}
	labels := map[string]string{"app.kubernetes.io/name": "argocd-cm", "app.kubernetes.io/part-of": "argocd"}
	if diff := cmp.Diff(labels, got.Labels); diff != "" {
		t.Errorf("other labels than Argo CD's own, -want +got:\n%s", diff)
	}
	if got.Data["url"] != "https://argocd.bank" || got.Data["resource.customizations"] == "" {
		t.Errorf("the ConfigMap has %q, want the platform's url, and resource.customizations", sortedKeys(got.Data))
	}
}

// shareArgocd has the real helm take its part of an argocd-cm that is there, by an installation and by an upgrade.
func shareArgocd(t *testing.T, h host) {
	h.must(t, "", "create", "namespace", "argocd")
	h.must(t, argocdCM, "apply", "--server-side", "--field-manager=argocd", "-f", "-")
	const values = `{webhooks: {enabled: false}, argocd: {customizations: {install: true}}}`
	look := func(what string) {
		t.Helper()
		got := h.must(t, "", "-n", "argocd", "get", "configmap", "argocd-cm", "-o", `jsonpath={.data.url} {.metadata.labels.app\.kubernetes\.io/name} {.data.resource\.customizations}`)
		if !strings.HasPrefix(got, "https://argocd.bank argocd-cm types.kubefed.io/*:") {
			t.Errorf("%s: argocd-cm has %.80q", what, got)
		}
	}
	h.helm(t, values, "install", "cellfed", "charts/cellfed", "--take-ownership")
	look("an installation")
	h.helm(t, "", "uninstall", "cellfed")
	look("an uninstallation")
	h.helm(t, `{webhooks: {enabled: false}}`, "install", "cellfed", "charts/cellfed")
	h.helm(t, values, "upgrade", "cellfed", "charts/cellfed", "--take-ownership")
	h.helm(t, values, "upgrade", "cellfed", "charts/cellfed")
	look("upgrades")
	h.helm(t, "", "uninstall", "cellfed")
	look("another uninstallation")
}
