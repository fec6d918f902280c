package validating

import (
	"fmt"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/inventory/inventorytest"
)

// deployment is a federated Deployment of 4 KiB for four cells, with an override for each. Its image has the tag.
func deployment(tag string) string {
	var env, placed, overrides strings.Builder
	for i := range 38 {
		fmt.Fprintf(&env, `{name: SETTING_%02d, value: "%s"},`, i, strings.Repeat("v", 50))
	}
	for i := range 4 {
		fmt.Fprintf(&placed, `{name: r%d},`, i)
		fmt.Fprintf(&overrides, `{topologyName: r%d, topologyOverrides: [{op: replace, path: /spec/replicas, value: %d}]},`, i, i)
	}
	return fmt.Sprintf(`{apiVersion: types.kubefed.io/v2beta1, kind: FederatedDeployment, metadata: {namespace: acme, name: pay, labels: {app: pay}}, spec: {
  topologyType: cell, placement: {topologies: [%s]}, placementMask: {topologies: [{name: r0}]},
  template: {apiVersion: apps/v1, kind: Deployment, metadata: {labels: {app: pay}}, spec: {replicas: 2, selector: {matchLabels: {app: pay}},
    template: {metadata: {labels: {app: pay}}, spec: {containers: [{name: pay, image: "registry.example.com/pay:%s", env: [%s]}]}}}},
  overrides: [%s]}}`, placed.String(), tag, env.String(), overrides.String())
}

// BenchmarkValidateFederated decides about a change of a federated Deployment in a namespace with 20 cells, beside 980 in
// others, as the webhook does with a request that was read.
func BenchmarkValidateFederated(b *testing.B) {
	deployments := config(fedv1b1.PropagationDisabled)
	deployments.Name = "deployments.apps"
	deployments.Spec.TargetType = fedv1b1.APIResource{Group: "apps", Version: "v1", Kind: "Deployment", PluralName: "deployments", Scope: apiextensionsv1.NamespaceScoped}
	deployments.Spec.FederatedType.Kind, deployments.Spec.FederatedType.PluralName = "FederatedDeployment", "federateddeployments"
	p := policy(v1alpha1.PropagatorCellfed, v1alpha1.PropagatorCellfed)
	p.Name = deployments.Name
	objects := []client.Object{deployments, p, namespace("acme", "acme"), cluster("hz", "acme")}
	for n := range 50 {
		for i := range 20 {
			c := cell("acme", fmt.Sprintf("r%d", i), "hz", "")
			if n > 0 {
				c.Namespace = fmt.Sprintf("n%02d", n)
			}
			c.Spec.TargetNamespace = fmt.Sprintf("%s-%s", c.Namespace, c.Name)
			stands := cluster(c.Namespace+"."+c.Name, "acme")
			for key, value := range map[string]string{
				v1alpha1.GeneratedLabel: "true", v1alpha1.TopologyTypeLabel: "cell", v1alpha1.NamespaceLabel: c.Namespace, v1alpha1.CellLabel: c.Name, v1alpha1.ClusterLabel: "hz",
			} {
				stands.Labels[key] = value
			}
			objects = append(objects, c, stands)
		}
	}
	f := inventorytest.New(b, objects...)
	h := &handlers{Options{Inventory: f.Inventory}}
	request := admission.Request{AdmissionRequest: write(b, deployment("1.1"), deployment("1.0"))}
	if size := len(request.Object.Raw); size < 3800 || size > 4400 {
		b.Fatalf("the object has %d bytes", size)
	}
	handle := answering(h.federated)
	if answer := handle(b.Context(), request); !answer.Allowed || len(answer.Warnings) > 0 {
		b.Fatalf("the answer is %+v", answer.AdmissionResponse)
	}
	b.Run("Whole", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			handle(b.Context(), request)
		}
	})
	b.Run("Lookups", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.facts(b.Context(), request); err != nil {
				b.Fatal(err)
			}
		}
	})
}
