package mapping

import (
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Delete returns the options for the deletion of the object whose state is current, so that this object is deleted and no
// other. body is what the client sent, as JSON; when it is empty the options are in the query, as the API server has it.
// Errors are apierrors with a message for the client.
func (v View) Delete(body []byte, query url.Values, current State) (Body, error) {
	if len(body) == 0 {
		var options metav1.DeleteOptions
		if err := metav1.Convert_url_Values_To_v1_DeleteOptions(&query, &options, nil); err != nil {
			return Body{}, apierrors.NewBadRequest(fmt.Sprintf("the options in the query cannot be read: %v", err))
		}
		var err error
		if body, err = json.Marshal(options); err != nil {
			return Body{}, apierrors.NewInternalError(err)
		}
	}
	if err := checkObject(body); err != nil {
		return Body{}, err
	}
	out, pinned, err := preconditions(make([]byte, 0, len(body)+128), string(body), current, true)
	return Body{JSON: out, Pinned: pinned}, err
}

// Eviction returns a client's Eviction of the pod whose state is current. Errors are apierrors with a message for the
// client.
func (v View) Eviction(body []byte, current State) (Body, error) {
	if err := checkObject(body); err != nil {
		return Body{}, err
	}
	top, err := members(string(body), "")
	if err != nil {
		return Body{}, err
	}
	w := newObjectWriter(make([]byte, 0, len(body)+128))
	options := "{}"
	for _, m := range top {
		switch m.name {
		case "metadata":
			w.key(m.rawKey)
			if w.buf, err = v.evictionMetadata(w.buf, m.value.Raw); err != nil {
				return Body{}, err
			}
		case "deleteOptions":
			if !m.isNull() {
				options = m.value.Raw
			}
		default:
			w.raw(m.rawKey, m.value.Raw)
		}
	}
	if !isObject(options) {
		return Body{}, apierrors.NewBadRequest("deleteOptions must be a JSON object")
	}
	w.key(`"deleteOptions"`)
	// A pod's status changes often: the UID is enough, since a pod does not change hands.
	if w.buf, _, err = preconditions(w.buf, options, current, false); err != nil {
		return Body{}, err
	}
	return Body{JSON: w.end()}, nil
}

func (v View) evictionMetadata(dst []byte, metadata string) ([]byte, error) {
	all, err := members(metadata, "metadata")
	if err != nil {
		return nil, err
	}
	w := newObjectWriter(dst)
	for _, m := range all {
		if m.name != "namespace" {
			w.raw(m.rawKey, m.value.Raw)
			continue
		}
		if err := v.checkNamespace(Resource{Version: "v1", Resource: "pods"}, m.value); err != nil {
			return nil, err
		}
		if m.value.Str != "" {
			w.key(m.rawKey)
			w.buf = appendString(w.buf, v.TargetNamespace)
		}
	}
	return w.end(), nil
}

// preconditions appends DeleteOptions with the preconditions that name an object in a given state, as far as the client
// did not name its own.
func preconditions(dst []byte, options string, current State, version bool) ([]byte, bool, error) {
	top, err := members(options, "")
	if err != nil {
		return nil, false, err
	}
	uid, wanted, pinned := current.UID, "", false
	if version {
		wanted, pinned = current.ResourceVersion, current.ResourceVersion != ""
	}
	var own []member
	w := newObjectWriter(dst)
	for _, m := range top {
		switch {
		case m.name != "preconditions":
			w.raw(m.rawKey, m.value.Raw)
		case m.isNull():
		case !isObject(m.value.Raw):
			return nil, false, apierrors.NewBadRequest("preconditions must be a JSON object")
		default:
			if own, err = members(m.value.Raw, "preconditions"); err != nil {
				return nil, false, err
			}
		}
	}
	w.key(`"preconditions"`)
	p := newObjectWriter(w.buf)
	for _, m := range own {
		if m.value.Type != gjson.String || m.value.Str == "" {
			continue
		}
		p.raw(m.rawKey, m.value.Raw)
		switch m.name {
		case "uid":
			uid = ""
		case "resourceVersion":
			wanted, pinned = "", false
		}
	}
	if uid != "" {
		p.str("uid", uid)
	}
	if wanted != "" {
		p.str("resourceVersion", wanted)
	}
	w.buf = p.end()
	return w.end(), pinned, nil
}
