package render

import (
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cellfed/cellfed/internal/federated"
)

// retention is a field that stays as it is in a member once the object exists there.
type retention struct {
	path Path
	// yields says that a template with a value of its own prevails.
	yields bool
}

func keep(path string) retention { return retention{path: mustPath(path)} }

func keepUnlessSet(path string) retention { return retention{path: mustPath(path), yields: true} }

var (
	webhookBundles = []retention{keepUnlessSet(".webhooks[*].clientConfig.caBundle")}

	// always is what is retained of each kind: what API servers allocate, what controllers in the member fill in,
	// and what an API server would refuse to change.
	always = map[schema.GroupKind][]retention{
		{Kind: "Service"}: {
			keep(".spec.clusterIP"), keep(".spec.clusterIPs"), keep(".spec.healthCheckNodePort"), keep(".spec.ports[*].nodePort"),
		},
		{Kind: "ServiceAccount"}:        {keepUnlessSet(".secrets")},
		{Kind: "PersistentVolumeClaim"}: {keep(".spec.volumeName")},
		{Group: "batch", Kind: "Job"}: {
			keep(".spec.selector"),
			keep(".spec.template.metadata.labels['controller-uid']"), keep(".spec.template.metadata.labels['job-name']"),
			keep(".spec.template.metadata.labels['batch.kubernetes.io/controller-uid']"),
			keep(".spec.template.metadata.labels['batch.kubernetes.io/job-name']"),
		},
		{Group: "admissionregistration.k8s.io", Kind: "ValidatingWebhookConfiguration"}: webhookBundles,
		{Group: "admissionregistration.k8s.io", Kind: "MutatingWebhookConfiguration"}:   webhookBundles,
		{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}: {
			keepUnlessSet(".spec.conversion.webhook.clientConfig.caBundle"),
		},
		{Group: "apiregistration.k8s.io", Kind: "APIService"}: {keepUnlessSet(".spec.caBundle")},
	}

	// replicas are retained where the federated object says so, of any kind that upstream retains them of.
	replicas = keep(".spec.replicas")
)

// retentions returns what is retained of a kind.
func retentions(o *federated.Object, target Target, p *Policy) []retention {
	kind := target.Kind.GroupKind()
	all := always[kind]
	if o.RetainReplicas && kind != (schema.GroupKind{Kind: "Service"}) && kind != (schema.GroupKind{Kind: "ServiceAccount"}) {
		all = append(slices.Clip(all), replicas)
	}
	if p != nil {
		for _, path := range p.Retain {
			all = append(slices.Clip(all), retention{path: path})
		}
	}
	return all
}

// Retain returns what is to be applied to a member's object: what is rendered, with the fields that are the member's as
// they are there. Such a field is left out, and a server-side apply leaves it alone; but where our field manager owns
// it, leaving it out would take it away, so the member's value is sent. pin says that this happened: the
// apply must then carry the resourceVersion of live, lest it put back a value that has changed meanwhile.
//
// Where the member has no value, and where live is nil, the template's is sent. What an override of the topology names
// is not retained, as in upstream. The result may be r.Object itself.
func Retain(r *Rendered, live *Live, o *federated.Object, target Target, p *Policy) (desired *unstructured.Unstructured, pin bool) {
	if live == nil || live.Object == nil {
		return r.Object, false
	}
	all := retentions(o, target, p)
	if len(all) == 0 {
		return r.Object, false
	}
	desired = r.Object.DeepCopy()
	for _, rule := range all {
		k := keeper{yields: rule.yields, overridden: r.overridden}
		k.object("", desired.Object, live.Object.Object, live.owned(), rule.path)
		pin = pin || k.copied
	}
	return desired, pin
}

// keeper carries out one retention.
type keeper struct {
	yields     bool
	overridden []string
	copied     bool
}

// prevails reports whether an override names the field at a JSON pointer, or something in it.
func (k *keeper) prevails(at string) bool {
	return slices.ContainsFunc(k.overridden, func(path string) bool {
		return path == at || strings.HasPrefix(path, at+"/")
	})
}

// pointer returns the JSON pointer of a member of what is at another.
func pointer(at, name string) string {
	return at + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// object walks down the desired and the live object, and what our manager holds of them, together. at is the JSON pointer
// of what is desired.
func (k *keeper) object(at string, desired, live map[string]any, o owned, path Path) {
	name, rest := path[0].field, path[1:]
	have := live[name]
	if path[0].each || have == nil {
		return
	}
	want, has := desired[name]
	held := o.field(name)
	at = pointer(at, name)
	if len(rest) == 0 {
		if !k.prevails(at) {
			k.value(desired, name, have, held)
		}
		return
	}
	switch have := have.(type) {
	case map[string]any:
		below, ok := want.(map[string]any)
		if !ok {
			if want != nil {
				return
			}
			below = map[string]any{}
		}
		before := len(below)
		k.object(at, below, have, held, rest)
		switch {
		case len(below) > 0:
			desired[name] = below
		case has && before > 0:
			delete(desired, name)
		}
	case []any:
		below, ok := want.([]any)
		if ok && rest[0].each {
			k.list(at, name, below, have, held, rest[1:])
		}
	}
}

// list walks down the items that both lists have. An item that is not desired does not come back for what is retained of
// it.
func (k *keeper) list(at, name string, desired, live []any, o owned, path Path) {
	for i, j := range counterparts(name, o.keys(), desired, live) {
		if j < 0 {
			continue
		}
		want, isObject := desired[i].(map[string]any)
		have, isToo := live[j].(map[string]any)
		if isObject && isToo {
			k.object(pointer(at, strconv.Itoa(i)), want, have, o.item(have), path)
			continue
		}
		inner, isList := desired[i].([]any)
		other, isToo := live[j].([]any)
		if isList && isToo && path[0].each {
			k.list(pointer(at, strconv.Itoa(i)), "", inner, other, o.item(nil), path[1:])
		}
	}
}

// value retains a field that the member has.
func (k *keeper) value(desired map[string]any, name string, have any, held owned) {
	want, has := desired[name]
	if k.yields && !isPlaceholder(want) || isUnset(have) {
		return
	}
	// With nothing of the parent held, the parent may be of a single owner, who would take the field away by leaving
	// it out. With nothing else in it, it is not sent at all.
	alone := len(desired) == 0 || len(desired) == 1 && has
	if held.holding == none || held.holding == unknown && alone {
		delete(desired, name)
		return
	}
	desired[name] = runtime.DeepCopyJSONValue(have)
	k.copied = true
}

// isUnset says whether the member's value is one that stands for none, so that the template's is needed.
func isUnset(have any) bool { return isEmpty(have) || have == "" }

// isPlaceholder says whether a template's value only stands for one that is filled in later. The base64 of a line break
// is what manifests put where a CA bundle is required.
func isPlaceholder(want any) bool { return isUnset(want) || want == "Cg==" }
