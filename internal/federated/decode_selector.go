package federated

import (
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cellfed/cellfed/internal/topology"
)

// plainSelector reads a selector and, in v2beta1, restricts it to what the topology type lets it select.
func (r *reader) plainSelector(value any) (*metav1.LabelSelector, bool) {
	s, ok := readSelector(value)
	labels, restricted := r.typ.Restriction(r.namespace)
	if !ok || !r.v2 || !restricted {
		return s, ok
	}
	return restrictSelector(s, labels)
}

// restrictSelector adds the labels of a restriction to a selector. It reports false where the conversion does not restrict
// by labels, or could not.
func restrictSelector(s *metav1.LabelSelector, labels [2]topology.Label) (*metav1.LabelSelector, bool) {
	if s == nil || s.MatchLabels != nil && len(s.MatchLabels) == 0 {
		return nil, false
	}
	matchLabels := make(map[string]string, len(s.MatchLabels)+len(labels))
	maps.Copy(matchLabels, s.MatchLabels)
	for _, label := range labels {
		if _, taken := matchLabels[label.Key]; taken {
			return nil, false
		}
		for _, e := range s.MatchExpressions {
			if e.Key == label.Key {
				return nil, false
			}
		}
		matchLabels[label.Key] = label.Value
	}
	return &metav1.LabelSelector{MatchLabels: matchLabels, MatchExpressions: s.MatchExpressions}, true
}

func readSelector(value any) (*metav1.LabelSelector, bool) {
	selector, ok := value.(map[string]any)
	if !ok {
		return nil, value == nil
	}
	s := &metav1.LabelSelector{}
	for key, value := range selector {
		switch key {
		case labelsKey:
			s.MatchLabels, ok = plainLabels(value)
		case expressionsKey:
			s.MatchExpressions, ok = plainExpressions(value)
		default:
			ok = false
		}
		if !ok {
			return nil, false
		}
	}
	return s, true
}

func plainLabels(value any) (map[string]string, bool) {
	content, ok := value.(map[string]any)
	if !ok {
		return nil, false
	}
	labels := make(map[string]string, len(content))
	for key, value := range content {
		if labels[key], ok = value.(string); !ok {
			return nil, false
		}
	}
	return labels, true
}

func plainExpressions(value any) ([]metav1.LabelSelectorRequirement, bool) {
	list, ok := value.([]any)
	if !ok {
		return nil, false
	}
	expressions := make([]metav1.LabelSelectorRequirement, 0, len(list))
	for _, value := range list {
		item, _ := value.(map[string]any)
		key, hasKey := item["key"].(string)
		operator, hasOperator := item["operator"].(string)
		if !hasKey || !hasOperator {
			return nil, false
		}
		e := metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOperator(operator)}
		known := 2
		if values, ok := item["values"].([]any); ok {
			known++
			if e.Values, ok = plainStrings(values); !ok {
				return nil, false
			}
		}
		if len(item) != known {
			return nil, false
		}
		expressions = append(expressions, e)
	}
	return expressions, true
}

func plainStrings(list []any) ([]string, bool) {
	s := make([]string, 0, len(list))
	for _, value := range list {
		item, ok := value.(string)
		if !ok {
			return nil, false
		}
		s = append(s, item)
	}
	return s, true
}
