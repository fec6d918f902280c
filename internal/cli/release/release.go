// Package release lets what an object says go to cells.
package release

import (
	"github.com/spf13/cobra"

	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/masking"
)

var verb = masking.Verb{
	Use:   "release TYPE/NAME (CELL... | --all)",
	Short: "Let an object as it is now go to cells",
	Long: `Put cells into an object's placement mask: they get the object as it is now, and every change from then on. Of an object that is no
longer placed there, or is being deleted, that means that it goes from there. kubectl cells diff tells beforehand what a release changes.

With --all the mask is removed: everything that is placed gets the object, and so does at once every cell that is placed later. A mask that
names all cells is something else: it holds cells that are placed later. For an object that is being deleted --all is refused: name the cells.

What else is in the object is not touched, and what others do to the mask at the same moment is not undone: the change is made only if it
still comes to what was told, and releases nothing but the generation that was looked at. Where another field manager has set the mask, such
as Argo CD, the change is refused, and says so.`,
	Example: `
# The canary
kubectl cells release deployment/pay rz00a --wait

# And the rest
kubectl cells release deployment/pay --all --wait --timeout 10m`,
	Some:  masking.Release,
	Every: masking.Clear,
	All:   "Release everything: the mask is removed.",
	Both:  "releases every cell",
	None:  "to release",
}

// New returns the verb.
func New(k *kube.Kube) *cobra.Command { return verb.Command(k) }
