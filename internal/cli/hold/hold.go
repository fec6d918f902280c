// Package hold keeps cells as they are, whatever becomes of an object.
package hold

import (
	"github.com/spf13/cobra"

	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/masking"
)

var verb = masking.Verb{
	Use:   "hold TYPE/NAME (CELL... | --all)",
	Short: "Keep cells as they are, whatever changes",
	Long: `Take cells out of an object's placement mask: from then on nothing of the object is created, updated, repaired or deleted there, whatever
changes, until they are released.

An object without a mask gets one that names everything else that it is placed on or still is in, so that all others go on. A cell that is
placed later is then held as well, until it is released. With --all the mask names nothing.

What is on its way to a cell already may still arrive. What else is in the object is not touched, and what others do to the mask at the
same moment is not undone: the change is made only if it still comes to what was told. Where another field manager has set the mask, such
as Argo CD, the change is refused, and says so.`,
	Example: `
# Nothing of pay changes in rz01a and rz01b
kubectl cells hold deployment/pay rz01a rz01b

# Nothing of pay changes anywhere
kubectl cells hold deployment/pay --all

# Tell what it would mean
kubectl cells hold deployment/pay rz01a --dry-run=server`,
	Some:  masking.Hold,
	Every: masking.Set,
	All:   "Hold everything: the mask names nothing.",
	Both:  "holds every cell",
	None:  "to hold",
}

// New returns the verb.
func New(k *kube.Kube) *cobra.Command { return verb.Command(k) }
