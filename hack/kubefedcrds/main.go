// Command kubefedcrds turns the CustomResourceDefinitions that controller-gen makes of upstream KubeFed's Go types into
// those of the chart kubefed: kubefedcrds FROM TO. Whatever else is in the directory TO is removed.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

const header = "# Made by hack/kubefed-crds.sh from upstream's Go types.\n"

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: kubefedcrds FROM TO")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "kubefedcrds:", err)
		os.Exit(1)
	}
}

func run(from, to string) error {
	paths, err := filepath.Glob(filepath.Join(from, "*.yaml"))
	if err != nil {
		return fmt.Errorf("find the CustomResourceDefinitions: %w", err)
	}
	if len(paths) == 0 {
		return fmt.Errorf("find the CustomResourceDefinitions: %s holds no .yaml file", from)
	}
	if err := os.RemoveAll(to); err != nil {
		return fmt.Errorf("remove what was made before: %w", err)
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("make the directory: %w", err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read a CustomResourceDefinition: %w", err)
		}
		name, text, err := mended(data)
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		if err := os.WriteFile(filepath.Join(to, name+".yaml"), text, 0o644); err != nil {
			return fmt.Errorf("write a CustomResourceDefinition: %w", err)
		}
	}
	return nil
}

// mended returns a CustomResourceDefinition's name and what the chart has of it.
func mended(data []byte) (string, []byte, error) {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(data, crd); err != nil {
		return "", nil, fmt.Errorf("parse it: %w", err)
	}
	if crd.Kind != "CustomResourceDefinition" || crd.Name == "" {
		return "", nil, fmt.Errorf("it is the %s %q, no CustomResourceDefinition with a name", crd.Kind, crd.Name)
	}
	if err := mend(crd); err != nil {
		return "", nil, err
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(crd)
	if err != nil {
		return "", nil, fmt.Errorf("take it apart: %w", err)
	}
	// Status is the server's.
	delete(content, "status")
	text, err := yaml.Marshal(content)
	if err != nil {
		return "", nil, fmt.Errorf("write it: %w", err)
	}
	return crd.Name, append([]byte(header), text...), nil
}

// mend lets a FederatedServiceStatus hold what a member's Service has. Of a port of a load balancer the Go type says at
// once that error is optional and that it is required, and controller-gen takes the latter; Kubernetes leaves it out where
// there is none. And it gives a protocol that is left out no default.
func mend(crd *apiextensionsv1.CustomResourceDefinition) error {
	if crd.Name != "federatedservicestatuses.core.kubefed.io" {
		return nil
	}
	for i := range crd.Spec.Versions {
		version := &crd.Spec.Versions[i]
		ports, err := descend(version.Schema.OpenAPIV3Schema,
			"clusterStatus", "[]", "status", "loadBalancer", "ingress", "[]", "ports", "[]")
		if err != nil {
			return fmt.Errorf("mend the version %s of %s: %w", version.Name, crd.Name, err)
		}
		ports.Required = []string{"port", "protocol"}
		protocol := ports.Properties["protocol"]
		protocol.Default = &apiextensionsv1.JSON{Raw: []byte(`"TCP"`)}
		ports.Properties["protocol"] = protocol
	}
	return nil
}

// descend returns the schema at a path of properties, [] being the items of an array. Where the path ends with items, what
// is changed in them is changed in the schema.
func descend(schema *apiextensionsv1.JSONSchemaProps, path ...string) (*apiextensionsv1.JSONSchemaProps, error) {
	for at, step := range path {
		if step == "[]" {
			if schema.Items == nil || schema.Items.Schema == nil {
				return nil, fmt.Errorf("%s is no array", strings.Join(path[:at], "."))
			}
			schema = schema.Items.Schema
			continue
		}
		next, ok := schema.Properties[step]
		if !ok {
			return nil, fmt.Errorf("%s does not exist", strings.Join(path[:at+1], "."))
		}
		// The copy shares its properties and its items.
		schema = &next
	}
	return schema, nil
}
