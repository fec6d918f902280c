package main

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/cellfed/cellfed/internal/federated"
)

// deploymentJSON is a federated Deployment with all that one has after some releases: three cells, overrides, a mask,
// status and managed fields.
//
//go:embed deployment.json
var deploymentJSON []byte

// deployment returns the federated Deployment in a version as an API server sends it: without spaces and with the
// members of every object sorted.
func deployment(version string) ([]byte, error) {
	var object map[string]any
	if err := json.Unmarshal(deploymentJSON, &object); err != nil {
		return nil, fmt.Errorf("deployment.json: %w", err)
	}
	sorted, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("deployment.json: %w", err)
	}
	converted, err := federated.Convert(sorted, version)
	if err != nil {
		return nil, fmt.Errorf("deployment.json: %w", err)
	}
	if err := json.Unmarshal(converted, &object); err != nil {
		return nil, fmt.Errorf("converted deployment.json: %w", err)
	}
	return json.Marshal(object)
}
