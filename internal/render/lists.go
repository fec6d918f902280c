package render

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// protocol is the one key field of Kubernetes' own lists that has a default.
const (
	protocol        = "protocol"
	defaultProtocol = "TCP"
)

// candidates are the fields by which the items of a list can be told apart, in the order in which they are tried where
// nothing else says what the list's keys are.
var candidates = [][]string{
	{"name"}, {"containerPort", protocol}, {"port", protocol}, {"mountPath"}, {"devicePath"}, {"ip"}, {"key"}, {"type"}, {"uid"},
}

// granular are the lists of Kubernetes' own kinds that have more than one owner, with their keys. All others are taken for
// lists of a single owner until the member's field managers say something else.
var granular = map[string][][]string{
	"containers":                {{"name"}},
	"initContainers":            {{"name"}},
	"ephemeralContainers":       {{"name"}},
	"volumes":                   {{"name"}},
	"env":                       {{"name"}},
	"imagePullSecrets":          {{"name"}},
	"secrets":                   {{"name"}},
	"webhooks":                  {{"name"}},
	"matchConditions":           {{"name"}},
	"resourceClaims":            {{"name"}},
	"schedulingGates":           {{"name"}},
	"ports":                     {{"containerPort", protocol}, {"port", protocol}},
	"volumeMounts":              {{"mountPath"}},
	"volumeDevices":             {{"devicePath"}},
	"hostAliases":               {{"ip"}},
	"conditions":                {{"type"}},
	"ownerReferences":           {{"uid"}},
	"topologySpreadConstraints": {{"topologyKey", "whenUnsatisfiable"}},
}

// keyField returns a key field of an item, by its default where there is one.
func keyField(item map[string]any, key string) (any, bool) {
	value, ok := item[key]
	if (!ok || value == nil) && key == protocol {
		return defaultProtocol, true
	}
	return value, ok && value != nil
}

// sameKey says whether two items have the same key. A field that one of them leaves to a default that nobody knows here
// does not tell them apart.
func sameKey(a, b map[string]any, keys []string) bool {
	for _, key := range keys {
		x, hasX := keyField(a, key)
		y, hasY := keyField(b, key)
		if hasX && hasY && !sameScalar(x, y) {
			return false
		}
	}
	return true
}

// find returns the index of the item with the key of another one, or -1.
func find(list []any, item map[string]any, keys []string) int {
	return slices.IndexFunc(list, func(value any) bool {
		other, ok := value.(map[string]any)
		return ok && sameKey(item, other, keys)
	})
}

// keysOf returns the first of the candidates that tells all the items of every list apart, nil if none does.
func keysOf(candidates [][]string, lists ...[]any) []string {
	for _, keys := range candidates {
		if !slices.ContainsFunc(lists, func(list []any) bool { return !tells(list, keys) }) {
			return keys
		}
	}
	return nil
}

// tells says whether the items of a list all have the key fields, and no two of them the same.
func tells(list []any, keys []string) bool {
	seen := make(map[string]struct{}, len(list))
	for _, value := range list {
		item, ok := value.(map[string]any)
		if !ok {
			return false
		}
		id := ""
		for _, key := range keys {
			field, ok := keyField(item, key)
			if !ok || !isScalar(field) {
				return false
			}
			id += scalarText(field) + "\x00"
		}
		if _, twice := seen[id]; twice {
			return false
		}
		seen[id] = struct{}{}
	}
	return true
}

// counterparts returns, for every item of a list, the index in another list of the item that is the same one, -1 for
// none. The keys are those given, if any; else those of Kubernetes' own lists of that name; else the name, the port and
// protocol, and other well-known fields; else the field by which most items are found again. Where nothing tells the items
// apart, it is their position.
func counterparts(name string, keys []string, list, other []any) []int {
	out := make([]int, len(list))
	if keys == nil {
		keys = keysOf(granular[name], list, other)
	}
	if keys == nil {
		keys = keysOf(candidates, list, other)
	}
	if keys == nil {
		keys = likelyKey(list, other)
	}
	for i, value := range list {
		item, ok := value.(map[string]any)
		switch {
		case keys != nil && ok:
			out[i] = find(other, item, keys)
		case i < len(other):
			out[i] = i
		default:
			out[i] = -1
		}
	}
	return out
}

// likelyKey returns the field that tells the items of both lists apart and finds most of the one again in the other, the
// first by name of several. It returns nil if there is no such field.
func likelyKey(list, other []any) []string {
	if len(list) == 0 || len(other) == 0 {
		return nil
	}
	first, ok := list[0].(map[string]any)
	if !ok {
		return nil
	}
	var best []string
	most := 0
	for _, name := range slices.Sorted(maps.Keys(first)) {
		keys := []string{name}
		if !tells(list, keys) || !tells(other, keys) {
			continue
		}
		found := 0
		for _, value := range list {
			if item, ok := value.(map[string]any); ok && find(other, item, keys) >= 0 {
				found++
			}
		}
		if found > most {
			best, most = keys, found
		}
	}
	return best
}

// sameScalar compares values that are neither objects nor lists, as JSON does: 1 and 1.0 are the same number.
func sameScalar(a, b any) bool {
	switch x := a.(type) {
	case int64:
		switch y := b.(type) {
		case int64:
			return x == y
		case float64:
			return float64(x) == y
		}
	case float64:
		switch y := b.(type) {
		case int64:
			return x == float64(y)
		case float64:
			return x == y
		}
	case string:
		y, ok := b.(string)
		return ok && x == y
	case bool:
		y, ok := b.(bool)
		return ok && x == y
	case nil:
		return b == nil
	}
	return false
}

func isScalar(value any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

// scalarText writes a scalar so that two are the same text where they are the same value.
func scalarText(value any) string {
	if f, ok := value.(float64); ok && f == float64(int64(f)) {
		value = int64(f)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}
