package diff

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/manifest/facts"
	"github.com/cellfed/cellfed/internal/facade/mapping"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/render"
	"github.com/cellfed/cellfed/internal/scope"
)

// atOnce is how many members are read at a time.
const atOnce = 16

// withLive compares what is stored with what member clusters hold.
func (o *Options) withLive(ctx context.Context) ([]comparison, error) {
	_, u, err := o.kube.Object(ctx, o.Object)
	if err != nil {
		return nil, err
	}
	known, err := o.known(ctx, u)
	if err != nil {
		return nil, err
	}
	var told notes
	s, err := newSide(known, u, &told)
	if err != nil {
		return nil, err
	}
	places, err := o.concerned(s, &told)
	if err != nil {
		return nil, err
	}
	o.tell(&told)
	m := newMembers(o.kube, o.Contexts)
	defer m.close()
	changes, err := o.readAll(ctx, m, s, places)
	if len(changes) == 0 && err != nil {
		return nil, err
	}
	groups, groupErr := grouped(changes)
	return []comparison{{title: titleOf(u), labels: labels{before: "live", after: "rendered"}, groups: groups}}, errors.Join(err, groupErr)
}

// concerned returns the places that were asked for, else those that the object is placed on and those that its status says
// it is in. It tells of what the status names and nothing can be found out of.
func (o *Options) concerned(s *side, told *notes) ([]facts.Place, error) {
	asked := &side{places: maps.Clone(s.places)}
	for _, status := range s.object.Status.Clusters {
		if len(o.Cells) > 0 {
			break
		}
		p, ok := asked.places[status.Name]
		if !ok {
			told.tell("the status names %s, which is no cell or cluster that the object can reach: it is not compared", status.Name)
			continue
		}
		p.Placed = true // It may still be there.
		asked.places[status.Name] = p
	}
	return o.choose(asked, &side{})
}

// readAll reads the places at once. Those that cannot be read are in the error, each reason once.
func (o *Options) readAll(ctx context.Context, m *members, s *side, places []facts.Place) ([]change, error) {
	changes, errs := make([]change, len(places)), make([]error, len(places))
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i := range places {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			changes[i], errs[i] = liveChange(ctx, m, s, s.places[places[i].Name])
		})
	}
	all.Wait()
	var read []change
	reasons := map[string][]string{}
	var order []string
	for i := range places {
		if errs[i] == nil {
			read = append(read, changes[i])
			continue
		}
		reason := errs[i].Error()
		if reasons[reason] == nil {
			order = append(order, reason)
		}
		reasons[reason] = append(reasons[reason], places[i].Short())
	}
	var failed []error
	for _, reason := range order {
		failed = append(failed, fmt.Errorf("%s: %s", strings.Join(reasons[reason], ", "), reason))
	}
	return read, errors.Join(failed...)
}

// liveChange reads what a place holds, and says what becomes of it.
func liveChange(ctx context.Context, m *members, s *side, p facts.Place) (change, error) {
	rendered, err := s.renderedAt(p)
	if err != nil {
		return change{}, err
	}
	if p.Member == "" {
		return change{}, errors.New("it is not known which cluster the cell is on: the Cell cannot be read")
	}
	namespace, name := s.object.Namespace, s.object.Name
	if p.View != nil {
		namespace = p.View.TargetNamespace
		if s.typ.Target.IsNamespace() {
			name = namespace
		}
	}
	if !s.typ.Target.Namespaced {
		namespace = ""
	}
	version := s.typ.Target.Kind.GroupVersion()
	if rendered != nil {
		version = rendered.Object.GroupVersionKind().GroupVersion()
	}
	u, err := m.read(ctx, p.Member, version.WithResource(s.typ.Resource), namespace, name)
	if err != nil {
		return change{}, err
	}
	return become(s, p, rendered, u), nil
}

// renderedAt returns what a place is to hold, nil for nothing.
func (s *side) renderedAt(p facts.Place) (*render.Rendered, error) {
	if !p.Placed || s.object.Deleting {
		return nil, nil
	}
	return s.typ.Render(s.object, &p)
}

// become is a pure function: what a place is to hold and what it holds, to what a release would change.
func become(s *side, p facts.Place, rendered *render.Rendered, u *unstructured.Unstructured) change {
	c := change{place: p}
	switch {
	case u == nil && rendered == nil:
		return c
	case u == nil:
		c.after = rendered.Object
		return c
	}
	owner := ownerOf(u, p.Topology)
	switch {
	case rendered == nil:
		return leave(c, s, owner, u)
	case u.GetLabels()[v1alpha1.KubeFedManagedLabel] == "false":
		c.note = fmt.Sprintf("the object there carries the label %s: \"false\" and is left alone: remove the label to have it managed", v1alpha1.KubeFedManagedLabel)
		return c
	case owner == mapping.Foreign && s.typ.Target.IsNamespace():
		return c // It is shared with the one that made it, and only seen.
	case owner == mapping.Foreign:
		c.note = "an object of this name is there that is propagated from elsewhere, and is left alone: rename one of them"
		return c
	case u.GetDeletionTimestamp() != nil:
		c.note = "the object is being deleted there, and is created again when it is gone"
	case owner == mapping.Free:
		c.note = "nobody propagates the object that is there: it is taken over where the KubeFedConfig adopts resources"
	}
	live := liveOf(u)
	desired, _ := render.Retain(rendered, live, s.object, s.typ.Target, s.typ.Policy)
	paths := render.Diff(desired, live, p.Topology, s.typ.Target)
	if len(paths) == 0 {
		return c
	}
	c.before, c.after = compared(desired, live, s.typ.Target)
	if equal(c.before, c.after) && c.note == "" {
		c.note = "no value changes, cellfed takes over what others own or own too: " + few(paths)
	}
	return c
}

// leave says what becomes of an object in a place that is to hold it no more.
func leave(c change, s *side, owner mapping.Ownership, u *unstructured.Unstructured) change {
	switch {
	case owner != mapping.Ours:
	case s.typ.Target.IsNamespace() && c.place.View != nil:
		c.note = "the namespace stays, and goes with the Cell once it is empty"
	case s.object.Deleting && s.object.Annotations[federated.OrphanAnnotation] == "true":
		c.note = "the object stays there, and is not propagated any more"
	default:
		c.before = u.DeepCopy()
		unstructured.RemoveNestedField(c.before.Object, "status")
		for _, field := range []string{"managedFields", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"} {
			unstructured.RemoveNestedField(c.before.Object, "metadata", field)
		}
	}
	return c
}

// ownerOf says whose an object in a member is, as the façade and the propagator read it.
func ownerOf(u *unstructured.Unstructured, t scope.Topology) mapping.Ownership {
	labels := u.GetLabels()
	switch {
	case t.View != nil:
		raw, err := u.MarshalJSON()
		if err != nil {
			return mapping.Foreign
		}
		resource := mapping.Resource{Resource: "namespaces"}
		if u.GetNamespace() != "" {
			resource = mapping.Resource{Group: u.GroupVersionKind().Group}
		}
		return t.View.Read(resource, raw).Owner
	case labels[v1alpha1.KubeFedManagedLabel] == "true":
		return mapping.Ours
	case labels[v1alpha1.ManagedLabel] == "true":
		return mapping.Foreign
	}
	return mapping.Free
}

// few names some of the paths.
func few(paths []string) string {
	const most = 5
	if rest := len(paths) - most; rest > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(paths[:most], ", "), rest)
	}
	return strings.Join(paths, ", ")
}
