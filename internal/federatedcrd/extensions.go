package federatedcrd

import (
	"fmt"
	"strconv"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/topology"
)

const (
	topologyTypeField  = "topologyType"
	placementMaskField = "placementMask"

	listMap = "map"

	// singleValue makes an object one value for server-side apply, with one owner. Otherwise whoever applies an empty
	// list or selector after one with items gets an absent one (structured-merge-diff, removingWalker): a placement
	// on nothing would become one by selector, and a mask that allows nothing one that allows everything.
	singleValue = "atomic"
)

// hasExtensions reports whether spec declares a field of an extension field's name. A nil schema has none.
func hasExtensions(schema *apiextensionsv1.JSONSchemaProps) bool {
	if schema == nil {
		return false
	}
	spec := schema.Properties["spec"]
	_, typed := spec.Properties[topologyTypeField]
	_, masked := spec.Properties[placementMaskField]
	return typed || masked
}

// addExtensions declares the extension fields in spec, in the words of the version.
func addExtensions(schema *apiextensionsv1.JSONSchemaProps, version string, scope apiextensionsv1.ResourceScope) {
	spec := schema.Properties["spec"]
	if spec.Properties == nil {
		spec.Properties = map[string]apiextensionsv1.JSONSchemaProps{}
	}
	spec.Properties[topologyTypeField] = topologyTypeSchema(scope)
	spec.Properties[placementMaskField] = placementMaskSchema(version)
	schema.Properties["spec"] = spec
}

// removeExtensions takes the extension fields from spec. A nil schema has none.
func removeExtensions(schema *apiextensionsv1.JSONSchemaProps) {
	if !hasExtensions(schema) {
		return
	}
	spec := schema.Properties["spec"]
	delete(spec.Properties, topologyTypeField)
	delete(spec.Properties, placementMaskField)
	if len(spec.Properties) == 0 {
		spec.Properties = nil
	}
	schema.Properties["spec"] = spec
}

// topologyTypeSchema allows the registered types that make sense in the scope. A cluster-scoped kind has a rule instead of
// an enumeration: the API server checks no rule of an object that an enumeration already refuses, and the message would
// not be seen.
func topologyTypeSchema(scope apiextensionsv1.ResourceScope) apiextensionsv1.JSONSchemaProps {
	types := topology.Names(scope != apiextensionsv1.ClusterScoped)
	schema := apiextensionsv1.JSONSchemaProps{Type: "string"}
	if scope == apiextensionsv1.ClusterScoped {
		schema.Description = "What the placement, the mask, the overrides and the status name: clusters, which are KubeFedClusters. " +
			"A cluster-scoped kind has no namespace whose cells it could name. Absent means cluster."
		schema.XValidations = apiextensionsv1.ValidationRules{{
			Rule: fmt.Sprintf("self in ['%s']", strings.Join(types, "', '")),
			Message: "a cluster-scoped kind has no namespace whose cells it could name: leave topologyType out, or set it to " +
				strings.Join(types, " or "),
		}}
		return schema
	}
	schema.Description = "What the placement, the mask, the overrides and the status name. " +
		"cluster: KubeFedClusters. cell: the Cells of the object's own namespace. Absent means cluster."
	for _, t := range types {
		schema.Enum = append(schema.Enum, apiextensionsv1.JSON{Raw: []byte(strconv.Quote(t))})
	}
	return schema
}

func placementMaskSchema(version string) apiextensionsv1.JSONSchemaProps {
	list, name := "topologies", "The name of a placed topology."
	if version == federated.V1Beta1 {
		list, name = "clusters", "The name of a placed cluster."
	}
	return apiextensionsv1.JSONSchemaProps{
		Type:     "object",
		XMapType: new(singleValue),
		Description: fmt.Sprintf("Which of the placed %s a change may touch now: the others are held, and nothing is created, updated or deleted there. "+
			"Absent means all of them; a mask that names none allows none.", list),
		Properties: map[string]apiextensionsv1.JSONSchemaProps{
			list: {
				Type:         "array",
				Description:  fmt.Sprintf("The %s that a change may touch now. Absent or empty means none.", list),
				XListType:    new(listMap),
				XListMapKeys: []string{"name"},
				Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &apiextensionsv1.JSONSchemaProps{
					Type:     "object",
					Required: []string{"name"},
					Properties: map[string]apiextensionsv1.JSONSchemaProps{
						"name": {Type: "string", Description: name},
					},
				}},
			},
		},
	}
}
