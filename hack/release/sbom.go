package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// bomHeader is what is read of an SBOM.
type bomHeader struct {
	BOMFormat   string `json:"bomFormat"`
	SpecVersion string `json:"specVersion"`
	Metadata    struct {
		Timestamp string `json:"timestamp"`
		Component struct {
			Name    string `json:"name"`
			Version string `json:"version"`
			BOMRef  string `json:"bom-ref"`
		} `json:"component"`
	} `json:"metadata"`
	Components []struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		PURL    string `json:"purl"`
	} `json:"components"`
	Dependencies []struct {
		Ref string `json:"ref"`
	} `json:"dependencies"`
}

// settleSBOM puts the release's version and time into an SBOM of the program, and takes out what tells of the machine that
// made it: the clock, and the checksums of the tool.
func settleSBOM(data []byte, program, version string, at time.Time) ([]byte, error) {
	var header bomHeader
	if err := json.Unmarshal(data, &header); err != nil {
		return nil, fmt.Errorf("read the SBOM: %w", err)
	}
	made := header.Metadata.Component
	if made.Version == "" || made.Name == "" {
		return nil, errors.New("the SBOM names no component that it is of")
	}
	// The references to the component hold its name and version, wherever they stand.
	data = bytes.ReplaceAll(data, []byte(made.Name+"@"+made.Version), []byte(made.Name+"@"+version))
	var all map[string]any
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("read the SBOM: %w", err)
	}
	metadata := all["metadata"].(map[string]any)
	metadata["timestamp"] = at.Format(time.RFC3339)
	component := metadata["component"].(map[string]any)
	component["name"], component["version"] = program, version
	tools, _ := metadata["tools"].([]any)
	for _, tool := range tools {
		if fields, found := tool.(map[string]any); found {
			delete(fields, "hashes")
		}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return nil, fmt.Errorf("write the SBOM: %w", err)
	}
	return out.Bytes(), nil
}

// checkSBOM says what is wrong with an SBOM of the release.
func checkSBOM(data []byte, program, version string) error {
	var header bomHeader
	if err := json.Unmarshal(data, &header); err != nil {
		return fmt.Errorf("read the SBOM: %w", err)
	}
	component := header.Metadata.Component
	switch {
	case header.BOMFormat != "CycloneDX" || header.SpecVersion == "":
		return fmt.Errorf("its bomFormat is %q and its specVersion %q: want CycloneDX and a version", header.BOMFormat, header.SpecVersion)
	case component.Name != program || component.Version != version:
		return fmt.Errorf("it is of %s %s, want %s %s", component.Name, component.Version, program, version)
	case len(header.Components) == 0:
		return errors.New("it names no module that the program is built of")
	}
	known := map[string]bool{}
	for _, d := range header.Dependencies {
		known[d.Ref] = true
	}
	if !known[component.BOMRef] {
		return fmt.Errorf("its dependencies do not hold its own component %s", component.BOMRef)
	}
	for _, c := range header.Components {
		if c.Name == "" || c.Version == "" || c.PURL == "" {
			return fmt.Errorf("the component %q has the version %q and the package URL %q: want all three", c.Name, c.Version, c.PURL)
		}
	}
	return nil
}
