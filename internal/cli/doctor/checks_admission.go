package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/writing"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/federatedcrd"
	"github.com/cellfed/cellfed/internal/topology"
)

const (
	mutatingName   = "cellfed-mutating"
	validatingName = "cellfed-validating"
	// trialName is that of what is written to be refused, and never stored.
	trialName = "cellfed-doctor"
	// judge is how an API server names who refused.
	judge = "admission webhook "

	installWebhooks = "apply config/webhook, or the chart with its webhooks"
)

// hook is what matters of a webhook.
type hook struct {
	name   string
	bundle []byte
	policy *admissionv1.FailurePolicyType
}

// webhooks looks whether API servers ask the manager, and trust it.
func webhooks(ctx context.Context, p *probe) (Verdict, error) {
	mutating, validating := &admissionv1.MutatingWebhookConfiguration{}, &admissionv1.ValidatingWebhookConfiguration{}
	for name, object := range map[string]client.Object{mutatingName: mutating, validatingName: validating} {
		switch err := p.Get(ctx, client.ObjectKey{Name: name}, object); {
		case apierrors.IsNotFound(err):
			return verdictf(Fail, installWebhooks, "there is no webhook configuration %q: nothing that is written is judged", name), nil
		case err != nil:
			return Verdict{}, fmt.Errorf("read the webhook configuration %q: %w", name, err)
		}
	}
	var hooks []hook
	for _, w := range mutating.Webhooks {
		hooks = append(hooks, hook{w.Name, w.ClientConfig.CABundle, w.FailurePolicy})
	}
	for _, w := range validating.Webhooks {
		hooks = append(hooks, hook{w.Name, w.ClientConfig.CABundle, w.FailurePolicy})
	}
	var untrusted, lax []string
	for _, h := range hooks {
		if len(h.bundle) == 0 {
			untrusted = append(untrusted, h.name)
		}
		if h.policy != nil && *h.policy == admissionv1.Ignore && h.name != laxByDesign {
			lax = append(lax, h.name)
		}
	}
	switch {
	case len(untrusted) > 0:
		return verdictf(Fail, "the manager puts one there: see its log", "there is no caBundle in %s", writing.Some(untrusted)), nil
	case len(lax) > 0:
		return verdictf(Warn, "set failurePolicy: Fail, unless that is meant", "what no manager answers for is let through by %s", writing.Some(lax)), nil
	}
	return verdictf(OK, "", "%s with a caBundle", counted(len(hooks), "webhook")), nil
}

// laxByDesign is the webhook that never holds people up: it judges the creation of Namespaces that have no owner, which a host
// must be able to do while no manager answers.
const laxByDesign = "unowned-namespace.validating.cellfed.io"

// admissionCells tries out whether Cells are judged, with one that names itself for its cluster.
func admissionCells(ctx context.Context, p *probe) (Verdict, error) {
	trial := &v1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: trialName}}
	trial.Spec.ClusterName = topology.CellClusterName(trial.Namespace, trial.Name)
	return tried("Cells", p.Create(ctx, trial, client.DryRunAll, client.FieldOwner(kube.FieldManager)))
}

// admissionObjects tries out whether federated objects are judged, with one that overrides the name of what it stands for.
func admissionObjects(ctx context.Context, p *probe) (Verdict, error) {
	types, err := p.kube.Types(ctx)
	if err != nil {
		return Verdict{}, err
	}
	i := slices.IndexFunc(types, func(t kube.Type) bool { return t.Name == "configmaps" })
	if i < 0 {
		i = slices.IndexFunc(types, func(t kube.Type) bool { return t.Namespaced && t.Target.Kind != "Namespace" })
	}
	if i < 0 {
		return verdictf(Skip, "", "no namespaced type is federated"), nil
	}
	trial := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"placement": map[string]any{"clusters": []any{}}, "template": map[string]any{},
		"overrides": []any{map[string]any{"clusterName": trialName, "clusterOverrides": []any{map[string]any{"path": "/metadata/name", "value": "x"}}}},
	}}}
	trial.SetGroupVersionKind(schema.GroupVersionKind{Group: types[i].Federated.Group, Version: federated.V1Beta1, Kind: types[i].Federated.Kind})
	trial.SetNamespace(metav1.NamespaceDefault)
	trial.SetName(trialName)
	return tried(types[i].Federated.Kind+"s", p.Create(ctx, trial, client.DryRunAll, client.FieldOwner(kube.FieldManager)))
}

// tried says what the answer to a write tells that must be refused.
func tried(what string, err error) (Verdict, error) {
	switch {
	case err == nil:
		return verdictf(Fail, installWebhooks+", and see whether they exempt the namespace default", "%s that must be refused are let through", what), nil
	case strings.Contains(err.Error(), "failed calling webhook"):
		return verdictf(Fail, "see whether the manager runs, and whether the API server reaches its Service", "the manager does not answer for %s: %v", what, err), nil
	case strings.Contains(err.Error(), judge):
		return verdictf(OK, "", "%s are judged", what), nil
	}
	return Verdict{}, fmt.Errorf("try out admission: %w", err)
}

// conversion looks whether every federated CRD serves v2beta1.
func conversion(ctx context.Context, p *probe) (Verdict, error) {
	types, err := p.kube.Types(ctx)
	if err != nil {
		return Verdict{}, err
	}
	var wrong []string
	for _, t := range types {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		name := t.GroupResource().String()
		if err := p.Get(ctx, client.ObjectKey{Name: name}, crd); err != nil {
			return Verdict{}, fmt.Errorf("read the CRD %q: %w", name, err)
		}
		if !federatedcrd.Serves(crd) {
			wrong = append(wrong, name+" ("+topologies(crd)+")")
		}
	}
	switch {
	case len(wrong) > 0:
		return verdictf(Fail, "the CRD's condition "+string(v1alpha1.ConditionTopologies)+" says why", "v2beta1 is not served by %s", writing.Some(wrong)), nil
	case len(types) == 0:
		return verdictf(Skip, "", "no type is federated"), nil
	}
	return verdictf(OK, "", "v2beta1 is served by %s", counted(len(types), "CRD")), nil
}

// topologies returns what the manager says of a CRD.
func topologies(crd *apiextensionsv1.CustomResourceDefinition) string {
	for _, c := range crd.Status.Conditions {
		if string(c.Type) == string(v1alpha1.ConditionTopologies) {
			return strings.Trim(c.Reason+": "+c.Message, ": ")
		}
	}
	return "the manager has not looked at it"
}

// versions reads one object of each type in both versions: what is stored in one is converted for the other.
func versions(ctx context.Context, p *probe) (Verdict, error) {
	types, err := p.kube.Types(ctx)
	if err != nil {
		return Verdict{}, err
	}
	var wrong []string
	read := 0
	for _, t := range types {
		if t.Federated.Version != federated.V2Beta1 {
			continue
		}
		read++
		for _, version := range []string{federated.V1Beta1, federated.V2Beta1} {
			t.Federated.Version = version
			err := p.List(ctx, t.List(), client.Limit(1))
			if apierrors.IsForbidden(err) {
				return Verdict{}, fmt.Errorf("list %s: %w", t.GroupResource(), err)
			}
			if err != nil {
				wrong = append(wrong, fmt.Sprintf("%s in %s (%v)", t.GroupResource(), version, err))
			}
		}
	}
	switch {
	case len(wrong) > 0:
		return verdictf(Fail, "see whether the manager runs, and whether the API server reaches its Service", "cannot be read: %s", writing.Some(wrong)), nil
	case read == 0:
		return verdictf(Skip, "", "no type has two versions"), nil
	}
	return verdictf(OK, "", "%s read in both versions", counted(read, "type")), nil
}
