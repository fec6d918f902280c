package validation

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/facade/mapping"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/render"
	"github.com/cellfed/cellfed/internal/scope"
)

const (
	v1 = federated.APIVersionV1Beta1
	v2 = federated.APIVersionV2Beta1
)

func deployments(propagator v1alpha1.Propagator) *Type {
	policy, _ := render.CompilePolicy([]string{"example.com/*"}, nil)
	return &Type{
		Name:       "deployments.apps",
		Target:     render.Target{Kind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, Namespaced: true},
		Namespaced: true, Propagator: propagator, Annotations: policy,
	}
}

func namespaces(propagator v1alpha1.Propagator) *Type {
	return &Type{
		Name: "namespaces", Target: render.Target{Kind: schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}},
		Namespaced: true, Propagator: propagator,
	}
}

func clusterRoles() *Type {
	return &Type{
		Name:       "clusterroles.rbac.authorization.k8s.io",
		Target:     render.Target{Kind: schema.GroupVersionKind{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"}},
		Propagator: v1alpha1.PropagatorCellfed,
	}
}

func ownedBy(tenant, group string) map[string]string {
	return map[string]string{v1alpha1.TenantLabel: tenant, v1alpha1.WorkspaceGroupLabel: group}
}

// world is clusters of the tenant acme, of another tenant, shared and of nobody, one of them called like a cell; and the cells of the
// namespace acme-prod.
func world() []scope.Topology {
	cluster := func(name string, labels map[string]string) scope.Topology {
		return scope.Topology{Name: name, Labels: labels, Member: name, MemberLabels: labels}
	}
	cell := func(name, member string, owner map[string]string) scope.Topology {
		labels := map[string]string{v1alpha1.TopologyTypeLabel: "cell", v1alpha1.GeneratedLabel: "true", v1alpha1.NamespaceLabel: "acme-prod", "city": "hangzhou"}
		for key, value := range owner {
			labels[key] = value
		}
		return scope.Topology{
			Name: "acme-prod." + name, Labels: labels, Member: member,
			View: &mapping.View{Namespace: "acme-prod", Cell: name, TargetNamespace: "acme-prod-" + name},
		}
	}
	return []scope.Topology{
		cluster("hz-a", ownedBy("acme", "prod")),
		cluster("rival", ownedBy("rival", "prod")),
		cluster("shared", map[string]string{v1alpha1.SharedLabel: "true"}),
		cluster("plain", nil),
		cluster("acme-prod.fake", nil),
		cell("rz00a", "hz-a", ownedBy("acme", "prod")),
		cell("rz01a", "hz-a", ownedBy("acme", "prod")),
		cell("astray", "rival", ownedBy("acme", "prod")),
		// Its KubeFedCluster is not made yet.
		{Name: "acme-prod.new", Member: "hz-a", View: &mapping.View{Namespace: "acme-prod", Cell: "new", TargetNamespace: "acme-prod"}},
	}
}

// ofTenant is what surrounds an object of the tenant acme.
func ofTenant(propagator v1alpha1.Propagator) Facts {
	return Facts{
		Type: deployments(propagator), NamespaceLabels: ownedBy("acme", "prod"), NamespaceKnown: true,
		Topologies: world(), TopologiesKnown: true,
	}
}

// ofNobody is what surrounds an object in a namespace without a tenant, of an existing user of KubeFed.
func ofNobody(propagator v1alpha1.Propagator) Facts {
	facts := ofTenant(propagator)
	facts.NamespaceLabels = nil
	facts.Topologies = []scope.Topology{{Name: "plain", Member: "plain"}, {Name: "other", Member: "other"}}
	return facts
}

// object makes a federated object of a spec and, after a line "---", a status.
func object(t testing.TB, apiVersion, text string) *unstructured.Unstructured {
	t.Helper()
	spec, status, hasStatus := strings.Cut(text, "\n---\n")
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": apiVersion, "kind": "FederatedDeployment",
		"metadata": map[string]any{"name": "pay", "namespace": "acme-prod"},
		"spec":     parse(t, spec),
	}}
	if hasStatus {
		u.Object["status"] = parse(t, status)
	}
	return u
}

func parse(t testing.TB, text string) any {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := utiljson.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// problems are the fields, types and values of errors.
func problems(r Result) []string {
	var all []string
	for _, err := range r.Errors {
		text := err.Field + " " + string(err.Type)
		if value, ok := err.BadValue.(string); ok && value != "" && value[0] != '{' && value[0] != '[' {
			text += " " + value
		}
		all = append(all, text)
	}
	return all
}

// warned are the fields of warnings.
func warned(r Result) []string {
	var all []string
	for _, warning := range r.Warnings {
		at, _, _ := strings.Cut(warning, ": ")
		all = append(all, at)
	}
	return all
}
