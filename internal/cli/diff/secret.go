package diff

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// lastApplied holds all of an object, as kubectl apply writes it.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// copied reports whether an annotation may hold a copy of the object, as those of kubectl apply and of other tools do.
func copied(key string, value any) bool {
	content, _ := value.(string)
	return key == lastApplied || strings.Contains(key, "applied") || strings.Contains(content, `"data"`) || strings.Contains(content, `"stringData"`)
}

const (
	hidden       = "***"
	hiddenBefore = "*** (before)"
	hiddenAfter  = "*** (after)"
)

// hideSecrets takes the values out of Secrets, so that it still shows which of them change. Either may be nil.
func hideSecrets(before, after *unstructured.Unstructured) {
	if !isSecret(before) && !isSecret(after) {
		return
	}
	for _, fields := range [][]string{{"data"}, {"stringData"}, {"metadata", "annotations"}} {
		from, to := nested(before, fields), nested(after, fields)
		for key := range from {
			value, both := to[key]
			if fields[0] == "metadata" && !copied(key, from[key]) && !copied(key, value) {
				continue
			}
			switch {
			case !both:
				from[key] = hidden
			case sameText(from[key], value):
				from[key], to[key] = hidden, hidden
			default:
				from[key], to[key] = hiddenBefore, hiddenAfter
			}
		}
		for key := range to {
			if _, both := from[key]; !both && (fields[0] != "metadata" || copied(key, to[key])) {
				to[key] = hidden
			}
		}
	}
}

func isSecret(u *unstructured.Unstructured) bool {
	return u != nil && u.GetKind() == "Secret" && u.GroupVersionKind().Group == ""
}

// nested returns an object within an object, to be changed in its place, nil for none. Where something else is there, it is
// hidden as a whole.
func nested(u *unstructured.Unstructured, fields []string) map[string]any {
	if u == nil {
		return nil
	}
	current := u.Object
	for i, name := range fields {
		next, ok := current[name].(map[string]any)
		if !ok {
			if i == len(fields)-1 && current[name] != nil && name != "annotations" {
				current[name] = hidden
			}
			return nil
		}
		current = next
	}
	return current
}
