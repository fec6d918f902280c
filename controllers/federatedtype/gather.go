package federatedtype

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/federatedcrd"
)

// pageSize is how many objects are asked for at once.
const pageSize = 500

// gather returns the names of the CRDs that the FTC names, or that were changed on its behalf, and for each CRD the FTC
// that federates the type now.
func (r *Reconciler) gather(ctx context.Context, key types.NamespacedName) ([]string, map[string]*kubefedv1beta1.FederatedTypeConfig, error) {
	ftcs, err := r.ftcs(ctx)
	if err != nil {
		return nil, nil, err
	}
	names := map[string]bool{}
	for i := range ftcs {
		if ftcs[i].Name == key.Name {
			names[crdName(&ftcs[i])] = true
		}
	}
	crds := &metav1.PartialObjectMetadataList{}
	crds.SetGroupVersionKind(crdListGVK)
	if err := r.client.List(ctx, crds); err != nil {
		return nil, nil, fmt.Errorf("listing CRDs: %w", err)
	}
	for i := range crds.Items {
		if federatedcrd.Owner(&crds.Items[i]) == key.String() {
			names[crds.Items[i].Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), ownersOf(ftcs), nil
}

// ftcs returns the FTCs of the namespace, sorted by name.
func (r *Reconciler) ftcs(ctx context.Context) ([]kubefedv1beta1.FederatedTypeConfig, error) {
	list := &kubefedv1beta1.FederatedTypeConfigList{}
	if err := r.client.List(ctx, list, client.InNamespace(r.options.Namespace)); err != nil {
		return nil, fmt.Errorf("listing FederatedTypeConfigs: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b kubefedv1beta1.FederatedTypeConfig) int { return strings.Compare(a.Name, b.Name) })
	return list.Items, nil
}

// ownersOf returns for each CRD the FTC that names it: the first, where upstream let two name one CRD.
func ownersOf(ftcs []kubefedv1beta1.FederatedTypeConfig) map[string]*kubefedv1beta1.FederatedTypeConfig {
	owners := map[string]*kubefedv1beta1.FederatedTypeConfig{}
	for i := range ftcs {
		if name := crdName(&ftcs[i]); owners[name] == nil {
			owners[name] = &ftcs[i]
		}
	}
	return owners
}

// crdName returns the name of the CRD that an FTC names. Without upstream's webhook the plural may be left to its default.
func crdName(ftc *kubefedv1beta1.FederatedTypeConfig) string {
	plural := ftc.Spec.FederatedType.PluralName
	if plural == "" {
		plural = kubefedv1beta1.PluralName(ftc.Spec.FederatedType.Kind)
	}
	return plural + "." + ftc.Spec.FederatedType.Group
}

// holder returns the name of an object of the type that holds one of the extension fields, or "" if there is none. It
// reads v1beta1, which needs no conversion once v2beta1 is gone.
func (r *Reconciler) holder(ctx context.Context, crd *apiextensionsv1.CustomResourceDefinition) (string, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: crd.Spec.Group, Version: federated.V1Beta1, Kind: crd.Spec.Names.Kind + "List"})
	for {
		if err := r.live.List(ctx, list, client.Limit(pageSize), client.Continue(list.GetContinue())); err != nil {
			return "", fmt.Errorf("looking for objects of %s that hold a field of v2beta1's: %w", crd.Name, err)
		}
		for i := range list.Items {
			if federatedcrd.UsesFields(list.Items[i].Object) {
				return strings.TrimPrefix(client.ObjectKeyFromObject(&list.Items[i]).String(), "/"), nil
			}
		}
		if list.GetContinue() == "" {
			return "", nil
		}
	}
}
