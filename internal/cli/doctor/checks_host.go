package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/internal/cli/writing"
)

// host looks whether the host cluster answers.
func host(_ context.Context, p *probe) (Verdict, error) {
	version, err := p.version()
	if err != nil {
		return verdictf(Fail, "choose the host cluster with --context or --kubeconfig", "the host cluster does not answer: %v", err), nil
	}
	return verdictf(OK, "", "the host cluster answers, Kubernetes %s", version), nil
}

// seen are what the other checks read.
var seen = []struct {
	group, resource string
	inKubeFed       bool
}{
	{"", "namespaces", false},
	{"apiextensions.k8s.io", "customresourcedefinitions", false},
	{"admissionregistration.k8s.io", "validatingwebhookconfigurations", false},
	{"cellfed.io", "cells", false},
	{"apps", "deployments", true},
	{"core.kubefed.io", "kubefedclusters", true},
	{"core.kubefed.io", "federatedtypeconfigs", true},
	{"cellfed.io", "federatedtypepolicies", true},
	{"", "secrets", true},
}

// rights looks what the caller may see.
func rights(ctx context.Context, p *probe) (Verdict, error) {
	var hidden []string
	for _, s := range seen {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "list", Group: s.group, Resource: s.resource},
		}}
		if s.inKubeFed {
			review.Spec.ResourceAttributes.Namespace = p.namespace
		}
		if err := p.Create(ctx, review); err != nil {
			return Verdict{}, fmt.Errorf("ask what you may see: %w", err)
		}
		if !review.Status.Allowed {
			hidden = append(hidden, s.resource)
		}
	}
	if len(hidden) > 0 {
		return verdictf(Warn, "checks that need them are skipped", "you may not list %s", writing.Enumerate(hidden)), nil
	}
	return verdictf(OK, "", "you may see all that is checked"), nil
}

// kubeFedNamespace looks whether KubeFed's namespace is there.
func kubeFedNamespace(ctx context.Context, p *probe) (Verdict, error) {
	namespace := &corev1.Namespace{}
	switch err := p.Get(ctx, client.ObjectKey{Name: p.namespace}, namespace); {
	case apierrors.IsNotFound(err):
		return verdictf(Fail, "name another with --kubefed-namespace, or install KubeFed", "there is no namespace %q", p.namespace), nil
	case err != nil:
		return Verdict{}, fmt.Errorf("read the namespace %q: %w", p.namespace, err)
	case namespace.DeletionTimestamp != nil:
		return verdictf(Fail, "all members' credentials go with it", "the namespace %q is being deleted", p.namespace), nil
	}
	return verdictf(OK, "", "KubeFed's namespace is %q", p.namespace), nil
}

// kubeFedCRDs looks whether KubeFed's own kinds are served.
func kubeFedCRDs(ctx context.Context, p *probe) (Verdict, error) {
	return established(ctx, p, "install KubeFed's CRDs", "kubefedclusters.core.kubefed.io", "kubefedconfigs.core.kubefed.io",
		"federatedtypeconfigs.core.kubefed.io", "propagatedversions.core.kubefed.io", "clusterpropagatedversions.core.kubefed.io")
}

// cellfedCRDs looks whether cellfed's own kinds are served.
func cellfedCRDs(ctx context.Context, p *probe) (Verdict, error) {
	return established(ctx, p, "kubectl apply -k config/crd, or install the chart with its CRDs", "cells.cellfed.io", "federatedtypepolicies.cellfed.io")
}

func established(ctx context.Context, p *probe, way string, names ...string) (Verdict, error) {
	var missing []string
	for _, name := range names {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		switch err := p.Get(ctx, client.ObjectKey{Name: name}, crd); {
		case apierrors.IsNotFound(err):
			missing = append(missing, name)
		case err != nil:
			return Verdict{}, fmt.Errorf("read the CRD %q: %w", name, err)
		case !conditionTrue(crd, apiextensionsv1.Established) || crd.DeletionTimestamp != nil:
			missing = append(missing, name+" (not established)")
		}
	}
	if len(missing) > 0 {
		return verdictf(Fail, way, "the host does not serve %s", strings.Join(missing, ", ")), nil
	}
	return verdictf(OK, "", "%s served", counted(len(names), "CRD")), nil
}

func conditionTrue(crd *apiextensionsv1.CustomResourceDefinition, kind apiextensionsv1.CustomResourceDefinitionConditionType) bool {
	return slices.ContainsFunc(crd.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
		return c.Type == kind && c.Status == apiextensionsv1.ConditionTrue
	})
}
