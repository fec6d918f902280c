package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kubefed/pkg/apis/core/typeconfig"

	"github.com/cellfed/cellfed/e2e/framework"
)

func TestLint(t *testing.T) {
	for name, values := range map[string]string{
		"Default": "{}", "Everything": `{kubefed: {enabled: true}, metrics: {dashboards: {enabled: true}, prometheusRule: {enabled: true}}, types: {deployments: {enabled: true}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := helm(t, values, "lint", "--strict", "charts/cellfed", "--values", "-"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRefused: values that cannot be meant are refused, with a word that tells which.
func TestRefused(t *testing.T) {
	for name, tc := range map[string]struct{ reason, values, want string }{
		"Unknown":          {"A misspelled value would do nothing.", `{replica: 3}`, "'replica' not allowed"},
		"UnknownDeep":      {"At any depth.", `{metrics: {serviceMonitor: {enable: true}}}`, "'enable' not allowed"},
		"NoReplica":        {"Without a manager everything is refused.", `{replicas: 0}`, "/replicas"},
		"Leaderless":       {"Two managers that both write.", `{leaderElection: {enabled: false}}`, "leaderElection.enabled"},
		"FailurePolicy":    {"Not an API's word.", `{webhooks: {failurePolicy: fail}}`, "/webhooks/failurePolicy"},
		"Timeout":          {"More than an API server waits.", `{webhooks: {timeoutSeconds: 31}}`, "/webhooks/timeoutSeconds"},
		"Duration":         {"No unit.", `{facade: {timeout: "30"}}`, "/facade/timeout"},
		"PlainURL":         {"No TLS.", `{facade: {url: "http://x"}}`, "/facade/url"},
		"Exempt":           {"Nobody would judge policies and clusters.", `{webhooks: {exemptNamespaces: [kube-federation-system]}}`, "webhooks.exemptNamespaces"},
		"GivenNothing":     {"A mode without what it needs.", `{certificates: {mode: Given}}`, "certificates.given.secretName"},
		"GivenTwice":       {"Two CAs.", `{certificates: {mode: Given, given: {secretName: a, caSecretName: b, caConfigMapName: c}}}`, "caConfigMapName"},
		"Issuer":           {"No name.", `{certificates: {mode: CertManager, certManager: {issuerRef: {kind: Issuer}}}}`, "issuerRef"},
		"Mask":             {"Not a word of the manager's.", `{defaultPlacementMask: nothing}`, "/defaultPlacementMask"},
		"Propagator":       {"Nobody's name.", `{types: {jobs: {propagator: Helm}}}`, "/types/jobs/propagator"},
		"UnknownType":      {"Its kind cannot be guessed.", `{types: {widgets: {enabled: true}}}`, "types.widgets"},
		"StatusFields":     {"Fields without a collection of fields.", `{types: {jobs: {status: {fields: [.a]}}}}`, "/types/jobs/status"},
		"Digest":           {"Half a digest.", `{image: {digest: "sha256:01"}}`, "/image/digest"},
		"Namespace":        {"No name of a namespace.", `{global: {kubefedNamespace: a.b}}`, "kubefedNamespace"},
		"Collector":        {"No port.", `{tracing: {endpoint: otel}}`, "/tracing/endpoint"},
		"Sampling":         {"More than all.", `{tracing: {endpoint: "otel:4317", samplingRate: 10}}`, "/tracing/samplingRate"},
		"TracingCAs":       {"Two of them.", `{tracing: {endpoint: "otel:4317", caSecretName: a, caConfigMapName: b}}`, "tracing has both"},
		"TracingInsecure":  {"Nothing would check it.", `{tracing: {endpoint: "otel:4317", insecure: true, caSecretName: a}}`, "tracing.insecure"},
		"MonitorOfNothing": {"Nothing is served.", `{metrics: {enabled: false, serviceMonitor: {enabled: true}}}`, "metrics.serviceMonitor.enabled"},
		"Subchart":         {"KubeFed would not be installed, and nobody told.", `{kubefed: {enabld: true}}`, "'enabld' not allowed"},
		"SubchartOff":      {"A subchart that is off is not asked.", `{kubefed: {replica: 1}}`, "'replica' not allowed"},
		"SubchartCRDs":     {"A subchart without values.", `{federated-crds: {enabld: true}}`, "'enabld' not allowed"},
		"Ports":            {"One of the two could not listen.", `{ports: {health: 9443}}`, "ports.health and ports.webhook"},
		"PortOfProfiles":   {"On whatever address.", `{pprof: {bindAddress: "127.0.0.1:8081"}}`, "pprof.bindAddress"},
		"Undrainable":      {"Nodes could not be drained.", `{podDisruptionBudget: {minAvailable: 2}}`, "podDisruptionBudget.minAvailable is 2"},
		"UndrainableShare": {"A share is rounded up.", `{podDisruptionBudget: {minAvailable: 60%}}`, "set replicas to 3"},
		"CommonLabel":      {"Said twice.", `{commonLabels: {app.kubernetes.io/instance: x}}`, "commonLabels has the key app.kubernetes.io/instance"},
		"AggregatingLabel": {"It would give people the manager's rights.", `{commonLabels: {rbac.authorization.k8s.io/aggregate-to-view: "true"}}`, "commonLabels has the key rbac"},
		"MonitorLabel":     {"Said twice.", `{metrics: {serviceMonitor: {labels: {helm.sh/chart: x}}}}`, "metrics.serviceMonitor.labels has the key helm.sh/chart"},
		"PodLabel":         {"Services select by it.", `{podLabels: {app.kubernetes.io/name: x}}`, "podLabels has the key"},
		"PodAnnotation":    {"Said twice.", `{podAnnotations: {kubectl.kubernetes.io/default-container: x}}`, "podAnnotations has the key"},
		"LabelValue":       {"No label's value.", `{commonLabels: {owner: "team platform"}}`, "/commonLabels/owner"},
		"LabelKey":         {"No label's key.", `{podLabels: {"a b": x}}`, "propertyName 'a b'"},
		"Verbosity":        {"It would log nothing.", `{logging: {level: 128}}`, "/logging/level"},
		"Lifetimes":        {"A CA ends after what it issued.", `{certificates: {selfManaged: {authorityLifetime: 1h}}}`, "certificates.selfManaged.lifetime, which is 2160h"},
		"ZeroTime":         {"The manager would not start.", `{members: {timeout: 0s}}`, "/members/timeout"},
		"MonitorAway":      {"It could not read the CA.", `{metrics: {serviceMonitor: {enabled: true, namespace: monitoring}}}`, "metrics.serviceMonitor.namespace"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := helmTemplate(t, framework.KubeFedNamespace, tc.values); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s\ngot error %v, want one that says %q", tc.reason, err, tc.want)
			}
		})
	}
}

// TestNotes: what would not work is said once it is installed.
func TestNotes(t *testing.T) {
	const untrusted = "tracing.caSecretName"
	for name, tc := range map[string]struct {
		reason, values, word string
		want                 bool
	}{
		"Default":    {"There is nothing to say.", `{}`, untrusted, false},
		"NoCA":       {"The image has no CAs.", `{tracing: {endpoint: "otel:4317"}}`, untrusted, true},
		"CA":         {"It is given.", `{tracing: {endpoint: "otel:4317", caConfigMapName: otel}}`, untrusted, false},
		"Insecure":   {"Nothing is checked.", `{tracing: {endpoint: "otel:4317", insecure: true}}`, untrusted, false},
		"NoWebhooks": {"Nobody judges.", `{webhooks: {enabled: false}}`, "webhooks.enabled is false", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := helm(t, tc.values, "install", "cellfed", "charts/cellfed", "--dry-run=client", "--values", "-")
			if err != nil {
				t.Fatal(err)
			}
			_, notes, _ := strings.Cut(out, "\nNOTES:\n")
			if !strings.Contains(notes, "Wait until it answers") || strings.Contains(notes, tc.word) != tc.want {
				t.Errorf("%s\nthe notes contain %q: want %v\n%s", tc.reason, tc.word, tc.want, notes)
			}
		})
	}
}

// TestComments: every value, or the one that it is part of, is explained.
func TestComments(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(chartDir, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	values, unexplained := readValues(string(data))
	for _, path := range unexplained {
		t.Errorf("values.yaml: %s has no comment that begins with # --", path)
	}
	for _, v := range values {
		if !strings.HasSuffix(v.comment, ".") {
			t.Errorf("values.yaml: the comment on %s is no sentence: %q", v.path, v.comment)
		}
	}
	if len(values) < 100 {
		t.Errorf("%d values were found, which cannot be all", len(values))
	}
}

// TestKept: an uninstallation deletes nothing that members depend on.
func TestKept(t *testing.T) {
	objects := mustTemplate(t, snapshots["TypesAll"].values, "--set", "federated-crds.enabled=true", "--include-crds")
	kept := 0
	for key, object := range objects {
		switch object.GetKind() {
		case "CustomResourceDefinition", "FederatedTypeConfig", "FederatedTypePolicy":
			kept++
			if object.GetAnnotations()["helm.sh/resource-policy"] != "keep" {
				t.Errorf("%s goes with the release", key)
			}
			if !strings.Contains(object.GetAnnotations()["argocd.argoproj.io/sync-options"], "Prune=false,Delete=false") {
				t.Errorf("%s goes with Argo CD's Application", key)
			}
		case "Namespace", "KubeFedCluster", "Cell", "Secret":
			t.Errorf("%s is the release's, and goes with it", key)
		}
	}
	if want := 2 + 3*len(usual); kept != want {
		t.Errorf("%d objects are kept, want %d", kept, want)
	}
	if without := mustTemplate(t, "{}", "--include-crds"); len(without) == 0 || without["CustomResourceDefinition federatedjobs.types.kubefed.io"] != nil {
		t.Error("federated CRDs are installed unasked")
	}
}

// TestTypeConfigs: the names are those that KubeFed's tools give.
func TestTypeConfigs(t *testing.T) {
	objects := mustTemplate(t, snapshots["TypesAll"].values)
	for _, f := range usual {
		config := objects["FederatedTypeConfig "+framework.KubeFedNamespace+"/"+f.configName()]
		if config == nil {
			t.Errorf("there is no FederatedTypeConfig %s", f.configName())
			continue
		}
		target, _, err := unstructured.NestedStringMap(config.Object, "spec", "targetType")
		if err != nil {
			t.Fatal(err)
		}
		resource := apiResource(target)
		if name := typeconfig.GroupQualifiedName(resource); name != config.GetName() {
			t.Errorf("the FederatedTypeConfig %s is of %s", config.GetName(), name)
		}
		scope, _, _ := unstructured.NestedString(config.Object, "spec", "federatedType", "scope")
		if scope != string(f.scope()) {
			t.Errorf("the federated kind of %s is %s, want %s", config.GetName(), scope, f.scope())
		}
	}
}
