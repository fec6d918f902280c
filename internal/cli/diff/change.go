package diff

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/manifest/facts"
)

// change is what becomes of an object in one place.
type change struct {
	place facts.Place
	// before and after are what is compared; nil stands for no object.
	before, after *unstructured.Unstructured
	// note says in a sentence what there is to know beside the difference, or in its place.
	note string
}

// name names the place, and says whether the mask holds it.
func (c *change) name() string {
	if c.place.Held {
		return c.place.Short() + " (held)"
	}
	return c.place.Short()
}

// group are the places with one difference.
type group struct {
	changes []*change
	// before and after are YAML, empty for no object.
	before, after string
	note          string
}

func (g *group) differs() bool { return g.before != g.after }

// names enumerates the places.
func (g *group) names() string {
	names := make([]string, 0, len(g.changes))
	for _, c := range g.changes {
		names = append(names, c.name())
	}
	return strings.Join(names, ", ")
}

// grouped puts together the changes that look the same, in the order of the first of each. Secrets are hidden in them.
func grouped(changes []change) ([]group, error) {
	var groups []group
	for i := range changes {
		c := &changes[i]
		before, after, err := c.texts()
		if err != nil {
			return nil, err
		}
		same := func(g group) bool {
			unchanged := !g.differs() && before == after
			return g.note == c.note && (unchanged || g.before == before && g.after == after)
		}
		if at := slices.IndexFunc(groups, same); at >= 0 {
			groups[at].changes = append(groups[at].changes, c)
			continue
		}
		groups = append(groups, group{changes: []*change{c}, before: before, after: after, note: c.note})
	}
	return groups, nil
}

// texts returns what is compared as YAML, without the values of Secrets and without what differs from cell to cell for no
// other reason than that they are different cells.
func (c *change) texts() (before, after string, err error) {
	from, to := c.before.DeepCopy(), c.after.DeepCopy()
	hideSecrets(from, to)
	for _, path := range identity {
		a, inFrom, _ := unstructured.NestedString(content(from), path...)
		b, inTo, _ := unstructured.NestedString(content(to), path...)
		if from != nil && to != nil && (inFrom != inTo || a != b) {
			continue
		}
		unstructured.RemoveNestedField(content(from), path...)
		unstructured.RemoveNestedField(content(to), path...)
	}
	if before, err = textOf(from); err == nil {
		after, err = textOf(to)
	}
	return before, after, err
}

// identity are the fields that tie an object to its cell.
var identity = [][]string{
	{"metadata", "namespace"}, {"metadata", "labels", v1alpha1.KubeFedManagedLabel}, {"metadata", "labels", v1alpha1.ManagedLabel},
	{"metadata", "labels", v1alpha1.NamespaceLabel}, {"metadata", "labels", v1alpha1.CellLabel},
}

func content(u *unstructured.Unstructured) map[string]any {
	if u == nil {
		return map[string]any{}
	}
	return u.Object
}

func textOf(u *unstructured.Unstructured) (string, error) {
	if u == nil {
		return "", nil
	}
	if metadata, ok := u.Object["metadata"].(map[string]any); ok && isEmpty(metadata["labels"]) {
		delete(metadata, "labels")
	}
	text, err := yaml.Marshal(u.Object)
	if err != nil {
		return "", fmt.Errorf("encode what is compared as YAML: %w", err)
	}
	return string(text), nil
}

// labels are what the two sides of a difference are called.
type labels struct{ before, after string }

// unified returns a group's difference as unified diff, empty for none.
func (g *group) unified(title string, l labels) string {
	head := fmt.Sprintf("%s in %s", title, g.names())
	return udiff.Unified(head+": "+l.before, head+": "+l.after, g.before, g.after)
}
