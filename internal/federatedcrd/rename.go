package federatedcrd

import (
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// items stands in a path for the items of a list.
const items = "[]"

// renames are the pairs of names that the conversion exchanges, and where.
var renames = []struct {
	path []string
	a, b string
}{
	{[]string{"spec", "placement"}, "clusters", "topologies"},
	{[]string{"spec", "placement"}, "clusterSelector", "topologySelector"},
	{[]string{"spec", "overrides", items}, "clusterName", "topologyName"},
	{[]string{"spec", "overrides", items}, "clusterOverrides", "topologyOverrides"},
	{[]string{"status"}, "clusters", "topologies"},
}

// rename exchanges the names in the schema. It takes away the defaults of everything that has such a name or holds one,
// because they are in the words of the other version; v1beta1's go on to apply where an object is stored.
func rename(schema *apiextensionsv1.JSONSchemaProps) {
	for _, r := range renames {
		for i := range r.path {
			visit(schema, r.path[:i+1], func(holder *apiextensionsv1.JSONSchemaProps) { holder.Default = nil })
		}
		visit(schema, r.path, func(holder *apiextensionsv1.JSONSchemaProps) { swap(holder, r.a, r.b) })
		if last := len(r.path) - 1; r.path[last] == items {
			visit(schema, r.path[:last], func(list *apiextensionsv1.JSONSchemaProps) {
				// DeepCopy leaves this slice to the original (apiextensions v1, deepcopy.go).
				list.XListMapKeys = slices.Clone(list.XListMapKeys)
				swapNames(list.XListMapKeys, r.a, r.b)
			})
		}
	}
}

// visit changes what the schema says of the value at the path, in place: where it declares it, and in the alternatives
// that it allows on the way.
func visit(schema *apiextensionsv1.JSONSchemaProps, path []string, change func(*apiextensionsv1.JSONSchemaProps)) {
	switch {
	case len(path) == 0:
		change(schema)
	case path[0] == items:
		if schema.Items != nil && schema.Items.Schema != nil {
			visit(schema.Items.Schema, path[1:], change)
		}
	default:
		edit(schema, path[0], func(p *apiextensionsv1.JSONSchemaProps) { visit(p, path[1:], change) })
	}
	for _, alternatives := range [][]apiextensionsv1.JSONSchemaProps{schema.AllOf, schema.AnyOf, schema.OneOf} {
		for i := range alternatives {
			visit(&alternatives[i], path, change)
		}
	}
	if schema.Not != nil {
		visit(schema.Not, path, change)
	}
}

// edit changes the property in place, if the schema declares it.
func edit(schema *apiextensionsv1.JSONSchemaProps, name string, change func(*apiextensionsv1.JSONSchemaProps)) {
	if p, ok := schema.Properties[name]; ok {
		change(&p)
		schema.Properties[name] = p
	}
}

// swap exchanges the names of two properties.
func swap(schema *apiextensionsv1.JSONSchemaProps, a, b string) {
	first, hasFirst := schema.Properties[a]
	second, hasSecond := schema.Properties[b]
	delete(schema.Properties, a)
	delete(schema.Properties, b)
	first.Default, second.Default = nil, nil
	if hasFirst {
		schema.Properties[b] = first
	}
	if hasSecond {
		schema.Properties[a] = second
	}
	swapNames(schema.Required, a, b)
}

func swapNames(names []string, a, b string) {
	for i, name := range names {
		switch name {
		case a:
			names[i] = b
		case b:
			names[i] = a
		}
	}
}

// keyBy makes the list a map by the key, so that no item is there twice and, unless the list is a part of a single value,
// several field managers can own different items of it. It says what the key is. A list that cannot be one stays as it is.
func keyBy(list *apiextensionsv1.JSONSchemaProps, key, description string) {
	if list.Items == nil || list.Items.Schema == nil {
		return
	}
	item := list.Items.Schema
	edit(item, key, func(property *apiextensionsv1.JSONSchemaProps) { property.Description = description })
	if !canKeyBy(list, key) {
		return
	}
	if !slices.Contains(item.Required, key) {
		item.Required = append(item.Required, key)
	}
	list.XListType = new(listMap)
	list.XListMapKeys = []string{key}
}
