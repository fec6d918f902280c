package enable

import (
	"context"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/await"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/writing"
)

// wait waits until the type can be used.
func (o *Options) wait(ctx context.Context, in input) error {
	name := in.target.Name()
	watched := []kube.Watched{await.One(&apiextensionsv1.CustomResourceDefinitionList{}, "", in.target.CRDName())}
	if in.wanted == v1alpha1.PropagatorCellfed {
		watched = append(watched, await.One(&v1alpha1.FederatedTypePolicyList{}, o.kube.KubeFedNamespace, name))
	}
	c, err := o.kube.Client()
	if err != nil {
		return err
	}
	done, why, err := await.Until(ctx, o.kube, o.Timeout, watched, func(ctx context.Context) (bool, string, error) {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := c.Get(ctx, client.ObjectKey{Name: in.target.CRDName()}, crd); err != nil {
			return false, "", fmt.Errorf("read the CRD %s: %w", in.target.CRDName(), err)
		}
		if why := lacks(crd); why != "" || in.wanted != v1alpha1.PropagatorCellfed {
			return why == "", why, nil
		}
		policy := &v1alpha1.FederatedTypePolicy{}
		if err := c.Get(ctx, client.ObjectKey{Namespace: o.kube.KubeFedNamespace, Name: name}, policy); err != nil {
			return false, "", fmt.Errorf("read the FederatedTypePolicy %s: %w", name, err)
		}
		propagating := meta.FindStatusCondition(policy.Status.Conditions, string(v1alpha1.ConditionPropagating))
		switch {
		case propagating == nil || policy.Status.ObservedGeneration != policy.Generation:
			return false, "waiting until cellfed's manager reports on the FederatedTypePolicy" + await.Question, nil
		case propagating.Status != metav1.ConditionTrue:
			return false, propagating.Message, nil
		}
		return policy.Status.Propagator == v1alpha1.PropagatorCellfed, "cellfed does not propagate the type yet", nil
	})
	if err == nil && !done {
		return exit.NotSof("%s is enabled, and cannot be used within %s: %s", name, o.Timeout, why)
	}
	if err != nil {
		return err
	}
	if in.wanted == v1alpha1.PropagatorCellfed && o.Output == "" {
		fmt.Fprintf(o.kube.Out, "%s: %s propagates the type\n", writing.Reference("FederatedTypePolicy", v1alpha1.GroupVersion.Group, name), in.wanted)
	}
	return nil
}

// established waits until a CRD that was just made is served: KubeFed must not begin with a kind that is not.
func (o *Options) established(ctx context.Context, name string) error {
	c, err := o.kube.Client()
	if err != nil {
		return err
	}
	watched := []kube.Watched{await.One(&apiextensionsv1.CustomResourceDefinitionList{}, "", name)}
	done, why, err := await.Until(ctx, o.kube, o.Timeout, watched, func(ctx context.Context) (bool, string, error) {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := c.Get(ctx, client.ObjectKey{Name: name}, crd); err != nil {
			return false, "", fmt.Errorf("read the CRD %s: %w", name, err)
		}
		why := unestablished(crd)
		return why == "", why, nil
	})
	if err == nil && !done {
		return exit.NotSof("the CRD was created, and nothing else within %s: %s: kubectl cells enable can be run again", o.Timeout, why)
	}
	return err
}

// unestablished says why a CRD is not served, or nothing.
func unestablished(crd *apiextensionsv1.CustomResourceDefinition) string {
	for _, c := range crd.Status.Conditions {
		if c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue {
			return ""
		}
	}
	return fmt.Sprintf("the CRD %s is not established yet", crd.Name)
}

// lacks says what a federated CRD still lacks, or nothing.
func lacks(crd *apiextensionsv1.CustomResourceDefinition) string {
	if why := unestablished(crd); why != "" {
		return why
	}
	if why, reported := kube.Unserved(crd); reported {
		return why
	}
	return fmt.Sprintf("waiting until cellfed's manager adds v2beta1 to the CRD %s", crd.Name) + await.Question
}
