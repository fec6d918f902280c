package mapping

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// JSONPatch returns a client's JSON patch (RFC 6902) as the member is to apply it to the object whose state is current.
// An operation on upstream's label becomes operations on the labels that stand for it. Errors are apierrors with a message
// for the client.
func (v View) JSONPatch(r Resource, patch []byte, current State) (Body, error) {
	if !json.Valid(patch) || firstByte(string(patch)) != '[' {
		return Body{}, apierrors.NewBadRequest("the body of a JSON patch must be a JSON array of operations")
	}
	p := jsonPatch{
		view: v, resource: r,
		out:       append(make([]byte, 0, len(patch)+256), '['),
		ours:      current.Owner == Ours,
		kubeFed:   current.Owner == Free && current.HasKubeFed,
		versioned: current.ResourceVersion == "",
	}
	var err error
	gjson.Result{Type: gjson.JSON, Raw: string(patch)}.ForEach(func(_, op gjson.Result) bool {
		err = p.operation(op.Raw)
		return err == nil
	})
	if err != nil {
		return Body{}, err
	}
	if !p.versioned {
		p.emit("add", "/metadata/resourceVersion", quote(current.ResourceVersion))
	}
	return Body{JSON: append(p.out, ']'), Pinned: !p.versioned}, nil
}

// jsonPatch maps operation after operation, and knows what the labels are after each.
type jsonPatch struct {
	view     View
	resource Resource
	out      []byte

	// ours says that the object is the cell's now, kubeFed that it is not and carries upstream's label.
	ours, kubeFed bool
	// versioned says that the patch itself names the resourceVersion that it is for.
	versioned bool
}

// operation is one operation of a patch.
type operation struct {
	op, path, from string
	value          gjson.Result
	raw            string
}

func (p *jsonPatch) operation(raw string) error {
	if !isObject(raw) {
		return apierrors.NewBadRequest("an operation of a JSON patch must be a JSON object")
	}
	all, err := members(raw, "")
	if err != nil {
		return err
	}
	o := operation{raw: raw}
	for _, m := range all {
		switch m.name {
		case "op":
			o.op = m.value.Str
		case "path":
			o.path = m.value.Str
		case "from":
			o.from = m.value.Str
		case "value":
			o.value = m.value
		}
	}
	switch o.op {
	case "add", "replace", "test":
		if !o.value.Exists() {
			return apierrors.NewBadRequest("the operation " + quote(o.op) + " of a JSON patch needs a value")
		}
	case "remove":
	case "move", "copy":
		return p.transfer(o)
	default:
		return apierrors.NewBadRequest("unknown operation " + quote(o.op) +
			" in a JSON patch: use add, remove, replace, move, copy or test")
	}
	tokens, err := pointer(o.path)
	if err != nil {
		return err
	}
	if tokens[0] != "metadata" {
		if p.resource.isEvent() && eventReferences[tokens[0]] {
			return p.refuse(o.path)
		}
		p.pass(o)
		return nil
	}
	if len(tokens) == 1 {
		return p.refuse(o.path)
	}
	return p.metadata(o, tokens[1:])
}

// transfer passes a move or a copy that stays clear of everything that is mapped.
func (p *jsonPatch) transfer(o operation) error {
	for _, path := range []string{o.from, o.path} {
		tokens, err := pointer(path)
		if err != nil {
			return err
		}
		if p.mapped(tokens) {
			return p.refuse(path)
		}
	}
	p.pass(o)
	return nil
}

// mapped says whether a pointer is to something that is mapped, or to something that holds it.
func (p *jsonPatch) mapped(tokens []string) bool {
	if p.resource.isEvent() && eventReferences[tokens[0]] {
		return true
	}
	if tokens[0] != "metadata" {
		return false
	}
	if len(tokens) == 1 {
		return true
	}
	switch tokens[1] {
	case "namespace", "managedFields", "resourceVersion":
		return true
	case "name":
		return p.resource.isNamespace()
	case "labels":
		return len(tokens) == 2 || isCellLabel(tokens[2]) || tokens[2] == v1alpha1.KubeFedManagedLabel ||
			tokens[2] == namespaceNameLabel
	}
	return false
}

func (p *jsonPatch) metadata(o operation, tokens []string) error {
	field, inner := tokens[0], tokens[1:]
	switch field {
	case "labels":
		switch {
		case len(inner) == 0:
			return p.allLabels(o)
		case len(inner) > 1:
			return p.refuse(o.path)
		}
		return p.label(o, inner[0])
	case "namespace":
		return p.identity(o, p.resource.isNamespace())
	case "name":
		if p.resource.isNamespace() {
			return p.identity(o, false)
		}
	case "managedFields":
		// kubectl replaces them as a whole when an object moves to server-side apply.
		switch {
		case len(inner) > 0 || o.op == "test":
			return p.refuse(o.path)
		case o.op != "remove" && p.ours:
			p.emit(o.op, o.path, string(fieldsIn(nil, o.value.Raw)))
			return nil
		}
	case "resourceVersion":
		if o.op != "test" {
			p.versioned = o.op != "remove" && !unversioned(o.value)
		}
	}
	p.pass(o)
	return nil
}

// identity maps an operation on the namespace, or on the Namespace's name: it may state it and not change it.
func (p *jsonPatch) identity(o operation, never bool) error {
	if never || o.op == "remove" || o.value.Type != gjson.String || o.value.Str != p.view.Namespace {
		return p.refuse(o.path)
	}
	p.emit(o.op, o.path, quote(p.view.TargetNamespace))
	return nil
}

// allLabels maps an operation on the labels as a whole.
func (p *jsonPatch) allLabels(o operation) error {
	if o.op == "remove" {
		p.ours, p.kubeFed = false, false
		p.pass(o)
		return nil
	}
	if !isObject(o.value.Raw) {
		if o.op == "test" {
			p.pass(o)
			return nil
		}
		return apierrors.NewBadRequest("metadata.labels must be a JSON object")
	}
	all, err := members(o.value.Raw, "metadata.labels")
	if err != nil {
		return err
	}
	plan := labelPlan{labels: all}
	kubeFed := false
	for _, m := range all {
		if isCellLabel(m.name) {
			return reservedLabel(p.resource, m.name)
		}
		if m.name == v1alpha1.KubeFedManagedLabel {
			plan.ours = m.value.Type == gjson.String && m.value.Str == labelTrue
			kubeFed = !plan.ours
		}
	}
	if o.op != "test" {
		p.ours, p.kubeFed = plan.ours, kubeFed
	}
	p.emit(o.op, o.path, string(p.view.writeLabels(nil, p.resource, plan)))
	return nil
}

// label maps an operation on one label.
func (p *jsonPatch) label(o operation, key string) error {
	switch {
	case isCellLabel(key):
		return reservedLabel(p.resource, key)
	case key == namespaceNameLabel && p.resource.isNamespace() && o.value.Type == gjson.String:
		p.emit(o.op, o.path, quote(p.view.swapNamespace(o.value.Str)))
		return nil
	case key != v1alpha1.KubeFedManagedLabel:
		p.pass(o)
		return nil
	}
	isTrue := o.value.Type == gjson.String && o.value.Str == labelTrue
	switch {
	case o.op == "test" && p.ours && isTrue:
		p.cellLabels("test")
	case o.op == "test" && p.ours:
		// It is "true" in the view, so the test must fail in the member too.
		p.emit("test", labelPath(v1alpha1.ManagedLabel), o.value.Raw)
	case o.op == "test", o.op == "remove" && !p.ours && !p.kubeFed:
		// The label is in the member what it is in the view; where it is missing, it cannot be removed there either.
		p.pass(o)
	case o.op == "remove":
		if p.ours {
			p.cellLabels("remove")
		} else {
			p.pass(o)
		}
		p.ours, p.kubeFed = false, false
	case isTrue:
		// API servers replace what is missing as if it were added.
		if p.kubeFed {
			p.emit("remove", o.path, "")
		}
		p.cellLabels("add")
		p.ours, p.kubeFed = true, false
	default:
		if p.ours {
			p.cellLabels("remove")
		}
		p.emit("add", o.path, o.value.Raw)
		p.ours, p.kubeFed = false, true
	}
	return nil
}

// cellLabels writes one operation for each of the labels that mark the cell's objects.
func (p *jsonPatch) cellLabels(op string) {
	for _, l := range []struct{ key, value string }{
		{v1alpha1.ManagedLabel, labelTrue},
		{v1alpha1.NamespaceLabel, p.view.Namespace},
		{v1alpha1.CellLabel, p.view.Cell},
	} {
		value := quote(l.value)
		if op == "remove" {
			value = ""
		}
		p.emit(op, labelPath(l.key), value)
	}
}

func labelPath(key string) string {
	return "/metadata/labels/" + strings.ReplaceAll(key, "/", "~1")
}

func (p *jsonPatch) comma() {
	if len(p.out) > 1 {
		p.out = append(p.out, ',')
	}
}

func (p *jsonPatch) pass(o operation) {
	p.comma()
	p.out = append(p.out, o.raw...)
}

func (p *jsonPatch) emit(op, path, rawValue string) {
	p.comma()
	w := newObjectWriter(p.out)
	w.str("op", op)
	w.str("path", path)
	if rawValue != "" {
		w.raw(`"value"`, rawValue)
	}
	p.out = w.end()
}

func (p *jsonPatch) refuse(path string) error {
	return apierrors.NewBadRequest(fmt.Sprintf("the path %q of a JSON patch could take the object out of the cell's view: "+
		"patch single fields and single labels, and leave the namespace %q as it is", path, p.view.Namespace))
}

// pointer splits a JSON pointer (RFC 6901). The empty one, which is the whole object, and one that does not begin with
// a slash, which API servers read in a way of their own, are refused.
func pointer(path string) ([]string, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, apierrors.NewBadRequest("the path " + quote(path) + " of a JSON patch must begin with a slash and name a field")
	}
	tokens := strings.Split(path[1:], "/")
	for i, t := range tokens {
		tokens[i] = strings.ReplaceAll(strings.ReplaceAll(t, "~1", "/"), "~0", "~")
	}
	return tokens, nil
}
