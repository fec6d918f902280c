package render

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/cellfed/cellfed/internal/scope"
)

// Live is a member's object as its cache holds it.
type Live struct {
	// Object has no managedFields.
	Object *unstructured.Unstructured
	// Applied is what our field manager's Apply entry owns, in the version that the object is in. Nil means none.
	Applied *fieldpath.Set
	// Legacy says that the Update entry of another manager owns our managed label: upstream wrote the object, and what it
	// owns becomes ours before the next apply.
	Legacy bool
}

// owned returns what our field manager holds. Where nobody can tell it is everything.
func (l *Live) owned() owned {
	if l.Applied == nil || l.Legacy {
		return everything()
	}
	return ownedBy(l.Applied)
}

// Diff returns the paths of what is not as it should be in a member's object, sorted, nil if there is none: values
// that differ, values that another manager has set since (though they may be the same again), and what our own manager
// holds though it is not desired any more. What desired does not speak of is the member's.
//
// Values that an API server writes in another form are the same: empty and absent ones, quantities and base64 where such
// are expected. In doubt there is a difference, which costs an apply that changes nothing.
func Diff(desired *unstructured.Unstructured, live *Live, _ scope.Topology, target Target) []string {
	if live == nil || live.Object == nil {
		return []string{"."}
	}
	if desired.GetAPIVersion() != live.Object.GetAPIVersion() {
		return []string{".apiVersion"}
	}
	d := &differ{target: target, known: live.Applied != nil && !live.Legacy}
	have := live.Object.Object
	for key, value := range desired.Object {
		switch key {
		case "apiVersion", "kind", "status":
		case "metadata":
			d.metadata(value, have[key], live.owned().field(key))
		default:
			d.field(desired.Object, have, key, live.owned(), form{}, "")
		}
	}
	if live.Applied != nil {
		d.found = surplus(d.found, ownedBy(live.Applied), desired.Object, have, "", nil)
	}
	slices.Sort(d.found)
	return slices.Compact(d.found)
}

// form is how an API server may spell the values of a field differently.
type form struct{ quantity, base64 bool }

type differ struct {
	target Target
	// known says that our field manager tells who owns what, and thereby which lists have more than one owner.
	known bool
	found []string
}

func (d *differ) differs(path string) { d.found = append(d.found, path) }

// metadata compares what of it has owners; the rest identifies the object or is the API server's.
func (d *differ) metadata(desired, live any, o owned) {
	want, _ := desired.(map[string]any)
	have, _ := live.(map[string]any)
	for key := range want {
		switch {
		case key == "name" || key == "namespace":
			if want[key] != have[key] {
				d.differs(".metadata." + key)
			}
		case slices.Contains(serverOwned, key):
		default:
			d.field(want, have, key, o, form{}, ".metadata")
		}
	}
}

// field compares one field of an object.
func (d *differ) field(desired, live map[string]any, key string, parent owned, f form, at string) {
	want := desired[key]
	have, ok := live[key]
	path := at + fieldText(key)
	o := parent.field(key)
	if m, isMap := want.(map[string]any); (o.holding == none || o.holding == unknown) && (!isMap || len(m) == 0) {
		d.differs(path)
		return
	}
	f = d.form(f, key, at)
	switch w := want.(type) {
	case nil:
		// An API server reads a null as the field's zero value or its default; whoever sets it takes it over.
	case map[string]any:
		h, isMap := have.(map[string]any)
		switch {
		case have != nil && !isMap:
			d.differs(path)
		case len(w) == 0:
			if len(h) > 0 && !d.known && d.exclusive(key, at) {
				d.differs(path)
			}
		default:
			d.object(w, h, o, f, path, key, at)
		}
	case []any:
		h, isList := have.([]any)
		if have != nil && !isList {
			d.differs(path)
			return
		}
		d.list(w, h, o, f, path, key)
	default:
		if !ok || have == nil {
			if !isZero(want) {
				d.differs(path)
			}
			return
		}
		if !sameValue(want, have, f) {
			d.differs(path)
		}
	}
}

// object compares an object's fields, and how many there are where nobody else may add any.
func (d *differ) object(want, have map[string]any, o owned, f form, path, key, at string) {
	for name := range want {
		d.field(want, have, name, o, f, path)
	}
	if d.known || !d.exclusive(key, at) {
		return
	}
	for name := range have {
		if _, ok := want[name]; !ok {
			d.differs(path + fieldText(name))
		}
	}
}

// exclusive says whether an object of Kubernetes' own kinds has a single owner, and every field in it is one that the
// owner set. Those whose fields have defaults are not among them.
func (d *differ) exclusive(key, at string) bool {
	switch key {
	case "nodeSelector", "matchLabels":
		return true
	case "selector":
		return at == ".spec" && (d.target.Kind.Kind == "Service" || d.target.Kind.Kind == "ReplicationController")
	}
	return false
}

// list compares lists: by keys or as a set where the field manager, or the list's name, tells that items have owners of
// their own; in order otherwise.
func (d *differ) list(want, have []any, o owned, f form, path, key string) {
	keys := o.keys()
	if keys == nil && !d.known {
		keys = keysOf(granular[key], want, have)
	}
	switch {
	case len(want) == 0 && d.known:
		// Whoever adds to a list of a single owner takes it over.
	case len(want) == 0 && granular[key] != nil:
	case keys != nil:
		d.keyed(want, have, o, f, path, keys)
	case o.isSet() || !d.known && path == ".metadata.finalizers":
		for _, value := range want {
			if !slices.ContainsFunc(have, func(other any) bool { return isScalar(other) && sameValue(value, other, f) }) || !o.hasValue(value) {
				d.differs(path + "[=" + plainText(value) + "]")
			}
		}
	case len(want) != len(have):
		d.differs(path)
	default:
		for i := range want {
			d.item(want[i], have[i], o.item(nil), f, fmt.Sprintf("%s[%d]", path, i))
		}
	}
}

func (d *differ) keyed(want, have []any, o owned, f form, path string, keys []string) {
	for _, value := range want {
		item, ok := value.(map[string]any)
		if !ok {
			d.differs(path)
			return
		}
		at := path + itemText(item, keys)
		i := find(have, item, keys)
		if i < 0 {
			d.differs(at)
			continue
		}
		held := o.item(item)
		if held.holding == none {
			d.differs(at)
			continue
		}
		d.item(value, have[i], held, f, at)
	}
}

// item compares two items of a list, or two values within lists.
func (d *differ) item(want, have any, o owned, f form, path string) {
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok {
			d.differs(path)
			return
		}
		d.object(w, h, o, f, path, "", "")
	case []any:
		h, ok := have.([]any)
		if !ok || len(w) != len(h) {
			d.differs(path)
			return
		}
		for i := range w {
			d.item(w[i], h[i], o, f, fmt.Sprintf("%s[%d]", path, i))
		}
	default:
		if !isScalar(have) || !sameValue(want, have, f) {
			d.differs(path)
		}
	}
}

func itemText(item map[string]any, keys []string) string {
	text := "["
	for i, key := range keys {
		if i > 0 {
			text += ","
		}
		value, _ := keyField(item, key)
		text += key + "=" + plainText(value)
	}
	return text + "]"
}

// quantities are the fields below which, or in which, Kubernetes' kinds and those that follow them keep quantities.
var quantities = map[string]bool{
	"limits": true, "requests": true, "capacity": true, "hard": true, "allocatable": true, "overhead": true, "podFixed": true,
	"allocatedResources": true,
	"storage":            true, "sizeLimit": true, "divisor": true, "averageValue": true, "targetAverageValue": true, "maximumVolumeSize": true,
}

// limitRange are the fields of a LimitRange that hold quantities, under names that say nothing elsewhere.
var limitRange = map[string]bool{"default": true, "defaultRequest": true, "max": true, "min": true, "maxLimitRequestRatio": true}

// form returns how the values of a field below one of a known form are spelled.
func (d *differ) form(f form, key, at string) form {
	kind := d.target.Kind
	switch {
	case kind.Group == "" && (kind.Kind == "ConfigMap" || kind.Kind == "Secret"):
		f.base64 = f.base64 || at == "" && (key == "binaryData" || kind.Kind == "Secret" && key == "data")
	case key == "caBundle":
		f.base64 = true
	case at == ".metadata", at == "", kind.Group == "apiextensions.k8s.io":
	case quantities[key], kind.Kind == "LimitRange" && limitRange[key], kind.Kind == "HorizontalPodAutoscaler" && key == "target":
		f.quantity = true
	}
	return f
}

func sameValue(a, b any, f form) bool {
	if sameScalar(a, b) {
		return true
	}
	if f.quantity {
		x, errX := resource.ParseQuantity(plainText(a))
		y, errY := resource.ParseQuantity(plainText(b))
		return errX == nil && errY == nil && x.Cmp(y) == 0
	}
	x, okX := a.(string)
	y, okY := b.(string)
	if f.base64 && okX && okY {
		left, errX := base64.StdEncoding.DecodeString(x)
		right, errY := base64.StdEncoding.DecodeString(y)
		return errX == nil && errY == nil && bytes.Equal(left, right)
	}
	return false
}

// isZero says whether a scalar is one that API servers leave out of what they store.
func isZero(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case bool:
		return !v
	case int64:
		return v == 0
	case float64:
		return v == 0
	}
	return v == nil
}
