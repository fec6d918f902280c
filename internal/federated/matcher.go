package federated

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Matcher returns what Selects does, for a placement that is asked about many clusters.
func (p Placement) Matcher() (func(cluster string, clusterLabels map[string]string) bool, error) {
	if p.Clusters != nil {
		named := make(map[string]struct{}, len(p.Clusters))
		for _, name := range p.Clusters {
			named[name] = struct{}{}
		}
		return func(cluster string, _ map[string]string) bool {
			_, ok := named[cluster]
			return ok
		}, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(p.Selector)
	if err != nil {
		return nil, fmt.Errorf("spec.placement.clusterSelector: %w", err)
	}
	return func(_ string, clusterLabels map[string]string) bool {
		return selector.Matches(labels.Set(clusterLabels))
	}, nil
}
