package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Propagator is who writes a federated type to the members.
//
// +kubebuilder:validation:Enum=KubeFed;Cellfed
type Propagator string

const (
	// PropagatorKubeFed is upstream KubeFed's sync controller.
	PropagatorKubeFed Propagator = "KubeFed"
	// PropagatorCellfed is cellfed's push reconciler.
	PropagatorCellfed Propagator = "Cellfed"
)

// ServedVersions says in which versions the API server serves a federated type.
//
// +kubebuilder:validation:Enum=Both;V2Beta1Only
type ServedVersions string

const (
	// ServedBoth serves v1beta1 and v2beta1.
	ServedBoth ServedVersions = "Both"
	// ServedV2Beta1Only serves v2beta1 alone, where that is possible.
	ServedV2Beta1Only ServedVersions = "V2Beta1Only"
)

// StatusCollection says how much of a member's own status is reported.
//
// +kubebuilder:validation:Enum=All;Fields;None
type StatusCollection string

const (
	// StatusAll reports the whole status of the member's object.
	StatusAll StatusCollection = "All"
	// StatusFields reports chosen fields of it.
	StatusFields StatusCollection = "Fields"
	// StatusNone reports nothing of it.
	StatusNone StatusCollection = "None"
)

// StatusPolicy says what is reported of the members' own status.
//
// +kubebuilder:validation:XValidation:rule="(has(self.collection) && self.collection == 'Fields') == (has(self.fields) && size(self.fields) > 0)",message="give fields with collection Fields, and only then",fieldPath=".fields"
type StatusPolicy struct {
	// collection says how much of the status of a member's object is reported as remoteStatus. Empty means All.
	//
	// +optional
	Collection StatusCollection `json:"collection,omitempty"`

	// fields are the JSON paths, below status, that are reported where collection is Fields: .readyReplicas, or
	// .loadBalancer.ingress. Written as in retain.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=2
	// +kubebuilder:validation:items:MaxLength=512
	Fields []string `json:"fields,omitempty"`
}

// FederatedTypePolicySpec says who propagates a federated type, and how. All of it but propagator counts where Cellfed
// propagates the type.
type FederatedTypePolicySpec struct {
	// propagator is who writes the type to the members: KubeFed, upstream's sync controller, or Cellfed, the push
	// reconciler. A change hands the type over: one of them stops before the other starts, and no object in a
	// member is deleted, recreated or rewritten. Empty means KubeFed, which is also what holds for a type without
	// a policy.
	//
	// +optional
	// +kubebuilder:default=KubeFed
	Propagator Propagator `json:"propagator,omitempty"`

	// propagatingAnnotations are globs for the keys of the template's annotations that reach the members. A '*'
	// stands for any run of characters but '/', '**' for any run of characters, '?' for one character but '/'.
	// Annotations that no glob matches are dropped, and the object's status says so. Empty means that none
	// is propagated. Overrides can always set annotations.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=317
	PropagatingAnnotations []string `json:"propagatingAnnotations,omitempty"`

	// retain are JSON paths of fields that the members own: what a member has there stays, whatever the template
	// says, once the object exists. Such as .spec.replicas, .webhooks[*].clientConfig.caBundle, or
	// .metadata.annotations['example.com/x']. They add to what is always retained.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=2
	// +kubebuilder:validation:items:MaxLength=512
	Retain []string `json:"retain,omitempty"`

	// servedVersions says in which versions the API server serves the type. V2Beta1Only spares it the conversion that it
	// otherwise makes of every object that is written, for the version that is not stored. Clients of v1beta1 get 404 then:
	// upstream KubeFed, kubefedctl and manifests of v1beta1 among them. It holds once Cellfed propagates the type and all
	// objects are stored in v2beta1, and ends before the type is handed back. The condition V1Beta1Served tells
	// what is so and why. Empty means Both.
	//
	// +optional
	ServedVersions ServedVersions `json:"servedVersions,omitempty"`

	// status says what is reported of the members' own status. Empty means the whole of it.
	//
	// +optional
	Status *StatusPolicy `json:"status,omitempty"`
}

// FederatedTypePolicyStatus is what the controller saw.
type FederatedTypePolicyStatus struct {
	// observedGeneration is the generation of the policy that the rest of the status speaks of.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// propagator is who writes the type to the members now. Empty while it is handed over and nobody does.
	//
	// +optional
	Propagator Propagator `json:"propagator,omitempty"`

	// federatedTypeConfigUID and federatedTypeConfigGeneration are the FederatedTypeConfig, as it was when the push
	// reconciler took the type over. A manager that starts again with them as they were goes on at once.
	//
	// +optional
	FederatedTypeConfigUID string `json:"federatedTypeConfigUID,omitempty"`
	// +optional
	FederatedTypeConfigGeneration int64 `json:"federatedTypeConfigGeneration,omitempty"`

	// storageVersion is the version in which all objects of the type are stored. Empty while they are migrated.
	//
	// +optional
	StorageVersion string `json:"storageVersion,omitempty"`

	// conditions tell who propagates the type and why. Known types: Propagating, StorageMigrated, V1Beta1Served, Valid.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// FederatedTypePolicy says who propagates a federated type to the members, and how. It is in the KubeFed namespace and
// has the name of the type's FederatedTypeConfig.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=federatedtypepolicies,singular=federatedtypepolicy,scope=Namespaced,shortName=ftp,categories=cellfed
// +kubebuilder:printcolumn:name="Propagator",type=string,JSONPath=`.spec.propagator`,description="Who is to propagate the type."
// +kubebuilder:printcolumn:name="Current",type=string,JSONPath=`.status.propagator`,description="Who propagates it now; empty during a hand-over."
// +kubebuilder:printcolumn:name="Propagating",type=string,JSONPath=`.status.conditions[?(@.type=="Propagating")].status`,description="Whether the one that is to propagate the type does."
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Propagating")].reason`,description="Why it does or does not."
// +kubebuilder:printcolumn:name="Stored",type=string,priority=1,JSONPath=`.status.storageVersion`,description="The version in which all objects of the type are stored."
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`,description="How long ago the policy was created."
type FederatedTypePolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says who propagates the type, and how.
	//
	// +optional
	Spec FederatedTypePolicySpec `json:"spec,omitempty"`

	// status is what the controller saw.
	//
	// +optional
	Status FederatedTypePolicyStatus `json:"status,omitempty"`
}

// WantedPropagator returns who is to propagate the type of a policy; a nil policy is that of a type without one.
func (p *FederatedTypePolicy) WantedPropagator() Propagator {
	if p == nil || p.Spec.Propagator == "" {
		return PropagatorKubeFed
	}
	return p.Spec.Propagator
}

// AsksForV2Beta1Only reports whether v1beta1 is not to be served where that is possible; a nil policy does not ask for it.
func (p *FederatedTypePolicy) AsksForV2Beta1Only() bool {
	return p != nil && p.Spec.ServedVersions == ServedV2Beta1Only
}

// FederatedTypePolicyList is a list of FederatedTypePolicies.
//
// +kubebuilder:object:root=true
type FederatedTypePolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the policies.
	Items []FederatedTypePolicy `json:"items"`
}
