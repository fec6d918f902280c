package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"sigs.k8s.io/yaml"
)

// platform is what the template of the krew manifest is told of one.
type platform struct {
	OS, Arch, Archive, SHA256, Bin string
}

// downloads is where the files of a version are had.
func downloads(version string) string {
	return "https://github.com/cellfed/cellfed/releases/download/" + version + "/"
}

// krewPlugin is krew's manifest of a plugin, of which krew-index takes these fields.
type krewPlugin struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Version          string         `json:"version"`
		Homepage         string         `json:"homepage"`
		ShortDescription string         `json:"shortDescription"`
		Description      string         `json:"description"`
		Caveats          string         `json:"caveats,omitempty"`
		Platforms        []krewPlatform `json:"platforms"`
	} `json:"spec"`
}

type krewPlatform struct {
	Selector struct {
		MatchLabels map[string]string `json:"matchLabels"`
	} `json:"selector"`
	URI    string `json:"uri"`
	SHA256 string `json:"sha256"`
	Files  []struct {
		From string `json:"from"`
		To   string `json:"to"`
	} `json:"files"`
	Bin string `json:"bin"`
}

// krewManifest fills in the template.
func krewManifest(text, version string, platforms []platform) ([]byte, error) {
	parsed, err := template.New("krew").Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read the template of the krew manifest: %w", err)
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, map[string]any{"Version": version, "Downloads": downloads(version), "Platforms": platforms})
	if err != nil {
		return nil, fmt.Errorf("fill in the template of the krew manifest: %w", err)
	}
	return out.Bytes(), nil
}

// krewName is what krew takes for a plugin's name.
var krewName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

// maxShort is how long krew's index wants a short description at most.
const maxShort = 50

// checkKrew says what krew, or who reviews its index, would not take of a manifest. contents are the archives' checksums
// and files by the archives' names.
func checkKrew(data []byte, version string, contents map[string]archived) error {
	var p krewPlugin
	if err := yaml.UnmarshalStrict(data, &p); err != nil {
		return fmt.Errorf("read it: %w", err)
	}
	var errs []error
	want := func(holds bool, format string, args ...any) {
		if !holds {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	want(p.APIVersion == "krew.googlecontainertools.github.com/v1alpha2", "apiVersion is %q", p.APIVersion)
	want(p.Kind == "Plugin", "kind is %q, want Plugin", p.Kind)
	want(krewName.MatchString(p.Metadata.Name), "metadata.name is %q", p.Metadata.Name)
	want("kubectl-"+p.Metadata.Name == plugin, "metadata.name is %q, and the program is %s", p.Metadata.Name, plugin)
	want(p.Spec.Version == version, "spec.version is %q, want %s", p.Spec.Version, version)
	want(strings.HasPrefix(p.Spec.Homepage, "https://"), "spec.homepage is %q", p.Spec.Homepage)
	short := p.Spec.ShortDescription
	want(short != "" && len(short) <= maxShort && !strings.HasSuffix(short, ".") && !strings.Contains(short, "\n"),
		"spec.shortDescription is %q: want one line of at most %d characters without a full stop", short, maxShort)
	want(p.Spec.Description != "", "spec.description is empty")
	seen := map[string]bool{}
	for i, platform := range p.Spec.Platforms {
		err := checkPlatform(platform, version, contents)
		want(err == nil, "spec.platforms[%d]: %w", i, err)
		seen[strings.TrimPrefix(platform.URI, downloads(version))] = true
	}
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		want(seen[name] || !strings.HasPrefix(name, plugin+"_"), "spec.platforms does not have %s", name)
	}
	want(len(seen) == len(p.Spec.Platforms), "spec.platforms has one archive twice")
	want(len(seen) > 0, "spec.platforms is empty")
	return errors.Join(errs...)
}

func checkPlatform(p krewPlatform, version string, contents map[string]archived) error {
	labels := p.Selector.MatchLabels
	b := build{plugin, labels["os"], labels["arch"]}
	name, found := strings.CutPrefix(p.URI, downloads(version))
	archive, there := contents[name]
	switch {
	case len(labels) != 2 || b.os == "" || b.arch == "":
		return fmt.Errorf("selector.matchLabels is %v: want os and arch", labels)
	case !found || name != b.archive(version):
		return fmt.Errorf("uri is %q, want %s", p.URI, downloads(version)+b.archive(version))
	case !there:
		return fmt.Errorf("uri names %s, which is not in the release", name)
	case p.SHA256 != archive.sum:
		return fmt.Errorf("sha256 is %s, and that of %s is %s", p.SHA256, name, archive.sum)
	case p.Bin != b.binary():
		return fmt.Errorf("bin is %q, want %s", p.Bin, b.binary())
	}
	taken := map[string]bool{}
	for _, f := range p.Files {
		if f.To != "." || archive.file(f.From) == nil {
			return fmt.Errorf("files has %s to %q: want a file of the archive, to the plugin's directory", f.From, f.To)
		}
		taken[f.From] = true
	}
	if !taken[p.Bin] || !taken["LICENSE"] {
		return fmt.Errorf("files has %v: want the program and the license", slices.Sorted(maps.Keys(taken)))
	}
	return nil
}
