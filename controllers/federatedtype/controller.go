// Package federatedtype gives every federated CRD its second version and the conversion between the two, keeps them as
// they should be, and takes them back.
package federatedtype

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federatedcrd"
)

const (
	// conflictDelay is how long a CRD is left alone after somebody else wrote it at the same moment.
	conflictDelay = time.Second

	// keptDelay is how often the objects of a type whose fields were kept are looked at again: nothing tells when
	// the last one lets go of them.
	keptDelay = 5 * time.Minute
)

// +kubebuilder:rbac:groups=core.kubefed.io,namespace=kube-federation-system,resources=federatedtypeconfigs,verbs=get;list;watch
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,verbs=get;list;watch;update
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions/status,verbs=update
// +kubebuilder:rbac:groups=cellfed.io,namespace=kube-federation-system,resources=federatedtypepolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,namespace=kube-federation-system,resources=events,verbs=create;patch

// Reconciler keeps the CRD of every FederatedTypeConfig (FTC) of one namespace. It is keyed on the FTC.
//
// A CRD that no FTC names any more gets what came with its FTC taken back, as far as no stored object needs it: left
// alone, it would depend on a webhook that nobody would look after, and a namespace could not be deleted once that is
// gone.
//
// The markers above are all that it needs on the types that are known beforehand. When it takes v2beta1 back it lists the
// objects of federated types, to see whether one holds a field before v1beta1 ceases to declare it, and patches their
// managedFields; that is granted, with the types themselves, by a ClusterRole that aggregates.
type Reconciler struct {
	// client reads FTCs and the metadata of CRDs from the cache, and writes.
	client client.Client
	// live reads CRDs and federated objects from the API server: CRDs are too big to be cached for a few looks.
	live     client.Reader
	recorder events.EventRecorder
	states   *states
	options  Options
}

// Reconcile brings the CRDs that the FTC names, or has named, to what they should be.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	names, owners, err := r.gather(ctx, request.NamespacedName)
	if err != nil {
		return ctrl.Result{}, err
	}
	r.states.retain(func(crd string) bool { return owners[crd] != nil })
	var result ctrl.Result
	var failures []error
	for _, name := range names {
		again, err := r.reconcileCRD(log.IntoContext(ctx, log.FromContext(ctx).WithValues("crd", name)), name, owners[name])
		if err != nil {
			failures = append(failures, err)
		}
		if again > 0 && (result.RequeueAfter == 0 || again < result.RequeueAfter) {
			result.RequeueAfter = again
		}
	}
	if len(failures) > 0 {
		return ctrl.Result{}, errors.Join(failures...)
	}
	return result, nil
}

// reconcileCRD returns after which time the CRD is to be looked at again; zero means when something changes.
func (r *Reconciler) reconcileCRD(ctx context.Context, name string, owner *kubefedv1beta1.FederatedTypeConfig) (time.Duration, error) {
	crd, err := r.crd(ctx, name)
	if err != nil {
		return 0, err
	}
	if crd == nil {
		r.missing(ctx, name, owner)
		return 0, nil
	}
	if !crd.DeletionTimestamp.IsZero() {
		return 0, nil
	}
	in := input{crd: crd, client: r.clientConfig(), remove: r.options.Remove}
	if owner != nil {
		in.owner = client.ObjectKeyFromObject(owner).String()
		policy, err := r.policy(ctx, client.ObjectKeyFromObject(owner))
		if err != nil {
			return 0, err
		}
		in.propagator = propagatorOf(policy)
		if !in.remove {
			if in.v2beta1Only, err = r.v2beta1Only(ctx, crd, owner); err != nil {
				return 0, err
			}
		}
	}
	// Each step writes the CRD once at most; taking everything back needs two and a look at the objects between them.
	for {
		p := decide(in)
		if p.lookUp {
			holder, err := r.settle(ctx, in.crd)
			if apierrors.IsConflict(err) {
				return conflictDelay, nil
			}
			if err != nil {
				return 0, err
			}
			in.holder = &holder
			continue
		}
		written, err := r.apply(ctx, in.crd, &p)
		if apierrors.IsConflict(err) {
			return conflictDelay, nil
		}
		if err != nil && p.report == nil {
			return 0, err
		}
		if in.crd = written; p.again && err == nil {
			continue
		}
		if reportErr := r.report(ctx, in.crd, owner, p.report); reportErr != nil {
			if apierrors.IsConflict(reportErr) {
				return conflictDelay, nil
			}
			return 0, errors.Join(err, reportErr)
		}
		if err == nil && owner != nil && !in.remove {
			if err := r.tellServed(ctx, in.crd, owner); err != nil {
				return 0, err
			}
		}
		if p.report != nil && p.report.reason == v1alpha1.ReasonFieldsKept {
			return keptDelay, err
		}
		return 0, err
	}
}

// apply writes what the plan wants, after the webhook has answered where it has to. It returns the CRD as it is now, and
// puts what was in the way into the plan's report.
func (r *Reconciler) apply(ctx context.Context, crd *apiextensionsv1.CustomResourceDefinition, p *plan) (*apiextensionsv1.CustomResourceDefinition, error) {
	if p.desired == nil {
		return crd, nil
	}
	if p.probe {
		if err := r.options.Prober.Probe(ctx, *p.desired.Spec.Conversion.Webhook.ClientConfig, crd.Spec.Names.Kind); err != nil {
			p.report = unreachable(err)
			return crd, fmt.Errorf("leaving the CRD %s as it is: %w", crd.Name, err)
		}
	}
	desired := p.desired.DeepCopy()
	switch err := r.client.Update(ctx, desired, client.FieldOwner(v1alpha1.FieldManager)); {
	case err == nil:
		log.FromContext(ctx).Info("Updated a federated CRD", "served", federatedcrd.Serves(desired), "stored", federatedcrd.Stored(desired))
		return desired, nil
	case apierrors.IsInvalid(err):
		// The same CRD would be refused again, so there is nothing to retry.
		p.report, p.again = refused(err), false
		return crd, nil
	default:
		p.report = nil
		return crd, fmt.Errorf("updating the CRD %s: %w", crd.Name, err)
	}
}

// report writes the condition, and tells the FTC when it has changed. A nil report leaves everything as it is.
func (r *Reconciler) report(ctx context.Context, crd *apiextensionsv1.CustomResourceDefinition, owner *kubefedv1beta1.FederatedTypeConfig, rep *report) error {
	state := stateUntouched
	if rep != nil {
		state = string(rep.reason)
	}
	if owner != nil {
		r.states.set(crd.Name, state)
	}
	if rep == nil {
		return nil
	}
	updated := crd.DeepCopy()
	if !setCondition(updated, *rep) {
		return nil
	}
	if err := r.client.Status().Update(ctx, updated, client.FieldOwner(v1alpha1.FieldManager)); err != nil {
		return fmt.Errorf("updating the status of the CRD %s: %w", crd.Name, err)
	}
	if owner != nil {
		reported(*rep, crd.Name).record(r.recorder, owner)
	}
	log.FromContext(ctx).Info("Reported on a federated CRD", "reason", rep.reason, "message", rep.message)
	return nil
}

// missing tells the FTC, once, that its CRD does not exist. There is nothing else that could carry a condition.
func (r *Reconciler) missing(ctx context.Context, name string, owner *kubefedv1beta1.FederatedTypeConfig) {
	if owner != nil && r.states.set(name, stateMissing) {
		crdMissing(name).record(r.recorder, owner)
		log.FromContext(ctx).Info("Waiting for a federated CRD")
	}
}

func (r *Reconciler) clientConfig() apiextensionsv1.WebhookClientConfig {
	config := *r.options.Webhook.DeepCopy()
	config.CABundle = r.options.CA.Bundle()
	return config
}

// crd returns the CRD as the API server has it, or nil if there is none.
func (r *Reconciler) crd(ctx context.Context, name string) (*apiextensionsv1.CustomResourceDefinition, error) {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := r.live.Get(ctx, types.NamespacedName{Name: name}, crd); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("getting the CRD %s: %w", name, err)
	}
	return crd, nil
}

// same reports whether nothing would be written.
func same(a, b *apiextensionsv1.CustomResourceDefinition) bool {
	return equality.Semantic.DeepEqual(a.Spec, b.Spec) && equality.Semantic.DeepEqual(a.Annotations, b.Annotations)
}

// logFor names the FTC in the log lines of a request.
func logFor(logger logr.Logger) func(*ctrl.Request) logr.Logger {
	return func(request *ctrl.Request) logr.Logger {
		if request == nil {
			return logger
		}
		return logger.WithValues("federatedTypeConfig", request.String())
	}
}
