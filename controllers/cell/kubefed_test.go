package cell

import (
	"encoding/json"
	"fmt"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"
)

// federate adds a federated type as kubefedctl enable does: CRD, with the fields that cellfed adds or without, and
// FederatedTypeConfig.
func (w *world) federate(plural, kind string, scope string, extended bool) *kubefedv1beta1.FederatedTypeConfig {
	w.t.Helper()
	w.createCRD(plural, kind, extended)
	return w.createConfig(plural, kind, scope)
}

func (w *world) createCRD(plural, kind string, extended bool) {
	w.t.Helper()
	name := "federated" + plural + ".types.kubefed.io"
	if err := host.Apply(w.ctx, federatedCRD(plural, kind, extended)); err != nil {
		w.t.Fatal(err)
	}
	if err := waitEstablished(w.ctx, name); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) createConfig(plural, kind, scope string) *kubefedv1beta1.FederatedTypeConfig {
	w.t.Helper()
	config := &kubefedv1beta1.FederatedTypeConfig{
		ObjectMeta: metav1.ObjectMeta{Namespace: kubefed, Name: plural},
		Spec: kubefedv1beta1.FederatedTypeConfigSpec{
			Propagation: kubefedv1beta1.PropagationEnabled,
			TargetType:  kubefedv1beta1.APIResource{Version: "v1", Kind: kind, PluralName: plural, Scope: apiextensionsv1.ResourceScope(scope)},
			FederatedType: kubefedv1beta1.APIResource{
				Group: "types.kubefed.io", Version: "v1beta1", Kind: "Federated" + kind, PluralName: "federated" + plural, Scope: "Namespaced",
			},
		},
	}
	w.create(config)
	return config
}

// federateNamespaces federates Namespaces.
func (w *world) federateNamespaces() {
	w.t.Helper()
	w.federate("namespaces", "Namespace", "Cluster", true)
}

func federatedCRD(plural, kind string, extended bool) *unstructured.Unstructured {
	spec := `{"type":"object","properties":{
  "template":{"type":"object","x-kubernetes-preserve-unknown-fields":true},
  "placement":{"type":"object","properties":{
    "clusters":{"type":"array","items":{"type":"object","required":["name"],"properties":{"name":{"type":"string"}}}},
    "clusterSelector":{"type":"object","properties":{
      "matchLabels":{"type":"object","additionalProperties":{"type":"string"}},
      "matchExpressions":{"type":"array","items":{"type":"object","required":["key","operator"],"properties":{
        "key":{"type":"string"},"operator":{"type":"string"},"values":{"type":"array","items":{"type":"string"}}}}}}}}}`
	if extended {
		spec += `,"topologyType":{"type":"string"}`
	}
	spec += `}}`
	status := `{"type":"object","properties":{"observedGeneration":{"type":"integer","format":"int64"},
  "clusters":{"type":"array","items":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"status":{"type":"string"}}}}}}`
	content := fmt.Sprintf(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
 "metadata":{"name":"federated%[1]s.types.kubefed.io"},
 "spec":{"group":"types.kubefed.io","scope":"Namespaced",
  "names":{"plural":"federated%[1]s","singular":"federated%[2]s","kind":"Federated%[3]s","listKind":"Federated%[3]sList"},
  "versions":[{"name":"v1beta1","served":true,"storage":true,"subresources":{"status":{}},
   "schema":{"openAPIV3Schema":{"type":"object","required":["spec"],"properties":{
    "apiVersion":{"type":"string"},"kind":{"type":"string"},"metadata":{"type":"object"},"spec":%[4]s,"status":%[5]s}}}}]}}`,
		plural, strings.ToLower(kind), kind, spec, status)
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal([]byte(content), &object.Object); err != nil {
		panic(err)
	}
	return object
}

// federatedObject returns a federated object with that spec, in JSON.
func federatedObject(kind, namespace, name, spec string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal([]byte(`{"spec":`+spec+`}`), &object.Object); err != nil {
		panic(err)
	}
	object.SetAPIVersion("types.kubefed.io/v1beta1")
	object.SetKind(kind)
	object.SetNamespace(namespace)
	object.SetName(name)
	return object
}

// propagate has upstream report that the object is in the clusters, as it does when it has done its work.
func (w *world) propagate(object *unstructured.Unstructured, clusters ...string) {
	w.t.Helper()
	w.get(object)
	items := make([]any, len(clusters))
	for i, cluster := range clusters {
		items[i] = map[string]any{"name": cluster}
	}
	object.Object["status"] = map[string]any{"observedGeneration": object.GetGeneration(), "clusters": items}
	if err := w.c.Status().Update(w.ctx, object); err != nil {
		w.t.Fatalf("report on %s: %v", object.GetName(), err)
	}
}
