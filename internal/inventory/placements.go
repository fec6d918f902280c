package inventory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
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

// typesAtOnce is how many types are read at a time: somebody waits for the answer, and the API server has others to serve.
const typesAtOnce = 4

// LateError means that the time was over before all types were read.
type LateError struct {
	// Types are the names of those that were not.
	Types []string
	err   error
}

// Error implements error.
func (e *LateError) Error() string {
	const most = 10
	named, more := e.Types, ""
	if rest := len(named) - most; rest > 0 {
		named, more = named[:most], fmt.Sprintf(" and %d more", rest)
	}
	return fmt.Sprintf("there was no time to read %s%s: %v", strings.Join(named, ", "), more, e.err)
}

// Unwrap returns what ended the time.
func (e *LateError) Unwrap() error { return e.err }

// Objects returns the federated objects of a namespace, of all types, reduced by placementcache.Strip. The empty namespace
// stands for all, and for what is in none. It fails if it cannot read one of the types, with a LateError where the context ends before
// all are read.
func (p *Placements) Objects(ctx context.Context, namespace string) ([]placementcache.Object, error) {
	types, err := p.typesFor(ctx, namespace)
	if err != nil {
		return nil, err
	}
	found, read := make([][]placementcache.Object, len(types)), make([]bool, len(types))
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(typesAtOnce)
	for n, t := range types {
		group.Go(func() error {
			err := reading.Err()
			if err == nil {
				found[n], err = p.objects.Live(reading, t, namespace)
			}
			read[n] = err == nil
			return err
		})
	}
	err = group.Wait()
	switch {
	case err != nil && (ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded)):
		late := &LateError{err: cmp.Or(ctx.Err(), context.DeadlineExceeded)}
		for n, t := range types {
			if !read[n] {
				late.Types = append(late.Types, t.Name)
			}
		}
		return nil, late
	case err != nil:
		return nil, err
	}
	return slices.Concat(found...), nil
}

// typesFor returns what to read of a namespace, or of all.
func (p *Placements) typesFor(ctx context.Context, namespace string) ([]placementcache.Type, error) {
	list := &fedv1b1.FederatedTypeConfigList{}
	err := p.inventory.Reader.List(ctx, list, client.InNamespace(p.inventory.KubeFedNamespace), client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("list FederatedTypeConfigs: %w", err)
	}
	var types []placementcache.Type
	for n := range list.Items {
		config := &list.Items[n]
		if namespace != metav1.NamespaceAll && !config.GetFederatedNamespaced() {
			continue
		}
		t, err := p.typeOf(ctx, config)
		if err != nil {
			return nil, err
		}
		types = append(types, t)
	}
	slices.SortFunc(types, func(a, b placementcache.Type) int { return cmp.Compare(a.Name, b.Name) })
	return types, nil
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
