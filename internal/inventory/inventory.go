// Package inventory is what admission looks up: federated types, Namespaces, Cells and KubeFedClusters, as the manager's
// cache has them. Every replica has one. It asks the API server for nothing but a Namespace that is too new to be in the
// cache, and for what places objects where a change is as rare as it is grave (Placements).
package inventory

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/scope"
)

// Inventory looks things up. Its methods can be called from any goroutine. What they return is shared with the cache, and
// is never changed.
type Inventory struct {
	// Reader reads from the manager's cache, which has the indexes of this package (IndexFields).
	Reader client.Reader
	// Live reads from the API server. It is asked for a Namespace that the cache does not have: one that was created a
	// moment ago, and whose tenant must not be taken for nobody. Nil trusts the cache.
	Live client.Reader
	// KubeFedNamespace is the namespace that upstream KubeFed runs in.
	KubeFedNamespace string

	types sync.Map // from the name of a FederatedTypeConfig to its *knownType
}

// Namespace returns the labels and annotations of a Namespace; of the annotations no more than the cache keeps. That there
// is none of that name is an error by which apierrors.IsNotFound knows it.
func (i *Inventory) Namespace(ctx context.Context, name string) (*metav1.PartialObjectMetadata, error) {
	object, err := i.CachedNamespace(ctx, name)
	if apierrors.IsNotFound(err) && i.Live != nil {
		return namespace(ctx, i.Live, name)
	}
	return object, err
}

// CachedNamespace returns what Namespace does, of the Namespaces that are in the cache. It is for names that need not be
// those of Namespaces.
func (i *Inventory) CachedNamespace(ctx context.Context, name string) (*metav1.PartialObjectMetadata, error) {
	return namespace(ctx, i.Reader, name, client.UnsafeDisableDeepCopy)
}

func namespace(ctx context.Context, reader client.Reader, name string, options ...client.GetOption) (*metav1.PartialObjectMetadata, error) {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if err := reader.Get(ctx, client.ObjectKey{Name: name}, object, options...); err != nil {
		return nil, fmt.Errorf("get Namespace %q: %w", name, err)
	}
	return object, nil
}

// Namesake returns what the host has under the name of a cell's target namespace, as the cache has it.
func (i *Inventory) Namesake(ctx context.Context, target string) (scope.Namesake, error) {
	return Namesake(ctx, i.Reader, i.KubeFedNamespace, target)
}

// Namesake returns what the host has under the name of a cell's target namespace. Most of these are no Namespaces of the
// host, so the reader should be a cache.
func Namesake(ctx context.Context, reader client.Reader, kubeFedNamespace, target string) (scope.Namesake, error) {
	object, err := namespace(ctx, reader, target, client.UnsafeDisableDeepCopy)
	var known scope.Namesake
	switch {
	case err == nil:
		known = scope.NamesakeOf(object.Labels)
	case !apierrors.IsNotFound(err):
		return known, err
	}
	known.KubeFed = target == kubeFedNamespace
	return known, nil
}

// Config returns a FederatedTypeConfig, or nil if there is none of that name.
func (i *Inventory) Config(ctx context.Context, name string) (*fedv1b1.FederatedTypeConfig, error) {
	return get(ctx, i, name, &fedv1b1.FederatedTypeConfig{})
}

// Policy returns a FederatedTypePolicy, or nil if there is none of that name.
func (i *Inventory) Policy(ctx context.Context, name string) (*v1alpha1.FederatedTypePolicy, error) {
	return get(ctx, i, name, &v1alpha1.FederatedTypePolicy{})
}

// Cluster returns a KubeFedCluster, or nil if there is none of that name.
func (i *Inventory) Cluster(ctx context.Context, name string) (*fedv1b1.KubeFedCluster, error) {
	return get(ctx, i, name, &fedv1b1.KubeFedCluster{})
}

// get returns an object of the KubeFed namespace, or nil.
func get[T client.Object](ctx context.Context, i *Inventory, name string, into T) (T, error) {
	var none T
	err := i.Reader.Get(ctx, client.ObjectKey{Namespace: i.KubeFedNamespace, Name: name}, into, client.UnsafeDisableDeepCopy)
	switch {
	case apierrors.IsNotFound(err):
		return none, nil
	case err != nil:
		return none, fmt.Errorf("get %T %q: %w", into, name, err)
	}
	return into, nil
}

// Cell returns a Cell, or nil if there is none of that name.
func (i *Inventory) Cell(ctx context.Context, namespace, name string) (*v1alpha1.Cell, error) {
	cell := &v1alpha1.Cell{}
	err := i.Reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, cell, client.UnsafeDisableDeepCopy)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("get Cell %s/%s: %w", namespace, name, err)
	}
	return cell, nil
}

// CellsIn returns the Cells of a namespace.
func (i *Inventory) CellsIn(ctx context.Context, namespace string) ([]v1alpha1.Cell, error) {
	return i.cells(ctx, client.InNamespace(namespace))
}

// CellsOn returns the Cells of all namespaces that name a physical cluster.
func (i *Inventory) CellsOn(ctx context.Context, cluster string) ([]v1alpha1.Cell, error) {
	return i.cells(ctx, client.MatchingFields{cellCluster: cluster})
}

// CellsClaiming returns the Cells of all namespaces with a claim (v1alpha1.Cell.Claim).
func (i *Inventory) CellsClaiming(ctx context.Context, claim string) ([]v1alpha1.Cell, error) {
	return i.cells(ctx, client.MatchingFields{cellClaim: claim})
}

// CellsTargeting returns the Cells of all namespaces whose objects are in the namespace of that name in their members.
func (i *Inventory) CellsTargeting(ctx context.Context, targetNamespace string) ([]v1alpha1.Cell, error) {
	return i.cells(ctx, client.MatchingFields{cellTarget: targetNamespace})
}

func (i *Inventory) cells(ctx context.Context, which client.ListOption) ([]v1alpha1.Cell, error) {
	list := &v1alpha1.CellList{}
	if err := i.Reader.List(ctx, list, which, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list Cells: %w", err)
	}
	return list.Items, nil
}
