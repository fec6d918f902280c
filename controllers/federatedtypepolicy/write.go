package federatedtypepolicy

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/render"
)

// take carries out the step of a plan. Each is one write, which depends on the object being what it was when it was read.
func (r *Reconciler) take(ctx context.Context, in input, p plan) error {
	config, policy := in.config, in.policy
	switch p.step {
	case stepNone:
		return nil
	case stepHold:
		return r.patch(ctx, policy, p.step, func() { controllerutil.AddFinalizer(policy, v1alpha1.HandoverFinalizer) })
	case stepLetGo:
		return r.patch(ctx, policy, p.step, func() { controllerutil.RemoveFinalizer(policy, v1alpha1.HandoverFinalizer) })
	case stepForestall:
		return r.report(ctx, config, config.Generation+1)
	case stepAcknowledge:
		return r.report(ctx, config, config.Generation)
	case stepMark:
		return r.patch(ctx, config, p.step, func() { mark(config) })
	case stepDisable:
		if err := r.patch(ctx, config, p.step, func() {
			mark(config)
			config.Spec.Propagation = fedv1b1.PropagationDisabled
		}); err != nil {
			return err
		}
	case stepEnable:
		if err := r.patch(ctx, config, p.step, func() {
			delete(config.Annotations, v1alpha1.HandedOverAnnotation)
			config.Spec.Propagation = fedv1b1.PropagationEnabled
		}); err != nil {
			return err
		}
	default:
		return fmt.Errorf("there is no step %q", p.step)
	}
	r.announceStep(in, p)
	return nil
}

func mark(config *fedv1b1.FederatedTypeConfig) {
	if config.Annotations == nil {
		config.Annotations = map[string]string{}
	}
	config.Annotations[v1alpha1.HandedOverAnnotation] = "true"
}

// patch writes what the change makes different, and nothing else.
func (r *Reconciler) patch(ctx context.Context, object client.Object, s step, change func()) error {
	before := object.DeepCopyObject().(client.Object)
	change()
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.client.Patch(ctx, object, patch, client.FieldOwner(v1alpha1.FieldManager)); err != nil {
		return fmt.Errorf("step %s on %T %q: %w", s, object, object.GetName(), overtaken(err))
	}
	log.FromContext(ctx).Info("Took a step of a hand-over", "step", s)
	return nil
}

// report writes that upstream has seen a generation and does not run the type, which upstream itself cannot report when it
// does not run at all.
func (r *Reconciler) report(ctx context.Context, config *fedv1b1.FederatedTypeConfig, generation int64) error {
	before := config.DeepCopy()
	config.Status.ObservedGeneration, config.Status.PropagationController = generation, fedv1b1.ControllerStatusNotRunning
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.client.Status().Patch(ctx, config, patch, client.FieldOwner(v1alpha1.FieldManager)); err != nil {
		return fmt.Errorf("reporting for KubeFed on the FederatedTypeConfig %q: %w", config.Name, overtaken(err))
	}
	return nil
}

// overtaken makes errOvertaken of a conflict, and of an object that is gone.
func overtaken(err error) error {
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return errOvertaken
	}
	return err
}

// writeStatus makes the policy's status say what the state says, and reports whether it said something else. Whatever
// others keep in the status stays. A nil state leaves it alone.
func (r *Reconciler) writeStatus(ctx context.Context, policy *v1alpha1.FederatedTypePolicy, s *state) (wrote bool, err error) {
	if policy == nil || s == nil {
		return false, nil
	}
	before := policy.DeepCopy()
	status := &policy.Status
	status.ObservedGeneration = policy.Generation
	status.Propagator, status.FederatedTypeConfigUID, status.FederatedTypeConfigGeneration = s.propagator, s.uid, s.generation
	propagating := v1alpha1.NewCondition(v1alpha1.ConditionPropagating, metav1.ConditionFalse, s.reason, policy.Generation, s.message)
	if s.holds {
		propagating.Status = metav1.ConditionTrue
	}
	for _, c := range []metav1.Condition{propagating, valid(policy)} {
		c.LastTransitionTime = metav1.NewTime(r.clock.Now())
		meta.SetStatusCondition(&status.Conditions, c)
	}
	if equality.Semantic.DeepEqual(before.Status, policy.Status) {
		return false, nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.client.Status().Patch(ctx, policy, patch, client.FieldOwner(v1alpha1.FieldManager)); err != nil {
		return false, fmt.Errorf("updating the status of the FederatedTypePolicy %q: %w", policy.Name, overtaken(err))
	}
	return true, nil
}

// valid returns the condition that tells what of the policy's spec cannot be followed.
func valid(policy *v1alpha1.FederatedTypePolicy) metav1.Condition {
	_, errs := render.CompilePolicy(policy.Spec.PropagatingAnnotations, policy.Spec.Retain)
	if policy.Spec.Status != nil {
		for i, text := range policy.Spec.Status.Fields {
			if _, err := render.ParsePath(text); err != nil {
				errs = append(errs, field.Invalid(field.NewPath("spec", "status", "fields").Index(i), text, err.Error()))
			}
		}
	}
	if len(errs) == 0 {
		return v1alpha1.NewCondition(v1alpha1.ConditionValid, metav1.ConditionTrue, v1alpha1.ReasonValid, policy.Generation, "all of the spec can be followed")
	}
	messages := make([]string, 0, len(errs))
	for _, err := range errs {
		messages = append(messages, err.Error())
	}
	message := "the rest of the spec holds, but for: " + strings.Join(messages, "; ")
	if len(message) > maxMessage {
		message = message[:maxMessage-3] + "..."
	}
	return v1alpha1.NewCondition(v1alpha1.ConditionValid, metav1.ConditionFalse, v1alpha1.ReasonInvalid, policy.Generation, message)
}

// maxMessage is how long the API server lets a condition's message be.
const maxMessage = 32768
