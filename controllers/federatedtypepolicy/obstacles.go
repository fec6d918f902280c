package federatedtypepolicy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
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

// sameAs reports whether two looks found the same. Why nothing could be seen does not matter.
func (o obstacles) sameAs(other obstacles) bool {
	return (o.unseen == nil) == (other.unseen == nil) && slices.Equal(o.held, other.held) && slices.Equal(o.unfit, other.unfit)
}

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
// must not be given as they are stored, besides those that are held. policy is nil where there is none.
func Unfit(ctx context.Context, reader client.Reader, config *fedv1b1.FederatedTypeConfig, policy *v1alpha1.FederatedTypePolicy) error {
	found, err := (&memory{}).pass(ctx, reader, config, policy, passThorough)
	if err != nil || len(found.unfit) == 0 {
		return err
	}
	return fmt.Errorf("%w: %s", ErrUnfit, found.unfitObjects())
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
