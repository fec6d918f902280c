package kube

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
)

// served are the resources that the host cluster serves in one group and version, without subresources. Nothing is known
// of those that nobody could be asked about.
type served struct {
	known     bool
	resources []metav1.APIResource
}

// find returns the resource of that plural name, or nil.
func (s served) find(plural string) *metav1.APIResource {
	for i := range s.resources {
		if s.resources[i].Name == plural {
			return &s.resources[i]
		}
	}
	return nil
}

// serves returns what the host cluster serves in the group and version. It is asked once: the answer is fresh, as no cache
// of kubectl's is, so that a version that has just been added is seen.
func (k *Kube) serves(groupVersion string) (served, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s, ok := k.resources[groupVersion]; ok {
		return s, nil
	}
	if k.discovery == nil {
		if k.given && k.config == nil {
			return served{}, nil
		}
		config, err := k.restConfig()
		if err != nil {
			return served{}, err
		}
		if k.discovery, err = discovery.NewDiscoveryClientForConfig(config); err != nil {
			return served{}, fmt.Errorf("set up a client of the host cluster: %w", err)
		}
	}
	list, err := k.discovery.ServerResourcesForGroupVersion(groupVersion)
	s := served{known: true}
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		return served{}, fmt.Errorf("ask the host cluster what it serves in %s: %w", groupVersion, err)
	default:
		for _, r := range list.APIResources {
			if !isSubresource(r.Name) {
				s.resources = append(s.resources, r)
			}
		}
	}
	k.resources[groupVersion] = s
	return s, nil
}
