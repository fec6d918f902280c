package federatedtypepolicy

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
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/render"
	"github.com/cellfed/cellfed/internal/validation"
)

// ErrUnfit means that objects of a type must not be given to upstream KubeFed as they are.
var ErrUnfit = errors.New("KubeFed must not be given these objects")

// obstacles are the objects that keep a type from being handed back, ordered by name.
type obstacles struct {
	// held are those that upstream would release to what their masks hold.
	held []string
	// unfit are those that upstream would do something else with than cellfed does.
	unfit []unfit
	// unseen is why the objects cannot be looked at. Nil means that they were.
	unseen error
}

// unfit is an object and the first of what stands against it.
type unfit struct{ name, why string }

func (o obstacles) any() bool { return len(o.held) > 0 || len(o.unfit) > 0 || o.unseen != nil }

// message says what keeps the type: what is held first.
func (o obstacles) message() string {
	switch {
	case o.unseen != nil:
		return fmt.Sprintf("cellfed goes on: the objects cannot be looked at, and KubeFed is given no type that it might propagate otherwise: %v", o.unseen)
	case len(o.held) > 0:
		return o.heldMessage()
	}
	return o.unfitMessage()
}

// heldMessage says what is held.
func (o obstacles) heldMessage() string {
	const most = 10
	named, more := firstOf(o.held, most)
	return fmt.Sprintf("cellfed goes on: KubeFed knows no placement mask, and would release what these hold: %s%s. Name everything that is placed in "+
		"spec.placementMask, or remove it, and the type is handed back", strings.Join(named, ", "), more)
}

// unfitMessage says what is unfit, and why.
func (o obstacles) unfitMessage() string {
	return fmt.Sprintf("cellfed goes on: KubeFed could not propagate what is stored as cellfed does: %s. Correct this, and the type is handed back, "+
		"or set spec.propagator to Cellfed", o.unfitObjects())
}

func (o obstacles) unfitObjects() string {
	const most = 5
	first, more := firstOf(o.unfit, most)
	var each []string
	for _, u := range first {
		each = append(each, u.name+" ("+u.why+")")
	}
	count := "1 object, "
	if n := len(o.unfit); n > 1 {
		count = fmt.Sprintf("%d objects, ", n)
	}
	return count + strings.Join(each, ", ") + more
}

// firstOf returns the first of them, and says how many are left out.
func firstOf[T any](all []T, most int) ([]T, string) {
	if rest := len(all) - most; rest > 0 {
		return all[:most], fmt.Sprintf(" and %d more", rest)
	}
	return all, ""
}

// Unfit returns an ErrUnfit that names the objects of a type that was handed over, if there are any, which upstream KubeFed
// must not be given as they are stored. policy is nil where there is none.
func Unfit(ctx context.Context, reader client.Reader, config *fedv1b1.FederatedTypeConfig, policy *v1alpha1.FederatedTypePolicy) error {
	found, err := findObstacles(ctx, reader, config, policy)
	if err != nil || len(found.unfit) == 0 {
		return err
	}
	return fmt.Errorf("%w: %s", ErrUnfit, found.unfitObjects())
}

// findObstacles looks at every object of a type that was handed over, as it is stored. An object that is held is not looked at
// further: its mask alone makes it unfit.
func findObstacles(ctx context.Context, reader client.Reader, config *fedv1b1.FederatedTypeConfig, policy *v1alpha1.FederatedTypePolicy) (obstacles, error) {
	var found obstacles
	around := surroundings{reader: reader, kubeFedNamespace: config.Namespace, t: typeOf(config, policy)}
	err := eachObject(ctx, reader, config, func(u *unstructured.Unstructured) error {
		o, err := federated.Decode(u)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(o.Namespace+"/"+o.Name, "/")
		if o.HoldsBack() {
			found.held = append(found.held, name)
			return nil
		}
		facts, err := around.facts(ctx, o.Namespace)
		if err != nil {
			return err
		}
		if errs := validation.HandBack(u, facts); len(errs) > 0 {
			found.unfit = append(found.unfit, unfit{name: name, why: errs[0].Error()})
		}
		return nil
	})
	slices.Sort(found.held)
	slices.SortFunc(found.unfit, func(a, b unfit) int { return cmp.Compare(a.name, b.name) })
	return found, err
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

// typeOf returns what the rules must know of a type that was handed over.
func typeOf(config *fedv1b1.FederatedTypeConfig, policy *v1alpha1.FederatedTypePolicy) *validation.Type {
	config = config.DeepCopy()
	fedv1b1.SetFederatedTypeConfigDefaults(config) // It may be older than upstream's webhook.
	target := config.GetTargetType()
	t := &validation.Type{
		Name: config.Name,
		Target: render.Target{
			Kind:       schema.GroupVersionKind{Group: target.Group, Version: target.Version, Kind: target.Kind},
			Namespaced: target.Namespaced,
		},
		Namespaced: config.GetFederatedNamespaced(),
		Propagator: v1alpha1.PropagatorCellfed,
	}
	if policy != nil {
		// What is wrong is reported on the policy; the rest of it holds.
		t.Annotations, _ = render.CompilePolicy(policy.Spec.PropagatingAnnotations, policy.Spec.Retain)
	}
	return t
}
