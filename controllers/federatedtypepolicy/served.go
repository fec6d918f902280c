package federatedtypepolicy

import (
	"context"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kubefed/pkg/apis/core/common"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federatedcrd"
)

// unserved says why upstream could not read what it needs to propagate a type, "" if it can: the type itself and, for one
// whose objects are in namespaces, FederatedNamespaces, both in v1beta1.
//
// It must be called after the wish to hand the type back was read: what takes v1beta1 away writes the condition first, and looks at the
// wishes then.
func (r *Reconciler) unserved(ctx context.Context, config *fedv1b1.FederatedTypeConfig) (string, error) {
	why, err := r.unservedType(ctx, config)
	if err != nil || why != "" || config.Name == common.NamespaceName || !config.GetNamespaced() {
		return why, err
	}
	namespaces := &fedv1b1.FederatedTypeConfig{}
	key := client.ObjectKey{Namespace: config.Namespace, Name: common.NamespaceName}
	switch err := r.live.Get(ctx, key, namespaces); {
	case apierrors.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("getting the FederatedTypeConfig %q: %w", key.Name, err)
	}
	return r.unservedType(ctx, namespaces)
}

// unservedType looks at the condition, at the CRD, and at what the API server answers.
func (r *Reconciler) unservedType(ctx context.Context, config *fedv1b1.FederatedTypeConfig) (string, error) {
	policy := &v1alpha1.FederatedTypePolicy{}
	var told *metav1.Condition
	switch err := r.live.Get(ctx, client.ObjectKeyFromObject(config), policy); {
	case err == nil:
		told = meta.FindStatusCondition(policy.Status.Conditions, string(v1alpha1.ConditionV1Beta1Served))
	case !apierrors.IsNotFound(err):
		return "", fmt.Errorf("getting the FederatedTypePolicy %q: %w", config.Name, err)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	switch err := r.live.Get(ctx, client.ObjectKey{Name: crdName(config)}, crd); {
	case apierrors.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("getting the CRD %q: %w", crdName(config), err)
	}
	why := fmt.Sprintf("waiting until the CRD %q serves v1beta1 again, which KubeFed reads; its condition %s tells what may be in the way",
		crd.Name, v1alpha1.ConditionTopologies)
	if federatedcrd.HidesV1Beta1(crd) || told != nil && told.Status != metav1.ConditionTrue {
		return why, nil
	}
	if told == nil {
		return "", nil // It was never taken away.
	}
	fed := config.Spec.FederatedType
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: fed.Group, Version: fed.Version, Kind: fed.Kind + "List"})
	switch err := r.live.List(ctx, list, client.Limit(1)); {
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err):
		return why, nil
	case err != nil:
		return "", fmt.Errorf("reading a %s in %s, as KubeFed will: %w", fed.Kind, fed.Version, err)
	}
	return "", nil
}
