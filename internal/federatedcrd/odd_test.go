package federatedcrd_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/internal/federated"
)

// odd returns a federated CRD whose v1beta1 has the schema, given as YAML.
func odd(t testing.TB, schema string) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	document := fmt.Sprintf(`
metadata: {name: federatedodds.types.kubefed.io, annotations: {keep: me}}
spec:
  group: types.kubefed.io
  names: {kind: FederatedOdd, plural: federatedodds}
  scope: Namespaced
  versions:
  - name: v1beta1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.template.spec.replicas, statusReplicasPath: .status.replicas}}
    schema:
      openAPIV3Schema:
%s`, "        "+strings.ReplaceAll(strings.TrimSpace(schema), "\n", "\n        "))
	return parse(t, []byte(document))
}

// oddSchemas are v1beta1 schemas that upstream does not write and somebody may have, with what of v2beta1's schema
// a reader should look at. The paths are of properties; [] stands for a list's items.
var oddSchemas = map[string]struct {
	reason string
	schema string
	want   map[string]string // a path in v2beta1, and YAML of what is there; "" for nothing
}{
	"OpaqueSpec": {
		reason: "What v1beta1 keeps without declaring it, v2beta1 keeps without declaring it.",
		schema: "type: object\nproperties:\n  spec: {type: object, x-kubernetes-preserve-unknown-fields: true}",
		want:   map[string]string{"spec.placement": ""},
	},
	"EmptySpec": {
		reason: "The two fields are all there is.",
		schema: "type: object\nproperties:\n  spec: {type: object}",
		want:   map[string]string{"spec.placement": "", "status": ""},
	},
	"OpaquePlacement": {
		reason: "The conversion renames what no schema speaks of.",
		schema: `
type: object
properties:
  spec:
    type: object
    properties:
      placement: {type: object, x-kubernetes-preserve-unknown-fields: true}`,
		want: map[string]string{"spec.placement": `
type: object
x-kubernetes-map-type: atomic
x-kubernetes-preserve-unknown-fields: true
description: "Where the object goes: to the topologies that are named or, where no list is given, to those that a selector selects."`},
	},
	"OpaqueItems": {
		reason: "A list whose items do not declare the key cannot be a map list.",
		schema: `
type: object
properties:
  spec:
    type: object
    properties:
      overrides:
        type: array
        description: Theirs.
        items: {type: object, x-kubernetes-preserve-unknown-fields: true}`,
		want: map[string]string{"spec.overrides": `
type: array
description: Theirs.
items: {type: object, x-kubernetes-preserve-unknown-fields: true}`},
	},
	"NullableKey": {
		reason: "A key that may be null cannot be a map list's.",
		schema: `
type: object
properties:
  status:
    type: object
    properties:
      clusters:
        type: array
        items: {type: object, properties: {name: {type: string, nullable: true}}}
  spec: {type: object}`,
		want: map[string]string{"status.topologies": `
type: array
description: How each topology is.
items:
  type: object
  properties:
    name: {type: string, nullable: true, description: "The name of the topology, as in spec.placement.topologies."}
    generation: {type: integer, format: int64, description: The generation of this object that the topology last received.}
    appliedVersion: {type: string, description: "What was written to the topology, and the version of the object that came of it. For cellfed alone to read."}
    lastChangeTime: {type: string, format: date-time, description: "When status, generation or appliedVersion last changed."}
    message: {type: string, description: "What is wrong, or what is being waited for."}`},
	},
	"TheirStatus": {
		reason: "A field of the status that somebody declares already stays theirs, and the others are added beside it.",
		schema: `
type: object
properties:
  spec: {type: object}
  status:
    type: object
    properties:
      summary: {type: string}
      conditions:
        type: array
        items: {type: object, properties: {message: {type: string, maxLength: 9}}}`,
		want: map[string]string{
			"status.summary":                          "{type: string}",
			"status.topologies":                       "",
			"status.conditions.[].message":            "{type: string, maxLength: 9}",
			"status.conditions.[].observedGeneration": "{type: integer, format: int64, description: The generation of this object that the condition speaks of.}",
		},
	},
	"EmptyStatus": {
		reason: "A status that declares nothing gets what is its own, and no lists.",
		schema: "type: object\nproperties:\n  spec: {type: object}\n  status: {type: object}",
		want:   map[string]string{"status.topologies": "", "status.conditions": "", "status.summary.held": "{type: integer, format: int64, description: \"How many a change may not touch now, and so keep what they have.\"}"},
	},
	"OpaqueStatus": {
		reason: "What keeps undeclared fields needs no declaration, and what is a map of anything can have none.",
		schema: `
type: object
properties:
  spec: {type: object}
  status:
    type: object
    x-kubernetes-preserve-unknown-fields: true
    properties:
      clusters: {type: array, items: {type: object, x-kubernetes-preserve-unknown-fields: true}}
      conditions: {type: array, items: {type: object, additionalProperties: {type: string}}}`,
		want: map[string]string{
			"status.summary":    "",
			"status.topologies": "{type: array, description: How each topology is., items: {type: object, x-kubernetes-preserve-unknown-fields: true}}",
			"status.conditions": "{type: array, items: {type: object, additionalProperties: {type: string}}}",
		},
	},
	"ScalarStatus": {
		reason: "Clusters and conditions that are not lists of objects are left alone.",
		schema: `
type: object
properties:
  spec: {type: object}
  status:
    type: object
    properties:
      clusters: {type: array, items: {type: string}}
      conditions: {type: string}`,
		want: map[string]string{
			"status.topologies": "{type: array, description: How each topology is., items: {type: string}}",
			"status.conditions": "{type: string}",
		},
	},
	"Taken": {
		reason: "A field that already has v2beta1's name changes places with v1beta1's, as in the conversion.",
		schema: `
type: object
properties:
  spec:
    type: object
    properties:
      placement:
        type: object
        required: [topologies]
        properties:
          clusters: {type: array, items: {type: string}}
          topologies: {type: integer}
          clusterSelector: {type: object}
          topologySelector: {type: boolean}`,
		want: map[string]string{
			"spec.placement.clusters":        "{type: integer}",
			"spec.placement.clusterSelector": "{type: boolean}",
			"spec.placement.topologies": `
type: array
items: {type: string}
description: The topologies that the object goes to. Absent means that a selector decides; an empty list means nowhere.`,
		},
	},
	"Alternatives": {
		reason: "What is required, and in which combinations, is renamed with the fields.",
		schema: `
type: object
properties:
  spec:
    type: object
    anyOf:
    - properties: {placement: {required: [clusterSelector]}}
    - required: [template]
    properties:
      template: {type: object, x-kubernetes-preserve-unknown-fields: true}
      placement:
        type: object
        required: [clusters]
        oneOf:
        - required: [clusters]
        - required: [clusterSelector]
        not: {properties: {clusters: {maxItems: 0}}}
        properties:
          clusters: {type: array, maxItems: 9, items: {type: object, properties: {name: {type: string}, weight: {type: integer}}}}
          clusterSelector: {type: object, x-kubernetes-preserve-unknown-fields: true}`,
	},
	"Defaults": {
		reason: "A default that holds names is v1beta1's alone; the others stay.",
		schema: `
type: object
properties:
  spec:
    type: object
    default: {}
    properties:
      placement:
        type: object
        default: {clusters: [{name: a}]}
        properties:
          clusters: {type: array, items: {type: object, required: [name], properties: {name: {type: string, default: a}, weight: {type: integer, default: 3}}}}
      overrides:
        type: array
        default: []
        x-kubernetes-list-type: map
        x-kubernetes-list-map-keys: [clusterName]
        items: {type: object, required: [clusterName], properties: {clusterName: {type: string}}}
      mode: {type: string, default: fast}`,
		want: map[string]string{
			"spec.mode":                           "{type: string, default: fast}",
			"spec.placement.topologies.[].weight": "{type: integer, default: 3}",
			"spec.overrides": `
type: array
description: How the object differs between topologies.
x-kubernetes-list-type: map
x-kubernetes-list-map-keys: [topologyName]
items: {type: object, required: [topologyName], properties: {topologyName: {type: string, description: "The name of the topology, as in placement.topologies. It need not be placed now."}}}`,
		},
	},
	"Extensions": {
		reason: "Fields, vendor extensions and words that are not ours stay.",
		schema: `
type: object
description: Theirs.
properties:
  spec:
    type: object
    description: Theirs.
    x-kubernetes-map-type: granular
    properties:
      extra: {type: string, maxLength: 3, pattern: a}
      retainReplicas: {type: boolean}
      placement:
        type: object
        x-kubernetes-map-type: atomic
        properties:
          zone: {type: string}
          clusters: {type: array, x-kubernetes-list-type: atomic, maxItems: 9, items: {type: object, properties: {name: {type: string, maxLength: 9}}}}`,
		want: map[string]string{
			"spec.extra":          "{type: string, maxLength: 3, pattern: a}",
			"spec.placement.zone": "{type: string}",
		},
	},
}

func TestOddSchemas(t *testing.T) {
	for name, tc := range oddSchemas {
		t.Run(name, func(t *testing.T) {
			upgraded := upgrade(t, odd(t, tc.schema))
			v2 := schema(t, upgraded, federated.V2Beta1)
			for path, document := range tc.want {
				got := property(v2, path)
				var want *apiextensionsv1.JSONSchemaProps
				if document != "" {
					want = &apiextensionsv1.JSONSchemaProps{}
					if err := yaml.UnmarshalStrict([]byte(document), want); err != nil {
						t.Fatal(err)
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s\n%s, -want +got:\n%s", tc.reason, path, diff)
				}
			}
		})
	}
}

// property returns what is at the path, or nil.
func property(schema *apiextensionsv1.JSONSchemaProps, path string) *apiextensionsv1.JSONSchemaProps {
	for _, name := range strings.Split(path, ".") {
		if name == "[]" {
			schema = schema.Items.Schema
			continue
		}
		p, ok := schema.Properties[name]
		if !ok {
			return nil
		}
		schema = &p
	}
	return schema
}

// TestAlternatives: the words of v1beta1 appear nowhere in v2beta1's placement.
func TestAlternatives(t *testing.T) {
	v2 := schema(t, upgrade(t, odd(t, oddSchemas["Alternatives"].schema)), federated.V2Beta1)
	placement := property(v2, "spec.placement")
	if diff := cmp.Diff([]string{"topologies"}, placement.Required); diff != "" {
		t.Errorf("required: %s", diff)
	}
	if diff := cmp.Diff([][]string{{"topologies"}, {"topologySelector"}}, [][]string{placement.OneOf[0].Required, placement.OneOf[1].Required}); diff != "" {
		t.Errorf("oneOf: %s", diff)
	}
	if _, ok := placement.Not.Properties["topologies"]; !ok {
		t.Errorf("not: %v", placement.Not)
	}
	if diff := cmp.Diff([]string{"topologySelector"}, property(v2, "spec").AnyOf[0].Properties["placement"].Required); diff != "" {
		t.Errorf("spec's anyOf: %s", diff)
	}
}
