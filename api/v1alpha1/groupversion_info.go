// Package v1alpha1 holds the cellfed.io/v1alpha1 API: Cell, and the labels, finalizers and conditions that
// the rest of cellfed and its users rely on.
//
// +kubebuilder:object:generate=true
// +groupName=cellfed.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// GroupVersion is the group and version of the types in this package.
	GroupVersion = schema.GroupVersion{Group: "cellfed.io", Version: "v1alpha1"}

	// SchemeBuilder collects the functions that add this package's types to a scheme.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme adds the types of this package to a scheme.
	AddToScheme = SchemeBuilder.AddToScheme
)

func addKnownTypes(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion, &Cell{}, &CellList{}, &FederatedTypePolicy{}, &FederatedTypePolicyList{})
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
