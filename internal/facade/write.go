package facade

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/internal/facade/mapping"
)

// attempts is how often a write is tried when the object changes between the look at it and the write.
const attempts = 5

// partialAccept asks for the metadata of an object, and is content with all of it.
const partialAccept = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"

// The media types of patches (k8s.io/apimachinery/pkg/types, PatchType).
const (
	jsonPatchType      = "application/json-patch+json"
	mergePatchType     = "application/merge-patch+json"
	strategicPatchType = "application/strategic-merge-patch+json"
	applyPatchType     = "application/apply-patch+yaml"
	yamlType           = "application/yaml"
)

// mutate carries out a write.
func (x *exchange) mutate(ctx context.Context) error {
	media, body, err := x.readBody()
	if err != nil {
		return err
	}
	switch {
	case x.request.Resource.Subresource == "eviction":
		return x.evict(ctx, body)
	case x.request.Verb == mapping.VerbCreate:
		mapped, err := x.target.View.In(mapping.Create, x.request.Resource, body, nil)
		if err != nil {
			return err
		}
		resp, err := x.send(ctx, x.writeCall(http.MethodPost, jsonType, mapped.JSON))
		if err != nil {
			return err
		}
		defer resp.Body.Close() //nolint:errcheck // Nothing is lost.
		return x.relayObject(ctx, resp)
	case x.request.Verb == mapping.VerbDeleteCollection:
		// The selector keeps it to the cell's own objects.
		return x.copyList(ctx, x.writeCall(http.MethodDelete, jsonType, body))
	default:
		return x.mutateObject(ctx, media, body)
	}
}

func (x *exchange) writeCall(method, contentType string, body []byte) call {
	return call{
		method: method, path: x.route.Path, query: x.route.Query, accept: accept(x.r.Header.Values("Accept")),
		contentType: contentType, body: body,
	}
}

// evict evicts a pod that the view shows.
func (x *exchange) evict(ctx context.Context, body []byte) error {
	state, err := x.visible(ctx)
	if err != nil {
		return err
	}
	mapped, err := x.target.View.Eviction(body, *state)
	if err != nil {
		return err
	}
	resp, err := x.send(ctx, x.writeCall(http.MethodPost, jsonType, mapped.JSON))
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // Nothing is lost.
	return x.relayObject(ctx, resp)
}

// mutateObject updates, patches or deletes an object: it looks whose the object is, and makes the write depend on the
// object being still the one that was looked at. A conflict that only this caused is no conflict of the client's.
func (x *exchange) mutateObject(ctx context.Context, media string, body []byte) error {
	for attempt := 1; ; attempt++ {
		state, err := x.look(ctx)
		if err != nil {
			return err
		}
		if answered, err := x.exempt(ctx, media, state); answered || err != nil {
			return err
		}
		c, pinned, err := x.mapWrite(media, body, state)
		if err != nil {
			return err
		}
		again, err := x.try(ctx, c, pinned && attempt < attempts)
		if !again {
			return err
		}
	}
}

// try sends a write and answers with what comes back. When mayRepeat, it reports true instead for a conflict that a
// newer look at the object can solve.
func (x *exchange) try(ctx context.Context, c call, mayRepeat bool) (again bool, err error) {
	resp, err := x.send(ctx, c)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close() //nolint:errcheck // Nothing is lost.
	if resp.StatusCode != http.StatusConflict {
		return false, x.relayObject(ctx, resp)
	}
	answer, err := x.readError(ctx, resp)
	if err != nil {
		return false, err
	}
	if mayRepeat && isVersionConflict(answer) {
		return true, nil
	}
	x.answerError(resp, answer)
	return false, nil
}

// isVersionConflict tells a conflict of versions from one of server-side apply's field managers, which a retry does
// not solve.
func isVersionConflict(status []byte) bool {
	return gjson.GetBytes(status, "reason").Str == string(metav1.StatusReasonConflict) &&
		!gjson.GetBytes(status, `details.causes.#(reason=="`+string(metav1.CauseTypeFieldManagerConflict)+`")`).Exists()
}

// exempt deals with what is not written although it can be seen. It reports true when it has answered.
func (x *exchange) exempt(ctx context.Context, media string, state *mapping.State) (answered bool, err error) {
	r := x.request.Resource
	isNamespace := r.Group == "" && r.Resource == "namespaces"
	switch {
	case state == nil && media == applyPatchType && r.Subresource == "":
		// The API has no way to apply only if there is no object yet: one that somebody else creates at this very moment
		// is applied to. An object in the target namespace that the other manages becomes shared then, not lost.
		return false, nil
	case state == nil || !state.Shown(r):
		return false, apierrors.NewNotFound(x.request.GroupResource(), x.request.Name)
	case !isNamespace:
		return false, nil
	case x.request.Verb == mapping.VerbDelete && state.Owner != mapping.Ours:
		return false, apierrors.NewForbidden(x.request.GroupResource(), x.request.Name, errors.New(
			"the member's Namespace is not managed by this cell, and is not deleted through it"))
	case state.Owner == mapping.Foreign:
		resp, err := x.send(ctx, call{
			method: http.MethodGet, path: x.target.View.Object(x.request), accept: accept(x.r.Header.Values("Accept")),
		})
		if err != nil {
			return false, err
		}
		defer resp.Body.Close() //nolint:errcheck // Nothing is lost.
		return true, x.relayObject(ctx, resp)
	}
	return false, nil
}

// mapWrite returns the request to the member for a write to an object in a given state, and whether the façade made it
// depend on the object's version.
func (x *exchange) mapWrite(media string, body []byte, state *mapping.State) (call, bool, error) {
	v, r := x.target.View, x.request.Resource
	var mapped mapping.Body
	var err error
	method, sent := http.MethodPatch, media
	switch {
	case x.request.Verb == mapping.VerbUpdate:
		method, sent = http.MethodPut, jsonType
		mapped, err = v.In(mapping.Update, r, body, state)
	case x.request.Verb == mapping.VerbDelete:
		method, sent = http.MethodDelete, jsonType
		mapped, err = v.Delete(body, x.request.Query, *state)
	case media == jsonPatchType:
		mapped, err = v.JSONPatch(r, body, *state)
	case media == mergePatchType, media == strategicPatchType:
		mapped, err = v.MergePatch(media == strategicPatchType, r, body, *state)
	default:
		mapped, err = v.In(mapping.Apply, r, body, state)
	}
	return x.writeCall(method, sent, mapped.JSON), mapped.Pinned, err
}

// look returns the state of the object that the request speaks of, nil when there is none.
func (x *exchange) look(ctx context.Context) (*mapping.State, error) {
	resp, err := x.send(ctx, call{
		method: http.MethodGet, path: x.target.View.Object(x.request), query: url.Values{}, accept: partialAccept,
	})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // Nothing is lost.
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return nil, nil
	case resp.StatusCode >= 400:
		body, err := x.readError(ctx, resp)
		if err != nil {
			return nil, err
		}
		return nil, x.asError(resp, body)
	}
	body, err := x.readObject(ctx, resp)
	if err != nil {
		return nil, err
	}
	r := x.request.Resource
	r.Subresource = ""
	state := x.target.View.Read(r, body)
	if state.ResourceVersion == "" || state.UID == "" {
		return nil, x.garbage("an object without uid or resourceVersion")
	}
	return &state, nil
}

// visible returns the state of the object that the request speaks of, and an error when the view does not show it.
func (x *exchange) visible(ctx context.Context) (*mapping.State, error) {
	state, err := x.look(ctx)
	if err != nil {
		return nil, err
	}
	if state == nil || !state.Shown(x.request.Resource) {
		return nil, apierrors.NewNotFound(x.request.GroupResource(), x.request.Name)
	}
	return state, nil
}

// asError returns an error answer of the member as an error.
func (x *exchange) asError(resp *http.Response, body []byte) error {
	var status metav1.Status
	if isJSON(resp.Header.Get("Content-Type")) && mapping.IsStatus(body) &&
		json.Unmarshal(x.target.View.StatusOut(body), &status) == nil && status.Code >= 400 && status.Code <= 599 {
		return &apierrors.StatusError{ErrStatus: status}
	}
	return apierrors.NewGenericServerResponse(resp.StatusCode, string(x.request.Verb), x.request.GroupResource(),
		x.request.Name, "", 0, true)
}

// readBody reads the client's body and turns YAML and protobuf into JSON. The media type is that of a patch, or JSON.
func (x *exchange) readBody() (media string, body []byte, err error) {
	media = jsonType
	if header := x.r.Header.Get("Content-Type"); header != "" {
		if media, _, err = mime.ParseMediaType(header); err != nil {
			return "", nil, unsupported(header, jsonType, yamlType)
		}
	}
	isPatch := x.request.Verb == mapping.VerbPatch
	switch media {
	case jsonPatchType, mergePatchType, strategicPatchType, applyPatchType:
		if !isPatch {
			return "", nil, unsupported(media, jsonType, yamlType)
		}
	case jsonType, yamlType, protobufType:
		if isPatch {
			return "", nil, unsupported(media, jsonPatchType, mergePatchType, strategicPatchType, applyPatchType)
		}
	default:
		if isPatch {
			return "", nil, unsupported(media, jsonPatchType, mergePatchType, strategicPatchType, applyPatchType)
		}
		return "", nil, unsupported(media, jsonType, yamlType)
	}
	if encoding := x.r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return "", nil, apierrors.NewBadRequest("the body of the request must not be compressed")
	}
	control := http.NewResponseController(x.w)
	_ = control.SetReadDeadline(time.Now().Add(x.handler.timeout))
	body, err = io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, maxBody))
	_ = control.SetReadDeadline(time.Time{})
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return "", nil, apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("the limit is %d bytes", maxBody))
	case err != nil:
		return "", nil, apierrors.NewBadRequest("the body of the request could not be read")
	}
	x.progress()
	if media == protobufType && len(body) > 0 {
		if body, err = fromProtobuf(body); err != nil {
			return "", nil, err
		}
	}
	if (media == yamlType || media == applyPatchType) && len(body) > 0 && !json.Valid(body) {
		if body, err = yaml.YAMLToJSON(body); err != nil {
			return "", nil, apierrors.NewBadRequest("the body of the request is not valid YAML")
		}
	}
	return media, body, nil
}

// unsupported is the refusal of a body's media type.
func unsupported(media string, supported ...string) error {
	return unsupportedMediaType(fmt.Sprintf("a body of type %q cannot be read here: send one of %q", media, supported))
}

// notJSON is the refusal of a body that could be read in JSON only.
func notJSON(why string) error { return unsupportedMediaType(why + ": send JSON") }

func unsupportedMediaType(message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnsupportedMediaType, Reason: metav1.StatusReasonUnsupportedMediaType,
		Message: message,
	}}
}
