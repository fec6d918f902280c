package federated

import (
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cellfed/cellfed/internal/topology"
)

var (
	// ErrPlacement means that nobody can tell where a federated object belongs.
	ErrPlacement = errors.New("the placement cannot be used")
	// ErrMask means that nobody can tell which topologies a change to a federated object may touch.
	ErrMask = errors.New("the placement mask cannot be used")
	// ErrTemplate means that a federated object says in no usable way what its topologies are to hold.
	ErrTemplate = errors.New("the template cannot be used")
	// ErrOverrides means that the overrides of a federated object cannot be read, or are refused.
	ErrOverrides = errors.New("the overrides cannot be used")
)

const (
	// OrphanAnnotation leaves in the members what was propagated there, with the value "true" on a federated object
	// that is deleted.
	OrphanAnnotation = "kubefed.io/orphan"
	// DeleteOptionsAnnotation holds, as JSON, the options with which a federated object that is deleted goes from
	// the members.
	DeleteOptionsAnnotation = "kubefed.io/deleteoption"
	// Finalizer keeps a federated object until it is gone from the members. It is upstream's own, so that an object
	// changes propagators without losing it.
	Finalizer = "kubefed.io/sync-controller"
)

// Object is a federated object of either version, read for decisions. It names KubeFedClusters, in whichever version it
// was written. It shares memory with what it was read from, so nothing in it is ever changed.
type Object struct {
	// APIVersion and Kind are the object's own: the version is the one that it was read in.
	APIVersion, Kind string
	// Namespace is empty for a cluster-scoped federated object.
	Namespace, Name string

	UID             types.UID
	ResourceVersion string
	Generation      int64
	// Deleting says that the object is being deleted.
	Deleting            bool
	Finalizers          []string
	Labels, Annotations map[string]string

	// Placement is where the object belongs. It selects nothing where Invalid is an ErrPlacement, and then that means
	// nothing.
	Placement Placement
	// Mask says what a change may touch. Nil means everything that is placed.
	Mask *Mask
	// Template is spec.template, nil if there is none.
	Template map[string]any
	// Overrides are the operations on the template, by the name of the KubeFedCluster.
	Overrides map[string][]Override
	// RetainReplicas is spec.retainReplicas.
	RetainReplicas bool
	// Status is the status as it was last written. What of it is not readable is left out.
	Status Status

	// Invalid is what is wrong with the object, by upstream's rules and those of the mask. errors.Is tells what it
	// concerns: ErrPlacement and ErrMask forbid to touch any topology; with ErrTemplate and ErrOverrides
	// nothing can be created or updated, but what is not wanted any more still goes.
	Invalid error
}

// Mask is which topologies a change may touch.
type Mask struct {
	// Clusters are the names of KubeFedClusters. Without any the mask allows nothing.
	Clusters []string
}

// Allows reports whether a change may touch a topology, given by the name of its KubeFedCluster. Without a mask
// everything may be touched.
func (m *Mask) Allows(cluster string) bool {
	return m == nil || slices.Contains(m.Clusters, cluster)
}

// HoldsBack reports whether the mask keeps some topology from what the object says, or may do so as long as it is not known
// what became of it. Whoever does not obey masks must not be given such an object: it would release everything.
func (o *Object) HoldsBack() bool {
	if errors.Is(o.Invalid, ErrMask) {
		return true
	}
	return o.Mask != nil && (o.Status.Summary == nil || o.Status.Summary.Held > 0 || o.Status.ObservedGeneration != o.Generation)
}

// Override is an operation of a JSON patch.
type Override struct {
	// Op is add, remove or replace, or empty, which upstream takes for replace.
	Op string
	// Path is a JSON pointer into the template.
	Path string
	// Value is as in unstructured content. HasValue tells a null from no value at all.
	Value    any
	HasValue bool
}

// Decode reads a federated object of either version. It fails with ErrUnknownVersion for an object of any other; what is
// wrong with an object of these is in Invalid. u is not changed.
func Decode(u *unstructured.Unstructured) (*Object, error) {
	version, err := ParseAPIVersion(u.GetAPIVersion())
	if err != nil {
		return nil, err
	}
	o := &Object{
		APIVersion: u.GetAPIVersion(), Kind: u.GetKind(),
		Namespace: u.GetNamespace(), Name: u.GetName(),
		UID: u.GetUID(), ResourceVersion: u.GetResourceVersion(), Generation: u.GetGeneration(),
		Deleting: isDeleting(u), Finalizers: u.GetFinalizers(), Labels: u.GetLabels(), Annotations: u.GetAnnotations(),
		Placement: Placement{TopologyType: topology.Default},
	}
	spec, err := child(u.Object, "spec")
	if err != nil {
		o.Placement.TopologyType = ""
		o.refuse(ErrPlacement, err)
		return o, nil
	}
	r := newReader(version, o.Namespace, spec)
	o.readSpec(r)
	o.Status = r.status(u.Object["status"])
	o.Placement.StatusClusters = o.Status.clusterNames()
	return o, nil
}

func (o *Object) readSpec(r *reader) {
	var err error
	if o.Placement, err = r.placement(); err != nil {
		o.refuse(ErrPlacement, err)
	}
	if o.Mask, err = r.mask(); err != nil {
		// Whoever does not look at Invalid must not find that everything may be touched.
		o.Mask = &Mask{}
		o.refuse(ErrMask, err)
	}
	if o.Template, o.RetainReplicas, err = r.template(); err != nil {
		o.refuse(ErrTemplate, err)
	}
	if o.Overrides, err = r.overrides(); err != nil {
		o.refuse(ErrOverrides, err)
	}
}

// refuse adds to what is wrong with the object.
func (o *Object) refuse(what, why error) {
	err := fmt.Errorf("%w: %w", what, why)
	if o.Invalid == nil {
		o.Invalid = err
		return
	}
	o.Invalid = fmt.Errorf("%w; %w", o.Invalid, err)
}

// isDeleting reports whether an object has a time of deletion, also one that cannot be read as a time.
func isDeleting(u *unstructured.Unstructured) bool {
	metadata, _ := u.Object["metadata"].(map[string]any)
	timestamp := metadata["deletionTimestamp"]
	return timestamp != nil && timestamp != ""
}
