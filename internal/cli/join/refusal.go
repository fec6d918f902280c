package join

import (
	"fmt"
	"strings"

	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/internal/cli/join/membership"
	"github.com/cellfed/cellfed/internal/topology"
)

// refusal says why a KubeFedCluster must not be written as it is wanted, given those that there are.
func refusal(wanted *kubefedv1beta1.KubeFedCluster, clusters []kubefedv1beta1.KubeFedCluster) error {
	uid := wanted.Annotations[membership.ClusterUIDAnnotation]
	for i := range clusters {
		other := &clusters[i]
		same := sameEndpoint(other.Spec.APIEndpoint, wanted.Spec.APIEndpoint)
		known := other.Annotations[membership.ClusterUIDAnnotation]
		switch {
		case topology.StandsForCell(other.Labels):
			if other.Name == wanted.Name {
				return fmt.Errorf("the KubeFedCluster %q stands for a cell: choose another name", other.Name)
			}
		case other.Name == wanted.Name && !same:
			return fmt.Errorf("the KubeFedCluster %q is registered with the endpoint %s, not %s: choose another name, or, if it is the same cluster, give --endpoint %s, "+
				"or take the other one out with kubectl cells unjoin %s", other.Name, other.Spec.APIEndpoint, wanted.Spec.APIEndpoint, other.Spec.APIEndpoint, other.Name)
		case other.Name == wanted.Name && known != "" && known != uid:
			return fmt.Errorf("the KubeFedCluster %q is registered for another cluster, which its endpoint reached then: take that one out with kubectl cells unjoin %s, or choose another name",
				other.Name, other.Name)
		case other.Name != wanted.Name && (same || known != "" && known == uid):
			return fmt.Errorf("the cluster is registered already, as %q: under two names, what is placed on one of them only would be created and deleted in turn: "+
				"make cells on %q with kubectl cells create, or take it out first", other.Name, other.Name)
		}
	}
	return nil
}

// sameEndpoint reports whether two endpoints are one. KubeFed takes them with and without https.
func sameEndpoint(a, b string) bool {
	plain := func(s string) string { return strings.TrimSuffix(strings.TrimPrefix(s, "https://"), "/") }
	return strings.EqualFold(plain(a), plain(b))
}
