package federatedcrd

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/cellfed/cellfed/internal/federated"
)

// statusAnnotation holds which fields addStatus has declared, so that they can be taken away and no others are.
const statusAnnotation = "cellfed.io/status-fields"

// statusField is a field of the status that the push reconciler reports and that upstream's schemas do not declare.
type statusField struct {
	list   string // the list of the status whose items have it, in v1beta1's words; "" for the status itself
	name   string
	schema apiextensionsv1.JSONSchemaProps
}

// String returns the field as statusAnnotation names it, which is the same in both versions.
func (f statusField) String() string {
	if f.list == "" {
		return f.name
	}
	return f.list + "." + f.name
}

// holder returns the path of what has the field.
func (f statusField) holder(version string) []string {
	list := f.list
	switch {
	case list == "":
		return []string{"status"}
	case list == "clusters" && version == federated.V2Beta1:
		list = "topologies"
	}
	return []string{"status", list, items}
}

// statusFields returns what is reported, described in the words of the version.
func statusFields(version string) []statusField {
	one, many := "topology", "topologies"
	if version == federated.V1Beta1 {
		one, many = "cluster", "clusters"
	}
	text := func(description string) apiextensionsv1.JSONSchemaProps {
		return apiextensionsv1.JSONSchemaProps{Type: "string", Description: description}
	}
	number := func(description string) apiextensionsv1.JSONSchemaProps {
		return apiextensionsv1.JSONSchemaProps{Type: "integer", Format: "int64", Description: description}
	}
	changed := text("When status, generation or appliedVersion last changed.")
	changed.Format = "date-time"
	return []statusField{
		{"clusters", "generation", number("The generation of this object that the " + one + " last received.")},
		{"clusters", "appliedVersion", text("What was written to the " + one + ", and the version of the object that came of it. For cellfed alone to read.")},
		{"clusters", "lastChangeTime", changed},
		{"clusters", "message", text("What is wrong, or what is being waited for.")},
		{"conditions", "message", text("What the reason means here.")},
		{"conditions", "observedGeneration", number("The generation of this object that the condition speaks of.")},
		{"", "summary", apiextensionsv1.JSONSchemaProps{
			Type:        "object",
			Description: "How many " + many + " are how. Cellfed counts; absent while KubeFed propagates the type.",
			Properties: map[string]apiextensionsv1.JSONSchemaProps{
				"placed":    number("How many " + many + " the object is placed on."),
				"inSync":    number("How many of them hold this generation of it."),
				"held":      number("How many a change may not touch now, and so keep what they have."),
				"failed":    number("How many could not be written or read."),
				"available": number("How many of the placed ones say that what they hold works, for kinds that say so."),
			},
		}},
	}
}

// addStatus declares the fields where the schema declares what holds them and does not keep undeclared fields anyway, and
// returns what it has declared, for the annotation. What is declared already stays as it is.
func addStatus(schema *apiextensionsv1.JSONSchemaProps, version string) string {
	var added []string
	for _, f := range statusFields(version) {
		at(schema, f.holder(version), func(holder *apiextensionsv1.JSONSchemaProps) {
			if _, declared := holder.Properties[f.name]; declared || !prunes(holder) {
				return
			}
			if holder.Properties == nil {
				holder.Properties = map[string]apiextensionsv1.JSONSchemaProps{}
			}
			holder.Properties[f.name] = f.schema
			added = append(added, f.String())
		})
	}
	return strings.Join(added, ",")
}

// prunes reports whether the value is an object that keeps no field that is not declared.
func prunes(holder *apiextensionsv1.JSONSchemaProps) bool {
	keeps := holder.XPreserveUnknownFields != nil && *holder.XPreserveUnknownFields
	return holder.Type == "object" && holder.AdditionalProperties == nil && !keeps
}

// removeStatus takes from v1beta1's schema what addStatus has declared there. Where the CRD's annotations were lost, that
// is what looks exactly as if it had.
func removeStatus(crd *apiextensionsv1.CustomResourceDefinition, schema *apiextensionsv1.JSONSchemaProps) {
	added := strings.Split(crd.Annotations[statusAnnotation], ",")
	for _, f := range statusFields(federated.V1Beta1) {
		at(schema, f.holder(federated.V1Beta1), func(holder *apiextensionsv1.JSONSchemaProps) {
			there, declared := holder.Properties[f.name]
			ours := slices.Contains(added, f.String())
			if Owner(crd) == "" {
				ours = equality.Semantic.DeepEqual(there, f.schema)
			}
			if !declared || !ours {
				return
			}
			delete(holder.Properties, f.name)
			if len(holder.Properties) == 0 {
				holder.Properties = nil
			}
		})
	}
}
