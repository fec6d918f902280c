package main

import (
	"encoding/json"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/e2e/framework"
)

// host is an API server with KubeFed's namespace, which takes no pod that is not restricted.
type host struct {
	*framework.Kubectl
	kubeconfig string
}

func startHost(t *testing.T) host {
	t.Helper()
	cluster := framework.RunCluster(t, framework.Options{})
	if err := cluster.CreateNamespace(t.Context(), framework.KubeFedNamespace, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}); err != nil {
		t.Fatal(err)
	}
	kubectl, err := cluster.Kubectl()
	if err != nil {
		t.Fatal(err)
	}
	return host{kubectl, cluster.Kubeconfig}
}

func (h host) must(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := h.Must(t.Context(), stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func (h host) helm(t *testing.T, values string, args ...string) string {
	t.Helper()
	args = append(args, "--kubeconfig", h.kubeconfig, "--namespace", framework.KubeFedNamespace)
	if values != "" {
		args = append(args, "--values", "-")
	}
	out, err := helm(t, values, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// conflicts runs helm, which must refuse to write what is another's.
func (h host) conflicts(t *testing.T, args ...string) {
	t.Helper()
	args = append(args, "--kubeconfig", h.kubeconfig, "--namespace", framework.KubeFedNamespace)
	if _, err := helm(t, "", args...); err == nil || !strings.Contains(err.Error(), "conflict") {
		t.Errorf("helm %s: got error %v, want a conflict", args[0], err)
	}
}

// config returns spec.propagation of the FederatedTypeConfig of Deployments, and its resourceVersion.
func (h host) config(t *testing.T) (propagation, version string) {
	t.Helper()
	out := h.must(t, "", "-n", framework.KubeFedNamespace, "get", "federatedtypeconfig", "deployments.apps", "-o", "jsonpath={.spec.propagation} {.metadata.resourceVersion}")
	propagation, version, _ = strings.Cut(out, " ")
	return propagation, version
}

// TestServer has an API server look at all that the chart renders, and the real helm take a release through its life. No
// manager runs: what it does is done in its place.
func TestServer(t *testing.T) {
	h := startHost(t)
	// KubeFed's own kinds are there before cellfed is.
	for key, object := range mustTemplate(t, `{kubefed: {enabled: true}}`, "--include-crds") {
		if strings.HasPrefix(key, "CustomResourceDefinition") && strings.HasSuffix(object.GetName(), "core.kubefed.io") {
			h.must(t, document(t, object), "create", "-f", "-")
		}
	}
	h.must(t, "", "wait", "--for=condition=Established", "crd", "--all", "--timeout=1m")
	lifecycle(t, h)
	t.Run("Argocd", func(t *testing.T) { shareArgocd(t, h) })
	t.Run("Accepted", func(t *testing.T) {
		for _, name := range []string{"TypesAll", "CertificatesGivenSecrets", "Webhooks", "WebhooksURL", "NetworkPolicy", "HostNetwork"} {
			var all []string
			for _, object := range mustTemplate(t, snapshots[name].values) {
				all = append(all, document(t, object))
			}
			out, err := h.Run(t.Context(), strings.Join(all, "---\n"), "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-")
			if err != nil || out.Code != 0 {
				t.Errorf("%s: %v %v", name, err, out)
			}
		}
	})
	t.Run("Restricted", func(t *testing.T) {
		h.must(t, "", "-n", framework.KubeFedNamespace, "create", "serviceaccount", "cellfed-manager")
		for _, name := range []string{"", "CertificatesGivenSecrets"} {
			deployment := mustTemplate(t, snapshots[name].values)["Deployment kube-federation-system/cellfed-manager"]
			template, _, err := unstructured.NestedMap(deployment.Object, "spec", "template")
			if err != nil {
				t.Fatal(err)
			}
			pod := &unstructured.Unstructured{Object: template}
			pod.SetAPIVersion("v1")
			pod.SetKind("Pod")
			pod.SetName("manager")
			pod.SetNamespace(framework.KubeFedNamespace)
			h.must(t, document(t, pod), "create", "--dry-run=server", "-f", "-")
			// The namespace does refuse.
			if err := unstructured.SetNestedField(pod.Object, true, "spec", "hostNetwork"); err != nil {
				t.Fatal(err)
			}
			if out, err := h.Run(t.Context(), document(t, pod), "create", "--dry-run=server", "-f", "-"); err != nil || out.Code == 0 || !strings.Contains(out.Stderr, "restricted") {
				t.Errorf("a pod in the node's network was not refused: %v %v", err, out)
			}
		}
	})
}

func lifecycle(t *testing.T, h host) {
	const values = `{webhooks: {enabled: false}, types: {deployments: {enabled: true}}}`
	h.helm(t, values, "install", "cellfed", "charts/cellfed", "--set", "federated-crds.enabled=true")
	if out := h.must(t, "", "-n", framework.KubeFedNamespace, "get", "federatedtypeconfigs,federatedtypepolicies", "-o", "name"); out != "" {
		t.Fatalf("the installation made %s, before there is a manager", out)
	}
	upgraded := h.helm(t, values, "upgrade", "cellfed", "charts/cellfed")
	if strings.Contains(upgraded, "NOT YET APPLIED") || strings.Contains(upgraded, "Without a CustomResourceDefinition") {
		t.Errorf("the notes of an upgrade say what does not hold any more:\n%s", upgraded)
	}
	if got, _ := h.config(t); got != "Enabled" {
		t.Fatalf("spec.propagation is %q, want Enabled", got)
	}

	// The manager hands the type over, and gives the CRD its second version.
	config := []string{"-n", framework.KubeFedNamespace, "patch", "--field-manager=cellfed", "--type=merge", "federatedtypeconfig", "deployments.apps", "-p", `{"spec":{"propagation":"Disabled"}}`}
	h.must(t, "", config...)
	const crd = "federateddeployments.types.kubefed.io"
	h.must(t, "", "patch", "--field-manager=manager", "--type=json", "crd", crd, "-p",
		`[{"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/placementMask","value":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}]`)
	crdVersion := h.must(t, "", "get", "crd", crd, "-o", "jsonpath={.metadata.resourceVersion}")
	_, before := h.config(t)
	quiet := func(what string) {
		t.Helper()
		if got, version := h.config(t); got != "Disabled" || version != before {
			t.Errorf("%s: spec.propagation is %q, want Disabled, and the resource version %s, want %s", what, got, version, before)
		}
		if got := h.must(t, "", "get", "crd", crd, "-o", "jsonpath={.metadata.resourceVersion}"); got != crdVersion {
			t.Errorf("%s wrote the CRD that is cellfed's to change", what)
		}
	}
	h.helm(t, values, "upgrade", "cellfed", "charts/cellfed")
	_, before = h.config(t) // Helm owns the field too from now on.
	quiet("an upgrade")
	h.helm(t, values, "upgrade", "cellfed", "charts/cellfed", "--set", "replicas=3")
	quiet("another upgrade")
	h.helm(t, "", "rollback", "cellfed", "3")
	quiet("a rollback")
	h.conflicts(t, "rollback", "cellfed", "2")
	quiet("a rollback to before the hand-over")
	h.helm(t, "", "rollback", "cellfed", "1")
	quiet("a rollback to before the type")
	h.helm(t, "", "uninstall", "cellfed")
	quiet("an uninstallation")
	for _, name := range []string{"cells.cellfed.io", "federatedtypepolicies.cellfed.io"} {
		h.must(t, "", "get", "crd", name)
	}
	h.conflicts(t, "install", "cellfed", "charts/cellfed", "--set", "federated-crds.enabled=true")
	quiet("a reinstallation with federated CRDs")
	h.helm(t, values, "install", "cellfed", "charts/cellfed")
	quiet("a reinstallation")
	h.helm(t, values, "upgrade", "cellfed", "charts/cellfed")
	quiet("an upgrade after it")
	h.helm(t, "", "uninstall", "cellfed")
}

func document(t *testing.T, object *unstructured.Unstructured) string {
	t.Helper()
	data, err := json.Marshal(object.Object)
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.JSONToYAML(data)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
