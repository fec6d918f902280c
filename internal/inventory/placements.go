package inventory

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/placementcache"
)

// Placements reads from the API server where federated objects are placed. That costs a request for each type, and is for
// what happens seldom and must not be decided by a look at the past.
type Placements struct {
	inventory *Inventory
	objects   *placementcache.Cache
}

// NewPlacements returns the Placements of the types that the inventory knows.
func NewPlacements(i *Inventory, client dynamic.Interface) *Placements {
	return &Placements{inventory: i, objects: placementcache.New(client)}
}

// Objects returns the federated objects of a namespace, of all types, reduced by placementcache.Strip. The empty namespace
// stands for all, and for what is in none. It fails if it cannot read one of the types.
func (p *Placements) Objects(ctx context.Context, namespace string) ([]placementcache.Object, error) {
	list := &fedv1b1.FederatedTypeConfigList{}
	err := p.inventory.Reader.List(ctx, list, client.InNamespace(p.inventory.KubeFedNamespace), client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("list FederatedTypeConfigs: %w", err)
	}
	var all []placementcache.Object
	for n := range list.Items {
		config := &list.Items[n]
		if namespace != metav1.NamespaceAll && !config.GetFederatedNamespaced() {
			continue
		}
		t, err := p.typeOf(ctx, config)
		if err != nil {
			return nil, err
		}
		objects, err := p.objects.Live(ctx, t, namespace)
		if err != nil {
			return nil, err
		}
		all = append(all, objects...)
	}
	return all, nil
}

// typeOf returns what to read, in the version that is stored as far as that is known: any other is converted.
func (p *Placements) typeOf(ctx context.Context, config *fedv1b1.FederatedTypeConfig) (placementcache.Type, error) {
	resource := federatedResource(config)
	version := config.Spec.FederatedType.Version
	if resource.Group == federated.Group {
		version = federated.V1Beta1
		policy, err := p.inventory.Policy(ctx, config.Name)
		if err != nil {
			return placementcache.Type{}, err
		}
		if policy != nil && policy.Status.StorageVersion != "" {
			version = policy.Status.StorageVersion
		}
	}
	return placementcache.Type{
		Name: config.Name, Kind: config.Spec.FederatedType.Kind,
		Resource: schema.GroupVersionResource{Group: resource.Group, Version: version, Resource: resource.Resource},
	}, nil
}
