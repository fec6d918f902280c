package defaulting

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tidwall/gjson"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
)

// MaskDefault is what becomes of the mask when somebody changes what is propagated and does not touch the mask.
type MaskDefault string

const (
	// MaskAll leaves everything as it was written: an absent mask lets everything go.
	MaskAll MaskDefault = "all"
	// MaskKeep gives the mask back that was there before.
	MaskKeep MaskDefault = "keep"
	// MaskNone empties the mask: everything is held until somebody widens it.
	MaskNone MaskDefault = "none"
)

// MaskDefaults are the values that a MaskDefault can have.
func MaskDefaults() []MaskDefault { return []MaskDefault{MaskAll, MaskKeep, MaskNone} }

// MaskDefaultOf returns what the annotation of a Namespace says, or what holds otherwise where there is none. Where it says what is
// no MaskDefault, somebody meant to hold something back: MaskNone holds, with a warning, because it is what releases nothing.
func MaskDefaultOf(annotations map[string]string, otherwise MaskDefault) (mask MaskDefault, warning string) {
	value, ok := annotations[v1alpha1.DefaultPlacementMaskAnnotation]
	switch mask = MaskDefault(value); {
	case !ok:
		return otherwise, ""
	case slices.Contains(MaskDefaults(), mask):
		return mask, ""
	}
	return MaskNone, fmt.Sprintf("the annotation %s of the Namespace is %q, which is none of all, keep and none: none holds until it is corrected, so that nothing is released unseen",
		v1alpha1.DefaultPlacementMaskAnnotation, value)
}

const (
	placementMask = "placementMask"
	// listV1Beta1 and listV2Beta1 are what the list in a mask is called.
	listV1Beta1 = "clusters"
	listV2Beta1 = "topologies"
)

// maskOfNew gives a created object its mask. The FederatedNamespace that cellfed itself generates is no release that somebody
// would widen.
func (o *object) maskOfNew(mask MaskDefault) Patch {
	if mask != MaskNone || o.generated() && o.kind.Str == "FederatedNamespace" {
		return nil
	}
	switch {
	case absent(o.spec):
		return Patch{add(json.RawMessage(`{"`+placementMask+`":`+o.emptyMask()+`}`), "spec")}
	case !o.spec.IsObject() || entry(o.spec, placementMask).Exists():
		return nil
	}
	return Patch{add(json.RawMessage(o.emptyMask()), "spec", placementMask)}
}

// maskOfUpdated gives an object its mask whose content was changed and whose mask was not.
func (o *object) maskOfUpdated(before *object, mask MaskDefault) Patch {
	if !o.spec.IsObject() || o.spec.Raw == before.spec.Raw {
		return nil
	}
	now, then := contentOf(o.spec), contentOf(before.spec)
	if now.mask.Exists() && !sameMask(now.mask, then.mask) {
		return nil // Somebody decided about it.
	}
	var want string
	switch {
	case mask == MaskKeep && !now.mask.Exists():
		want = then.mask.Raw // Nothing where there was none.
	case mask == MaskNone && !isEmptyMask(now.mask):
		want = o.emptyMask()
	}
	if want == "" || !now.changes(then) {
		return nil
	}
	return Patch{add(json.RawMessage(want), "spec", placementMask)}
}

// content is what of a spec decides about the mask's default.
type content struct {
	template, overrides, retainReplicas, mask gjson.Result
}

func contentOf(spec gjson.Result) content {
	var c content
	if !spec.IsObject() {
		return c
	}
	spec.ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "template":
			c.template = value
		case "overrides":
			c.overrides = value
		case "retainReplicas":
			c.retainReplicas = value
		case placementMask:
			c.mask = value
		}
		return true
	})
	return c
}

// changes reports whether what is propagated is another than before.
func (c content) changes(before content) bool {
	return !same(c.retainReplicas, before.retainReplicas) || !same(c.overrides, before.overrides) || !same(c.template, before.template)
}

// generated reports whether the object carries the label of what cellfed makes.
func (o *object) generated() bool {
	return entry(entry(o.metadata, "labels"), v1alpha1.GeneratedLabel).Str == "true"
}

// emptyMask returns the mask that allows nothing, in the object's version.
func (o *object) emptyMask() string {
	list := listV1Beta1
	if o.apiVersion.Str == federated.APIVersionV2Beta1 {
		list = listV2Beta1
	}
	return `{"` + list + `":[]}`
}

// sameMask reports whether two masks allow the same. A list is no other one for its order.
func sameMask(a, b gjson.Result) bool {
	if same(a, b) {
		return true
	}
	left, ok := namesIn(a)
	if !ok {
		return false
	}
	right, ok := namesIn(b)
	return ok && slices.Equal(left, right)
}

func isEmptyMask(mask gjson.Result) bool {
	names, ok := namesIn(mask)
	return ok && len(names) == 0
}

// namesIn returns the names in a mask, each once and sorted. It reports false for what is not plainly a mask.
func namesIn(mask gjson.Result) (names []string, ok bool) {
	if ok = mask.IsObject(); !ok {
		return nil, false
	}
	mask.ForEach(func(key, list gjson.Result) bool {
		if ok = (key.Str == listV1Beta1 || key.Str == listV2Beta1) && list.IsArray(); !ok {
			return false
		}
		list.ForEach(func(_, item gjson.Result) bool {
			name := entry(item, "name")
			ok = name.Type == gjson.String
			names = append(names, name.Str)
			return ok
		})
		return ok
	})
	slices.Sort(names)
	return slices.Compact(names), ok
}
