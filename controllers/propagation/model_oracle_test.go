package propagation

import (
	"slices"
	"time"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/member"
	"github.com/cellfed/cellfed/internal/scope"
	"github.com/cellfed/cellfed/internal/topology"
)

// modelTopology is a topology as the model understands it, which is not by the code under test.
type modelTopology struct {
	name, member string
	// namespace and target are a cell's, cell its name; empty for a physical cluster.
	namespace, target, cell string
	labels, memberLabels    map[string]string
	// vanished says that nobody can tell whose the member is.
	blocked, vanished bool
	// namesake is the host's Namespace of the target's name.
	namesake scope.Namesake
}

// hostView is what decides of one key in the host, at one time, in one cache or in truth.
type hostView struct {
	object, fed *modelObject
	space       *Namespace
	topology    *modelTopology
	// stripped says that people took the object's finalizers away.
	stripped bool
}

func modelTopologyOf(t Topology) *modelTopology {
	m := &modelTopology{name: t.Name, member: t.Member, labels: t.Labels, memberLabels: t.MemberLabels, blocked: t.Blocked != "", vanished: t.MemberUnknown, namesake: t.Namesake}
	if t.View != nil {
		m.namespace, m.target, m.cell = t.View.Namespace, t.View.TargetNamespace, t.View.Cell
	}
	return m
}

func (w *world) cachedView(key engine.Key) hostView {
	h := w.host
	v := hostView{object: h.cached(key.ObjectKey), fed: h.fedSpaces.seen[key.Namespace], space: h.spaces.seen[key.Namespace]}
	if t, ok := h.registry.byName[key.Topology]; ok {
		v.topology = modelTopologyOf(t)
	}
	return v
}

func (w *world) trueView(key engine.Key) hostView {
	h := w.host
	return hostView{object: h.truth(key.ObjectKey), fed: h.fedSpaces.now[key.Namespace], space: h.spaces.now[key.Namespace], topology: w.trueTopologies()[key.Topology]}
}

// trueTopologies are those of what the host holds.
func (w *world) trueTopologies() map[string]*modelTopology {
	h := w.host
	all := map[string]*modelTopology{}
	for name, c := range h.clusters.now {
		if c.Labels[v1alpha1.TopologyTypeLabel] == "" {
			all[name] = &modelTopology{name: name, member: name, labels: c.Labels, memberLabels: c.Labels}
			continue
		}
		t := &modelTopology{name: name, namespace: c.Labels[v1alpha1.NamespaceLabel], cell: c.Labels[v1alpha1.CellLabel], labels: c.Labels, blocked: true, vanished: true}
		if cell := h.cells.now[t.namespace+"/"+t.cell]; cell != nil {
			t.member, t.target = cell.Spec.ClusterName, cell.Spec.TargetNamespace
			if space := h.spaces.now[t.target]; space != nil {
				t.namesake = scope.NamesakeOf(space.Labels)
			}
			if hosting := h.clusters.now[t.member]; hosting != nil {
				t.blocked, t.vanished, t.memberLabels = false, false, hosting.Labels
			}
		}
		all[name] = t
	}
	return all
}

func sameTenant(a, b map[string]string) bool {
	return a[v1alpha1.TenantLabel] == b[v1alpha1.TenantLabel] && a[v1alpha1.WorkspaceGroupLabel] == b[v1alpha1.WorkspaceGroupLabel]
}

// eligible says whether a tenant may reach the topology.
func (v hostView) eligible(namespace string) bool {
	t := v.topology
	if t == nil || v.space == nil {
		return false
	}
	shared := t.memberLabels[v1alpha1.SharedLabel] == "true"
	if t.cell == "" {
		return shared || sameTenant(t.memberLabels, v.space.Labels)
	}
	if t.namespace != namespace || !sameTenant(t.labels, v.space.Labels) {
		return false
	}
	if t.target != namespace && t.namesake.Exists && t.namesake != scope.NamesakeOf(v.space.Labels) {
		return false
	}
	tenant, group := t.memberLabels[v1alpha1.TenantLabel], t.memberLabels[v1alpha1.WorkspaceGroupLabel]
	own := tenant == v.space.Labels[v1alpha1.TenantLabel] && (group == "" || group == v.space.Labels[v1alpha1.WorkspaceGroupLabel])
	return shared || own || t.vanished
}

func (o *modelObject) selects(t *modelTopology) bool {
	if o == nil {
		return false
	}
	if o.spec.list != nil {
		return slices.ContainsFunc(o.spec.list, func(name string) bool { return o.kubeFedCluster(name) == t.name })
	}
	if o.spec.selector == nil {
		return false
	}
	for k, value := range o.spec.selector {
		if t.labels[k] != value {
			return false
		}
	}
	return !o.spec.cells || t.namespace == o.namespace && t.labels[v1alpha1.TopologyTypeLabel] == topology.Cell && t.labels[v1alpha1.NamespaceLabel] == o.namespace
}

func (v hostView) placed() bool {
	return v.object.selects(v.topology) && (v.object.typ == typeNamespaces || v.fed.selects(v.topology))
}

func (v hostView) touchable() bool {
	o := v.object
	return !o.spec.masked || slices.ContainsFunc(o.spec.mask, func(name string) bool { return o.kubeFedCluster(name) == v.topology.name })
}

func (o *modelObject) orphans() bool { return o.annotations[federated.OrphanAnnotation] == "true" }

// permits says whether a request may be made, going by one view of the host.
func (v hostView) permits(key engine.Key, verb string, exists bool) bool {
	if !v.eligible(key.Namespace) || v.topology.blocked {
		return false
	}
	if v.object == nil {
		return (verb == "release" || verb == "read") && !exists
	}
	if !v.touchable() {
		return false
	}
	switch verb {
	case "read":
		return v.placed() || v.object.deleting
	case "create", "apply":
		kept := slices.Contains(v.object.finalizers, federated.Finalizer) || v.stripped
		return v.placed() && !v.object.deleting && kept
	case "delete":
		return v.object.deleting && !v.object.orphans() || !v.object.deleting && !v.placed()
	case "release":
		return v.object.deleting && v.object.orphans()
	}
	return false
}

// where returns what a key is in the member.
func (v hostView) where(key engine.Key) (namespace, name string) {
	namespace, name = key.Namespace, key.Name
	if v.topology.cell != "" {
		namespace = v.topology.target
	}
	if key.Type == typeNamespaces {
		return "", namespace
	}
	return namespace, name
}

// checkRequest checks invariants 2 and 3 for one request: the manager may only do what is allowed by what the host says
// now, or by what its caches, which may be behind, have said since it began to look.
func (w *world) checkRequest(m *modelMember, verb string, t member.Target, namespace, name string) {
	key := w.job.Key
	if w.job.stage != propagating {
		w.fail("%s makes a request", w.job)
	}
	if o := w.host.truth(key.ObjectKey); w.idle && !w.conflicted(key) && (verb != "read" || o == nil || !o.deleting) {
		w.fail("%s makes a request although everything is as it should be", w.job)
	}
	views := append(slices.Clone(w.views), w.cachedView(key), w.trueView(key))
	for _, o := range views {
		for _, f := range views {
			for _, s := range views {
				for _, g := range views {
					v := hostView{object: o.object, fed: f.fed, space: s.space, topology: g.topology}
					v.stripped = v.object != nil && w.excused[v.object.uid]
					if v.topology == nil || v.topology.member != m.name || t != w.runs[key.Type].Member {
						continue
					}
					if ns, n := v.where(key); ns == namespace && n == name && v.permits(key, verb, w.exists) {
						return
					}
				}
			}
		}
	}
	v := w.trueView(key)
	w.fail("%s of %s/%s in %s is allowed by nothing that the manager can have read; in truth: object %+v, Namespace %+v, topology %+v",
		verb, namespace, name, m.name, v.object, v.space, v.topology)
}

// ownerIn returns whose a member's object is.
func (o *memberObject) ownerIn(t *modelTopology) owner {
	labels := o.labels()
	value := labels[v1alpha1.KubeFedManagedLabel]
	cell := labels[v1alpha1.ManagedLabel] == "true"
	mine := t.cell != "" && cell && labels[v1alpha1.NamespaceLabel] == t.namespace && labels[v1alpha1.CellLabel] == t.cell
	switch {
	case value == "false":
		return unmanaged
	case value == "true" && t.cell == "", value != "true" && mine:
		return ours
	case value == "true", cell:
		return foreign
	}
	return free
}

// checkWrite checks that nothing is written that belongs to others, where the manager could know.
func (w *world) checkWrite(m *modelMember, before, after *memberObject) {
	t := w.trueView(w.job.Key).topology
	if before == nil || t == nil || !m.current() || w.walking {
		return
	}
	switch o := before.ownerIn(t); {
	case o == ours, o == free && after != nil && w.host.adopts:
	default:
		w.fail("%s writes to %s in %s, whose owner is %d: %v", w.job, before.key(), m.name, o, before.labels())
	}
}

// checkLetGo checks that nothing is left in the members of an object that is let go.
func (w *world) checkLetGo(o *modelObject) {
	if o.orphans() {
		return
	}
	for _, name := range sortedKeys(w.host.registry.byName) {
		key := engine.Key{ObjectKey: o.key(), Topology: name}
		v := w.cachedView(key)
		if !v.eligible(o.namespace) || v.topology.blocked || o.typ == typeNamespaces && v.topology.cell != "" {
			continue
		}
		namespace, n := v.where(key)
		m := w.members[v.topology.member]
		if !v.placed() && !listed(o.decode(), name) && (m.down || m.sick || !m.synced) {
			continue // Nobody knows of it. It is released when the member is back.
		}
		left := m.now[memberKey(w.runs[o.typ].Member.Resource.Resource, namespace, n)]
		if left != nil && left.ownerIn(v.topology) == ours && !w.excused[left.uid] {
			w.fail("%s is let go, and is left in %s: %+v", objectName(o.key()), name, left)
		}
	}
}

// expected returns what a topology is to hold, as flat fields.
func (v hostView) expected(m *modelMember) map[string]string {
	want := map[string]string{}
	for k, value := range v.object.spec.data {
		want[k] = value
	}
	for name, value := range v.object.spec.override {
		if v.object.kubeFedCluster(name) == v.topology.name {
			want["o"] = value
		}
	}
	if _, ok := want["w"]; ok && m.webhook && v.object.typ == typeConfigMaps {
		want["w"] = "forced"
	}
	return want
}

// elses says whether a field is somebody's in the member, and not cellfed's to take away.
func (o *memberObject) elses(k string) bool {
	path := fieldpath.MakePathOrDie(dataField(o.resourceType()), k)
	if o.resource == "namespaces" {
		path = fieldpath.MakePathOrDie("metadata", "labels", k)
	}
	if own := o.owners[applies]; own != nil {
		return !own.Has(path)
	}
	for manager, set := range o.owners {
		if set.Has(path) && o.owners.legacy(manager) {
			return false
		}
	}
	return true // It was left when the object was released.
}

func (o *memberObject) data(typ string) map[string]string {
	fields := o.fields
	switch typ {
	case typeNamespaces:
		return o.labels()
	case typeDeployments:
		fields, _ = fields["spec"].(map[string]any)
	default:
		fields, _ = fields["data"].(map[string]any)
	}
	out := map[string]string{}
	for k, value := range fields {
		out[k], _ = value.(string)
	}
	return out
}

// conflicted says whether something in the member keeps a placed object from being right, which nobody but the members'
// people can change.
func (w *world) conflicted(key engine.Key) bool {
	v := w.trueView(key)
	if v.object == nil || !v.eligible(key.Namespace) || v.topology.blocked {
		return false
	}
	m := w.members[v.topology.member]
	namespace, name := v.where(key)
	if namespace != "" && m.namespace(namespace) != nil {
		return true
	}
	o := m.now[memberKey(w.runs[key.Type].Member.Resource.Resource, namespace, name)]
	if o == nil {
		return false
	}
	switch o.ownerIn(v.topology) {
	case foreign:
		return key.Type != typeNamespaces
	case unmanaged:
		return true
	case free:
		return !w.host.adopts || o.deleting
	}
	return o.deleting
}

func (w *world) away(name string) bool {
	m := w.members[name]
	return m.down || m.sick || !m.known
}

// check checks that everything is as the host says, except in members that are down.
func (w *world) check(everything bool) {
	topologies := w.trueTopologies()
	for _, typ := range sortedKeys(w.runs) {
		for _, name := range sortedKeys(w.host.objects[typ].now) {
			o := w.host.objects[typ].now[name]
			for _, t := range sortedKeys(topologies) {
				w.checkTopology(engine.Key{ObjectKey: o.key(), Topology: t}, everything)
			}
			if everything {
				w.checkStatus(o, topologies)
			}
		}
	}
	if everything {
		w.checkLeft(topologies)
	}
}

func (w *world) checkTopology(key engine.Key, everything bool) {
	v := w.trueView(key)
	letGo := v.object.deleting && !slices.Contains(v.object.finalizers, federated.Finalizer)
	if !v.eligible(key.Namespace) || v.topology.blocked || w.away(v.topology.member) || !v.touchable() || letGo {
		return
	}
	m := w.members[v.topology.member]
	namespace, name := v.where(key)
	live := m.now[memberKey(w.runs[key.Type].Member.Resource.Resource, namespace, name)]
	isOurs := live != nil && live.ownerIn(v.topology) == ours
	cellSpace := key.Type == typeNamespaces && v.topology.cell != ""
	if v.object.deleting || !v.placed() {
		if isOurs && !live.deleting && !cellSpace {
			w.fail("%v should be gone: %+v", key, live)
		}
		return
	}
	if w.conflicted(key) || live != nil && live.ownerIn(v.topology) == foreign {
		return
	}
	if !isOurs {
		w.fail("%v should be there, and is %+v", key, live)
	}
	want, have := v.expected(m), live.data(key.Type)
	for k, value := range want {
		if have[k] != value {
			w.fail("%v has %s=%q instead of %q: %v owned by %v", key, k, have[k], value, have, live.owners)
		}
	}
	for k := range have {
		if _, ok := want[k]; !ok && slices.Contains(modelKeys, k) && !live.elses(k) {
			w.fail("%v still has %s=%q: %v owned by %v", key, k, have[k], have, live.owners)
		}
	}
	_ = everything
}

// checkStatus checks that an object's status tells the truth.
func (w *world) checkStatus(o *modelObject, topologies map[string]*modelTopology) {
	if o.deleting && !slices.Contains(o.finalizers, federated.Finalizer) {
		return // It waits for others.
	}
	status := o.decode().Status
	entries := map[string]federated.ClusterStatus{}
	for _, c := range status.Clusters {
		entries[c.Name] = c
	}
	var want federated.Summary
	waits := false
	for _, name := range sortedKeys(topologies) {
		key := engine.Key{ObjectKey: o.key(), Topology: name}
		v := w.trueView(key)
		entry, listed := entries[name]
		delete(entries, name)
		if !v.eligible(o.namespace) {
			if listed {
				w.fail("the status of %s lists %s, which it cannot reach: %+v", objectName(o.key()), name, entry)
			}
			continue
		}
		isOurs := false
		if !v.topology.blocked {
			namespace, n := v.where(key)
			live := w.members[v.topology.member].now[memberKey(w.runs[o.typ].Member.Resource.Resource, namespace, n)]
			isOurs = live != nil && live.ownerIn(v.topology) == ours
		}
		held := !v.touchable() && (v.placed() && !o.deleting || isOurs || v.topology.blocked && listed)
		bad := w.conflicted(key) || v.topology.blocked
		waits = waits || held || o.deleting && v.topology.blocked || bad
		if held {
			want.Held++
		}
		if v.placed() {
			want.Placed++
		}
		switch {
		case o.deleting && !held || v.topology.blocked:
		case held && entry.Status != federated.StatusHeld:
			w.fail("%v is held, and its status says %+v", key, entry)
		case held:
		case v.placed() && bad && entry.Status == federated.StatusOK:
			w.fail("%v cannot be right, and its status says %+v", key, entry)
		case v.placed() && !bad && (!listed || entry.Status != federated.StatusOK || entry.Generation != o.generation):
			w.fail("%v is right in generation %d, and its status says %+v", key, o.generation, entry)
		case !v.placed() && listed && !bad:
			w.fail("%v is not placed, and its status says %+v", key, entry)
		}
		if v.placed() && !bad && !held && v.touchable() {
			want.InSync++
		}
	}
	if o.deleting && !waits && slices.Contains(o.finalizers, federated.Finalizer) {
		w.fail("%s should be gone: finalizers %v", objectName(o.key()), o.finalizers)
	}
	if o.deleting {
		return
	}
	for name, entry := range entries {
		w.fail("the status of %s lists %s, which is not there: %+v", objectName(o.key()), name, entry)
	}
	have := status.Summary
	if have == nil || have.Held != want.Held || have.Placed != want.Placed || have.InSync != want.InSync || status.ObservedGeneration != o.generation {
		w.fail("the status of %s counts %+v of generation %d, want %+v of %d; its entries %+v", objectName(o.key()), have, status.ObservedGeneration, want, o.generation, status.Clusters)
	}
}

// checkLeft checks that what members hold as propagated is what some object says.
func (w *world) checkLeft(topologies map[string]*modelTopology) {
	for _, name := range sortedKeys(w.members) {
		m := w.members[name]
		if w.away(name) {
			continue
		}
		for _, at := range sortedKeys(m.now) {
			live := m.now[at]
			for _, typ := range sortedKeys(w.runs) {
				if w.runs[typ].Member.Resource.Resource != live.resource || !live.managed() {
					continue
				}
				key := federatedKey(w.runs[typ], name, live.object(w))
				v := w.trueView(key)
				if v.topology == nil || v.topology.blocked || v.topology.member != name || typ == typeNamespaces && v.topology.cell != "" {
					continue
				}
				namespace, n := v.where(key)
				if namespace != live.namespace || n != live.name || live.ownerIn(v.topology) != ours || !v.eligible(key.Namespace) {
					continue
				}
				if v.object == nil {
					w.fail("%s in %s is marked as propagated, and %v is not there", at, name, key)
				}
			}
		}
	}
}

// drain has the caches catch up and works off all queues. What only waits for something that is wrong in a member stays.
func (w *world) drain() {
	excused := func(j queued) bool {
		return j.stage == propagating && (w.away(j.member) || w.conflicted(j.Key))
	}
	for runs := 0; ; {
		for w.deliverAll() {
		}
		if due := w.queues.due(nil); len(due) > 0 {
			if runs++; runs > 20000 {
				w.fail("the queues do not become empty: %v", due)
			}
			w.queues.run(due[w.rng.IntN(len(due))])
			continue
		}
		var next time.Time
		for _, j := range w.queues.jobs {
			if !excused(j) && (next.IsZero() || j.due.Before(next)) {
				next = j.due
			}
		}
		if next.IsZero() {
			return
		}
		w.clock.SetTime(next)
	}
}

func (w *world) deliverAll() bool {
	told := false
	h := w.host
	for _, typ := range sortedKeys(h.objects) {
		told = h.deliverObjects(typ, false) || told
	}
	told = h.deliverFedSpaces(false) || told
	told = h.deliverSpaces(false) || told
	told = h.deliverTopologies(false) || told
	for _, name := range sortedKeys(w.members) {
		told = w.members[name].deliver() || told
	}
	return told
}

// isolated checks invariant 5: whatever is down, everything else is right.
func (w *world) isolated() {
	w.host.down = false
	for _, name := range sortedKeys(w.members) {
		w.members[name].flaky = false
	}
	for range 3 {
		w.finishAll()
		w.drain()
	}
	w.count("checked with members down")
	w.check(false)
}

func (w *world) finishAll() {
	for _, name := range sortedKeys(w.members) {
		m := w.members[name]
		if m.down {
			continue
		}
		for _, key := range sortedKeys(m.now) {
			if o := m.now[key]; o != nil && o.deleting {
				m.finish(o)
			}
		}
		for _, c := range modelCells {
			if c.cluster == name && w.host.cells.now[c.namespace+"/"+c.name] != nil {
				m.ensureNamespace(c)
			}
		}
	}
}

// healed checks invariant 7: once everything works, everything is right, and nothing is done any more.
func (w *world) healed() {
	w.host.down = false
	for _, name := range sortedKeys(w.members) {
		m := w.members[name]
		m.flaky = false
		w.rise(m)
		w.wake(m)
	}
	for _, c := range modelCells {
		if w.host.cells.now[c.namespace+"/"+c.name] != nil {
			w.host.label(c)
		} else if name := c.namespace + "." + c.name; w.host.clusters.now[name] != nil {
			w.host.clusters.set(name, nil)
		}
	}
	w.drain()
	for range 4 {
		w.finishAll()
		w.drain()
	}
	w.clock.SetTime(w.clock.Now().Add(2 * lastRetry)) // What is in the way now is not what was in the way before.
	w.drain()
	w.count("checked with everything up")
	w.check(true)
	w.quiet("a full replan", func() { w.queues.PlanAll("", "", engine.PriorityResync) })
	w.quiet("a restart", func() { w.start() })
	w.check(true)
}

// quiet checks that something makes no request.
func (w *world) quiet(what string, do func()) {
	writes := w.host.writes
	w.idle = true
	do()
	w.drain()
	w.idle = false
	if w.host.writes != writes {
		w.fail("%s writes to the host", what)
	}
}
