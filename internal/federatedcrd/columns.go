package federatedcrd

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// printerColumns are what kubectl get shows of a federated object in v2beta1. The numbers are cellfed's, so that they are
// blank while upstream KubeFed propagates the type.
func printerColumns() []apiextensionsv1.CustomResourceColumnDefinition {
	return []apiextensionsv1.CustomResourceColumnDefinition{
		{Name: "Type", Type: "string", JSONPath: ".spec.topologyType",
			Description: "What the object names: cells of its namespace, or clusters."},
		{Name: "Placed", Type: "integer", JSONPath: ".status.summary.placed",
			Description: "How many topologies the object is placed on. Blank while KubeFed propagates the type."},
		{Name: "In-Sync", Type: "integer", JSONPath: ".status.summary.inSync",
			Description: "How many of them hold what the object says. Blank while KubeFed propagates the type."},
		{Name: "Held", Type: "integer", JSONPath: ".status.summary.held",
			Description: "How many the placement mask keeps as they are. Blank while KubeFed propagates the type."},
		{Name: "Failed", Type: "integer", JSONPath: ".status.summary.failed",
			Description: "How many could not be written or read. Blank while KubeFed propagates the type."},
		{Name: "Available", Type: "integer", Priority: 1, JSONPath: ".status.summary.available",
			Description: "In how many what was released works, for kinds that say so. Blank while KubeFed propagates the type."},
		{Name: "Age", Type: "date", JSONPath: ".metadata.creationTimestamp",
			Description: "How long the object has been there."},
	}
}
