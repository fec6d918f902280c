package main

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/topology"
)

// The baseline is the conversion as a webhook usually does it: decode the object to unstructured, rename, encode. It
// knows the rules for valid objects without selectors only, which makes it faster than one that could be used.

// decodeAndEncode returns the object in the other version.
func decodeAndEncode(src []byte, to string) ([]byte, error) {
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(src); err != nil {
		return nil, fmt.Errorf("cannot decode: %w", err)
	}
	r := renaming{namespace: u.GetNamespace()}
	r.fields = map[string]string{"clusters": "topologies", "clusterName": "topologyName", "clusterOverrides": "topologyOverrides"}
	apiVersion := federated.APIVersionV2Beta1
	if to == federated.V1Beta1 {
		apiVersion = federated.APIVersionV1Beta1
		r.fields = map[string]string{"topologies": "clusters", "topologyName": "clusterName", "topologyOverrides": "clusterOverrides"}
	}
	u.SetAPIVersion(apiVersion)
	spec, _ := u.Object["spec"].(map[string]any)
	name, _ := spec["topologyType"].(string)
	typ, _ := topology.Lookup(name)
	r.convert = typ.FromCluster
	if to == federated.V1Beta1 {
		r.convert = typ.ToCluster
	}
	r.names(spec["placement"])
	r.names(spec["placementMask"])
	r.names(u.Object["status"])
	overrides, _ := spec["overrides"].([]any)
	for _, item := range overrides {
		r.rename(item)
	}
	return u.MarshalJSON()
}

type renaming struct {
	namespace string
	fields    map[string]string
	convert   func(namespace, name string) string
}

// rename renames the fields of an object, and converts the one that is a name.
func (r renaming) rename(value any) {
	object, _ := value.(map[string]any)
	for from, to := range r.fields {
		field, ok := object[from]
		if !ok {
			continue
		}
		if name, ok := field.(string); ok {
			field = r.convert(r.namespace, name)
		}
		delete(object, from)
		object[to] = field
	}
}

// names renames the list of an object, and converts the names in it.
func (r renaming) names(value any) {
	r.rename(value)
	object, _ := value.(map[string]any)
	for _, to := range r.fields {
		list, _ := object[to].([]any)
		for _, item := range list {
			item, _ := item.(map[string]any)
			if name, ok := item["name"].(string); ok {
				item["name"] = r.convert(r.namespace, name)
			}
		}
	}
}
