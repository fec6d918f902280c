package v1alpha1

const (
	// ConditionPropagating says whether the one that is to propagate the type does. It stands on a
	// FederatedTypePolicy.
	ConditionPropagating ConditionType = "Propagating"

	// ConditionV1Beta1Served says whether the API server serves the type in v1beta1. It stands on a FederatedTypePolicy
	// that asks, or has asked, for v2beta1 alone. False means that it may not: it is written before v1beta1 ceases
	// to be served, and becomes true after v1beta1 is served again.
	ConditionV1Beta1Served ConditionType = "V1Beta1Served"

	// ConditionValid says whether all of a FederatedTypePolicy's spec can be followed. What can be is.
	ConditionValid ConditionType = "Valid"
)

const (
	// ReasonCellfed goes with a true Propagating: the push reconciler propagates the type.
	ReasonCellfed ConditionReason = "Cellfed"
	// ReasonKubeFed goes with a true Propagating: upstream KubeFed propagates the type.
	ReasonKubeFed ConditionReason = "KubeFed"

	// ReasonHandingOver means that upstream KubeFed is being told to let go of the type.
	ReasonHandingOver ConditionReason = "HandingOver"
	// ReasonWaitingForKubeFed means that upstream KubeFed has not yet reported that it stopped, or started.
	ReasonWaitingForKubeFed ConditionReason = "WaitingForKubeFed"
	// ReasonKubeFedDraining means that upstream KubeFed reported that it stopped, and that what it had begun may
	// still be written.
	ReasonKubeFedDraining ConditionReason = "KubeFedDraining"
	// ReasonStarting means that the type is the push reconciler's, which is about to start.
	ReasonStarting ConditionReason = "Starting"
	// ReasonHandingBack means that the push reconciler has stopped, and upstream KubeFed has not started.
	ReasonHandingBack ConditionReason = "HandingBack"
	// ReasonObjectsHeld means that the type is to be upstream KubeFed's, which knows no placement mask and would release
	// what masks hold: cellfed goes on until nothing is held any more.
	ReasonObjectsHeld ConditionReason = "ObjectsHeld"
	// ReasonObjectsUnfit means that the type is to be upstream KubeFed's, which could not propagate some of its objects as
	// they are, or would write what cellfed does not, to another tenant's clusters above all: cellfed goes on until they are
	// corrected.
	ReasonObjectsUnfit ConditionReason = "ObjectsUnfit"
	// ReasonObjectsUnreadable means that the type is to be handed back to upstream, and that the objects that upstream would be
	// given cannot be looked at. Cellfed goes on until they can.
	ReasonObjectsUnreadable ConditionReason = "ObjectsUnreadable"
	// ReasonServingV1Beta1 means that the type is to be upstream KubeFed's, and that v1beta1, which that reads, is not served
	// yet.
	ReasonServingV1Beta1 ConditionReason = "ServingV1Beta1"
	// ReasonKubeFedNotRunning means that the type is upstream KubeFed's, which does not run.
	ReasonKubeFedNotRunning ConditionReason = "KubeFedNotRunning"
	// ReasonPropagationDisabled means that the type is upstream KubeFed's, and that somebody disabled its
	// FederatedTypeConfig.
	ReasonPropagationDisabled ConditionReason = "PropagationDisabled"
	// ReasonFederatedTypeConfigEnabled means that somebody enabled the FederatedTypeConfig of a type that was handed
	// over. The push reconciler has stopped, and takes the type over again.
	ReasonFederatedTypeConfigEnabled ConditionReason = "FederatedTypeConfigEnabled"
	// ReasonFederatedTypeConfigNotFound means that no FederatedTypeConfig has the policy's name.
	ReasonFederatedTypeConfigNotFound ConditionReason = "FederatedTypeConfigNotFound"
	// ReasonFederatedTypeConfigTerminating means that the FederatedTypeConfig is being deleted.
	ReasonFederatedTypeConfigTerminating ConditionReason = "FederatedTypeConfigTerminating"
	// ReasonNotServed means that the type's CRD does not serve v2beta1 as it should, which the push reconciler needs.
	ReasonNotServed ConditionReason = "NotServed"

	// ReasonV2Beta1Only goes with a false V1Beta1Served: v2beta1 alone is served, as the policy asks.
	ReasonV2Beta1Only ConditionReason = "V2Beta1Only"
	// ReasonNotAsked goes with a true V1Beta1Served: the policy does not ask for v2beta1 alone any more.
	ReasonNotAsked ConditionReason = "NotAsked"
	// ReasonPropagatorNotCellfed means that v1beta1 stays served because the type is, or is to be, upstream KubeFed's.
	ReasonPropagatorNotCellfed ConditionReason = "PropagatorNotCellfed"
	// ReasonStorageNotMigrated means that v1beta1 stays served because objects may be stored in it.
	ReasonStorageNotMigrated ConditionReason = "StorageNotMigrated"
	// ReasonKubeFedReadsNamespaces means that FederatedNamespaces stay served in v1beta1 because upstream KubeFed, which
	// propagates other types, reads them.
	ReasonKubeFedReadsNamespaces ConditionReason = "KubeFedReadsNamespaces"
	// ReasonKubeFedCollectsStatus means that v1beta1 stays served because upstream KubeFed reads it to collect the
	// status of Services, which it does whoever propagates them.
	ReasonKubeFedCollectsStatus ConditionReason = "KubeFedCollectsStatus"

	// ReasonValid goes with a true Valid.
	ReasonValid ConditionReason = "Valid"
	// ReasonInvalid goes with a false Valid.
	ReasonInvalid ConditionReason = "Invalid"
)

const (
	// HandoverFinalizer keeps a FederatedTypePolicy until its type was handed back to upstream KubeFed.
	HandoverFinalizer = "cellfed.io/handover"

	// HandedOverAnnotation stands, with the value "true", on a FederatedTypeConfig whose spec.propagation is Disabled
	// on behalf of a FederatedTypePolicy. It tells a type that is to be enabled when it is handed back from one that
	// somebody disabled and that stays so.
	HandedOverAnnotation = "cellfed.io/handed-over"
)
