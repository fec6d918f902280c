package diff

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/internal/cli/manifest/facts"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/scope"
)

// side is a federated object as it is stored or as it is going to be.
type side struct {
	object *federated.Object
	typ    facts.Type
	places map[string]facts.Place
}

// newSide reads an object; nil is one that is not there.
func newSide(known *facts.Known, u *unstructured.Unstructured, told *notes) (*side, error) {
	s := &side{places: map[string]facts.Place{}}
	if u == nil {
		return s, nil
	}
	var err error
	if s.typ, err = known.Type(u); err != nil {
		return nil, err
	}
	if s.object, err = federated.Decode(u); err != nil {
		return nil, err
	}
	places, assumed, err := known.Places(s.object, s.typ)
	if err != nil {
		return nil, err
	}
	for _, p := range places {
		s.places[p.Name] = p
	}
	for _, assumption := range append(s.typ.Assumed, assumed...) {
		told.tell("assumed: %s", assumption)
	}
	return s, nil
}

// rendered returns what a place has of the object, nil for nothing.
func (s *side) rendered(name string) (*unstructured.Unstructured, error) {
	p, ok := s.places[name]
	if !ok || !p.Placed || s.object.Deleting {
		return nil, nil
	}
	r, err := s.typ.Render(s.object, &p)
	if err != nil {
		return nil, err
	}
	return r.Object, nil
}

// notes are sentences for standard error, each told once.
type notes struct{ all []string }

func (n *notes) tell(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(n.all, text) {
		n.all = append(n.all, text)
	}
}

// withStored compares manifests with what is stored, rendered for each place.
func (o *Options) withStored(ctx context.Context) ([]comparison, error) {
	documents, err := o.Files.Read(o.In)
	if err != nil {
		return nil, err
	}
	namespace, _, err := o.kube.Namespace()
	if err != nil {
		return nil, err
	}
	objects, err := facts.Gather(facts.New(o.kube.KubeFedNamespace), documents, namespace)
	if err != nil {
		return nil, err
	}
	if len(objects) == 0 {
		return nil, fmt.Errorf("--filename: there is no object of the group %s in %s: name a file with one", federated.Group, strings.Join(o.Files.Names, ", "))
	}
	stored, err := o.known(ctx, objects...)
	if err != nil {
		return nil, err
	}
	next := stored.Clone()
	if _, err := facts.Gather(next, documents, namespace); err != nil {
		return nil, err
	}
	var told notes
	var all []comparison
	var failed []error
	for _, u := range objects {
		c, err := o.stored(ctx, stored, next, u, &told)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s %q: %w", u.GetKind(), u.GetName(), err))
			continue
		}
		all = append(all, c)
	}
	o.tell(&told)
	return all, errors.Join(failed...)
}

// known returns what the host cluster holds around objects.
func (o *Options) known(ctx context.Context, objects ...*unstructured.Unstructured) (*facts.Known, error) {
	c, err := o.kube.Client()
	if err != nil {
		return nil, err
	}
	var namespaces []string
	for _, u := range objects {
		namespaces = append(namespaces, u.GetNamespace())
	}
	slices.Sort(namespaces)
	known := facts.New(o.kube.KubeFedNamespace)
	_, err = known.Load(ctx, c, slices.Compact(namespaces))
	return known, err
}

func (o *Options) tell(told *notes) {
	for _, note := range told.all {
		fmt.Fprintln(o.ErrOut, note)
	}
}

// stored compares one manifest with what is stored.
func (o *Options) stored(ctx context.Context, known, next *facts.Known, u *unstructured.Unstructured, told *notes) (comparison, error) {
	c := comparison{title: titleOf(u), labels: labels{before: "stored", after: "new"}}
	current, err := o.get(ctx, u)
	if err != nil {
		return c, err
	}
	after, err := newSide(next, u, told)
	if err != nil {
		return c, err
	}
	before, err := newSide(known, current, told)
	if err != nil {
		told.tell("%s: what is stored cannot be rendered, and is taken for nothing: %v", c.title, err)
		before = &side{}
	}
	if _, given, _ := unstructured.NestedFieldNoCopy(u.Object, "spec", "placementMask"); !given && before.object != nil {
		after.object.Mask = before.object.Mask
	}
	places, err := o.choose(before, after)
	if err != nil {
		return c, err
	}
	var changes []change
	for _, p := range places {
		p.Held = scope.Decide(after.object, p.Placed, p.Name).Held
		one := change{place: p}
		if one.after, err = after.rendered(p.Name); err != nil {
			return c, err
		}
		if one.before, err = before.rendered(p.Name); err != nil {
			told.tell("%s: what is stored cannot be rendered, and is taken for nothing: %v", c.title, err)
		}
		changes = append(changes, one)
	}
	c.groups, err = grouped(changes)
	return c, err
}

// get returns what is stored under the name of an object, nil for nothing.
func (o *Options) get(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	c, err := o.kube.Client()
	if err != nil {
		return nil, err
	}
	current := &unstructured.Unstructured{}
	current.SetGroupVersionKind(u.GroupVersionKind())
	err = c.Get(ctx, client.ObjectKeyFromObject(u), current)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case meta.IsNoMatchError(err):
		return nil, fmt.Errorf("the host cluster does not serve %s in %s: federate the type there, or convert the manifest: kubectl cells convert", u.GetKind(), u.GetAPIVersion())
	case err != nil:
		return nil, fmt.Errorf("read what is stored: %w", err)
	}
	return current, nil
}

// choose returns the places of both sides that were asked for, else those that the object is on before or after.
func (o *Options) choose(before, after *side) ([]facts.Place, error) {
	byName := map[string]facts.Place{}
	for _, s := range []*side{before, after} {
		for name, p := range s.places {
			placed := p.Placed || byName[name].Placed
			p.Placed = placed
			byName[name] = p
		}
	}
	all := make([]facts.Place, 0, len(byName))
	for _, p := range byName {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b facts.Place) int { return cmp.Compare(a.Name, b.Name) })
	chosen, missing := facts.Choose(all, o.Cells)
	if len(missing) > 0 {
		return nil, fmt.Errorf("--cell: it cannot reach %s: name one of %s", strings.Join(missing, ", "), facts.Names(all))
	}
	return chosen, nil
}

// titleOf names a federated object.
func titleOf(u *unstructured.Unstructured) string {
	if u.GetNamespace() == "" {
		return u.GetKind() + " " + u.GetName()
	}
	return u.GetKind() + " " + u.GetNamespace() + "/" + u.GetName()
}
