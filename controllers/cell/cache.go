package cell

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// ByObject returns how the manager's cache is to hold what this controller reads: KubeFedClusters,
// FederatedTypeConfigs, FederatedTypePolicies and Secrets of the KubeFed namespace only, and of none of them, nor of Namespaces and CRDs that
// are held as metadata, what nobody looks at. The federated objects have a cache of their own.
func ByObject(kubeFedNamespace string) map[client.Object]cache.ByObject {
	only := map[string]cache.Config{kubeFedNamespace: {}}
	return map[client.Object]cache.ByObject{
		&kubefedv1beta1.KubeFedCluster{}:      {Namespaces: only, Transform: keepAppliedFields},
		&kubefedv1beta1.FederatedTypeConfig{}: {Namespaces: only, Transform: cache.TransformStripManagedFields()},
		&v1alpha1.FederatedTypePolicy{}:       {Namespaces: only, Transform: cache.TransformStripManagedFields()},
		&corev1.Secret{}:                      {Namespaces: only, Transform: cache.TransformStripManagedFields()},
		&corev1.Namespace{}:                   {Transform: stripMetadata},
		newCRDMetadata():                      {Transform: stripMetadata},
	}
}

var (
	_ toolscache.TransformFunc = keepAppliedFields
	_ toolscache.TransformFunc = stripMetadata
)

// keepAppliedFields keeps of managedFields what cellfed applied, by which it knows what it would give up.
func keepAppliedFields(object any) (any, error) {
	if o, ok := object.(metav1.Object); ok {
		o.SetManagedFields(slices.DeleteFunc(o.GetManagedFields(), func(entry metav1.ManagedFieldsEntry) bool {
			return !appliedByUs(entry)
		}))
	}
	return object, nil
}

// stripMetadata takes managedFields and annotations from an object that is held as metadata only: the annotations of
// a CRD can hold all of it once more. What a Namespace says of placement masks stays. Other forms of the object keep their
// annotations.
func stripMetadata(object any) (any, error) {
	if o, ok := object.(metav1.Object); ok {
		o.SetManagedFields(nil)
	}
	if o, ok := object.(*metav1.PartialObjectMetadata); ok {
		mask, found := o.Annotations[v1alpha1.DefaultPlacementMaskAnnotation]
		o.SetAnnotations(nil)
		if found {
			o.SetAnnotations(map[string]string{v1alpha1.DefaultPlacementMaskAnnotation: mask})
		}
	}
	return object, nil
}
