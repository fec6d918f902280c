package federatedcrd

import "fmt"

// Reason says why a CRD cannot be upgraded or downgraded.
type Reason string

const (
	// ReasonForeignGroup means that the CRD is of a group that the conversion does not know.
	ReasonForeignGroup Reason = "ForeignGroup"
	// ReasonPreservesUnknownFields means that spec.preserveUnknownFields is true, which allows one schema only.
	ReasonPreservesUnknownFields Reason = "PreservesUnknownFields"
	// ReasonNoV1beta1 means that there is no version v1beta1.
	ReasonNoV1beta1 Reason = "NoV1beta1"
	// ReasonUnknownVersions means that there are versions beside v1beta1 and v2beta1, or that another one is to be stored.
	ReasonUnknownVersions Reason = "UnknownVersions"
	// ReasonNotStorageVersion means that v1beta1 is not the version that is stored, in a CRD that nobody has upgraded.
	ReasonNotStorageVersion Reason = "NotStorageVersion"
	// ReasonNoStructuralSchema means that v1beta1 has no schema, or one that is not structural, or one that does
	// not declare spec.
	ReasonNoStructuralSchema Reason = "NoStructuralSchema"
	// ReasonForeignV2beta1 means that a version v2beta1 exists that is somebody else's.
	ReasonForeignV2beta1 Reason = "ForeignV2beta1"
	// ReasonForeignConversion means that the conversion goes through somebody else's webhook.
	ReasonForeignConversion Reason = "ForeignConversion"
	// ReasonForeignField means that v1beta1's schema has a field of an extension field's name that is somebody
	// else's.
	ReasonForeignField Reason = "ForeignField"
	// ReasonStillStored means that v2beta1 cannot go because objects may be stored in it.
	ReasonStillStored Reason = "StillStored"
)

// Error says why a CRD cannot be upgraded or downgraded, and what to do about it.
type Error struct {
	// Reason is one of this package's reasons.
	Reason Reason
	// Field is the path in the CRD of what is in the way.
	Field string
	// Detail says what is there, and the way out.
	Detail string
}

// Error returns field and detail.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Field, e.Detail) }

// Is reports whether target is an *Error of the same reason, for errors.Is.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Reason == e.Reason
}

// Foreign reports whether something that belongs to somebody else is in the way.
func (e *Error) Foreign() bool {
	switch e.Reason {
	case ReasonForeignV2beta1, ReasonForeignConversion, ReasonForeignField:
		return true
	default:
		return false
	}
}
