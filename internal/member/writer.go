package member

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/wire"
)

// neverVersion is a resource version that no object has: the first ever given to a store. An apply that carries it is
// refused as a conflict where the object is, and makes it where it is not.
const neverVersion = "1"

// Create makes an object by a server-side apply, in one request. The error is an AlreadyExists when there is one of that
// name, whose content is then not touched; IsNoNamespace tells when the namespace is not there.
func (c *Clusters) Create(ctx context.Context, member string, t Target, desired *unstructured.Unstructured) (*Object, error) {
	r, done, err := c.request(ctx, member, t)
	if err != nil {
		return nil, err
	}
	defer done()
	o, err := r.apply(desired, "", neverVersion)
	if r.conflicts(err, desired.GetName()) {
		err = apierrors.NewAlreadyExists(t.Resource.GroupResource(), desired.GetName())
	}
	return r.finish("create", desired, o, err)
}

// Apply makes an object what is desired by a server-side apply that takes what it sets from other managers. It touches
// only the object that live is, and with pin only if it is still as live says: the error is a Conflict otherwise, also when
// the object is gone. Where live was written by an update of the managed label's, what that writer owns becomes cellfed's
// first, which costs two more requests.
func (c *Clusters) Apply(ctx context.Context, member string, t Target, desired *unstructured.Unstructured, live *Object, pin bool) (*Object, error) {
	r, done, err := c.request(ctx, member, t)
	if err != nil {
		return nil, err
	}
	defer done()
	version := live.GetResourceVersion()
	if live.Legacy {
		if version, err = r.migrate(live, pin); err != nil {
			return r.finish("take over", desired, nil, err)
		}
	}
	if !pin {
		version = ""
	}
	o, err := r.apply(desired, live.GetUID(), version)
	return r.finish("apply", desired, o, err)
}

// Delete deletes the object that live is. gone says that it is known to be no more; otherwise it goes when its finalizers
// and its grace period let it. The error is a Conflict when another object has its name by now.
func (c *Clusters) Delete(ctx context.Context, member string, t Target, live *Object, options metav1.DeleteOptions) (gone bool, err error) {
	r, done, err := c.request(ctx, member, t)
	if err != nil {
		return false, err
	}
	defer done()
	options.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "DeleteOptions"}
	preconditions := metav1.Preconditions{}
	if options.Preconditions != nil {
		preconditions = *options.Preconditions
	}
	preconditions.UID = new(live.GetUID())
	options.Preconditions = &preconditions
	raw, err := json.Marshal(options)
	if err != nil {
		return false, fmt.Errorf("delete %s: %w", r.describe(live.Unstructured), err)
	}
	answer, err := r.do(r.conn.rest.Delete(), live.GetNamespace(), live.GetName(), raw)
	switch {
	case err == nil:
		gone, err = r.isGone(answer, live)
	case r.isAbsent(err):
		gone, err = true, nil
	}
	if err != nil {
		_, err = r.finish("delete", live.Unstructured, nil, err)
		return false, err
	}
	if gone {
		r.store(func(s *store) { s.deleted(live) })
	}
	return gone, nil
}

// isAbsent says whether an error means that an object is not there. A 404 that no Status comes with is that of a server
// which does not know the type, or of something between here and there that knows nothing at all: then the member has to
// show that it is the one that answers.
func (r *request) isAbsent(err error) bool {
	return apierrors.IsNotFound(err) && (!apierrors.IsUnexpectedServerError(err) || r.conn.probe(r.ctx) == "")
}

// isGone reads the answer to a deletion: a Status when the object is gone, or the object, as it was or as it still is.
func (r *request) isGone(answer []byte, live *Object) (bool, error) {
	u, err := wire.Object(answer, nil)
	if err != nil {
		return false, &AnswerError{Problem: "a deletion is not answered with an object: " + cut(err.Error(), readyBody)}
	}
	if status, _, _ := unstructured.NestedString(u.Object, "status"); u.GetKind() == "Status" && u.GetAPIVersion() == "v1" {
		return status == metav1.StatusSuccess, nil
	}
	if u.GetUID() != live.GetUID() {
		return false, &AnswerError{Problem: fmt.Sprintf("the deletion of the object %q is answered with the object %q", live.GetUID(), u.GetUID())}
	}
	return false, nil
}

// Release takes labels away from the object that live is, and with them cellfed's claim to any of its fields. The error is
// a Conflict when another object has its name by now or it changed meanwhile.
func (c *Clusters) Release(ctx context.Context, member string, t Target, live *Object, labels []string) error {
	r, done, err := c.request(ctx, member, t)
	if err != nil {
		return err
	}
	defer done()
	u, err := r.read(live.GetNamespace(), live.GetName())
	if err == nil {
		err = r.same(u, live)
	}
	var o *Object
	if err == nil {
		o, err = r.patch(types.JSONPatchType, u, releasePatch(u, labels))
	}
	_, err = r.finish("release", live.Unstructured, o, err)
	return err
}

// Read asks the member for an object. It returns nil when there is none.
func (c *Clusters) Read(ctx context.Context, member string, t Target, namespace, name string) (*Object, error) {
	r, done, err := c.request(ctx, member, t)
	if err != nil {
		return nil, err
	}
	defer done()
	u, err := r.read(namespace, name)
	if r.isAbsent(err) {
		return nil, nil
	}
	var o *Object
	if err == nil {
		o, err = c.sharer.transform(u)
	}
	if err != nil {
		asked := &unstructured.Unstructured{}
		asked.SetNamespace(namespace)
		asked.SetName(name)
		_, err = r.finish("read", asked, nil, err)
		return nil, err
	}
	return o, nil
}

var errReplaced = errors.New("it was deleted, and another object has its name")

// request is one call for one object in one member.
type request struct {
	all     *Clusters
	cluster *cluster
	conn    *connection
	target  Target
	ctx     context.Context
}

// request begins a call, unless the member is known not to be healthy.
func (c *Clusters) request(ctx context.Context, member string, t Target) (*request, func(), error) {
	m := c.member(member)
	if m == nil {
		return nil, nil, fmt.Errorf("member cluster %q: %w", member, ErrUnknown)
	}
	conn := m.current()
	if healthy, why := m.healthy(); !healthy || conn == nil {
		return nil, nil, unhealthyError(member, why)
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	return &request{all: c, cluster: m, conn: conn, target: t, ctx: ctx}, cancel, nil
}

// do sends a request about an object, once.
func (r *request) do(req *rest.Request, namespace, name string, body []byte) ([]byte, error) {
	if r.conn.limit != nil {
		if err := r.conn.limit.Wait(r.ctx); err != nil {
			return nil, fmt.Errorf("wait for the limit of requests to the member: %w", err)
		}
	}
	req = req.AbsPath(r.target.path(namespace, name)...).MaxRetries(0)
	if body != nil {
		req = req.Body(body)
	}
	result := req.Do(r.ctx)
	// Raw does not read the Status that an error comes with. Error does.
	if err := result.Error(); err != nil {
		r.cluster.doubt(r.conn, err)
		return nil, err
	}
	return result.Raw()
}

// path returns the parts of an object's path.
func (t Target) path(namespace, name string) []string {
	parts := []string{"/apis", t.Resource.Group, t.Resource.Version}
	if t.Resource.Group == "" {
		parts = []string{"/api", t.Resource.Version}
	}
	if t.Namespaced {
		parts = append(parts, "namespaces", namespace)
	}
	return append(parts, t.Resource.Resource, name)
}

// apply applies an object under the given conditions.
func (r *request) apply(desired *unstructured.Unstructured, uid types.UID, version string) (*Object, error) {
	content := maps.Clone(desired.Object)
	metadata, _ := content["metadata"].(map[string]any)
	metadata = maps.Clone(metadata)
	if metadata == nil {
		metadata = map[string]any{}
	}
	for _, field := range []string{"managedFields", "uid", "resourceVersion"} {
		delete(metadata, field)
	}
	if uid != "" {
		metadata["uid"] = string(uid)
	}
	if version != "" {
		metadata["resourceVersion"] = version
	}
	content["metadata"] = metadata
	body, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	return r.patch(types.ApplyPatchType, desired, body)
}

// patch sends a patch for an object and reads what it became.
func (r *request) patch(kind types.PatchType, u *unstructured.Unstructured, body []byte) (*Object, error) {
	req := r.conn.rest.Patch(kind).Param("fieldManager", v1alpha1.FieldManager)
	if kind == types.ApplyPatchType {
		req = req.Param("force", "true")
	}
	answer, err := r.do(req, u.GetNamespace(), u.GetName(), body)
	if err != nil {
		return nil, err
	}
	written, err := r.decode(answer, u.GetNamespace(), u.GetName())
	if err != nil {
		return nil, err
	}
	o, err := r.all.sharer.transform(written)
	if err != nil {
		return nil, err
	}
	r.store(func(s *store) { s.wrote(o) })
	return o, nil
}

// read asks for an object with its managedFields.
func (r *request) read(namespace, name string) (*unstructured.Unstructured, error) {
	answer, err := r.do(r.conn.rest.Get(), namespace, name, nil)
	if err != nil {
		return nil, err
	}
	return r.decode(answer, namespace, name)
}

// decode reads an answer that has to be the object that was asked for.
func (r *request) decode(answer []byte, namespace, name string) (*unstructured.Unstructured, error) {
	u, err := wire.Object(answer, nil)
	switch {
	case err != nil:
		err = &AnswerError{Problem: "it is not an object: " + cut(err.Error(), readyBody)}
	case u.GetNamespace() != namespace || u.GetName() != name:
		err = &AnswerError{Problem: fmt.Sprintf("it is about %q", u.GetNamespace()+"/"+u.GetName())}
	default:
		err = checkObject(u, r.target)
	}
	if err != nil {
		r.cluster.doubt(r.conn, err)
		return nil, err
	}
	return u, nil
}

// store does something with the member's store of the target, if there is one.
func (r *request) store(do func(*store)) {
	if w := r.cluster.of(r.target); w != nil {
		do(w.store)
	}
}

// same says by a Conflict that an object is not the one that live is.
func (r *request) same(u *unstructured.Unstructured, live *Object) error {
	if u.GetUID() == live.GetUID() {
		return nil
	}
	return apierrors.NewConflict(r.target.Resource.GroupResource(), live.GetName(),
		errReplaced)
}

// conflicts says whether an error is a conflict about the object itself, and not one that an admission plugin had with
// something else.
func (r *request) conflicts(err error, name string) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || !apierrors.IsConflict(err) || status.Status().Details == nil {
		return false
	}
	details := status.Status().Details
	return details.Name == name && details.Group == r.target.Resource.Group && details.Kind == r.target.Resource.Resource
}

// finish makes an error one that can be shown.
func (r *request) finish(verb string, u *unstructured.Unstructured, o *Object, err error) (*Object, error) {
	if err == nil {
		return o, nil
	}
	if replaced(err) {
		err = apierrors.NewConflict(r.target.Resource.GroupResource(), u.GetName(),
			errReplaced)
	}
	return nil, fmt.Errorf("%s %s: %w", verb, r.describe(u), redacted(err, r.conn.member.token))
}

// replaced says whether a write was refused because the object has another UID than the one that was named.
func replaced(err error) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || status.Status().Code != http.StatusUnprocessableEntity || status.Status().Details == nil {
		return false
	}
	for _, cause := range status.Status().Details.Causes {
		if cause.Field == "metadata.uid" {
			return true
		}
	}
	return false
}

func (r *request) describe(u *unstructured.Unstructured) string {
	name := u.GetName()
	if u.GetNamespace() != "" {
		name = u.GetNamespace() + "/" + name
	}
	return fmt.Sprintf("%s %q in member cluster %q", r.target.Resource.GroupResource(), name, r.cluster.name)
}
