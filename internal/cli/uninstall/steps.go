package uninstall

import (
	"context"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/kube"
)

// handBack asks for KubeFed in every policy, and waits until it has the types.
func (o *Options) handBack(ctx context.Context, c client.WithWatch, s *Situation) error {
	for _, p := range s.Policies {
		if p.Wanted == v1alpha1.PropagatorKubeFed {
			continue
		}
		policy := &v1alpha1.FederatedTypePolicy{}
		if err := c.Get(ctx, client.ObjectKey{Namespace: o.kube.KubeFedNamespace, Name: p.Name}, policy); err != nil {
			return fmt.Errorf("read the FederatedTypePolicy %q: %w", p.Name, err)
		}
		before := policy.DeepCopy()
		policy.Spec.Propagator = v1alpha1.PropagatorKubeFed
		if err := c.Patch(ctx, policy, client.MergeFrom(before), client.FieldOwner(kube.FieldManager)); err != nil {
			return fmt.Errorf("ask for KubeFed in the FederatedTypePolicy %q: %w", p.Name, err)
		}
	}
	return o.wait(ctx, "KubeFed to have every type", o.kube.KubeFedNamespace, func(ctx context.Context) (bool, string, error) {
		policies, err := o.policies(ctx, c)
		var open []string
		for _, p := range policies {
			if !p.handedBack() {
				open = append(open, p.Name+" ("+p.State+")")
			}
		}
		return len(open) == 0, strings.Join(open, ", "), err
	}, &v1alpha1.FederatedTypePolicyList{})
}

func (o *Options) deletePolicies(ctx context.Context, c client.WithWatch) error {
	if err := c.DeleteAllOf(ctx, &v1alpha1.FederatedTypePolicy{}, client.InNamespace(o.kube.KubeFedNamespace)); err != nil {
		return fmt.Errorf("delete the FederatedTypePolicies: %w", err)
	}
	return o.wait(ctx, "the FederatedTypePolicies to go", o.kube.KubeFedNamespace, func(ctx context.Context) (bool, string, error) {
		policies, err := o.policies(ctx, c)
		var open []string
		for _, p := range policies {
			open = append(open, p.Name+" ("+p.State+")")
		}
		return len(open) == 0, strings.Join(open, ", "), err
	}, &v1alpha1.FederatedTypePolicyList{})
}

func (o *Options) deleteCells(ctx context.Context, c client.WithWatch) error {
	cells, err := o.kube.Cells(ctx, "")
	if err != nil {
		return err
	}
	for i := range cells {
		if err := client.IgnoreNotFound(c.Delete(ctx, &cells[i], client.Preconditions{UID: &cells[i].UID})); err != nil {
			return fmt.Errorf("delete the cell %s/%s: %w", cells[i].Namespace, cells[i].Name, err)
		}
	}
	return o.wait(ctx, "the cells to go", metav1.NamespaceAll, func(ctx context.Context) (bool, string, error) {
		cells, err := o.kube.Cells(ctx, "")
		var open []string
		for i := range cells {
			state := "waiting for the manager"
			if blocked := meta.FindStatusCondition(cells[i].Status.Conditions, string(v1alpha1.ConditionDeletionBlocked)); blocked != nil {
				state = blocked.Message
			}
			open = append(open, fmt.Sprintf("%s/%s (%s)", cells[i].Namespace, cells[i].Name, state))
		}
		return len(open) == 0, strings.Join(open, ", "), err
	}, &v1alpha1.CellList{})
}

func (o *Options) stopManager(ctx context.Context, c client.WithWatch, name string) error {
	key := client.ObjectKey{Namespace: o.kube.KubeFedNamespace, Name: name}
	deployment := &appsv1.Deployment{}
	if err := c.Get(ctx, key, deployment); err != nil {
		return fmt.Errorf("read the Deployment %q: %w", name, err)
	}
	before := deployment.DeepCopy()
	deployment.Spec.Replicas = new(int32(0))
	if err := c.Patch(ctx, deployment, client.MergeFrom(before), client.FieldOwner(kube.FieldManager)); err != nil {
		return fmt.Errorf("scale the Deployment %q to 0: %w", name, err)
	}
	return o.wait(ctx, "the manager to stop", o.kube.KubeFedNamespace, func(ctx context.Context) (bool, string, error) {
		current := &appsv1.Deployment{}
		if err := c.Get(ctx, key, current); err != nil {
			return false, "", fmt.Errorf("read the Deployment %q: %w", name, err)
		}
		n, err := o.pods(ctx, c, current)
		return n == 0 && current.Status.ObservedGeneration >= current.Generation, counted(n, "Pod") + " left", err
	}, &corev1.PodList{}, &appsv1.DeploymentList{})
}

func (o *Options) deleteWebhooks(ctx context.Context, c client.Client) error {
	for _, object := range webhookConfigurations() {
		if err := client.IgnoreNotFound(c.Delete(ctx, object)); err != nil {
			return fmt.Errorf("delete %s: %w", reference(object), err)
		}
	}
	return nil
}
