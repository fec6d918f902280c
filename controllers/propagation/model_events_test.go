package propagation

import (
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/federated"
)

// modelKeys are the fields that templates and overrides set. People in the members set others.
var modelKeys = []string{"k", "l", "o", "w"}

func pick[T any](w *world, from []T) T { return from[w.rng.IntN(len(from))] }

func (w *world) chance(of int) bool { return w.rng.IntN(of) == 0 }

// event is anything that the manager does not do.
func (w *world) event() {
	switch n := w.rng.IntN(100); {
	case n < 15:
		w.deliverHost()
	case n < 30:
		pick(w, w.sortedMembers()).deliver()
	case n < 72:
		w.edit()
	case n < 88:
		w.drift()
	case n < 96:
		w.weather()
	case n < 99:
		w.move()
	default:
		w.settings()
	}
}

func (w *world) sortedMembers() []*modelMember {
	var all []*modelMember
	for _, name := range sortedKeys(w.members) {
		all = append(all, w.members[name])
	}
	return all
}

func (w *world) deliverHost() {
	skip := w.chance(2)
	switch n := w.rng.IntN(6); n {
	case 0:
		w.host.deliverFedSpaces(skip)
	case 1:
		w.host.deliverSpaces(skip)
	case 2:
		w.host.deliverTopologies(skip)
	default:
		w.host.deliverObjects(sortedKeys(w.runs)[n-3], skip)
	}
}

func (w *world) modelKey() engine.ObjectKey {
	namespace := pick(w, []string{"acme", "globex"})
	switch w.rng.IntN(16) {
	case 0:
		return engine.ObjectKey{Type: typeNamespaces, Namespace: namespace, Name: namespace}
	case 1, 2, 3, 4:
		return engine.ObjectKey{Type: typeDeployments, Namespace: namespace, Name: "d"}
	default:
		return engine.ObjectKey{Type: typeConfigMaps, Namespace: namespace, Name: pick(w, []string{"x", "y"})}
	}
}

// names returns some of what people may name in an object, what is not theirs included.
func (w *world) names(cells bool, namespace string) []string {
	all := []string{"shared", "of-acme", "of-globex", "acme.a1", "globex.g1", "nowhere"}
	if cells {
		all = []string{"a1", "a2", "a3", "cluster:shared", "cluster:globex.g1"}
		if namespace == "globex" {
			all = []string{"g1", "g2", "cluster:of-acme", "cluster:acme.a1"}
		}
	}
	some := []string{}
	for _, name := range all {
		if w.chance(2) {
			some = append(some, name)
		}
	}
	return some
}

func (w *world) newSpec(namespace string) *modelSpec {
	s := &modelSpec{cells: !w.chance(3), data: map[string]string{"k": w.value()}, override: map[string]string{}}
	w.place(s, namespace)
	return s
}

func (w *world) value() string { return string(rune('0' + w.rng.IntN(10))) }

func (w *world) place(s *modelSpec, namespace string) {
	s.list, s.selector = nil, nil
	switch w.rng.IntN(5) {
	case 0:
		s.selector = map[string]string{"zone": pick(w, []string{"x", "y"})}
	case 1:
		s.selector = map[string]string{}
	case 2:
		if w.chance(3) {
			return
		}
		fallthrough
	default:
		s.list = w.names(s.cells, namespace)
	}
}

// edit is what people do to federated objects.
func (w *world) edit() {
	key := w.modelKey()
	h := w.host
	w.count("edit")
	o := h.truth(key)
	if o == nil {
		h.uids++
		made := modelObject{typ: key.Type, namespace: key.Namespace, name: key.Name, uid: "f" + w.uid(), generation: 1, spec: w.newSpec(key.Namespace)}
		if w.chance(8) {
			made.finalizers = []string{"others/f"}
		}
		if key.Type == typeNamespaces && !w.chance(6) {
			made.spec = &modelSpec{cells: w.chance(2), selector: map[string]string{}, data: map[string]string{"k": w.value()}}
		}
		w.note("user creates %s: %+v", objectName(key), made.spec)
		h.store(key, h.touch(made))
		return
	}
	next := *o
	spec := *o.spec
	switch n := w.rng.IntN(20); {
	case n < 5:
		spec.data = maps.Clone(spec.data)
		k := pick(w, modelKeys)
		if _, ok := spec.data[k]; ok && w.chance(2) {
			delete(spec.data, k)
		} else {
			spec.data[k] = w.value()
		}
	case n < 7:
		spec.override = map[string]string{}
		for _, name := range w.names(spec.cells, key.Namespace) {
			spec.override[name] = w.value()
		}
	case n < 8 && slices.Contains(next.finalizers, "others/f"):
		next.finalizers = slices.DeleteFunc(slices.Clone(next.finalizers), func(f string) bool { return f == "others/f" })
		if next.deleting && len(next.finalizers) == 0 {
			h.store(key, nil)
			return
		}
	case n < 11:
		w.place(&spec, key.Namespace)
	case n < 14:
		spec.masked, spec.mask = !w.chance(3), w.names(spec.cells, key.Namespace)
	case n < 15:
		spec.cells = !spec.cells
		spec.override = map[string]string{}
	case n < 16:
		next.annotations = nil
		if w.chance(2) {
			next.annotations = map[string]string{federated.OrphanAnnotation: pick(w, []string{"true", "false"})}
		}
	case n < 19 && !next.deleting:
		w.deleteHost(o)
		return
	case n == 19 && w.chance(4):
		w.note("user takes the finalizers of %s away", objectName(key))
		next.finalizers = nil
		w.excused[next.uid] = true
		if next.deleting {
			h.store(key, nil)
			return
		}
	default:
		return
	}
	next.spec = &spec
	if same := *o.spec; next.annotations != nil || !specEqual(&same, &spec) {
		if !specEqual(&same, &spec) {
			next.generation++
		}
	}
	w.note("user edits %s: generation %d, %+v %v", objectName(key), next.generation, spec, next.annotations)
	h.store(key, h.touch(next))
}

func specEqual(a, b *modelSpec) bool {
	return a.cells == b.cells && a.masked == b.masked && slices.Equal(a.list, b.list) && (a.list == nil) == (b.list == nil) &&
		maps.Equal(a.selector, b.selector) && (a.selector == nil) == (b.selector == nil) && slices.Equal(a.mask, b.mask) &&
		maps.Equal(a.data, b.data) && maps.Equal(a.override, b.override)
}

func (w *world) deleteHost(o *modelObject) {
	w.note("user deletes %s", objectName(o.key()))
	if len(o.finalizers) == 0 {
		w.host.store(o.key(), nil)
		return
	}
	next := *o
	next.deleting = true
	next.generation++
	w.host.store(o.key(), w.host.touch(next))
}

// drift is what people and controllers do in a member.
func (w *world) drift() {
	m := pick(w, w.sortedMembers())
	if m.down {
		return
	}
	w.count("drift")
	if w.chance(4) || len(m.now) == 0 {
		w.intrude(m)
		return
	}
	o := m.now[pick(w, sortedKeys(m.now))]
	fields := runtime.DeepCopyJSON(o.fields)
	inner, _ := fields[dataField(o.resourceType())].(map[string]any)
	metadata, _ := fields["metadata"].(map[string]any)
	labels, _ := metadata["labels"].(map[string]any)
	if o.resource == "namespaces" {
		inner = labels
	}
	next := *o
	switch n := w.rng.IntN(16); {
	case n < 5 && inner != nil:
		k := pick(w, []string{"k", "l", "x", "z"})
		if _, ok := inner[k]; ok && w.chance(2) {
			delete(inner, k)
		} else {
			inner[k] = w.value()
		}
	case n < 7 && o.resource != "namespaces":
		w.note("somebody deletes %s in %s", o.key(), m.name)
		m.deleteObject(o)
		return
	case n < 8 && labels != nil && o.resource != "namespaces":
		delete(labels, pick(w, []string{v1alpha1.KubeFedManagedLabel, v1alpha1.ManagedLabel, v1alpha1.CellLabel}))
	case n < 9 && labels != nil && o.resource != "namespaces":
		labels[v1alpha1.KubeFedManagedLabel] = pick(w, []string{"false", "true"})
	case n < 10:
		if o.deleting {
			m.finish(o)
			return
		}
		next.finalizers = []string{"somebody/s"}
	case n < 12 && o.resource == "deployments":
		next.status = map[string]any{"observedGeneration": o.generation, "replicas": int64(w.rng.IntN(3))}
	case n < 13 && o.resource != "namespaces":
		// kubectl replace --force: another object, of the same labels.
		next.uid, next.deleting, next.finalizers = w.uid(), false, nil
		w.excused[next.uid] = true
		if next.generation > 0 {
			next.generation = 1
		}
		if inner != nil {
			inner["k"] = w.value()
		}
		next.fields, next.owners = fields, owners{somebody: fieldSet(fields)}
		w.note("somebody replaces %s in %s: %v", o.key(), m.name, inner)
		m.remove(o.key())
		m.put(next)
		return
	default:
		return
	}
	w.note("somebody changes %s in %s: %v", o.key(), m.name, fields)
	next.fields, next.owners = fields, updated(o.fields, o.owners, somebody, fields)
	if next.generation > 0 && !sameAny(o.fields["spec"], fields["spec"]) {
		next.generation++
	}
	if next.managed() {
		w.excused[next.uid] = true
	}
	m.put(next)
}

// intrude puts an object into a member where a propagated one may have to be: somebody's own, or upstream KubeFed's.
func (w *world) intrude(m *modelMember) {
	key := w.modelKey()
	if key.Type == typeNamespaces {
		return
	}
	resource := w.runs[key.Type].Member.Resource.Resource
	for _, name := range sortedKeys(w.host.registry.byName) {
		v := w.trueView(engine.Key{ObjectKey: key, Topology: name})
		if v.topology == nil || v.topology.member != m.name || w.chance(2) {
			continue
		}
		namespace, object := v.where(engine.Key{ObjectKey: key, Topology: name})
		if m.now[memberKey(resource, namespace, object)] != nil || m.namespace(namespace) != nil {
			continue
		}
		fields := map[string]any{dataField(key.Type): map[string]any{"k": w.value(), "x": "own"}}
		manager := somebody
		if w.chance(2) && v.eligible(key.Namespace) {
			manager = upstream
			labels := map[string]any{v1alpha1.KubeFedManagedLabel: "true"}
			if v.topology.cell != "" {
				labels = map[string]any{v1alpha1.ManagedLabel: "true", v1alpha1.NamespaceLabel: v.topology.namespace, v1alpha1.CellLabel: v.topology.cell}
			}
			fields["metadata"] = map[string]any{"labels": labels}
			fields[dataField(key.Type)] = map[string]any{"k": w.value(), "l": "old"}
		}
		o := memberObject{resource: resource, namespace: namespace, name: object, uid: w.uid(), fields: fields, owners: owners{manager: fieldSet(fields)}}
		w.excused[o.uid] = true
		if resource == "deployments" {
			o.generation = 1
		}
		w.note("%s makes %s in %s", manager, o.key(), m.name)
		m.put(o)
		return
	}
}

func (o *memberObject) resourceType() string {
	switch o.resource {
	case "deployments":
		return typeDeployments
	case "namespaces":
		return typeNamespaces
	}
	return typeConfigMaps
}

func sameAny(a, b any) bool {
	x, _ := a.(map[string]any)
	y, _ := b.(map[string]any)
	return maps.EqualFunc(x, y, func(a, b any) bool { return a == b })
}

// weather is how members and the host fare.
func (w *world) weather() {
	m := pick(w, w.sortedMembers())
	w.count("weather")
	switch n := w.rng.IntN(12); {
	case n < 2 && !m.down:
		w.note("%s goes down", m.name)
		m.down = true
	case n < 5 && m.down:
		w.rise(m)
	case n < 6 && m.down && !m.sick:
		w.note("%s is known not to answer", m.name)
		m.sick = true
		w.queues.PlanAll("", "", engine.PriorityResync)
	case n < 7:
		m.flaky = true
	case n < 8:
		m.snapshot = maps.Clone(m.now)
	case n < 9 && m.down && m.snapshot != nil:
		w.restore(m)
	case n < 10:
		w.host.down = !w.host.down
	case n < 12 && m.sick:
		w.wake(m)
	}
}

func (w *world) rise(m *modelMember) {
	if m.down {
		w.note("%s comes up", m.name)
		m.down = false
	}
}

// wake has the manager see that a member answers.
func (w *world) wake(m *modelMember) {
	if m.sick && !m.down {
		w.note("%s is known to answer", m.name)
		m.sick = false
		m.stale = true
		w.observer.health(m.name)
	}
}

// restore brings a member back to its old data.
func (w *world) restore(m *modelMember) {
	w.note("%s goes back to its old data", m.name)
	m.now, m.pending, m.told, m.versions, m.stale = maps.Clone(m.snapshot), nil, nil, nil, true
	for _, o := range m.now {
		w.excused[o.uid] = true
	}
	if w.chance(2) {
		m.version = 100
		for _, o := range m.now {
			m.version = max(m.version, o.version)
		}
	}
}

// move is what happens to cells and clusters.
func (w *world) move() {
	h := w.host
	w.count("move")
	c := pick(w, modelCells)
	name := c.namespace + "." + c.name
	switch w.rng.IntN(9) {
	case 7, 8:
		for _, c := range modelCells {
			if h.cells.now[c.namespace+"/"+c.name] == nil || h.clusters.now[c.namespace+"."+c.name] == nil {
				h.addCell(c)
			}
		}
		for _, cluster := range sortedKeys(modelClusters) {
			if h.clusters.now[cluster] == nil {
				h.addCluster(cluster, modelClusters[cluster])
			}
		}
	case 0:
		w.note("the cell %s goes", name)
		h.cells.set(c.namespace+"/"+c.name, nil)
	case 1:
		w.note("the KubeFedCluster %s goes", name)
		h.clusters.set(name, nil)
	case 2, 3:
		if h.cells.now[c.namespace+"/"+c.name] == nil || h.clusters.now[name] == nil {
			w.note("the cell %s comes", name)
			h.addCell(c)
		}
	case 4:
		cluster := pick(w, sortedKeys(modelClusters))
		if h.clusters.now[cluster] != nil && w.chance(3) {
			w.note("the cluster %s goes", cluster)
			h.clusters.set(cluster, nil)
		} else {
			labels := maps.Clone(modelClusters[cluster])
			if w.chance(2) {
				delete(labels, v1alpha1.SharedLabel)
			}
			w.note("the cluster %s is now %v", cluster, labels)
			h.addCluster(cluster, labels)
		}
	default:
		w.note("the KubeFedCluster %s is labeled", name)
		if h.cells.now[c.namespace+"/"+c.name] != nil {
			h.label(c)
		}
	}
}

// settings is what happens to Namespaces and to the configuration.
func (w *world) settings() {
	w.count("settings")
	if w.chance(4) {
		w.host.adopts = !w.host.adopts
		w.note("adopts: %v", w.host.adopts)
		return
	}
	if w.chance(4) {
		// The host gets a Namespace of the name that a cell's namespace has in its member.
		owner := pick(w, []string{"acme", "globex", ""})
		w.note("the Namespace acme-a3 is %q's", owner)
		if owner == "" {
			w.host.spaces.set("acme-a3", nil)
			return
		}
		w.host.spaces.set("acme-a3", &Namespace{UID: "ns-acme-a3", Labels: map[string]string{v1alpha1.TenantLabel: owner, v1alpha1.WorkspaceGroupLabel: "prod"}})
		return
	}
	namespace := pick(w, []string{"acme", "globex"})
	group := pick(w, []string{"prod", "prod", "prod", "prod", "test"})
	tenant := pick(w, []string{namespace, namespace, namespace, namespace, namespace, "globex"})
	w.note("the Namespace %s is %s's, %s", namespace, tenant, group)
	w.host.spaces.set(namespace, &Namespace{UID: w.host.spaces.now[namespace].UID, Labels: map[string]string{
		v1alpha1.TenantLabel: tenant, v1alpha1.WorkspaceGroupLabel: group,
	}})
}

// walk makes one step.
func (w *world) walk() {
	w.step++
	switch n := w.rng.IntN(1000); {
	case n < 500:
		if due := w.queues.due(nil); len(due) > 0 {
			w.queues.run(pick(w, due))
			break
		}
		fallthrough
	case n < 530:
		w.clock.SetTime(w.clock.Now().Add(time.Duration(w.rng.IntN(2000)) * time.Millisecond))
	case n < 620:
		w.deliverHost()
	case n < 710:
		pick(w, w.sortedMembers()).deliver()
	case n < 740:
		for w.deliverAll() {
		}
	case n < 990:
		w.event()
	case n < 993:
		w.note("the manager crashes")
		w.crashed = true
	case n < 997:
		w.walking = false
		w.isolated()
		w.walking = true
	default:
		w.walking = false
		w.healed()
		w.walking = true
	}
	if w.crashed {
		w.count("crash")
		w.start()
	}
}
