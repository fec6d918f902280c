package v1alpha1

// ConditionTopologies stands in the status of a federated CRD and says whether the CRD serves v2beta1, the version that
// names topologies, as it should. Its status is True with ReasonServed alone.
const ConditionTopologies ConditionType = "cellfed.io/Topologies"

const (
	// ReasonServed means that v2beta1 is served, and converted by a webhook that answered.
	ReasonServed ConditionReason = "Served"
	// ReasonUnsupported means that the CRD cannot be given v2beta1. It is left as it is.
	ReasonUnsupported ConditionReason = "Unsupported"
	// ReasonConflict means that the CRD has a version, a conversion or a field of cellfed's that somebody else put
	// there. It is left as it is.
	ReasonConflict ConditionReason = "Conflict"
	// ReasonWebhookUnreachable means that the conversion webhook did not answer as it should. The CRD is left as it
	// is until it does.
	ReasonWebhookUnreachable ConditionReason = "WebhookUnreachable"
	// ReasonRemoved means that v2beta1, its conversion and its fields in v1beta1 were taken back.
	ReasonRemoved ConditionReason = "Removed"
	// ReasonFieldsKept means that v2beta1 and its conversion were taken back, and that v1beta1 still declares the
	// fields that came with them because objects hold some.
	ReasonFieldsKept ConditionReason = "FieldsKept"
	// ReasonStillStored means that v2beta1 cannot be taken back because objects may be stored in it.
	ReasonStillStored ConditionReason = "StillStored"
)
