package federated

import (
	"encoding/json"
	"fmt"

	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// overridden is what one entry of spec.overrides says.
type overridden struct {
	cluster   string
	overrides []Override
}

// overrides reads spec.overrides by upstream's rules.
func (r *reader) overrides() (map[string][]Override, error) {
	value, ok := r.spec["overrides"]
	if !ok || value == nil {
		return nil, nil
	}
	entries, ok := r.plainOverrides(value)
	if !ok {
		var err error
		if entries, err = r.anyOverrides(value); err != nil {
			return nil, err
		}
	}
	if len(entries) == 0 {
		return nil, nil
	}
	byCluster := make(map[string][]Override, len(entries))
	for i, entry := range entries {
		if _, again := byCluster[entry.cluster]; again {
			return nil, fmt.Errorf("spec.overrides[%d].%s %q appears more than once: put all of its overrides into one entry", i, r.word(nameKey), r.name(entry.cluster))
		}
		if err := r.checkPaths(i, entry); err != nil {
			return nil, err
		}
		byCluster[entry.cluster] = entry.overrides
	}
	return byCluster, nil
}

// manyPaths is from how many paths on a map is faster than looking through all of them.
const manyPaths = 16

// checkPaths refuses the paths that upstream refuses: those of what ties the object in a member to the federated one, and
// any that is given twice.
func (r *reader) checkPaths(index int, entry overridden) error {
	var seen map[string]struct{}
	if len(entry.overrides) >= manyPaths {
		seen = make(map[string]struct{}, len(entry.overrides))
	}
	for i, override := range entry.overrides {
		path := override.Path
		switch path {
		case "/metadata/namespace", "/metadata/name", "/metadata/generateName", "/kind":
			return fmt.Errorf("spec.overrides[%d].%s[%d].path %q of %q is refused: what is in a topology keeps the federated object's name, namespace and kind; remove this override",
				index, r.word(overridesKey), i, path, r.name(entry.cluster))
		}
		again := false
		if seen != nil {
			_, again = seen[path]
			seen[path] = struct{}{}
		} else {
			for _, earlier := range entry.overrides[:i] {
				again = again || earlier.Path == path
			}
		}
		if again {
			return fmt.Errorf("spec.overrides[%d].%s[%d].path %q appears more than once for %q: keep one of them",
				index, r.word(overridesKey), i, path, r.name(entry.cluster))
		}
	}
	return nil
}

// name returns the name by which the object calls a KubeFedCluster.
func (r *reader) name(cluster string) string {
	if r.v2 {
		return r.typ.FromCluster(r.namespace, cluster)
	}
	return cluster
}

// plainOverrides reads overrides that hold nothing but what upstream knows. It reports false for any others.
func (r *reader) plainOverrides(value any) ([]overridden, bool) {
	list, ok := value.([]any)
	if !ok {
		return nil, false
	}
	entries := make([]overridden, 0, len(list))
	for _, value := range list {
		item, _ := value.(map[string]any)
		name, ok := item[r.word(nameKey)].(string)
		if !ok {
			return nil, false
		}
		entry := overridden{cluster: r.cluster(name)}
		known := 1
		if operations, ok := item[r.word(overridesKey)].([]any); ok {
			known++
			if entry.overrides, ok = plainOperations(operations); !ok {
				return nil, false
			}
		}
		if len(item) != known {
			return nil, false
		}
		entries = append(entries, entry)
	}
	return entries, true
}

func plainOperations(list []any) ([]Override, bool) {
	overrides := make([]Override, 0, len(list))
	for _, value := range list {
		item, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		var o Override
		for key, value := range item {
			switch key {
			case "op":
				o.Op, ok = value.(string)
			case "path":
				o.Path, ok = value.(string)
			case "value":
				o.Value, o.HasValue = value, true
			default:
				ok = false
			}
			if !ok {
				return nil, false
			}
		}
		overrides = append(overrides, o)
	}
	return overrides, true
}

// anyOverrides reads overrides as upstream does.
func (r *reader) anyOverrides(value any) ([]overridden, error) {
	spec, err := r.asV1Beta1("overrides", value)
	if err != nil {
		return nil, err
	}
	var items []struct {
		ClusterName      string `json:"clusterName"`
		ClusterOverrides []struct {
			Op    string          `json:"op"`
			Path  string          `json:"path"`
			Value json.RawMessage `json:"value"`
		} `json:"clusterOverrides"`
	}
	if err := decode(spec, "overrides", "spec.overrides", &items); err != nil {
		return nil, err
	}
	entries := make([]overridden, 0, len(items))
	for _, item := range items {
		entry := overridden{cluster: item.ClusterName}
		if item.ClusterOverrides != nil {
			entry.overrides = make([]Override, 0, len(item.ClusterOverrides))
		}
		for _, operation := range item.ClusterOverrides {
			o := Override{Op: operation.Op, Path: operation.Path, HasValue: operation.Value != nil}
			if o.HasValue {
				if err := utiljson.Unmarshal(operation.Value, &o.Value); err != nil {
					return nil, fmt.Errorf("spec.overrides: %w", err)
				}
			}
			entry.overrides = append(entry.overrides, o)
		}
		entries = append(entries, entry)
	}
	return entries, nil
}
