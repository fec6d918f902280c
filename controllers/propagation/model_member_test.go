package propagation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/facade/mapping"
	"github.com/cellfed/cellfed/internal/member"
)

// memberObject is an object in a member. It is never changed.
type memberObject struct {
	resource, namespace, name string
	uid                       string
	version, generation       int64
	deleting                  bool
	finalizers                []string
	// fields are what has owners: labels and content.
	fields map[string]any
	owners owners
	status map[string]any
	shown  *member.Object
}

func (o *memberObject) labels() map[string]string {
	metadata, _ := o.fields["metadata"].(map[string]any)
	labels, _ := metadata["labels"].(map[string]any)
	out := map[string]string{}
	for k, v := range labels {
		out[k], _ = v.(string)
	}
	return out
}

func (o *memberObject) managed() bool {
	return o != nil && (o.labels()[v1alpha1.KubeFedManagedLabel] == labelTrue || o.labels()[v1alpha1.ManagedLabel] == labelTrue)
}

func memberKey(resource, namespace, name string) string {
	return resource + "|" + namespace + "|" + name
}

func (o *memberObject) key() string { return memberKey(o.resource, o.namespace, o.name) }

// object returns it as member.Clusters would.
func (o *memberObject) object(w *world) *member.Object {
	if o == nil {
		return nil
	}
	if o.shown != nil {
		return o.shown
	}
	content := runtime.DeepCopyJSON(o.fields)
	kind := w.targets[o.resource].Kind
	content["apiVersion"], content["kind"] = kind.GroupVersion().String(), kind.Kind
	metadata, ok := content["metadata"].(map[string]any)
	if !ok {
		metadata = map[string]any{}
		content["metadata"] = metadata
	}
	metadata["name"], metadata["uid"], metadata["resourceVersion"] = o.name, o.uid, strconv.FormatInt(o.version, 10)
	if o.namespace != "" {
		metadata["namespace"] = o.namespace
	}
	if o.generation > 0 {
		metadata["generation"] = o.generation
	}
	if o.deleting {
		metadata["deletionTimestamp"] = "2030-01-01T00:00:00Z"
	}
	if o.status != nil {
		content["status"] = runtime.DeepCopyJSON(o.status)
	}
	o.shown = &member.Object{Unstructured: &unstructured.Unstructured{Object: content}, Applied: o.owners[applies]}
	for manager := range o.owners {
		o.shown.Legacy = o.shown.Legacy || o.owners.legacy(manager)
	}
	return o.shown
}

// landed is a write of the manager's, which its cache shows before the watch does.
type landed struct {
	object  *memberObject
	version int64
}

// modelMember is a member cluster, and the manager's cache of it.
type modelMember struct {
	w    *world
	name string
	*lagging[string, memberObject]
	versions []int64
	position int64
	overlay  map[string]landed
	version  int64
	// down and flaky say how it answers; sick that the manager knows that it does not.
	down, flaky, sick bool
	// known says that the member is registered in the manager.
	known    bool
	snapshot map[string]*memberObject
	webhook  bool
	// stale says that the watch cannot go on, because the member went back to old data.
	stale    bool
	requests int
}

func (m *modelMember) put(o memberObject) *memberObject {
	m.version++
	o.version, o.shown = m.version, nil
	m.set(o.key(), &o)
	if m.synced {
		m.versions = append(m.versions, m.version)
	}
	return &o
}

func (m *modelMember) remove(key string) {
	m.version++
	m.set(key, nil)
	if m.synced {
		m.versions = append(m.versions, m.version)
	}
}

// visible is what the manager sees.
func (m *modelMember) visible(key string) *memberObject {
	if l, ok := m.overlay[key]; ok && l.version > m.position {
		return l.object
	}
	if o := m.seen[key]; o.managed() {
		return o
	}
	return nil
}

func (m *modelMember) reachable() bool { return !m.down && m.w.manager && m.known }

// deliver has the watch tell of one more change, or begin.
func (m *modelMember) deliver() bool {
	if !m.reachable() {
		return false
	}
	if !m.synced || m.stale {
		m.relist()
		return true
	}
	if len(m.pending) == 0 {
		return false
	}
	key := m.pending[0]
	before := m.visible(key)
	m.next(false)
	m.position, m.versions = m.versions[0], m.versions[1:]
	m.tell(key, before)
	return true
}

func (m *modelMember) tell(key string, before *memberObject) {
	if l, ok := m.overlay[key]; ok && l.version <= m.position {
		delete(m.overlay, key)
	}
	after := m.visible(key)
	if before == nil && after == nil || before != nil && after != nil && before.version == after.version && before.uid == after.uid {
		return
	}
	resource, _, _ := strings.Cut(key, "|")
	m.w.observer.event(m.name, m.w.targets[resource], after.object(m.w), before.object(m.w), after == nil)
}

// relist has the watches begin anew.
func (m *modelMember) relist() {
	wasKnown := m.synced
	was := map[string]*memberObject{}
	for key := range m.seen {
		was[key] = m.visible(key)
	}
	for key := range m.overlay {
		was[key] = m.visible(key)
	}
	m.list()
	m.stale = false
	m.versions, m.position, m.overlay = nil, m.version, map[string]landed{}
	if wasKnown {
		for key := range m.now {
			if _, ok := was[key]; !ok {
				was[key] = nil
			}
		}
		for _, key := range sortedKeys(was) {
			m.tell(key, was[key])
		}
	}
	for _, resource := range sortedKeys(m.w.targets) {
		target := m.w.targets[resource]
		m.w.observer.synced(m.name, &target)
	}
}

// ensureNamespace is what the cell controller does for a cell.
func (m *modelMember) ensureNamespace(c modelCell) {
	if now := m.now[memberKey("namespaces", "", c.target)]; now != nil {
		return
	}
	view := mapping.View{Namespace: c.namespace, Cell: c.name, TargetNamespace: c.target}
	fields := map[string]any{"metadata": map[string]any{"labels": anyMap(view.Labels())}}
	m.put(memberObject{resource: "namespaces", name: c.target, uid: m.w.uid(), fields: fields, owners: owners{applies: fieldSet(fields)}})
}

func (m *modelMember) timeout() error {
	return fmt.Errorf("member %q: %w", m.name, context.DeadlineExceeded)
}

// call is one request. It may fail before or after it has its effect.
func (w *world) call(name, verb string, t member.Target, namespace, object string, effect func(m *modelMember) error) error {
	w.interlude()
	if w.crashed {
		return errCrashed
	}
	m := w.members[name]
	switch {
	case m == nil || !m.known:
		return fmt.Errorf("member %q: %w", name, member.ErrUnknown)
	case m.sick:
		return fmt.Errorf("member %q: %w", name, member.ErrUnhealthy)
	}
	m.requests++
	w.requests++
	w.count("member " + verb)
	w.note("%s %s %s/%s in %s", verb, t.Resource.Resource, namespace, object, name)
	w.checkRequest(m, verb, t, namespace, object)
	luck := 100
	switch {
	case m.flaky:
		luck = w.rng.IntN(8)
	case w.walking:
		luck = w.rng.IntN(24)
	}
	switch {
	case m.down && w.rng.IntN(2) == 0:
		return m.timeout()
	case m.down:
		return errors.New("connection refused")
	case luck == 0:
		w.note("500")
		return apierrors.NewInternalError(errors.New("out of order"))
	}
	err := effect(m)
	if luck == 1 || luck == 2 {
		w.note("the answer is lost")
		return m.timeout()
	}
	if err != nil {
		w.note("%v", err)
	}
	return err
}

func (w *world) Get(name string, t member.Target, namespace, object string) (*member.Object, bool) {
	w.interlude()
	m := w.members[name]
	if m == nil || !m.known {
		return nil, false
	}
	return m.visible(memberKey(t.Resource.Resource, namespace, object)).object(w), m.synced
}

// List implements lister.
func (w *world) List(name string, t member.Target) []*member.Object {
	m := w.members[name]
	if m == nil {
		return nil
	}
	keys := map[string]bool{}
	for key := range m.seen {
		keys[key] = true
	}
	for key := range m.overlay {
		keys[key] = true
	}
	var all []*member.Object
	for _, key := range sortedKeys(keys) {
		if o := m.visible(key); o != nil && o.resource == t.Resource.Resource {
			all = append(all, o.object(w))
		}
	}
	return all
}

func (w *world) Healthy(name string) (bool, string) {
	w.interlude()
	m := w.members[name]
	switch {
	case m == nil || !m.known:
		return false, "there is no such member"
	case m.sick:
		return false, "it does not answer"
	}
	return true, ""
}

func (w *world) Trouble(string, member.Target) string { return "" }

// admit is what a member's webhook does: it sets a field.
func (m *modelMember) admit(fields map[string]any, who owners) (map[string]any, owners) {
	data, _ := fields["data"].(map[string]any)
	if _, ok := data["w"]; !m.webhook || !ok || data["w"] == "forced" {
		return fields, who
	}
	forced := runtime.DeepCopyJSON(fields)
	forced["data"].(map[string]any)["w"] = "forced"
	return forced, updated(fields, who, admission, forced)
}

func fieldsOf(u *unstructured.Unstructured) map[string]any {
	fields := runtime.DeepCopyJSON(u.Object)
	delete(fields, "apiVersion")
	delete(fields, "kind")
	delete(fields, "status")
	metadata := map[string]any{}
	if labels, ok := fields["metadata"].(map[string]any)["labels"].(map[string]any); ok {
		metadata["labels"] = labels
	}
	fields["metadata"] = metadata
	return fields
}

// change stores new fields of an object, as an API server does.
func (m *modelMember) change(o *memberObject, fields map[string]any, who owners) *memberObject {
	fields, who = m.admit(fields, who)
	if reflect.DeepEqual(o.fields, fields) && o.owners.equal(who) {
		return o
	}
	next := *o
	if o.generation > 0 && !reflect.DeepEqual(o.fields["spec"], fields["spec"]) {
		next.generation++
	}
	next.fields, next.owners = fields, who
	return m.put(next)
}

func (m *modelMember) apply(t member.Target, desired *unstructured.Unstructured, live *member.Object, pin bool) (*memberObject, error) {
	resource := t.Resource.Resource
	key := memberKey(resource, desired.GetNamespace(), desired.GetName())
	o := m.now[key]
	fields := fieldsOf(desired)
	if live == nil {
		if o != nil {
			return nil, apierrors.NewAlreadyExists(t.Resource.GroupResource(), desired.GetName())
		}
		if err := m.namespace(desired.GetNamespace()); err != nil {
			return nil, err
		}
		content, who := applied(nil, nil, fields)
		content, who = m.admit(content, who)
		made := memberObject{resource: resource, namespace: desired.GetNamespace(), name: desired.GetName(), uid: m.w.uid(), fields: content, owners: who}
		if resource == "deployments" {
			made.generation = 1
		}
		return m.put(made), nil
	}
	if o == nil || o.uid != string(live.GetUID()) || pin && strconv.FormatInt(o.version, 10) != live.GetResourceVersion() {
		return nil, apierrors.NewConflict(t.Resource.GroupResource(), desired.GetName(), errors.New("it is another"))
	}
	who := o.owners
	if live.Legacy {
		who = who.migrated()
	}
	content, who := applied(o.fields, who, fields)
	return m.change(o, content, who), nil
}

// namespace says whether objects can be made in a namespace.
func (m *modelMember) namespace(name string) error {
	if name == "" {
		return nil
	}
	switch o := m.now[memberKey("namespaces", "", name)]; {
	case o == nil:
		return apierrors.NewNotFound(m.w.targets["namespaces"].Resource.GroupResource(), name)
	case o.deleting:
		return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: "the namespace is being terminated"}}
	}
	return nil
}

// remember puts a write's answer over what the watch has told.
func (m *modelMember) remember(o *memberObject) {
	visible := o
	if !o.managed() {
		visible = nil
	}
	m.overlay[o.key()] = landed{visible, o.version}
}

func (w *world) Create(_ context.Context, name string, t member.Target, desired *unstructured.Unstructured) (*member.Object, error) {
	return w.write(name, "create", t, desired, nil, false)
}

func (w *world) Apply(_ context.Context, name string, t member.Target, desired *unstructured.Unstructured, live *member.Object, pin bool) (*member.Object, error) {
	return w.write(name, "apply", t, desired, live, pin)
}

func (w *world) write(name, verb string, t member.Target, desired *unstructured.Unstructured, live *member.Object, pin bool) (*member.Object, error) {
	var made *memberObject
	err := w.call(name, verb, t, desired.GetNamespace(), desired.GetName(), func(m *modelMember) (err error) {
		before := m.now[memberKey(t.Resource.Resource, desired.GetNamespace(), desired.GetName())]
		made, err = m.apply(t, desired, live, pin)
		if err == nil {
			w.checkWrite(m, before, made)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	w.members[name].remember(made)
	return made.object(w), nil
}

func (w *world) Delete(_ context.Context, name string, t member.Target, live *member.Object, _ metav1.DeleteOptions) (gone bool, err error) {
	var removed int64
	err = w.call(name, "delete", t, live.GetNamespace(), live.GetName(), func(m *modelMember) error {
		key := memberKey(t.Resource.Resource, live.GetNamespace(), live.GetName())
		switch o := m.now[key]; {
		case o == nil:
			gone, removed = true, m.version
		case o.uid != string(live.GetUID()):
			return apierrors.NewConflict(t.Resource.GroupResource(), o.name, errors.New("it is another"))
		default:
			w.checkWrite(m, o, nil)
			gone = m.deleteObject(o)
			removed = m.version
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	if gone {
		w.members[name].overlay[memberKey(t.Resource.Resource, live.GetNamespace(), live.GetName())] = landed{nil, removed}
	}
	return gone, nil
}

// deleteObject deletes an object, or begins to.
func (m *modelMember) deleteObject(o *memberObject) (gone bool) {
	if o.resource == "namespaces" || len(o.finalizers) > 0 {
		if !o.deleting {
			next := *o
			next.deleting = true
			if next.generation > 0 {
				next.generation++
			}
			m.put(next)
		}
		return false
	}
	m.remove(o.key())
	return true
}

// finish ends what is being deleted: finalizers are removed, and namespaces emptied.
func (m *modelMember) finish(o *memberObject) {
	if o.resource == "namespaces" {
		for _, key := range sortedKeys(m.now) {
			if m.now[key].namespace == o.name {
				m.remove(key)
			}
		}
	}
	m.remove(o.key())
}

func (w *world) Release(_ context.Context, name string, t member.Target, live *member.Object, labels []string) error {
	var made *memberObject
	err := w.call(name, "release", t, live.GetNamespace(), live.GetName(), func(m *modelMember) error {
		o := m.now[memberKey(t.Resource.Resource, live.GetNamespace(), live.GetName())]
		switch {
		case o == nil:
			return apierrors.NewNotFound(t.Resource.GroupResource(), live.GetName())
		case o.uid != string(live.GetUID()):
			return apierrors.NewConflict(t.Resource.GroupResource(), o.name, errors.New("it is another"))
		}
		fields := runtime.DeepCopyJSON(o.fields)
		left, _ := fields["metadata"].(map[string]any)["labels"].(map[string]any)
		maps.DeleteFunc(left, func(label string, _ any) bool { return slices.Contains(labels, label) })
		next := *o
		next.fields, next.owners = fields, maps.Clone(o.owners)
		delete(next.owners, applies)
		for _, label := range labels {
			for manager, set := range next.owners {
				next.owners[manager] = set.Difference(fieldpath.NewSet(fieldpath.MakePathOrDie("metadata", "labels", label)))
			}
		}
		next.owners.tidy()
		w.checkWrite(m, o, &next)
		made = m.put(next)
		return nil
	})
	if err == nil {
		w.members[name].remember(made)
	}
	return err
}

func (w *world) Read(_ context.Context, name string, t member.Target, namespace, object string) (found *member.Object, err error) {
	err = w.call(name, "read", t, namespace, object, func(m *modelMember) error {
		if o := m.now[memberKey(t.Resource.Resource, namespace, object)]; o != nil {
			found = o.object(w)
		}
		return nil
	})
	return found, err
}

// keeper has members join and leave the manager.
type modelKeeper struct{ w *world }

func (k *modelKeeper) Ensure(_ context.Context, c *fedv1b1.KubeFedCluster) error {
	if m := k.w.members[c.Name]; !m.known {
		m.known, m.sick = true, m.down
		m.unknow()
		if !m.sick {
			k.w.observer.health(m.name)
		}
	}
	return nil
}

func (k *modelKeeper) Forget(name string) {
	k.w.members[name].known = false
	k.w.members[name].unknow()
}

// unknow loses what the manager knew of the member.
func (m *modelMember) unknow() {
	m.forget()
	m.versions, m.position, m.overlay = nil, 0, map[string]landed{}
}
