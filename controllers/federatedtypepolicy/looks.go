package federatedtypepolicy

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/validation"
)

// memory is what is remembered of the objects of a type from one look at them to the next, while the type waits to be handed
// back. What was found of an object holds for that object in that version, as long as what the rules go by is the same: the
// type, and what is around the objects of the namespace.
type memory struct {
	rules ruleInput
	// around is what was around the objects of each namespace that were judged. What is still the same keeps its address.
	around map[string]*validation.Facts
	// verdicts are by the name of the object.
	verdicts map[string]verdict
	// free says that nothing was held at the last look.
	free bool
	// judged is how many objects were judged.
	judged int

	// found is what the last look found, since when looks have found the same.
	found obstacles
	since time.Time
}

// verdict is what was found of one version of an object.
type verdict struct {
	uid             types.UID
	resourceVersion string
	apiVersion      string
	held            bool
	// by is what the object was judged by, nil if it was not.
	by *validation.Facts
	// why is what stands against an object that was judged, "" for nothing.
	why string
}

// ruleInput is all that the rules know of a type.
type ruleInput struct {
	name, namespace string
	config          fedv1b1.FederatedTypeConfigSpec
	annotations     []string
	retain          []string
}

// pass is a way through all objects of a type.
type pass int

const (
	// passHeld looks for what is held, and at nothing else.
	passHeld pass = iota
	// passUntilHeld judges objects as long as none is held.
	passUntilHeld
	// passThorough judges every object that is not held.
	passThorough
)

// look looks at every object of a type that was handed over, as it is stored. What is held is looked for first, which is cheap and
// the first thing to be told: nothing is judged as long as there is some.
func (m *memory) look(ctx context.Context, reader client.Reader, config *fedv1b1.FederatedTypeConfig, policy *v1alpha1.FederatedTypePolicy) (obstacles, error) {
	if !m.free {
		found, err := m.pass(ctx, reader, config, policy, passHeld)
		if err != nil || len(found.held) > 0 {
			return found, err
		}
	}
	found, err := m.pass(ctx, reader, config, policy, passUntilHeld)
	if err != nil {
		return obstacles{}, err
	}
	if m.free = len(found.held) == 0; !m.free {
		found.unfit = nil
	}
	return found, nil
}

// pass goes through all objects of a type. An object that is held is not judged: its mask alone makes it unfit.
func (m *memory) pass(ctx context.Context, reader client.Reader, config *fedv1b1.FederatedTypeConfig, policy *v1alpha1.FederatedTypePolicy, how pass) (obstacles, error) {
	m.recall(config, policy)
	var found obstacles
	around := surroundings{reader: reader, kubeFedNamespace: config.Namespace, t: typeOf(config, policy), known: m.around}
	next := make(map[string]verdict, len(m.verdicts))
	err := eachObject(ctx, reader, config, func(u *unstructured.Unstructured) error {
		name := strings.TrimPrefix(u.GetNamespace()+"/"+u.GetName(), "/")
		v, err := m.verdictOn(name, u)
		if err != nil {
			return err
		}
		switch {
		case v.held:
			found.held = append(found.held, name)
		case how == passThorough, how == passUntilHeld && len(found.held) == 0:
			if err := m.judge(ctx, &around, u, &v); err != nil {
				return err
			}
			if v.why != "" {
				found.unfit = append(found.unfit, unfit{name: name, why: v.why})
			}
		}
		next[name] = v
		return nil
	})
	if err != nil {
		return obstacles{}, err
	}
	m.verdicts = next
	slices.Sort(found.held)
	slices.SortFunc(found.unfit, func(a, b unfit) int { return cmp.Compare(a.name, b.name) })
	return found, nil
}

// recall forgets what was found by other rules.
func (m *memory) recall(config *fedv1b1.FederatedTypeConfig, policy *v1alpha1.FederatedTypePolicy) {
	rules := ruleInput{name: config.Name, namespace: config.Namespace, config: config.Spec}
	if policy != nil {
		rules.annotations, rules.retain = policy.Spec.PropagatingAnnotations, policy.Spec.Retain
	}
	if m.around != nil && reflect.DeepEqual(rules, m.rules) {
		return
	}
	m.rules, m.around, m.verdicts = rules, map[string]*validation.Facts{}, nil
}

// verdictOn returns what is known of an object, at least whether it is held.
func (m *memory) verdictOn(name string, u *unstructured.Unstructured) (verdict, error) {
	now := verdict{uid: u.GetUID(), resourceVersion: u.GetResourceVersion(), apiVersion: u.GetAPIVersion()}
	v, known := m.verdicts[name]
	if known && now.resourceVersion != "" && v.uid == now.uid && v.resourceVersion == now.resourceVersion && v.apiVersion == now.apiVersion {
		return v, nil
	}
	o, err := federated.Decode(u)
	if err != nil {
		return verdict{}, err
	}
	now.held = o.HoldsBack()
	return now, nil
}

// judge completes the verdict on an object, unless it was judged by the same before.
func (m *memory) judge(ctx context.Context, around *surroundings, u *unstructured.Unstructured, v *verdict) error {
	facts, err := around.facts(ctx, u.GetNamespace())
	if err != nil || v.by == facts {
		return err
	}
	m.judged++
	v.by, v.why = facts, ""
	if errs := validation.HandBack(u, *facts); len(errs) > 0 {
		v.why = errs[0].Error()
	}
	return nil
}

// lookAt looks at the objects of a type that is about to be handed back, and tells for how long looks have found the same. The last look
// before KubeFed gets the type goes by nothing that was found before.
//
// Who cannot look does not know that nothing stands against it: cellfed keeps the type, and propagates it.
func (r *Reconciler) lookAt(ctx context.Context, in input, last bool) (found obstacles, same time.Duration) {
	m := r.remembered(in.config.Name, last)
	before := m.judged
	found, err := m.look(ctx, r.live, in.config, in.policy)
	if err != nil {
		found = obstacles{unseen: err}
	}
	log.FromContext(ctx).V(1).Info("Looked at the objects of a type that is to be handed back", "objects", len(m.verdicts), "judged", m.judged-before,
		"held", len(found.held), "unfit", len(found.unfit), "last", last)
	now := r.clock.Now()
	if m.since.IsZero() || !found.sameAs(m.found) {
		m.since = now
	}
	m.found = found
	return found, now.Sub(m.since)
}

// remembered returns what is remembered of a type, nothing where it is to be looked at anew. Nobody but the worker that has the type
// uses it.
func (r *Reconciler) remembered(name string, anew bool) *memory {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.looks == nil {
		r.looks = map[string]*memory{}
	}
	if m, ok := r.looks[name]; ok && !anew {
		return m
	}
	// Nothing was held a moment ago where everything is looked at anew.
	r.looks[name] = &memory{free: anew}
	return r.looks[name]
}

// forgetLooks is for a type that is not about to be handed back.
func (r *Reconciler) forgetLooks(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.looks, name)
}

// eachObject calls visit for every object of a type, in v2beta1 or, where that is not served, in v1beta1. A kind that there is
// not has none.
func eachObject(ctx context.Context, reader client.Reader, config *fedv1b1.FederatedTypeConfig, visit func(*unstructured.Unstructured) error) error {
	fed := config.Spec.FederatedType
	for _, version := range []string{federated.V2Beta1, federated.V1Beta1} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(schema.GroupVersionKind{Group: fed.Group, Version: version, Kind: fed.Kind + "List"})
		for {
			err := reader.List(ctx, list, client.Limit(pageSize), client.Continue(list.GetContinue()))
			if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
				break
			}
			if err != nil {
				return fmt.Errorf("listing every %s to see whether KubeFed can be given it: %w", fed.Kind, err)
			}
			for i := range list.Items {
				if err := visit(&list.Items[i]); err != nil {
					return err
				}
			}
			if list.GetContinue() == "" {
				return nil
			}
		}
	}
	return nil
}
