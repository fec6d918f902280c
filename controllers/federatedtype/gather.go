package federatedtype

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
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

// policy returns the policy of that name, which an FTC has too, or nil if there is none.
func (r *Reconciler) policy(ctx context.Context, key types.NamespacedName) (*v1alpha1.FederatedTypePolicy, error) {
	return getPolicy(ctx, r.client, key)
}

func getPolicy(ctx context.Context, reader client.Reader, key types.NamespacedName) (*v1alpha1.FederatedTypePolicy, error) {
	policy := &v1alpha1.FederatedTypePolicy{}
	err := reader.Get(ctx, key, policy)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("getting the FederatedTypePolicy %s: %w", key, err)
	}
	return policy, nil
}

// propagatorOf returns who propagates the type of a policy now, "" if nobody does. A type without a policy is upstream's.
func propagatorOf(policy *v1alpha1.FederatedTypePolicy) v1alpha1.Propagator {
	if policy == nil {
		return v1alpha1.PropagatorKubeFed
	}
	return policy.Status.Propagator
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

// settle readies the objects of a type for a CRD without v2beta1. It returns the name of one that holds one of the
// extension fields, or "" if there is none. It reads v1beta1, which needs no conversion once v2beta1 is gone.
func (r *Reconciler) settle(ctx context.Context, crd *apiextensionsv1.CustomResourceDefinition) (string, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: crd.Spec.Group, Version: federated.V1Beta1, Kind: crd.Spec.Names.Kind + "List"})
	holder := ""
	for {
		if err := r.live.List(ctx, list, client.Limit(pageSize), client.Continue(list.GetContinue())); err != nil {
			return "", fmt.Errorf("looking at the objects of %s: %w", crd.Name, err)
		}
		for i := range list.Items {
			object := &list.Items[i]
			name := strings.TrimPrefix(client.ObjectKeyFromObject(object).String(), "/")
			if err := r.disown(ctx, object); err != nil {
				return "", fmt.Errorf("taking v2beta1 from the managedFields of %s %s: %w", crd.Spec.Names.Kind, name, err)
			}
			if holder == "" && federatedcrd.UsesFields(object.Object) {
				holder = name
			}
		}
		if list.GetContinue() == "" {
			return holder, nil
		}
	}
}

// disown takes from an object's managedFields the entries of v2beta1: the API server refuses every server-side apply to
// an object that has an entry of a version that is not there. What they own is nobody's until somebody applies it again.
func (r *Reconciler) disown(ctx context.Context, object *unstructured.Unstructured) error {
	all := object.GetManagedFields()
	left := slices.DeleteFunc(slices.Clone(all), func(e metav1.ManagedFieldsEntry) bool { return e.APIVersion == federated.APIVersionV2Beta1 })
	if len(left) == len(all) {
		return nil
	}
	if len(left) == 0 {
		left = []metav1.ManagedFieldsEntry{{}} // So API servers are told to clear the list; an empty one changes nothing.
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": object.GetResourceVersion(), "managedFields": left,
	}})
	if err != nil {
		return err
	}
	err = r.client.Patch(ctx, object.DeepCopy(), client.RawPatch(types.MergePatchType, patch), client.FieldOwner(v1alpha1.FieldManager))
	return client.IgnoreNotFound(err)
}
