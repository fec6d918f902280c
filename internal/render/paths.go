package render

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// step is one step of a path: into a field, or into each item of a list.
type step struct {
	field string
	each  bool
}

// Path names fields of an object: .spec.replicas, $.spec.replicas, spec.replicas, .metadata.annotations['example.com/x'],
// .webhooks[*].clientConfig.caBundle. Its last step is a field.
type Path []step

// ParsePath reads a path.
func ParsePath(text string) (Path, error) {
	rest := strings.TrimPrefix(text, "$")
	if rest == text && rest != "" && rest[0] != '.' && rest[0] != '[' {
		rest = "." + rest
	}
	var path Path
	for rest != "" {
		var next step
		var err error
		if next, rest, err = parseStep(rest); err != nil {
			return nil, err
		}
		path = append(path, next)
	}
	switch {
	case len(path) == 0:
		return nil, errors.New("names the whole object: name a field, such as .spec.replicas")
	case path[0].each:
		return nil, errors.New("begins with a list, but an object is none: begin with a field, such as .spec")
	case path[len(path)-1].each:
		return nil, errors.New("ends with [*]: leave it out to name the list, or go on with a field of its items")
	}
	return path, nil
}

func parseStep(text string) (step, string, error) {
	switch {
	case strings.HasPrefix(text, "[*]"):
		return step{each: true}, text[len("[*]"):], nil
	case strings.HasPrefix(text, "['"), strings.HasPrefix(text, `["`):
		quote := text[1]
		end := strings.IndexByte(text[2:], quote)
		if end < 0 || !strings.HasPrefix(text[2+end+1:], "]") {
			return step{}, "", fmt.Errorf("has a quote that does not end at %s: write ['key'], without quotes inside of it", text)
		}
		if end == 0 {
			return step{}, "", errors.New("has an empty name: name a field")
		}
		name := text[2 : 2+end]
		if strings.ContainsAny(name, `'"`) {
			return step{}, "", fmt.Errorf("has quotes inside of the name %s: no field has such a name", name)
		}
		return step{field: name}, text[2+end+2:], nil
	case text[0] == '[':
		return step{}, "", fmt.Errorf("cannot be read at %s: write [*] for every item of a list, or ['key'] for a field", text)
	case text[0] != '.':
		return step{}, "", fmt.Errorf("cannot be read at %s: fields are parted by '.'", text)
	}
	end := strings.IndexAny(text[1:], ".[")
	name := text[1:]
	if end >= 0 {
		name = text[1 : 1+end]
	}
	if !plainName(name) {
		return step{}, "", fmt.Errorf("cannot be read at %s: a name is made of letters, digits, '_' and '-'; write any other one as ['name']", text)
	}
	return step{field: name}, text[1+len(name):], nil
}

// plainName says whether a field needs no quotes.
func plainName(name string) bool {
	for _, c := range []byte(name) {
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return name != ""
}

// String returns the path in its normal form.
func (p Path) String() string {
	var b strings.Builder
	for _, s := range p {
		if s.each {
			b.WriteString("[*]")
			continue
		}
		b.WriteString(fieldText(s.field))
	}
	return b.String()
}

func fieldText(name string) string {
	if plainName(name) {
		return "." + name
	}
	return "['" + name + "']"
}

// never are the fields that cannot be the member's: they tie its object to the federated one, or no apply carries them.
var never = []struct {
	path Path
	why  string
}{
	{mustPath(".apiVersion"), "what is in a member has the federated type's own apiVersion and kind"},
	{mustPath(".kind"), "what is in a member has the federated type's own apiVersion and kind"},
	{mustPath(".metadata.name"), "what is in a member has the federated object's own name and namespace"},
	{mustPath(".metadata.namespace"), "what is in a member has the federated object's own name and namespace"},
	{labelPath(v1alpha1.KubeFedManagedLabel), "this label marks what is propagated"},
	{labelPath(v1alpha1.ManagedLabel), "this label marks what is propagated"},
	{labelPath(v1alpha1.NamespaceLabel), "this label marks what is propagated"},
	{labelPath(v1alpha1.CellLabel), "this label marks what is propagated"},
	{mustPath(".status"), "the status is the member's own without saying"},
}

func mustPath(text string) Path {
	path, err := ParsePath(text)
	if err != nil {
		panic(err)
	}
	return path
}

func labelPath(key string) Path {
	return Path{{field: "metadata"}, {field: "labels"}, {field: key}}
}

// refused says why the field of a path cannot be retained, "" if it can.
func (p Path) refused() string {
	for _, n := range never {
		common := min(len(p), len(n.path))
		if !slices.Equal(p[:common], n.path[:common]) {
			continue
		}
		if len(p) < len(n.path) {
			return fmt.Sprintf("%s holds %s, which cannot be retained: %s; name what is to be retained beside it", p, n.path, n.why)
		}
		return fmt.Sprintf("%s cannot be retained: %s; take the path out", n.path, n.why)
	}
	return ""
}

// Project returns what of an object the paths name, and nothing else of it. Items of lists are all there, each with what
// the paths name of it. The result shares with content.
func Project(content map[string]any, paths []Path) map[string]any {
	out, _ := project(content, paths).(map[string]any)
	return out
}

func project(value any, paths []Path) any {
	for _, p := range paths {
		if len(p) == 0 {
			return value
		}
	}
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, child := range v {
			if below := descend(paths, step{field: key}); len(below) > 0 {
				if got := project(child, below); got != nil || child == nil {
					out[key] = got
				}
			}
		}
		if len(out) > 0 {
			return out
		}
	case []any:
		below := descend(paths, step{each: true})
		if len(below) == 0 {
			return nil
		}
		out := make([]any, len(v))
		for i, item := range v {
			if out[i] = project(item, below); out[i] == nil {
				out[i] = map[string]any{}
			}
		}
		return out
	}
	return nil
}

// descend returns what is left of the paths after a step.
func descend(paths []Path, next step) []Path {
	var below []Path
	for _, p := range paths {
		if len(p) > 0 && p[0] == next {
			below = append(below, p[1:])
		}
	}
	return below
}
