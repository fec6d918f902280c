package enable

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/printing"
	"github.com/cellfed/cellfed/internal/cli/writing"
	"github.com/cellfed/cellfed/internal/federatedtype"
)

// made is what was done.
type made struct {
	lines, names []string
	objects      []runtime.Object
}

func (m *made) add(object client.Object, kind, group, done string) {
	reference := writing.Reference(kind, group, object.GetName())
	m.lines, m.names = append(m.lines, reference+" "+done), append(m.names, reference)
	m.objects = append(m.objects, object)
}

func (m *made) print(o *Options) error {
	return o.Output.Print(o.kube.Out, strings.Join(m.lines, o.DryRun.Suffix()+"\n")+o.DryRun.Suffix(), printing.NewList(m.objects...), m.names...)
}

// make does what the plan says, in an order in which each object finds what it needs.
func (o *Options) make(ctx context.Context, in input, p plan) (*made, error) {
	m := &made{}
	var crd client.Object = federatedtype.CRD(in.target)
	done := "created"
	if p.createCRD {
		if err := o.create(ctx, crd); err != nil {
			return nil, err
		}
		if o.Wait && o.DryRun.Writes() {
			if err := o.established(ctx, crd.GetName()); err != nil {
				return nil, err
			}
		}
	} else {
		crd, done = kube.WithKind(in.crd), "unchanged"
	}
	m.add(crd, "CustomResourceDefinition", apiextensionsv1.GroupName, done)

	var config client.Object = federatedtype.Config(in.target, o.kube.KubeFedNamespace, p.propagation)
	switch {
	case p.createConfig:
		done = "created"
		if err := o.create(ctx, config); err != nil {
			return nil, err
		}
	case p.enable:
		config, done = kube.WithKind(in.config.DeepCopy()), "enabled again"
		if err := o.enableAgain(ctx, in.config, config); err != nil {
			return nil, err
		}
	default:
		config, done = kube.WithKind(in.config), "unchanged"
	}
	m.add(config, "FederatedTypeConfig", kubefedv1beta1.SchemeGroupVersion.Group, done)
	switch {
	case p.policy:
		policy := policyOf(o.kube.KubeFedNamespace, in.target.Name(), in.wanted)
		if err := o.apply(ctx, in, policy); err != nil {
			return nil, err
		}
		m.add(policy, "FederatedTypePolicy", v1alpha1.GroupVersion.Group, "applied: "+string(in.wanted)+" is to propagate the type")
	case in.policy != nil:
		m.add(kube.WithKind(in.policy), "FederatedTypePolicy", v1alpha1.GroupVersion.Group, "unchanged")
	}
	return m, nil
}

func (o *Options) create(ctx context.Context, object client.Object) error {
	if o.DryRun.Client() {
		return nil
	}
	c, err := o.kube.Client()
	if err != nil {
		return err
	}
	if err := c.Create(ctx, object, o.DryRun.Create(kube.FieldManager)); err != nil {
		return fmt.Errorf("create the %s %s: %w", object.GetObjectKind().GroupVersionKind().Kind, object.GetName(), err)
	}
	return nil
}

// enableAgain has upstream propagate a type that somebody disabled.
func (o *Options) enableAgain(ctx context.Context, before *kubefedv1beta1.FederatedTypeConfig, config client.Object) error {
	after := config.(*kubefedv1beta1.FederatedTypeConfig)
	after.Spec.Propagation = kubefedv1beta1.PropagationEnabled
	if o.DryRun.Client() {
		return nil
	}
	c, err := o.kube.Client()
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": before.ResourceVersion},
		"spec":     map[string]any{"propagation": after.Spec.Propagation},
	})
	if err != nil {
		return fmt.Errorf("encode the patch: %w", err)
	}
	if err := c.Patch(ctx, after, client.RawPatch(types.MergePatchType, patch), o.DryRun.Patch(kube.FieldManager)); err != nil {
		return fmt.Errorf("enable the FederatedTypeConfig %s: %w", before.Name, err)
	}
	kube.WithKind(config)
	return nil
}

// policyOf returns a policy that says who propagates a type, and nothing else.
func policyOf(namespace, name string, propagator v1alpha1.Propagator) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(),
		"kind":       "FederatedTypePolicy",
		"metadata":   map[string]any{"namespace": namespace, "name": name},
		"spec":       map[string]any{"propagator": string(propagator)},
	}}
}

func (o *Options) apply(ctx context.Context, in input, policy *unstructured.Unstructured) error {
	if o.DryRun.Client() {
		return nil
	}
	c, err := o.kube.Client()
	if err != nil {
		return err
	}
	err = c.Apply(ctx, client.ApplyConfigurationFromUnstructured(policy), o.DryRun.Apply(kube.FieldManager, false))
	if conflicts := writing.Conflicts(err); len(conflicts) > 0 {
		return writing.Refused("the FederatedTypePolicy "+in.target.Name(), conflicts)
	}
	if err != nil {
		return fmt.Errorf("apply the FederatedTypePolicy %s: %w", in.target.Name(), err)
	}
	return nil
}
