package federatedcrd

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// printerColumns are what kubectl get shows of a federated object in v2beta1. A column that can hold several names
// prints the whole list: of a path with [*] the API server would print the first result alone, and one cell of three
// is worse than a list with some brackets.
func printerColumns() []apiextensionsv1.CustomResourceColumnDefinition {
	return []apiextensionsv1.CustomResourceColumnDefinition{
		{Name: "Topology", Type: "string", JSONPath: ".spec.topologyType",
			Description: "What the object names: cells of its namespace, or clusters."},
		{Name: "Placed", Type: "string", JSONPath: ".spec.placement.topologies",
			Description: "The topologies that the object is placed on by name. Empty: by selector, or nowhere."},
		{Name: "Mask", Type: "string", JSONPath: ".spec.placementMask.topologies",
			Description: "The placed topologies that a change may touch now. Empty: all of them; []: none."},
		{Name: "In-Sync", Type: "string", JSONPath: `.status.conditions[?(@.type=="Propagation")].status`,
			Description: "Whether the topologies hold what the object says."},
		{Name: "Selector", Type: "string", Priority: 1, JSONPath: ".spec.placement.topologySelector",
			Description: "The selector that places the object where no topologies are named."},
		{Name: "Reason", Type: "string", Priority: 1, JSONPath: `.status.conditions[?(@.type=="Propagation")].reason`,
			Description: "Why the topologies do not hold what the object says."},
		{Name: "Age", Type: "date", JSONPath: ".metadata.creationTimestamp",
			Description: "How long the object has been there."},
	}
}
