package federatedcrd

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/cellfed/cellfed/internal/federated"
)

// topologySchema derives v2beta1's schema from v1beta1's as it was before Upgrade added to it, by the renaming that the
// conversion makes. What v1beta1 does not declare v2beta1 does not declare either, and a field that is not renamed is as
// it is in v1beta1: neither version drops what the other keeps.
func topologySchema(base *apiextensionsv1.JSONSchemaProps, kind string, scope apiextensionsv1.ResourceScope) *apiextensionsv1.JSONSchemaProps {
	schema := base.DeepCopy()
	rename(schema)
	describeIfSilent(schema, kind+" says what is released to which topologies, cells or clusters, and how it differs between them.")
	edit(schema, "spec", func(spec *apiextensionsv1.JSONSchemaProps) {
		edit(spec, "template", func(template *apiextensionsv1.JSONSchemaProps) {
			describeIfSilent(template, "The object as the topologies get it, before overrides.")
		})
		edit(spec, "placement", func(placement *apiextensionsv1.JSONSchemaProps) { finishPlacement(placement, scope) })
		edit(spec, "overrides", finishOverrides)
	})
	edit(schema, "status", func(status *apiextensionsv1.JSONSchemaProps) {
		// It has one writer. Otherwise managedFields would name each field of each topology, and the API server read and
		// write that with every change of the object, of its spec too.
		status.XMapType = new(singleValue)
		edit(status, "topologies", func(list *apiextensionsv1.JSONSchemaProps) {
			list.Description = "How each topology is."
			keyBy(list, "name", "The name of the topology, as in spec.placement.topologies.")
		})
	})
	addExtensions(schema, federated.V2Beta1, scope)
	addStatus(schema, federated.V2Beta1)
	edit(schema, "spec", addPlacementRules)
	return schema
}

// finishPlacement completes a placement whose fields are renamed.
func finishPlacement(placement *apiextensionsv1.JSONSchemaProps, scope apiextensionsv1.ResourceScope) {
	placement.XMapType = new(singleValue)
	describeIfSilent(placement, "Where the object goes: to the topologies that are named or, where no list is given, to those that a selector selects.")
	edit(placement, "topologies", func(list *apiextensionsv1.JSONSchemaProps) {
		list.Description = "The topologies that the object goes to. Absent means that a selector decides; an empty list means nowhere."
		name := "The name of a KubeFedCluster."
		if scope != apiextensionsv1.ClusterScoped {
			name = "The name of a Cell of the object's namespace or, where topologyType is cluster, of a KubeFedCluster. " +
				"Among cells, cluster:<name> is a KubeFedCluster that is no cell of the namespace."
		}
		keyBy(list, "name", name)
	})
	selector, ok := placement.Properties["topologySelector"]
	if !ok {
		return
	}
	foreign := selector.DeepCopy()
	selector.Description = "Selects topologies by their labels, where topologies is absent. An empty selector selects all of them."
	if scope != apiextensionsv1.ClusterScoped {
		selector.Description = "Selects Cells of the object's namespace or, where topologyType is cluster, KubeFedClusters by their labels, " +
			"where topologies is absent. An empty selector selects all of them."
	}
	placement.Properties["topologySelector"] = selector

	// Without cells there is nothing that a selector of clusters would have to be told apart from.
	if _, taken := placement.Properties["clusterSelector"]; taken || scope == apiextensionsv1.ClusterScoped {
		return
	}
	foreign.Description = "Selects KubeFedClusters by their labels although the object names cells, where topologies is absent. " +
		"So reads a selector that was written in v1beta1 and is not limited to the cells of the object's namespace. Prefer topologySelector."
	placement.Properties["clusterSelector"] = *foreign
}

// finishOverrides completes overrides whose fields are renamed.
func finishOverrides(list *apiextensionsv1.JSONSchemaProps) {
	describeIfSilent(list, "How the object differs between topologies.")
	keyBy(list, "topologyName", "The name of the topology, as in placement.topologies. It need not be placed now.")
	if list.Items == nil || list.Items.Schema == nil {
		return
	}
	edit(list.Items.Schema, "topologyOverrides", func(overrides *apiextensionsv1.JSONSchemaProps) {
		overrides.Description = "What is different in the topology: operations on the template. A path may appear once."
	})
}

func describeIfSilent(schema *apiextensionsv1.JSONSchemaProps, text string) {
	if schema.Description == "" {
		schema.Description = text
	}
}
