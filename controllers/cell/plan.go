package cell

import (
	"time"

	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// plan is what is to be done about a Cell now. The zero plan does nothing.
type plan struct {
	finalizer finalizerStep
	tokens    tokenPlan
	cluster   clusterStep
	namespace namespaceStep
	// vacate says that the cell's namespace in the member is to be removed, if nothing is left in it.
	vacate bool

	// next is how long until time alone changes the plan. Zero means never.
	next time.Duration
}

type finalizerStep string

const (
	finalizerAdd    finalizerStep = "add"
	finalizerRemove finalizerStep = "remove"
)

// decide returns what is to be done.
func decide(f *facts) plan {
	deleting := f.cell.DeletionTimestamp != nil
	finalized := controllerutil.ContainsFinalizer(f.cell, v1alpha1.CellFinalizer)
	switch {
	case deleting && !finalized:
		// Somebody else's finalizer keeps the Cell. What was generated for it has gone, or goes with the Cell if
		// somebody took the finalizer away.
		return plan{}
	case deleting && len(blockersOf(f)) == 0:
		return decideRemoval(f)
	}

	// Without a CA bundle nothing is generated: upstream would trust the system's authorities. What is there stays.
	//
	// A Cell whose deletion is blocked is kept up, or nothing could be taken from it in an orderly way.
	var p plan
	if !finalized {
		p.finalizer = finalizerAdd
	}
	if f.keepsUp() && len(f.settings.caBundle) > 0 {
		p.tokens = decideTokens(f)
		p.cluster = decideCluster(f, p.tokens)
		p.next = p.tokens.next
	}
	if !deleting {
		p.namespace = decideNamespace(f)
	}
	return p
}

// decideRemoval takes away what was generated, the KubeFedCluster first: without it nobody propagates anything to the cell
// any more, and then the tokens are of no use to anybody. In the member nothing goes but the cell's namespace, if it is
// empty.
func decideRemoval(f *facts) plan {
	if f.own != nil && !f.foreign() {
		if f.own.DeletionTimestamp != nil {
			return plan{}
		}
		return plan{cluster: clusterDelete}
	}
	p := plan{finalizer: finalizerRemove, vacate: vacates(f)}
	for _, t := range f.tokens {
		p.tokens.revoke = append(p.tokens.revoke, t.name)
	}
	return p
}

// final reports whether the plan holds a step that cannot be taken back or that repeats itself when the facts are
// stale. Such a plan is made again from facts that were read from the API server itself.
func (p *plan) final() bool {
	return p.finalizer == finalizerRemove || p.tokens.issue || len(p.tokens.revoke) > 0 || p.cluster != ""
}
