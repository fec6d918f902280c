package propagation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/topology"
)

var errCrashed = errors.New("the manager is gone")

// modelSpec is what people say in a federated object, in v2beta1's names.
type modelSpec struct {
	cells bool
	// list is the list of topologies, nil if absent; selector the selector, nil if absent.
	list     []string
	selector map[string]string
	mask     []string
	masked   bool
	data     map[string]string
	override map[string]string
}

// modelObject is a federated object. It is never changed.
type modelObject struct {
	typ, namespace, name string
	uid                  string
	version, generation  int64
	deleting             bool
	finalizers           []string
	annotations          map[string]string
	spec                 *modelSpec
	status               map[string]any
	decoded              *federated.Object
}

func (o *modelObject) key() engine.ObjectKey {
	return engine.ObjectKey{Type: o.typ, Namespace: o.namespace, Name: o.name}
}

// kubeFedCluster returns the KubeFedCluster that a name in the object means.
func (o *modelObject) kubeFedCluster(name string) string {
	if o.spec.cells && !strings.HasPrefix(name, "cluster:") {
		return o.namespace + "." + name
	}
	if !o.spec.cells {
		return name
	}
	return strings.TrimPrefix(name, "cluster:")
}

func namedTopologies(names []string) []any {
	list := []any{}
	for _, name := range names {
		list = append(list, map[string]any{"name": name})
	}
	return list
}

func anyMap(m map[string]string) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// dataField is where a type's template has its content.
func dataField(typ string) string {
	switch typ {
	case typeDeployments:
		return "spec"
	case typeNamespaces:
		return "metadata"
	default:
		return "data"
	}
}

func (o *modelObject) encode() *unstructured.Unstructured {
	s := o.spec
	spec := map[string]any{"topologyType": "cluster"}
	if s.cells {
		spec["topologyType"] = "cell"
	}
	placement := map[string]any{}
	if s.list != nil {
		placement["topologies"] = namedTopologies(s.list)
	}
	if s.selector != nil {
		placement["topologySelector"] = map[string]any{"matchLabels": anyMap(s.selector)}
	}
	spec["placement"] = placement
	if s.masked {
		spec["placementMask"] = map[string]any{"topologies": namedTopologies(s.mask)}
	}
	path := "/data/"
	switch o.typ {
	case typeNamespaces:
		spec["template"] = map[string]any{"metadata": map[string]any{"labels": anyMap(s.data)}}
		path = "/metadata/labels/"
	case typeDeployments:
		spec["template"] = map[string]any{"spec": anyMap(s.data)}
		path = "/spec/"
	default:
		spec["template"] = map[string]any{"data": anyMap(s.data)}
	}
	var overrides []any
	for _, name := range sortedKeys(s.override) {
		overrides = append(overrides, map[string]any{"topologyName": name, "topologyOverrides": []any{
			map[string]any{"op": "add", "path": path + "o", "value": s.override[name]},
		}})
	}
	if overrides != nil {
		spec["overrides"] = overrides
	}
	metadata := map[string]any{
		"namespace": o.namespace, "name": o.name, "uid": o.uid,
		"resourceVersion": strconv.FormatInt(o.version, 10), "generation": o.generation,
	}
	if o.deleting {
		metadata["deletionTimestamp"] = "2030-01-01T00:00:00Z"
	}
	if len(o.finalizers) > 0 {
		list := []any{}
		for _, f := range o.finalizers {
			list = append(list, f)
		}
		metadata["finalizers"] = list
	}
	if len(o.annotations) > 0 {
		metadata["annotations"] = anyMap(o.annotations)
	}
	content := map[string]any{"apiVersion": federated.APIVersionV2Beta1, "kind": "FederatedThing", "metadata": metadata, "spec": spec}
	if o.status != nil {
		content["status"] = o.status
	}
	return &unstructured.Unstructured{Object: content}
}

func (o *modelObject) decode() *federated.Object {
	if o.decoded == nil {
		decoded, err := federated.Decode(o.encode())
		if err != nil {
			panic(err)
		}
		o.decoded = decoded
	}
	return o.decoded
}

func objectName(key engine.ObjectKey) string { return key.Type + "|" + key.Namespace + "|" + key.Name }

// modelHost is the host cluster: what its API server holds, and the manager's caches of it.
type modelHost struct {
	w       *world
	version int64
	uids    int
	// down says that the API server does not answer; the caches do.
	down       bool
	adopts     bool
	objects    map[string]*lagging[string, modelObject] // By type.
	written    map[string]*modelObject
	fedSpaces  *lagging[string, modelObject]
	spaces     *lagging[string, Namespace]
	clusters   *lagging[string, fedv1b1.KubeFedCluster]
	cells      *lagging[string, v1alpha1.Cell]
	registry   *registry
	topologies *Topologies
	writes     int
	hostErrors int
}

func (h *modelHost) touch(o modelObject) *modelObject {
	h.version++
	o.version = h.version
	o.decoded = nil
	return &o
}

// store makes an object what is given, nil for none.
func (h *modelHost) store(key engine.ObjectKey, o *modelObject) {
	h.objects[key.Type].set(objectName(key), o)
	if key.Type == typeNamespaces && key.Name == key.Namespace {
		h.fedSpaces.set(key.Namespace, o)
	}
}

func (h *modelHost) truth(key engine.ObjectKey) *modelObject {
	return h.objects[key.Type].now[objectName(key)]
}

func (h *modelHost) cached(key engine.ObjectKey) *modelObject {
	seen := h.objects[key.Type].seen[objectName(key)]
	written := h.written[objectName(key)]
	if seen != nil && written != nil && written.uid == seen.uid && written.version > seen.version {
		return written
	}
	return seen
}

func (h *modelHost) Object(r *engine.Running, key engine.ObjectKey) (*federated.Object, bool, error) {
	h.w.interlude()
	h.w.read(objectName(key))
	known := h.objects[key.Type].synced
	if o := h.cached(key); o != nil {
		return o.decode(), known, nil
	}
	return nil, known, nil
}

func (h *modelHost) FederatedNamespace(namespace string) (*federated.Object, bool, error) {
	h.w.interlude()
	if !h.fedSpaces.synced {
		return nil, false, nil
	}
	if o := h.fedSpaces.seen[namespace]; o != nil {
		return o.decode(), true, nil
	}
	return nil, true, nil
}

func (h *modelHost) Namespace(_ context.Context, name string) (*Namespace, error) {
	h.w.interlude()
	return h.spaces.seen[name], nil
}

func (h *modelHost) Topologies(namespace string) []Topology {
	h.w.interlude()
	host := &hostCluster{registry: h.registry}
	return host.Topologies(namespace)
}

func (h *modelHost) Topology(name string) (Topology, bool) {
	h.w.interlude()
	host := &hostCluster{registry: h.registry}
	return host.Topology(name)
}

func (h *modelHost) Adopts(context.Context) (bool, error) { return h.adopts, nil }

func (h *modelHost) IsSystem(namespace string) bool { return strings.HasPrefix(namespace, "kube-") }

func (h *modelHost) request() error {
	h.w.interlude()
	switch {
	case h.w.crashed:
		return errCrashed
	case h.down:
		h.hostErrors++
		return apierrors.NewServiceUnavailable("the host does not answer")
	}
	return nil
}

func (h *modelHost) Exists(_ context.Context, _ *engine.Running, key engine.ObjectKey) (bool, error) {
	if err := h.request(); err != nil {
		return false, err
	}
	h.w.count("host get")
	exists := h.truth(key) != nil
	h.w.exists = exists
	return exists, nil
}

func federatedResource(typ string) schema.GroupResource {
	return schema.GroupResource{Group: "types.kubefed.io", Resource: "federated" + typ}
}

func (h *modelHost) SetFinalizers(_ context.Context, _ *engine.Running, f *federated.Object, finalizers []string) error {
	if err := h.request(); err != nil {
		return err
	}
	key := engine.ObjectKey{Type: h.w.job.Type, Namespace: f.Namespace, Name: f.Name}
	o := h.truth(key)
	switch {
	case o == nil:
		return apierrors.NewNotFound(federatedResource(key.Type), f.Name)
	case o.uid != string(f.UID), strconv.FormatInt(o.version, 10) != f.ResourceVersion:
		return apierrors.NewConflict(federatedResource(key.Type), f.Name, errors.New("it is another version"))
	}
	for _, f := range finalizers {
		if o.deleting && !slices.Contains(o.finalizers, f) {
			h.w.fail("%s gives %s a finalizer, which is being deleted", h.w.job, objectName(key))
		}
	}
	h.writes++
	h.w.count("host finalizers")
	h.w.note("finalizers of %s: %v", objectName(key), finalizers)
	if o.deleting && !slices.Contains(finalizers, federated.Finalizer) {
		h.w.checkLetGo(o)
	}
	next := *o
	next.finalizers = slices.Clone(finalizers)
	h.wrote(key, h.touch(next))
	return nil
}

// wrote stores the result of a write of the manager's.
func (h *modelHost) wrote(key engine.ObjectKey, o *modelObject) {
	if o.deleting && len(o.finalizers) == 0 {
		h.store(key, nil)
		return
	}
	h.store(key, o)
	h.written[objectName(key)] = o
}

func (h *modelHost) SetStatus(_ context.Context, _ *engine.Running, f *federated.Object, status federated.Status) error {
	if err := h.request(); err != nil {
		return err
	}
	key := engine.ObjectKey{Type: h.w.job.Type, Namespace: f.Namespace, Name: f.Name}
	o := h.truth(key)
	switch {
	case o == nil:
		return apierrors.NewNotFound(federatedResource(key.Type), f.Name)
	case o.uid != string(f.UID):
		return apierrors.NewConflict(federatedResource(key.Type), f.Name, errors.New("it is another object"))
	}
	before, err1 := encodeStatus(f, f.Status)
	after, err2 := encodeStatus(f, status)
	stored, err3 := json.Marshal(o.status)
	if o.status == nil {
		stored = []byte("{}")
	}
	diff, err4 := jsonpatch.CreateMergePatch(before, after)
	merged, err5 := jsonpatch.MergePatch(stored, diff)
	next := *o
	next.status = map[string]any{}
	if err := errors.Join(err1, err2, err3, err4, err5, json.Unmarshal(merged, &next.status)); err != nil {
		panic(err)
	}
	h.writes++
	h.w.count("host status")
	h.w.note("status of %s: %s", objectName(key), diff)
	if h.w.idle {
		h.w.fail("%s writes the status of %s, where nothing has changed: %s, before: %s", h.w.job, objectName(key), diff, stored)
	}
	if string(stored) == string(merged) {
		h.written[objectName(key)] = o
		return nil // An API server stores nothing then.
	}
	h.wrote(key, h.touch(next))
	return nil
}

// deliverObjects has the cache of a type follow by one change, and does what the engine's store does then.
func (h *modelHost) deliverObjects(typ string, skip bool) bool {
	l := h.objects[typ]
	if !l.synced {
		l.list()
		for _, name := range sortedKeys(l.seen) {
			h.w.queues.Plan(engine.PriorityResync, l.seen[name].key())
		}
		return true
	}
	name, before, after, ok := l.next(skip)
	if !ok {
		return false
	}
	written := h.written[name]
	own := written != nil && after != nil && written.version == after.version
	if after == nil || written != nil && (own || written.uid != after.uid || after.version > written.version) {
		delete(h.written, name)
	}
	switch {
	case before == nil && after == nil:
	case after == nil:
		h.w.queues.Plan(engine.PriorityChange, before.key())
	case before == nil, before.uid != after.uid, before.generation != after.generation, before.deleting != after.deleting,
		!maps.Equal(before.annotations, after.annotations), !slices.Equal(before.finalizers, after.finalizers):
		h.w.queues.Plan(engine.PriorityChange, after.key())
	case !own && fmt.Sprint(before.status) != fmt.Sprint(after.status):
		h.w.queues.Report(after.key())
	}
	return true
}

// deliverSpaces does so for FederatedNamespaces, which the engine reads by a store of their own.
func (h *modelHost) deliverFedSpaces(skip bool) bool {
	if !h.fedSpaces.synced {
		h.fedSpaces.list()
		for _, name := range sortedKeys(h.fedSpaces.seen) {
			h.w.queues.PlanAll("", name, engine.PriorityChange)
		}
		return true
	}
	name, before, after, ok := h.fedSpaces.next(skip)
	if !ok {
		return false
	}
	if before == nil || after == nil || before.uid != after.uid || before.generation != after.generation || before.deleting != after.deleting ||
		!maps.Equal(before.annotations, after.annotations) || !slices.Equal(before.finalizers, after.finalizers) {
		h.w.queues.PlanAll("", name, engine.PriorityChange)
	}
	return true
}

func (h *modelHost) deliverSpaces(skip bool) bool {
	if !h.spaces.synced {
		h.spaces.list()
		h.computeTopologies()
		return true
	}
	name, before, after, ok := h.spaces.next(skip)
	if !ok {
		return false
	}
	defer h.computeTopologies()
	if after == nil {
		return true
	}
	if before == nil || !maps.Equal(before.Labels, after.Labels) {
		h.w.queues.PlanAll("", name, engine.PriorityChange)
		h.w.observer.lookNamespace(&hostCluster{registry: h.registry}, name)
	}
	return true
}

// deliverTopologies has one of the caches behind the topologies follow, and computes them anew.
func (h *modelHost) deliverTopologies(skip bool) bool {
	changed := false
	if !h.clusters.synced || !h.cells.synced {
		h.clusters.list()
		h.cells.list()
		changed = true
	} else if _, _, _, ok := h.clusters.next(skip); ok {
		changed = true
	} else if _, _, _, ok := h.cells.next(skip); ok {
		changed = true
	}
	if changed {
		h.computeTopologies()
	}
	return changed
}

// computeTopologies computes the topologies, once there is something to compute them of.
func (h *modelHost) computeTopologies() {
	if !h.clusters.synced || !h.cells.synced {
		return
	}
	if _, err := h.topologies.Reconcile(h.w.ctx, reconcile.Request{}); err != nil {
		panic(err)
	}
}

// Get implements client.Reader, of which Topologies reads Namespaces, and that there is no FederatedTypeConfig.
func (h *modelHost) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	if namespace, ok := object.(*metav1.PartialObjectMetadata); ok && h.spaces.seen[key.Name] != nil {
		namespace.Labels = h.spaces.seen[key.Name].Labels
		return nil
	}
	return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
}

// List implements client.Reader.
func (h *modelHost) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	switch list := list.(type) {
	case *fedv1b1.KubeFedClusterList:
		for _, name := range sortedKeys(h.clusters.seen) {
			list.Items = append(list.Items, *h.clusters.seen[name])
		}
	case *v1alpha1.CellList:
		for _, name := range sortedKeys(h.cells.seen) {
			list.Items = append(list.Items, *h.cells.seen[name])
		}
	}
	return nil
}

// addCluster registers a physical cluster.
func (h *modelHost) addCluster(name string, labels map[string]string) {
	h.uids++
	h.clusters.set(name, &fedv1b1.KubeFedCluster{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("c" + strconv.Itoa(h.uids)), Labels: labels}})
}

// addCell does what the cell controller does for a Cell, the Namespace in the member included.
func (h *modelHost) addCell(c modelCell) {
	h.uids++
	cell := &v1alpha1.Cell{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: c.name, Generation: 1, UID: types.UID("cell" + strconv.Itoa(h.uids))},
		Spec:       v1alpha1.CellSpec{ClusterName: c.cluster, TargetNamespace: c.target},
	}
	cell.Status.Conditions = []metav1.Condition{{Type: string(v1alpha1.ConditionGenerated), Status: metav1.ConditionTrue, ObservedGeneration: 1}}
	h.cells.set(c.namespace+"/"+c.name, cell)
	h.label(c)
	h.w.members[c.cluster].ensureNamespace(c)
}

// label gives the KubeFedCluster of a cell the labels of its Namespace.
func (h *modelHost) label(c modelCell) {
	labels := map[string]string{
		v1alpha1.NamespaceLabel: c.namespace, v1alpha1.CellLabel: c.name, v1alpha1.ClusterLabel: c.cluster,
		v1alpha1.TopologyTypeLabel: topology.Cell, v1alpha1.GeneratedLabel: "true", "zone": c.zone,
	}
	if space := h.spaces.now[c.namespace]; space != nil {
		labels[v1alpha1.TenantLabel] = space.Labels[v1alpha1.TenantLabel]
		labels[v1alpha1.WorkspaceGroupLabel] = space.Labels[v1alpha1.WorkspaceGroupLabel]
	}
	name := c.namespace + "." + c.name
	if now := h.clusters.now[name]; now != nil && maps.Equal(now.Labels, labels) {
		return
	}
	h.uids++
	h.clusters.set(name, &fedv1b1.KubeFedCluster{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("c" + strconv.Itoa(h.uids)), Labels: labels}})
}
