package scope

import (
	"errors"
	"strconv"

	"github.com/cellfed/cellfed/internal/federated"
)

// Want is what is to become of a federated object in a topology.
type Want int

const (
	// Untouched means that whatever the topology has, or has not, stays as it is. It is the zero value, so that what nobody
	// decided touches nothing.
	Untouched Want = iota
	// Present means that the topology is to hold what the object renders to.
	Present
	// Absent means that the topology is not to hold the object.
	Absent
	// Orphaned means that what the topology holds stays, and is not the federation's any more.
	Orphaned
)

// String names what is wanted, for messages.
func (w Want) String() string {
	switch w {
	case Untouched:
		return "Untouched"
	case Present:
		return "Present"
	case Absent:
		return "Absent"
	case Orphaned:
		return "Orphaned"
	default:
		return strconv.Itoa(int(w))
	}
}

// Decision is what is to become of a federated object in a topology, and why.
type Decision struct {
	// Want is what to do.
	Want Want
	// Held says that the mask keeps the topology as it is. Where the object is not placed that means something only if
	// the topology still has it.
	Held bool
	// Placed says that the object is placed on the topology.
	Placed bool
}

// Decide returns what is to become of a federated object in an eligible topology, named by its KubeFedCluster.
//
// The mask comes first: what it does not allow stays as it is, whatever else is asked for, the deletion of the federated
// object included. A deletion reaches every topology that is eligible and allowed, also those on which the object is not
// placed any more.
//
// An object whose placement or mask cannot be used touches nothing. One whose template or overrides cannot be used
// is decided like any other, and fails where it has to be rendered.
func Decide(o *federated.Object, placed bool, topology string) Decision {
	d := Decision{Placed: placed}
	switch {
	case errors.Is(o.Invalid, federated.ErrMask), !o.Mask.Allows(topology):
		d.Held = true
	case errors.Is(o.Invalid, federated.ErrPlacement):
	case o.Deleting && o.Annotations[federated.OrphanAnnotation] == "true":
		d.Want = Orphaned
	case o.Deleting:
		d.Want = Absent
	case placed:
		d.Want = Present
	default:
		d.Want = Absent
	}
	return d
}
