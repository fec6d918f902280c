package kubefedchart

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/cellfed/cellfed/e2e/framework"
)

// TestCRDs compares the CustomResourceDefinitions that are made from upstream's Go types with those that upstream ships:
// but for descriptions they are the same, names, versions, schemas, subresources and printer columns.
func TestCRDs(t *testing.T) {
	shipped, err := framework.ReadManifests(filepath.Join(upstream(t), "charts", "controllermanager", "crds", "crds.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	charted, err := framework.ParseManifests([]byte(helm(t, "show", "crds", chart(t))))
	if err != nil {
		t.Fatal(err)
	}
	want, got := crds(t, shipped), crds(t, charted)
	if len(want) != 7 {
		t.Errorf("upstream ships %d, want 7", len(want))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the CustomResourceDefinitions (-upstream's, +the chart's):\n%s", diff)
	}
}

// TestCRDsApart has no CustomResourceDefinition in what a release consists of, so that none is deleted with it.
func TestCRDsApart(t *testing.T) {
	for key, object := range render(t) {
		if object.GetKind() == "CustomResourceDefinition" {
			t.Errorf("%s is part of the release", key)
		}
	}
}

// crds returns the specs by name, without descriptions.
func crds(t *testing.T, objects []*unstructured.Unstructured) map[string]apiextensionsv1.CustomResourceDefinitionSpec {
	t.Helper()
	specs := map[string]apiextensionsv1.CustomResourceDefinitionSpec{}
	for _, object := range objects {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		unstructured.RemoveNestedField(object.Object, "metadata", "creationTimestamp")
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, crd, true); err != nil {
			t.Fatalf("read the CustomResourceDefinition %s: %v", object.GetName(), err)
		}
		for i := range crd.Spec.Versions {
			undescribe(crd.Spec.Versions[i].Schema.OpenAPIV3Schema)
		}
		specs[crd.Name] = crd.Spec
	}
	return specs
}

func undescribe(schema *apiextensionsv1.JSONSchemaProps) {
	if schema == nil {
		return
	}
	schema.Description = ""
	for name, property := range schema.Properties {
		undescribe(&property)
		schema.Properties[name] = property
	}
	if schema.Items != nil {
		undescribe(schema.Items.Schema)
	}
	if schema.AdditionalProperties != nil {
		undescribe(schema.AdditionalProperties.Schema)
	}
}
