package federatedcrd

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// v1beta1 has one selector, and v2beta1 has two names for it. These rules refuse what has no place in v1beta1 and would
// be lost on the way there.

// addPlacementRules adds the rules on placement to v2beta1's spec, as far as it declares what they speak of.
func addPlacementRules(spec *apiextensionsv1.JSONSchemaProps) {
	placement, ok := spec.Properties["placement"]
	if !ok || placement.Type != "object" {
		return
	}
	_, one := placement.Properties["topologySelector"]
	_, other := placement.Properties["clusterSelector"]
	if !one || !other {
		return
	}
	placement.XValidations = append(placement.XValidations, apiextensionsv1.ValidationRule{
		Rule:    "!has(self.topologySelector) || !has(self.clusterSelector)",
		Message: "topologySelector and clusterSelector exclude one another: leave one of them out",
	})
	spec.Properties["placement"] = placement
	spec.XValidations = append(spec.XValidations, apiextensionsv1.ValidationRule{
		Rule: "!has(self.placement) || !has(self.placement.clusterSelector) || (has(self.topologyType) && self.topologyType != 'cluster')",
		Message: "placement.clusterSelector is for objects that name cells: " +
			"use placement.topologySelector, which selects clusters where topologyType is cluster",
	})
}
