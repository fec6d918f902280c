package main

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/federatedcrd"
)

func apiResource(target map[string]string) metav1.APIResource {
	return metav1.APIResource{Name: target["pluralName"], Group: target["group"], Version: target["version"], Kind: target["kind"]}
}

// TestFederatedCRDs: they are as KubeFed ships them, where it does, and cellfed can give each its second version and take it
// away again.
func TestFederatedCRDs(t *testing.T) {
	upstream := upstreamCRDs(t)
	seen := 0
	for _, f := range usual {
		got := federatedCRD(f)
		name := got["metadata"].(map[string]any)["name"].(string)
		if theirs, ok := upstream[name]; ok {
			seen++
			if diff := cmp.Diff(theirs["spec"], normal(t, got)["spec"]); diff != "" {
				t.Errorf("%s is not as KubeFed ships it, -want +got:\n%s", name, diff)
			}
		}
		plain := &apiextensionsv1.CustomResourceDefinition{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(got, plain); err != nil {
			t.Fatal(err)
		}
		upgraded, err := federatedcrd.Upgrade(plain, federatedcrd.Options{
			Owner: "kube-federation-system/x", ClientConfig: apiextensionsv1.WebhookClientConfig{URL: new("https://x/convert")},
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		back, err := federatedcrd.Downgrade(upgraded, false)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		back.Spec.Conversion = nil
		if diff := cmp.Diff(plain, back); diff != "" {
			t.Errorf("%s is not what it was, -want +got:\n%s", name, diff)
		}
	}
	if seen < 9 {
		t.Errorf("%d types were compared with KubeFed's, want 9", seen)
	}
}

// upstreamCRDs are the federated CRDs of KubeFed's own chart.
func upstreamCRDs(t *testing.T) map[string]map[string]any {
	t.Helper()
	chart, err := framework.UpstreamChart(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	objects, err := framework.ReadManifests(filepath.Join(chart, "crds", "crds.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]map[string]any{}
	for _, object := range objects {
		named[object.GetName()] = object.Object
	}
	return named
}

// normal returns the object as it is once it was written and read.
func normal(t *testing.T, object map[string]any) map[string]any {
	t.Helper()
	text, err := toYAML(object, 0)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return objects[0].Object
}
