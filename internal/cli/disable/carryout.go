package disable

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/await"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/writing"
)

// pageSize is how many objects are asked for at a time.
const pageSize = 500

// gather reads what a plan needs.
func (o *Options) gather(ctx context.Context) (input, error) {
	in := input{keepObjects: o.KeepObjects, deleteCRD: o.DeleteCRD}
	c, err := o.kube.Client()
	if err != nil {
		return in, err
	}
	configs := &kubefedv1beta1.FederatedTypeConfigList{}
	if err := c.List(ctx, configs, client.InNamespace(o.kube.KubeFedNamespace)); err != nil {
		return in, fmt.Errorf("list the FederatedTypeConfigs in the namespace %s: %w", o.kube.KubeFedNamespace, err)
	}
	// One whose CRD has gone is none that Type would find.
	name := strings.ToLower(o.Type)
	if !slices.ContainsFunc(configs.Items, func(c kubefedv1beta1.FederatedTypeConfig) bool { return c.Name == name }) {
		t, err := o.kube.Type(ctx, o.Type)
		if err != nil {
			return in, err
		}
		name = t.Name
	}
	for i := range configs.Items {
		config := &configs.Items[i]
		kubefedv1beta1.SetFederatedTypeConfigDefaults(config)
		switch {
		case config.Name == name:
			in.config = config
		case config.GetNamespaced():
			in.others = append(in.others, config.Name)
		}
	}
	if in.config == nil {
		return in, fmt.Errorf("the FederatedTypeConfig %s has gone", name)
	}
	slices.Sort(in.others)
	if in.policy, err = policyOf(ctx, c, in.config); err != nil {
		return in, err
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	fed := in.config.GetFederatedType()
	switch err := c.Get(ctx, client.ObjectKey{Name: fed.Name + "." + fed.Group}, crd); {
	case err == nil:
		in.crd = crd
	case !apierrors.IsNotFound(err):
		return in, fmt.Errorf("read the CRD %s.%s: %w", fed.Name, fed.Group, err)
	}
	in.objects, err = o.objects(ctx, in.config)
	return in, err
}

// policyOf returns the policy of a type, nil if it has none.
func policyOf(ctx context.Context, c client.Client, config *kubefedv1beta1.FederatedTypeConfig) (*v1alpha1.FederatedTypePolicy, error) {
	policy := &v1alpha1.FederatedTypePolicy{}
	err := c.Get(ctx, client.ObjectKeyFromObject(config), policy)
	switch {
	case apierrors.IsNotFound(err) || meta.IsNoMatchError(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read the FederatedTypePolicy %s: %w", config.Name, err)
	}
	return policy, nil
}

// again looks once more at what may have changed since the plan was made, while the user was asked and KubeFed waited for:
// somebody may have made an object, or handed the type over to cellfed. It says why nothing must be deleted any more.
func (o *Options) again(ctx context.Context, c client.Client, in input) error {
	now := &kubefedv1beta1.FederatedTypeConfig{}
	err := c.Get(ctx, client.ObjectKeyFromObject(in.config), now)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read the FederatedTypeConfig %s: %w", in.config.Name, err)
	}
	if in.policy, err = policyOf(ctx, c, in.config); err != nil {
		return err
	}
	if in.objects, err = o.objects(ctx, in.config); err != nil {
		return err
	}
	if now.UID == in.config.UID && now.Name != "" {
		in.config = now
	}
	return in.refuse()
}

// objects names the objects of the type, in upstream's version, which needs no webhook where upstream propagates it.
func (o *Options) objects(ctx context.Context, config *kubefedv1beta1.FederatedTypeConfig) ([]string, error) {
	c, err := o.kube.Client()
	if err != nil {
		return nil, err
	}
	fed := config.GetFederatedType()
	var names []string
	for next := ""; ; {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(schema.GroupVersionKind{Group: fed.Group, Version: fed.Version, Kind: fed.Kind + "List"})
		err := c.List(ctx, list, client.Limit(pageSize), client.Continue(next))
		if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list the objects of %s: %w", config.Name, err)
		}
		for i := range list.Items {
			names = append(names, strings.TrimPrefix(list.Items[i].GetNamespace()+"/"+list.Items[i].GetName(), "/"))
		}
		if next = list.GetContinue(); next == "" {
			slices.Sort(names)
			return names, nil
		}
	}
}

// carryOut does what the plan says, in upstream's safe order: nobody watches a kind that goes.
func (o *Options) carryOut(ctx context.Context, in input, p plan) error {
	c, err := o.kube.Client()
	if err != nil {
		return err
	}
	config := kubefedv1beta1.SchemeGroupVersion.Group
	if p.disable {
		if err := o.stop(ctx, c, in.config); err != nil {
			return err
		}
		o.say("FederatedTypeConfig", config, in.config.Name, "disabled")
	}
	if o.DryRun.Writes() {
		if p.wait {
			if err := o.stopped(ctx, c, in.config); err != nil {
				return err
			}
		}
		if err := o.again(ctx, c, in); err != nil {
			return err
		}
	}
	if p.deleteCRD {
		if err := o.remove(ctx, c, in.crd, "CustomResourceDefinition", apiextensionsv1.GroupName); err != nil {
			return err
		}
	}
	if p.deletePolicy {
		if err := o.remove(ctx, c, in.policy, "FederatedTypePolicy", v1alpha1.GroupVersion.Group); err != nil {
			return err
		}
	}
	return o.remove(ctx, c, in.config, "FederatedTypeConfig", config)
}

func (o *Options) say(kind, group, name, done string) {
	fmt.Fprintf(o.kube.Out, "%s %s%s\n", writing.Reference(kind, group, name), done, o.DryRun.Suffix())
}

// stop has upstream stop propagating the type.
func (o *Options) stop(ctx context.Context, c client.Client, config *kubefedv1beta1.FederatedTypeConfig) error {
	if o.DryRun.Client() {
		return nil
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": config.ResourceVersion},
		"spec":     map[string]any{"propagation": kubefedv1beta1.PropagationDisabled},
	})
	if err != nil {
		return fmt.Errorf("encode the patch: %w", err)
	}
	err = c.Patch(ctx, config.DeepCopy(), client.RawPatch(types.MergePatchType, patch), o.DryRun.Patch(kube.FieldManager))
	if err != nil {
		return fmt.Errorf("disable the FederatedTypeConfig %s: %w", config.Name, err)
	}
	return nil
}

// stopped waits until upstream reports that it has stopped.
func (o *Options) stopped(ctx context.Context, c client.Client, config *kubefedv1beta1.FederatedTypeConfig) error {
	watched := []kube.Watched{await.One(&kubefedv1beta1.FederatedTypeConfigList{}, config.Namespace, config.Name)}
	done, why, err := await.Until(ctx, o.kube, o.Timeout, watched, func(ctx context.Context) (bool, string, error) {
		now := &kubefedv1beta1.FederatedTypeConfig{}
		err := c.Get(ctx, client.ObjectKeyFromObject(config), now)
		if err != nil {
			return apierrors.IsNotFound(err), "", client.IgnoreNotFound(err)
		}
		if now.Spec.Propagation != kubefedv1beta1.PropagationDisabled {
			return false, "", fmt.Errorf("somebody has enabled the FederatedTypeConfig %s again, and nothing was deleted: leave spec.propagation out of what "+
				"Helm or Argo CD apply", config.Name)
		}
		is := now.Status.ObservedGeneration == now.Generation && now.Status.PropagationController == kubefedv1beta1.ControllerStatusNotRunning
		return is, "KubeFed has not reported yet that it stopped propagating " + config.Name, nil
	})
	if err == nil && !done {
		return exit.NotSof("%s is disabled, and nothing was deleted within %s: %s: see that KubeFed runs, and run this again", config.Name, o.Timeout, why)
	}
	return err
}

// remove deletes an object, as it was looked at.
func (o *Options) remove(ctx context.Context, c client.Client, object client.Object, kind, group string) error {
	if !o.DryRun.Client() {
		options := &client.DeleteOptions{DryRun: o.DryRun.Options()}
		if uid := object.GetUID(); uid != "" {
			options.Preconditions = &metav1.Preconditions{UID: &uid}
		}
		if err := c.Delete(ctx, object, options); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete the %s %s: %w", kind, object.GetName(), err)
		}
	}
	o.say(kind, group, object.GetName(), "deleted")
	return nil
}
