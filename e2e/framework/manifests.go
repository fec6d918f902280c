package framework

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fieldManager is the name that the framework applies objects under.
const fieldManager = "cellfed-e2e"

// ReadManifests returns the objects of YAML files, in order. Documents without content are left out.
func ReadManifests(paths ...string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read manifests: %w", err)
		}
		parsed, err := ParseManifests(data)
		if err != nil {
			return nil, fmt.Errorf("read the manifests in %s: %w", path, err)
		}
		objects = append(objects, parsed...)
	}
	return objects, nil
}

// ParseManifests returns the objects of YAML documents, in order.
func ParseManifests(data []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("split YAML documents: %w", err)
		}
		content := map[string]any{}
		if err := yaml.Unmarshal(document, &content); err != nil {
			return nil, fmt.Errorf("parse a YAML document: %w", err)
		}
		if len(content) > 0 {
			objects = append(objects, &unstructured.Unstructured{Object: content})
		}
	}
}

// Apply applies objects by server-side apply, taking over fields that somebody else owns.
func (c *Cluster) Apply(ctx context.Context, objects ...*unstructured.Unstructured) error {
	for _, object := range objects {
		config := client.ApplyConfigurationFromUnstructured(object.DeepCopy())
		if err := c.Client.Apply(ctx, config, client.FieldOwner(fieldManager), client.ForceOwnership); err != nil {
			return fmt.Errorf("apply %s %s to %s: %w", object.GetKind(), client.ObjectKeyFromObject(object), c.Name, err)
		}
	}
	return nil
}

// applyCRDs applies CustomResourceDefinitions and waits until they are served.
func (c *Cluster) applyCRDs(ctx context.Context, objects []*unstructured.Unstructured) error {
	var names []string
	for _, object := range objects {
		if object.GetKind() != "CustomResourceDefinition" {
			return fmt.Errorf("apply CRDs to %s: %s %s is not one", c.Name, object.GetKind(), object.GetName())
		}
		names = append(names, object.GetName())
	}
	if err := c.Apply(ctx, objects...); err != nil {
		return err
	}
	return c.waitForCRDs(ctx, names)
}

func established(crd *apiextensionsv1.CustomResourceDefinition) bool {
	for _, condition := range crd.Status.Conditions {
		if condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue {
			return true
		}
	}
	return false
}

// crdGVK returns the stored version of the CRD's kind, which is served without a conversion.
func crdGVK(crd *apiextensionsv1.CustomResourceDefinition) schema.GroupVersionKind {
	gvk := schema.GroupVersionKind{Group: crd.Spec.Group, Kind: crd.Spec.Names.Kind}
	for _, version := range crd.Spec.Versions {
		if version.Storage {
			gvk.Version = version.Name
		}
	}
	return gvk
}

func newUnstructuredList(gvk schema.GroupVersionKind) *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
	return list
}
