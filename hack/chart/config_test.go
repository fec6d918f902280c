package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/cellfed/cellfed/internal/options"
)

// TestAsConfig: what the chart renders with no values is what config/ applies.
func TestAsConfig(t *testing.T) {
	for config, values := range map[string]string{
		"config/default":             "{}",
		"config/default-certmanager": "{certificates: {mode: CertManager}}",
	} {
		t.Run(config, func(t *testing.T) {
			want, got := kustomize(t, config), mustTemplate(t, values)
			if diff := cmp.Diff(sortedKeys(want), sortedKeys(got)); diff != "" {
				t.Errorf("other objects than %s has, -want +got:\n%s", config, diff)
			}
			for key, object := range want {
				if got[key] == nil {
					continue
				}
				comparable(t, object)
				comparable(t, got[key])
				if diff := cmp.Diff(object.Object, got[key].Object); diff != "" {
					t.Errorf("%s is not as in %s, -want +got:\n%s", key, config, diff)
				}
			}
		})
	}
}

// comparable takes away what may differ: whose an object is, and how it is said.
func comparable(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	labels := object.GetLabels()
	for _, label := range []string{
		"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "app.kubernetes.io/version",
		"app.kubernetes.io/component", "helm.sh/chart",
	} {
		delete(labels, label)
	}
	object.SetLabels(labels)
	annotations := object.GetAnnotations()
	delete(annotations, "helm.sh/resource-policy")
	delete(annotations, "argocd.argoproj.io/sync-options")
	object.SetAnnotations(annotations)
	if object.Object["aggregationRule"] != nil {
		delete(object.Object, "rules") // They are the aggregation controller's, and the chart leaves them out.
	}
	if object.GetKind() != "Deployment" {
		return
	}
	container := managerContainer(t, object)
	args, _, err := unstructured.NestedStringSlice(container, "args")
	if err != nil {
		t.Fatal(err)
	}
	parsed := parseFlags(t, args)
	// The chart gives what config/ leaves to the manager.
	if parsed.LeaderElectionNamespace == "" {
		parsed.LeaderElectionNamespace = parsed.KubeFedNamespace
	}
	container["args"] = parsed
	if container["imagePullPolicy"] == "IfNotPresent" { // What an API server gives an image with a tag.
		delete(container, "imagePullPolicy")
	}
}

func managerContainer(t *testing.T, deployment *unstructured.Unstructured) map[string]any {
	t.Helper()
	containers, ok, err := unstructured.NestedFieldNoCopy(deployment.Object, "spec", "template", "spec", "containers")
	if err != nil || !ok {
		t.Fatalf("no containers: %v", err)
	}
	return containers.([]any)[0].(map[string]any)
}

// parseFlags returns the options that the manager makes of its arguments.
func parseFlags(t *testing.T, args []string) options.Options {
	t.Helper()
	parsed := options.Default()
	fs := pflag.NewFlagSet("manager", pflag.ContinueOnError)
	parsed.AddFlags(fs)
	for _, arg := range args {
		if strings.HasPrefix(arg, "--zap-") { // These are not options'.
			continue
		}
		if err := fs.Parse([]string{arg}); err != nil {
			t.Fatalf("%s: %v", arg, err)
		}
	}
	return parsed
}

// TestEveryFlagHasAValue: whoever installs the chart can give each flag of the manager.
func TestEveryFlagHasAValue(t *testing.T) {
	given := map[string]bool{}
	for _, values := range []string{
		"{}", `{certificates: {mode: CertManager}}`,
		`{webhooks: {url: "https://cellfed.bank"}, pprof: {bindAddress: ":6060"}, tracing: {endpoint: "otel.monitoring:4317", caSecretName: otel}}`,
	} {
		args, _, err := unstructured.NestedStringSlice(managerContainer(t, mustTemplate(t, values)["Deployment kube-federation-system/cellfed-manager"]), "args")
		if err != nil {
			t.Fatal(err)
		}
		for _, arg := range args {
			name, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
			given[name] = true
		}
	}
	all := options.Default()
	fs := pflag.NewFlagSet("manager", pflag.ContinueOnError)
	all.AddFlags(fs)
	fs.VisitAll(func(f *pflag.Flag) {
		// This one is for a Job, or for whoever removes cellfed.
		if !given[f.Name] && f.Name != "remove-v2beta1" {
			t.Errorf("no value of the chart gives --%s", f.Name)
		}
	})
}

// TestOtherNamespaces: the manager, and what it must reach, in namespaces of their own.
func TestOtherNamespaces(t *testing.T) {
	objects, err := helmTemplate(t, "cellfed", `{global: {kubefedNamespace: federation}}`)
	if err != nil {
		t.Fatal(err)
	}
	named := byName(t, objects)
	for _, key := range []string{
		"Deployment cellfed/cellfed-manager", "Service cellfed/cellfed-webhook", "Role cellfed/cellfed-leader-election",
		"RoleBinding cellfed/cellfed-leader-election", "Role federation/cellfed-manager", "RoleBinding federation/cellfed-manager",
	} {
		if named[key] == nil {
			t.Errorf("there is no %s", key)
		}
	}
	for key, object := range named {
		subjects, _, err := unstructured.NestedSlice(object.Object, "subjects")
		if err != nil {
			t.Fatal(err)
		}
		for _, subject := range subjects {
			if namespace := subject.(map[string]any)["namespace"]; namespace != "cellfed" {
				t.Errorf("%s is for a service account in %v, want cellfed", key, namespace)
			}
		}
	}
	args, _, err := unstructured.NestedStringSlice(managerContainer(t, named["Deployment cellfed/cellfed-manager"]), "args")
	if err != nil {
		t.Fatal(err)
	}
	got := parseFlags(t, args)
	want := options.Default()
	want.KubeFedNamespace, want.LeaderElectionNamespace, want.LeaderElect = "federation", "cellfed", true
	want.WebhookService, want.FacadeURL = "cellfed/cellfed-webhook", "https://cellfed-facade.cellfed.svc:9444"
	want.Certificates.Names = []string{"cellfed-metrics.cellfed.svc"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the manager's options, -want +got:\n%s", diff)
	}
}
