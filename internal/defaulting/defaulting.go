// Package defaulting says what an object gets that its writer left to cellfed: the tenant of its namespace, upstream's
// finalizer, and a placement mask. It reads the JSON that an API server sends where it is, and answers with the operations
// of a JSON patch that set the defaults and nothing else: nothing is sorted, dropped or written in another way.
//
// Everything here is a pure function of its arguments. An object that has its defaults is given none: the second of two
// runs answers with an empty patch.
package defaulting

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Operation is one operation of a JSON patch.
type Operation struct {
	// Op is add or remove.
	Op string `json:"op"`
	// Path is a JSON pointer.
	Path string `json:"path"`
	// Value is what is added; nil for remove.
	Value json.RawMessage `json:"value,omitempty"`
}

// Patch is a JSON patch, empty where nothing is to be done.
type Patch []Operation

// JSON returns the patch as it is sent, nil for one that is empty.
func (p Patch) JSON() ([]byte, error) {
	if len(p) == 0 {
		return nil, nil
	}
	data, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("write a JSON patch: %w", err)
	}
	return data, nil
}

// Facts are what decides about the defaults of a federated object, beside the object.
type Facts struct {
	// NamespaceLabels are those of the host Namespace that the object is in, nil for a cluster-scoped object.
	NamespaceLabels map[string]string
	// Propagated says that cellfed propagates the object. An object that upstream KubeFed propagates gets its finalizer
	// from upstream, and a mask is nothing that upstream obeys.
	Propagated bool
	// Mask is what becomes of the mask of an object that is propagated. Empty means MaskAll.
	Mask MaskDefault
}

// Federated returns what a federated object is to be given. Old is the object as it was before an update, in the same
// version, and nil for a creation. Both must be valid JSON. It fails with federated.ErrNotObject for what is no object with
// metadata.
func Federated(object, old []byte, facts Facts) (Patch, error) {
	o, err := read(object)
	if err != nil {
		return nil, err
	}
	patch, err := o.labels(facts.NamespaceLabels)
	if err != nil || !facts.Propagated {
		return patch, err
	}
	if old == nil {
		patch = append(patch, o.finalizer()...)
		return append(patch, o.maskOfNew(facts.Mask)...), nil
	}
	if facts.Mask != MaskKeep && facts.Mask != MaskNone {
		return patch, nil
	}
	before, err := read(old)
	if err != nil {
		return nil, fmt.Errorf("the object as it was before: %w", err)
	}
	return append(patch, o.maskOfUpdated(before, facts.Mask)...), nil
}

// Labels returns what makes the two labels that tell whose an object is those of the Namespace. A label that the Namespace
// has not, or has without a value, is removed. It reads and fails as Federated does.
func Labels(object []byte, namespaceLabels map[string]string) (Patch, error) {
	o, err := read(object)
	if err != nil {
		return nil, err
	}
	return o.labels(namespaceLabels)
}

// escape writes a key as a token of a JSON pointer.
var escape = strings.NewReplacer("~", "~0", "/", "~1").Replace

func add(value json.RawMessage, path ...string) Operation {
	return Operation{Op: "add", Path: "/" + strings.Join(path, "/"), Value: value}
}

// quoted returns a string as JSON. That of a label always can be written so.
func quoted(s string) json.RawMessage {
	data, _ := json.Marshal(s)
	return data
}
