package kubefedchart

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/e2e/framework"
)

// TestRelease installs, upgrades, rolls back, uninstalls and installs the chart again. The KubeFedConfig follows the values; the
// CustomResourceDefinitions, and what was registered, are there throughout. The pods are let into a namespace that enforces
// the restricted Pod Security Standard.
func TestRelease(t *testing.T) {
	host := framework.RunCluster(t, framework.Options{Controllers: framework.HostControllers})
	restricted := map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
	if err := host.CreateNamespace(t.Context(), namespace, restricted); err != nil {
		t.Fatal(err)
	}
	at := []string{"--kubeconfig", host.Kubeconfig, "--namespace", namespace}
	run := func(args ...string) { t.Helper(); helm(t, append(args, at...)...) }
	disabled := "config.syncController.adoptResources=Disabled"

	taken := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "kubefed-controller"}}
	create(t, host, taken)
	if _, err := newHelm(t).Run(t.Context(), "", append([]string{"install", release, chart(t)}, at...)...); err == nil || !strings.Contains(err.Error(), taken.Name) {
		t.Fatalf("an install into a host that has a KubeFed: %v, want a refusal that names %s", err, taken.Name)
	}
	if err := host.Client.Delete(t.Context(), taken); err != nil {
		t.Fatal(err)
	}

	install(t, host)
	configured(t, host, kubefedv1beta1.AdoptResourcesEnabled)
	admitted(t, host)
	create(t, host, &kubefedv1beta1.KubeFedCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "member"},
		Spec: kubefedv1beta1.KubeFedClusterSpec{
			APIEndpoint: "https://192.0.2.1", SecretRef: kubefedv1beta1.LocalSecretReference{Name: "member"},
		},
	})

	run("upgrade", release, chart(t), "--set", disabled)
	configured(t, host, kubefedv1beta1.AdoptResourcesDisabled)
	run("upgrade", release, chart(t), "--reset-values")
	configured(t, host, kubefedv1beta1.AdoptResourcesEnabled)
	run("rollback", release, "2")
	configured(t, host, kubefedv1beta1.AdoptResourcesDisabled)
	run("rollback", release, "1")
	configured(t, host, kubefedv1beta1.AdoptResourcesEnabled)
	run("upgrade", release, chart(t), "--set", disabled)
	configured(t, host, kubefedv1beta1.AdoptResourcesDisabled)

	run("uninstall", release)
	kept(t, host)
	if err := host.Client.Get(t.Context(), client.ObjectKey{Name: "kubefed-controller"}, &rbacv1.ClusterRole{}); !apierrors.IsNotFound(err) {
		t.Errorf("the rights after the uninstall: %v, want none", err)
	}
	install(t, host)
	configured(t, host, kubefedv1beta1.AdoptResourcesEnabled)
	kept(t, host)
}

// configured says that the KubeFedConfig is as the values say.
func configured(t *testing.T, host *framework.Cluster, adopt kubefedv1beta1.ResourceAdoption) {
	t.Helper()
	config := &kubefedv1beta1.KubeFedConfig{}
	get(t, host, config, namespace, "kubefed")
	if got := *config.Spec.SyncController.AdoptResources; got != adopt {
		t.Errorf("the KubeFedConfig says adoptResources: %s, want %s", got, adopt)
	}
}

// admitted creates a pod of the Deployment's, without its creation being stored.
func admitted(t *testing.T, host *framework.Cluster) {
	t.Helper()
	deployment := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment"}}
	get(t, host, deployment, namespace, "kubefed-controller-manager")
	template, _, err := unstructured.NestedMap(deployment.Object, "spec", "template")
	if err != nil {
		t.Fatal(err)
	}
	template["apiVersion"], template["kind"] = "v1", "Pod"
	pod := &unstructured.Unstructured{Object: template}
	pod.SetNamespace(namespace)
	pod.SetName("kubefed-controller-manager")
	if err := host.Client.Create(t.Context(), pod, client.DryRunAll); err != nil {
		t.Errorf("create a pod of the Deployment: %v", err)
	}
}

// kept says that what must outlive a release is there.
func kept(t *testing.T, host *framework.Cluster) {
	t.Helper()
	list := &apiextensionsv1.CustomResourceDefinitionList{}
	if err := host.Client.List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for i := range list.Items {
		got = append(got, "CustomResourceDefinition/"+list.Items[i].Name)
	}
	for key := range parse(t, helm(t, "show", "crds", chart(t))) {
		want = append(want, key)
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))); diff != "" {
		t.Errorf("the CustomResourceDefinitions (-want, +got):\n%s", diff)
	}
	get(t, host, &kubefedv1beta1.KubeFedCluster{}, namespace, "member")
	namespaceOf := &corev1.Namespace{}
	get(t, host, namespaceOf, "", namespace)
	if namespaceOf.DeletionTimestamp != nil {
		t.Errorf("the namespace %s is being deleted", namespace)
	}
}

// TestLint lints the chart by itself, strictly, with its values as they are and with every switch turned.
func TestLint(t *testing.T) {
	turned := "networkPolicy.enabled=true,service.enabled=false,replicas=1," +
		"featureGates.PushReconciler=false,featureGates.SchedulerPreferences=false,featureGates.RawResourceStatusCollection=true"
	helm(t, "lint", "--strict", chart(t))
	helm(t, "lint", "--strict", chart(t), "--set", turned)
	if len(slices.Collect(maps.Keys(render(t, "--set", turned)))) == 0 {
		t.Error("nothing is rendered")
	}
}
