package membership

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// verbs are what a propagator does with what it propagates: it follows it, reads it by name, and writes it. KubeFed creates,
// updates, and removes its label by a patch; cellfed creates and applies. Neither deletes collections, nor writes a status.
var verbs = []string{"create", "delete", "get", "list", "patch", "update", "watch"}

// paths are what tells whether a member lives, and what it serves. The cluster's own roles give them to everybody who is known
// to it, unless somebody has taken them away.
var paths = []string{"/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version"}

// Targets returns the resources that the federated types put into members, sorted. A type that somebody has disabled puts none
// there; one that was handed over to cellfed is disabled for KubeFed alone.
func Targets(configs []kubefedv1beta1.FederatedTypeConfig) []schema.GroupResource {
	var targets []schema.GroupResource
	for i := range configs {
		config := configs[i].DeepCopy()
		kubefedv1beta1.SetFederatedTypeConfigDefaults(config)
		if config.Spec.Propagation == kubefedv1beta1.PropagationDisabled && config.Annotations[v1alpha1.HandedOverAnnotation] != "true" {
			continue
		}
		target := config.GetTargetType()
		targets = append(targets, schema.GroupResource{Group: target.Group, Resource: target.Name})
	}
	slices.SortFunc(targets, func(a, b schema.GroupResource) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Resource, b.Resource))
	})
	return slices.Compact(targets)
}

// Rules returns the least that a propagator needs in a member to put the targets there.
func Rules(targets []schema.GroupResource) []rbacv1.PolicyRule {
	byGroup := map[string][]string{}
	for _, t := range targets {
		if t != namespaces {
			byGroup[t.Group] = append(byGroup[t.Group], t.Resource)
		}
	}
	rules := []rbacv1.PolicyRule{
		// A cell's namespace is made, and removed with the cell if nothing is left in it, whether or not Namespaces are federated.
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: verbs},
		// KubeFed reports the zones of the nodes.
		{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get", "list"}},
	}
	for _, group := range slices.Sorted(maps.Keys(byGroup)) {
		rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{group}, Resources: byGroup[group], Verbs: verbs})
	}
	return append(rules, rbacv1.PolicyRule{NonResourceURLs: paths, Verbs: []string{"get"}})
}

var namespaces = schema.GroupResource{Resource: "namespaces"}

// Granting returns those of the targets that grant rights in the member: whoever writes them there may grant what he holds
// and nothing more.
func Granting(targets []schema.GroupResource) []string {
	var granting []string
	for _, t := range targets {
		if t.Group == rbacv1.GroupName {
			granting = append(granting, t.Resource)
		}
	}
	return granting
}

// Added says what rules grant that others do not, as "verbs of resources" would be read.
func Added(before, after []rbacv1.PolicyRule) []string {
	had := resourcesOf(before)
	var added []string
	for name := range resourcesOf(after) {
		if !had[name] {
			added = append(added, name)
		}
	}
	slices.Sort(added)
	return added
}

func resourcesOf(rules []rbacv1.PolicyRule) map[string]bool {
	all := map[string]bool{}
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				all[strings.TrimSuffix(resource+"."+group, ".")] = true
			}
		}
	}
	return all
}
