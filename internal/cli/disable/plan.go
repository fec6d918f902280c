package disable

import (
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/writing"
)

// upstreamFinalizer is what upstream KubeFed puts on a FederatedTypeConfig before it does anything else with it.
const upstreamFinalizer = "core.kubefed.io/federated-type-config"

// namespaces is the type without which upstream propagates nothing that is in a namespace.
const namespaces = "namespaces"

// input is what a plan is made of.
type input struct {
	config *kubefedv1beta1.FederatedTypeConfig
	// policy and crd are nil for nothing.
	policy *v1alpha1.FederatedTypePolicy
	crd    *apiextensionsv1.CustomResourceDefinition
	// objects name the federated objects, sorted.
	objects []string
	// others name the other FederatedTypeConfigs of types that are in namespaces, sorted.
	others []string
	// keepObjects and deleteCRD are the flags.
	keepObjects, deleteCRD bool
}

// plan is what is to be done, in this order.
type plan struct {
	// disable says that upstream is to be told, and wait that it has to report that it stopped.
	disable, wait bool
	// deleteCRD, deletePolicy say what goes before the FederatedTypeConfig.
	deleteCRD, deletePolicy bool
	// told says what that means, one sentence a line.
	told []string
}

// decide plans, or says why the type cannot be disabled.
func decide(in input) (plan, error) {
	if err := in.refuse(); err != nil {
		return plan{}, err
	}
	p := plan{
		disable:      in.config.Spec.Propagation != kubefedv1beta1.PropagationDisabled,
		wait:         slices.Contains(in.config.Finalizers, upstreamFinalizer),
		deletePolicy: in.policy != nil,
		deleteCRD:    in.deleteCRD && in.crd != nil,
	}
	if p.disable {
		p.told = append(p.told, "KubeFed stops propagating "+in.config.Name)
	}
	gone := "the FederatedTypeConfig " + in.config.Name
	if p.deletePolicy {
		gone += " and its FederatedTypePolicy"
	}
	if p.deleteCRD {
		gone = "the CRD " + in.crd.Name + ", " + gone
	}
	p.told = append(p.told, gone+" are deleted", "nothing is deleted in any member: what was propagated stays there")
	if !p.deletePolicy && !p.deleteCRD {
		p.told[len(p.told)-2] = gone + " is deleted"
	}
	if len(in.objects) > 0 {
		p.told = append(p.told, stay(in.objects)+"; one that is deleted goes only when the type is enabled again")
	}
	return p, nil
}

func stay(objects []string) string {
	if len(objects) == 1 {
		return "1 federated object (" + objects[0] + ") stays in the host cluster and does nothing"
	}
	return fmt.Sprintf("%d federated objects (%s) stay in the host cluster and do nothing", len(objects), writing.Some(objects))
}

// refuse says why the type cannot be disabled.
func (in input) refuse() error {
	name := in.config.Name
	owned := in.config.Annotations[v1alpha1.HandedOverAnnotation] == "true"
	if in.policy != nil {
		owned = owned || in.policy.Status.Propagator == v1alpha1.PropagatorCellfed ||
			in.policy.DeletionTimestamp.IsZero() && in.policy.WantedPropagator() == v1alpha1.PropagatorCellfed
	}
	switch {
	case in.keepObjects && in.deleteCRD:
		return exit.Usagef("--keep-objects and --delete-crd exclude one another: with the CRD its objects go")
	case owned:
		return fmt.Errorf("cellfed propagates %s: hand it back first with: kubectl cells handover %s --to KubeFed", name, name)
	case name == namespaces && len(in.others) > 0:
		return fmt.Errorf("without %s nothing that is in a namespace is propagated: disable %s first", name, strings.Join(in.others, ", "))
	case len(in.objects) > 0 && in.deleteCRD:
		return fmt.Errorf("%s exist, such as %s: delete them first, with what they put into the members, or leave --delete-crd out", count(in.objects), in.objects[0])
	case len(in.objects) > 0 && !in.keepObjects:
		return fmt.Errorf("%s exist, such as %s, and nobody would propagate or remove them any more: delete them first, with what they put into the members, "+
			"or give --keep-objects to leave everything where it is", count(in.objects), in.objects[0])
	}
	return nil
}

func count(objects []string) string {
	if len(objects) == 1 {
		return "objects of the type"
	}
	return fmt.Sprintf("%d objects of the type", len(objects))
}
