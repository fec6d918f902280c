package render

import (
	"bytes"
	"encoding/json"
	"testing"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/cellfed/cellfed/internal/facade/mapping"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/scope"
)

var (
	configMaps  = Target{Kind: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, Namespaced: true}
	secrets     = Target{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Secret"}, Namespaced: true}
	services    = Target{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Service"}, Namespaced: true}
	accounts    = Target{Kind: schema.GroupVersionKind{Version: "v1", Kind: "ServiceAccount"}, Namespaced: true}
	claims      = Target{Kind: schema.GroupVersionKind{Version: "v1", Kind: "PersistentVolumeClaim"}, Namespaced: true}
	namespaces  = Target{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}}
	deployments = Target{Kind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, Namespaced: true}
	jobs        = Target{Kind: schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"}, Namespaced: true}
	roles       = Target{Kind: schema.GroupVersionKind{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"}}
	hooks       = Target{Kind: schema.GroupVersionKind{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingWebhookConfiguration"}}
	customs     = Target{Kind: schema.GroupVersionKind{Group: "x.io", Version: "v1", Kind: "Foo"}, Namespaced: true}

	physical = scope.Topology{Name: "hz-a", Member: "hz-a"}
	cell     = scope.Topology{Name: "acme.rz00a", Member: "hz-a",
		View: &mapping.View{Namespace: "acme", Cell: "rz00a", TargetNamespace: "acme-rz00a"}}
)

// toJSON reads YAML, where y and n are letters.
func toJSON(t testing.TB, text string) []byte {
	t.Helper()
	var parsed any
	if err := yaml.Unmarshal([]byte(text), &parsed); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(parsed)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// content reads YAML as an API server's JSON is read.
func content(t testing.TB, text string) map[string]any {
	t.Helper()
	if text == "" {
		return nil
	}
	var out map[string]any
	raw := toJSON(t, text)
	if err := utiljson.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func object(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	return &unstructured.Unstructured{Object: content(t, text)}
}

// fields reads managedFields, nil for none.
func fields(t testing.TB, text string) *fieldpath.Set {
	t.Helper()
	if text == "" {
		return nil
	}
	raw := toJSON(t, text)
	set := &fieldpath.Set{}
	if err := set.FromJSON(bytes.NewReader(raw)); err != nil {
		t.Fatal(err)
	}
	return set
}

func policy(t testing.TB, annotations, retain []string) *Policy {
	t.Helper()
	p, errs := CompilePolicy(annotations, retain)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return p
}

// fed is the federated object acme/a with a template.
func fed(t testing.TB, template string, overrides ...federated.Override) *federated.Object {
	t.Helper()
	return &federated.Object{
		Namespace: "acme", Name: "a", Template: content(t, template),
		Overrides: map[string][]federated.Override{physical.Name: overrides, cell.Name: overrides},
	}
}
