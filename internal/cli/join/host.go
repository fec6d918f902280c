package join

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/join/membership"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/writing"
)

// tryOut has the host judge the KubeFedCluster, its admission included.
func (o *Options) tryOut(ctx context.Context, s *situation) error {
	trial := s.wanted.DeepCopy()
	if trial.Spec.SecretRef.Name == "" {
		trial.Spec.SecretRef.Name = o.Cluster
	}
	return o.writeCluster(ctx, s, trial, writing.DryRun(writing.Server))
}

// writeCluster creates the KubeFedCluster, or changes what is to change of it.
func (o *Options) writeCluster(ctx context.Context, s *situation, wanted *kubefedv1beta1.KubeFedCluster, dryRun writing.DryRun) error {
	c, err := o.kube.Client()
	if err != nil {
		return err
	}
	if s.current == nil {
		err = c.Create(ctx, wanted, dryRun.Create(kube.FieldManager))
	} else {
		// Of what others change at the same time nothing is overwritten unseen.
		before := client.MergeFromWithOptions(s.current, client.MergeFromWithOptimisticLock{})
		err = c.Patch(ctx, wanted, before, dryRun.Patch(kube.FieldManager))
	}
	if err != nil {
		return fmt.Errorf("write the KubeFedCluster %q: %w", o.Cluster, err)
	}
	return nil
}

// writeHost writes the token and the KubeFedCluster into the host.
func (o *Options) writeHost(ctx context.Context, s *situation, token []byte) error {
	c, err := o.kube.Client()
	if err != nil {
		return err
	}
	secret := membership.Credentials(o.kube.KubeFedNamespace, o.Cluster, token, s.wanted.Spec.CABundle)
	// The name tells the token: a Secret that is there holds this one.
	switch err := c.Create(ctx, secret, &client.CreateOptions{FieldManager: kube.FieldManager}); {
	case err == nil:
		o.tellHost(kube.WithKind(secret), "created")
	case !apierrors.IsAlreadyExists(err):
		return fmt.Errorf("store the member's token in the host: %w", err)
	}
	wanted := s.wanted.DeepCopy()
	wanted.Spec.SecretRef.Name = secret.Name
	switch {
	case s.current != nil && equality.Semantic.DeepEqual(s.current.Spec, wanted.Spec) &&
		equality.Semantic.DeepEqual(s.current.Labels, wanted.Labels) && equality.Semantic.DeepEqual(s.current.Annotations, wanted.Annotations):
		o.tellHost(s.wanted, "unchanged")
	default:
		if err := o.writeCluster(ctx, s, wanted, writing.None); err != nil {
			return err
		}
		o.tellHost(s.wanted, "joined at "+wanted.Spec.APIEndpoint+serves(wanted.Labels))
	}
	return o.dropFormer(ctx, c, secret.Name)
}

// serves says whom a member serves.
func serves(labels map[string]string) string {
	switch {
	case labels[v1alpha1.SharedLabel] == "true":
		return ", for every tenant"
	case labels[v1alpha1.TenantLabel] != "" && labels[v1alpha1.WorkspaceGroupLabel] != "":
		return fmt.Sprintf(", for workspace group %q of tenant %q", labels[v1alpha1.WorkspaceGroupLabel], labels[v1alpha1.TenantLabel])
	case labels[v1alpha1.TenantLabel] != "":
		return fmt.Sprintf(", for tenant %q", labels[v1alpha1.TenantLabel])
	}
	return ", for namespaces without a tenant"
}

// dropFormer removes the Secrets of former tokens.
func (o *Options) dropFormer(ctx context.Context, c client.Client, current string) error {
	secrets := &corev1.SecretList{}
	err := c.List(ctx, secrets, client.InNamespace(o.kube.KubeFedNamespace),
		client.MatchingLabels{membership.ManagedByLabel: membership.ManagedBy, v1alpha1.ClusterLabel: o.Cluster})
	if err != nil {
		return fmt.Errorf("look for the Secrets of former tokens: %w", err)
	}
	for i := range secrets.Items {
		if secret := &secrets.Items[i]; secret.Name != current {
			if err := client.IgnoreNotFound(c.Delete(ctx, secret)); err != nil {
				return fmt.Errorf("delete the Secret %s of a former token: %w", secret.Name, err)
			}
			o.tellHost(kube.WithKind(secret), "deleted, with a former token")
		}
	}
	return nil
}

// wait waits until KubeFed has found the member ready.
func (o *Options) wait(ctx context.Context) error {
	if !o.Waiting.Wait {
		return nil
	}
	c, err := o.kube.Client()
	if err != nil {
		return err
	}
	watched := []kube.Watched{{List: &kubefedv1beta1.KubeFedClusterList{}, Options: []client.ListOption{client.InNamespace(o.kube.KubeFedNamespace)}}}
	err = o.Waiting.For(ctx, o.kube, "the member "+o.Cluster, watched, func(ctx context.Context) (bool, string, error) {
		cluster := &kubefedv1beta1.KubeFedCluster{}
		if err := c.Get(ctx, client.ObjectKey{Namespace: o.kube.KubeFedNamespace, Name: o.Cluster}, cluster); err != nil {
			return false, "", fmt.Errorf("read the KubeFedCluster %q: %w", o.Cluster, err)
		}
		ready, why := membership.IsReady(cluster)
		return ready, why, nil
	})
	if err != nil {
		return fmt.Errorf("%w: the member is registered; kubectl cells doctor tells more", err)
	}
	fmt.Fprintf(o.kube.Out, "%s is ready\n", o.Cluster)
	return nil
}
