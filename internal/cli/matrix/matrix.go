// Package matrix tells how federated objects fare in each of their topologies: one object as a list of rows, many as a grid
// of marks. Everything here is a pure function of the objects.
package matrix

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/topology"
)

// State is how an object fares in a topology.
type State string

// The states.
const (
	// InSync means that the topology holds what the object says.
	InSync State = "InSync"
	// Progressing means that the object is released to the topology and is not there yet.
	Progressing State = "Progressing"
	// Held means that the placement mask keeps the topology as it is.
	Held State = "Held"
	// Failed means that the topology could not be written or read.
	Failed State = "Failed"
	// Removing means that the object is to go from the topology.
	Removing State = "Removing"
	// Unknown means that nothing tells how the object fares there.
	Unknown State = "Unknown"
)

// States are all of them, in the order in which legends name them.
var States = []State{InSync, Progressing, Held, Failed, Removing, Unknown}

// Health is whether what a topology holds works.
type Health string

// The healths. An empty one means that nothing is reported, or that there is no rule for the kind.
const (
	Available    Health = "Available"
	NotAvailable Health = "NotAvailable"
	Broken       Health = "Failed"
)

// Row is one topology of an object.
type Row struct {
	// Name is what the object calls the topology: a cell's name, or a cluster's.
	Name string `json:"name"`
	// KubeFedCluster is the KubeFedCluster that stands for it.
	KubeFedCluster string `json:"kubeFedCluster"`
	// Cluster is the physical cluster. Empty where it is not known.
	Cluster string `json:"cluster,omitempty"`
	// TargetNamespace is the namespace in the physical cluster. Empty where it is not known.
	TargetNamespace string `json:"targetNamespace,omitempty"`
	// State is how the object fares there.
	State State `json:"state"`
	// Reason is the word of the object's status, where it says more than State.
	Reason string `json:"reason,omitempty"`
	// Generation is the generation of the object that the topology last received. 0: none that is known.
	Generation int64 `json:"generation,omitempty"`
	// Since is when that last changed, as in RFC 3339. Empty where it is not known.
	Since string `json:"since,omitempty"`
	// Health and Working tell whether it works there: in a word, and in the terms of the kind, such as 2/3.
	Health  Health `json:"health,omitempty"`
	Working string `json:"working,omitempty"`
	// Message says what is wrong, or what is waited for.
	Message string `json:"message,omitempty"`
}

// Mask is a placement mask.
type Mask struct {
	// Names are the topologies that a change may touch. Without any, none.
	Names []string `json:"names"`
}

// Summary counts rows. Available is what the object's status says.
type Summary struct {
	Placed      int   `json:"placed"`
	InSync      int   `json:"inSync"`
	Progressing int   `json:"progressing"`
	Held        int   `json:"held"`
	Failed      int   `json:"failed"`
	Removing    int   `json:"removing"`
	Unknown     int   `json:"unknown"`
	Available   int64 `json:"available"`
}

// Matrix is an object and all of its topologies.
type Matrix struct {
	// Type is the federated type's name, Kind the target's.
	Type      string `json:"type"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Propagator is who propagates the type. Empty where it is not known.
	Propagator v1alpha1.Propagator `json:"propagator,omitempty"`
	// TopologyType is what the object's names mean: cell or cluster.
	TopologyType string `json:"topologyType"`
	// Generation is the object's, ObservedGeneration the one that its status speaks of.
	Generation         int64 `json:"generation"`
	ObservedGeneration int64 `json:"observedGeneration"`
	// Deleting says that the object is being deleted.
	Deleting bool `json:"deleting,omitempty"`
	// Mask is nil where everything may be touched.
	Mask *Mask `json:"mask,omitempty"`
	// Summary counts the rows.
	Summary Summary `json:"summary"`
	// Conditions are the object's.
	Conditions []federated.Condition `json:"conditions,omitempty"`
	// Rows are sorted by physical cluster and name.
	Rows []Row `json:"topologies"`
	// Notes say what the reader has to know of how much is told here.
	Notes []string `json:"notes,omitempty"`
}

// Input is what Of makes a Matrix of.
type Input struct {
	// Type is the name of the federated type.
	Type string
	// Kind is the kind of the members' objects.
	Kind schema.GroupKind
	// Propagator is who propagates the type, empty where that is not known.
	Propagator v1alpha1.Propagator
	// Object is the federated object.
	Object *federated.Object
	// Cells are those of the object's namespace; Incomplete says that they could not be read.
	Cells      []v1alpha1.Cell
	Incomplete bool
	// Now is the time, by which a status that was written before a cell was ready is told from one that is true of it. Zero: no
	// status is.
	Now time.Time
}

// Of tells how an object fares.
func Of(in Input) Matrix {
	o := in.Object
	b := &builder{Input: in, cells: make(map[string]*v1alpha1.Cell, len(in.Cells))}
	b.names, _ = topology.Lookup(o.Placement.TopologyType)
	for i := range in.Cells {
		c := &in.Cells[i]
		b.cells[topology.CellClusterName(c.Namespace, c.Name)] = c
	}
	b.propagator = in.Propagator
	if b.propagator == "" && len(o.Status.Conditions) > 0 {
		b.propagator = v1alpha1.PropagatorKubeFed
		if o.Status.Summary != nil {
			b.propagator = v1alpha1.PropagatorCellfed
		}
	}
	b.stale = o.Status.ObservedGeneration != o.Generation
	m := Matrix{
		Type: in.Type, Kind: in.Kind.Kind, Namespace: o.Namespace, Name: o.Name, Propagator: b.propagator,
		TopologyType: o.Placement.TopologyType, Generation: o.Generation, ObservedGeneration: o.Status.ObservedGeneration,
		Deleting: o.Deleting, Conditions: o.Status.Conditions, Rows: b.rows(), Notes: b.notes(),
	}
	if o.Mask != nil {
		m.Mask = &Mask{Names: []string{}}
		for _, cluster := range o.Mask.Clusters {
			m.Mask.Names = append(m.Mask.Names, b.names.FromCluster(o.Namespace, cluster))
		}
		slices.Sort(m.Mask.Names)
	}
	m.Summary = count(m.Rows)
	if s := o.Status.Summary; s != nil {
		m.Summary.Available = s.Available
		if !b.stale {
			m.Summary.Placed = max(m.Summary.Placed, int(s.Placed))
		}
	}
	return m
}

func count(rows []Row) Summary {
	var s Summary
	for i := range rows {
		switch rows[i].State {
		case InSync:
			s.InSync++
		case Progressing:
			s.Progressing++
		case Held:
			s.Held++
		case Failed:
			s.Failed++
		case Removing:
			s.Removing++
			continue
		case Unknown:
			s.Unknown++
		}
		s.Placed++
	}
	return s
}

func byPlace(a, b Row) int {
	return cmp.Or(byCluster(a.Cluster, b.Cluster), cmp.Compare(a.Name, b.Name))
}

// byCluster compares the names of clusters; one that is not known comes last.
func byCluster(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(len(b), len(a))
	}
	return cmp.Compare(a, b)
}
