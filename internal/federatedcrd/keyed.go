package federatedcrd

import (
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// keyedAnnotation holds what keyLists has changed, so that it can be undone and nothing else is.
const keyedAnnotation = "cellfed.io/keyed-lists"

// keyedLists are the lists of v1beta1 that have to be map lists because several field managers can own items of them in
// v2beta1. When somebody applies an object in v2beta1 without an item that he had applied before, the API server takes it
// away, converts the object to every version that managedFields names, and puts back what seems not to be missing there
// (structured-merge-diff, addBackOwnedItems). Upstream's writes name v1beta1: if a list is one single value there, the
// item never goes, and an override that nobody wants any more would silently stay. The lists of placement and mask are
// none of them: each is a part of one single value (singleValue).
var keyedLists = []struct {
	name string // in keyedAnnotation
	path []string
	key  string
}{
	{"overrides", []string{"spec", "overrides"}, "clusterName"},
}

// defaulted follows a list's name in keyedAnnotation if its key was given a default.
const defaulted = "+default"

// keyLists makes map lists of those that are none, and returns what it has changed, for the annotation. A key that may be
// absent gets the empty string as its default, which is what upstream reads where there is none: an object that could be
// written before still can.
func keyLists(schema *apiextensionsv1.JSONSchemaProps) string {
	var changed []string
	for _, l := range keyedLists {
		at(schema, l.path, func(list *apiextensionsv1.JSONSchemaProps) {
			if list.XListType != nil || !canKeyBy(list, l.key) {
				return
			}
			list.XListType = new(listMap)
			list.XListMapKeys = []string{l.key}
			change := l.name
			item := list.Items.Schema
			if property := item.Properties[l.key]; !slices.Contains(item.Required, l.key) && property.Default == nil {
				property.Default = &apiextensionsv1.JSON{Raw: []byte(`""`)}
				item.Properties[l.key] = property
				change += defaulted
			}
			changed = append(changed, change)
		})
	}
	return strings.Join(changed, ",")
}

// unkeyLists undoes what keyLists has changed.
func unkeyLists(schema *apiextensionsv1.JSONSchemaProps, changed string) {
	changes := strings.Split(changed, ",")
	for _, l := range keyedLists {
		withDefault := slices.Contains(changes, l.name+defaulted)
		if !withDefault && !slices.Contains(changes, l.name) {
			continue
		}
		at(schema, l.path, func(list *apiextensionsv1.JSONSchemaProps) {
			// Somebody may have replaced the schema in the meantime.
			if !slices.Equal(list.XListMapKeys, []string{l.key}) {
				return
			}
			list.XListType, list.XListMapKeys = nil, nil
			if withDefault {
				edit(list.Items.Schema, l.key, func(property *apiextensionsv1.JSONSchemaProps) { property.Default = nil })
			}
		})
	}
}

// allKeyed is what keyLists changes in upstream's schema.
const allKeyed = "overrides" + defaulted

// at changes what the schema declares at the path in place, if it declares it. Unlike visit it leaves alternatives alone.
func at(schema *apiextensionsv1.JSONSchemaProps, path []string, change func(*apiextensionsv1.JSONSchemaProps)) {
	switch {
	case len(path) == 0:
		change(schema)
	case path[0] != items:
		edit(schema, path[0], func(p *apiextensionsv1.JSONSchemaProps) { at(p, path[1:], change) })
	case schema.Items != nil && schema.Items.Schema != nil:
		at(schema.Items.Schema, path[1:], change)
	}
}

// canKeyBy reports whether the list's items are objects that declare the key as a string that is never null.
func canKeyBy(list *apiextensionsv1.JSONSchemaProps, key string) bool {
	if list.Type != "array" || list.Items == nil || list.Items.Schema == nil {
		return false
	}
	item := list.Items.Schema
	property, ok := item.Properties[key]
	return ok && item.Type == "object" && !item.Nullable && property.Type == "string" && !property.Nullable
}
