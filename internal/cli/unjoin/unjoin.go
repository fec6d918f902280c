// Package unjoin takes a member out of the federation.
package unjoin

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/join/membership"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/waiting"
	"github.com/cellfed/cellfed/internal/cli/writing"
	"github.com/cellfed/cellfed/internal/topology"
)

// goneIn is how long a KubeFedCluster may take to go.
const goneIn = time.Minute

// Options are the verb's arguments and flags.
type Options struct {
	// Cluster is the name of the KubeFedCluster.
	Cluster string
	// Member says how the member is reached from here.
	Member membership.Flags
	// Force leaves the member as it is, Yes does it without asking.
	Force bool
	Yes   bool
	// DryRun is what to do in earnest, Timeout how long the KubeFedCluster may take to go.
	DryRun  writing.DryRun
	Timeout time.Duration

	kube *kube.Kube
}

// New returns the verb.
func New(k *kube.Kube) *cobra.Command {
	return newCommand(&Options{kube: k})
}

func newCommand(o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "unjoin CLUSTER --cluster-context CONTEXT",
		Short: "Take a member out of the federation",
		Long: `Take a member out of the federation: delete its KubeFedCluster and the token in the host, and then the account in the member.

Nothing else in the member is touched: what was propagated there stays, and no namespace is deleted. So that none of it is left
behind unseen, the command refuses while cells stand on the cluster or federated objects are placed on it, and names them.

It tells what will be deleted, and asks, or needs --yes where nobody can be asked.

--force is for a member that is gone for good: it asks nothing of it, takes the host's part away, placed objects or not, and says
what a member that comes back would still have. Cells keep even such a cluster.

It can be run again at any point.`,
		Example: `
# Take a member out
kubectl cells unjoin hz-b --cluster-context hz-b

# See what stands in the way
kubectl cells unjoin hz-b --cluster-context hz-b --dry-run=server

# In a script, a member that no longer exists
kubectl cells unjoin hz-b --force --yes`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: membership.Complete(o.kube),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Cluster = args[0]
			if err := o.Validate(); err != nil {
				return err
			}
			return o.Run(cmd.Context())
		},
	}
	o.Member.AddFlags(cmd.Flags())
	cmd.Flags().BoolVar(&o.Force, "force", false, "Take the host's part away alone, of a member that is gone for good.")
	cmd.Flags().BoolVarP(&o.Yes, "yes", "y", false, "Do it without asking.")
	cmd.Flags().DurationVar(&o.Timeout, "timeout", goneIn, "How long the KubeFedCluster may take to go.")
	o.DryRun.AddFlag(cmd)
	return cmd
}

// Validate refuses what does not go together.
func (o *Options) Validate() error {
	switch {
	case o.Force && o.Member.Given():
		return exit.Usagef("--force is for a member that is gone, and --cluster-context and --member-kubeconfig reach one: give one of them")
	case !o.Force && !o.Member.Given():
		return exit.Usagef("no member is named: give --cluster-context, a context of the kubeconfig, or --member-kubeconfig, to say where the account is to be deleted; or --force if the member is gone for good")
	}
	if err := membership.ValidateName(o.Cluster); err != nil {
		return err
	}
	if err := o.DryRun.Validate(); err != nil {
		return err
	}
	return (&waiting.Flags{Timeout: o.Timeout}).Validate()
}

// Run takes the member out.
func (o *Options) Run(ctx context.Context) error {
	c, err := o.kube.Client()
	if err != nil {
		return err
	}
	account := membership.Account{Cluster: o.Cluster, Namespace: o.Member.Namespace}
	if account.Host, err = membership.HostUID(ctx, o.kube); err != nil {
		return err
	}
	cluster := &kubefedv1beta1.KubeFedCluster{}
	switch err := c.Get(ctx, client.ObjectKey{Namespace: o.kube.KubeFedNamespace, Name: o.Cluster}, cluster); {
	case apierrors.IsNotFound(err):
		cluster = nil
	case err != nil:
		return fmt.Errorf("read the KubeFedCluster %q: %w", o.Cluster, err)
	}
	if account.Namespace == "" && cluster != nil {
		account.Namespace = cluster.Annotations[membership.NamespaceAnnotation]
	}
	if account.Namespace == "" {
		account.Namespace = o.kube.KubeFedNamespace
	}
	// Nothing is taken away before it is known that all of it can be.
	member, err := o.connect(ctx, cluster)
	if err != nil {
		return err
	}
	if err := o.agree(ctx, cluster, account); err != nil {
		return err
	}
	if cluster != nil {
		if err := o.leave(ctx, cluster); err != nil {
			return err
		}
	}
	if err := o.dropSecrets(ctx, c, cluster); err != nil {
		return err
	}
	if member == nil {
		fmt.Fprintf(o.kube.ErrOut, "note: nothing was asked of the member. If it comes back, it has what was propagated to it, and the account %s, whose token still works: "+
			"run this again with --cluster-context then\n", account.User())
		return nil
	}
	return o.dropAccount(ctx, member, account)
}

// connect reaches the member, and refuses another one than the KubeFedCluster's.
func (o *Options) connect(ctx context.Context, cluster *kubefedv1beta1.KubeFedCluster) (*membership.Member, error) {
	if o.Force {
		return nil, nil
	}
	member, err := o.Member.Connect(o.kube)
	if err != nil {
		return nil, err
	}
	uid, err := member.UID(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: if the member is gone for good, give --force in place of --cluster-context", err)
	}
	if cluster == nil {
		return member, nil
	}
	if known := cluster.Annotations[membership.ClusterUIDAnnotation]; known != "" && known != uid {
		return nil, fmt.Errorf("--cluster-context reaches another cluster than the one that was joined as %q: choose its context, see kubectl config get-contexts", o.Cluster)
	}
	return member, nil
}

// agree refuses what must not be, tells what will be done, and asks.
func (o *Options) agree(ctx context.Context, cluster *kubefedv1beta1.KubeFedCluster, account membership.Account) error {
	host := fmt.Sprintf("in the host the KubeFedCluster %q and its token are deleted", o.Cluster)
	switch {
	case cluster == nil:
		fmt.Fprintf(o.kube.ErrOut, "note: there is no KubeFedCluster %q in the namespace %q: what is left of it is taken away\n", o.Cluster, o.kube.KubeFedNamespace)
		host = "in the host the tokens that are left are deleted"
	case topology.StandsForCell(cluster.Labels):
		return fmt.Errorf("the KubeFedCluster %q stands for a cell: delete it with kubectl cells delete", cluster.Name)
	default:
		if err := o.refusal(ctx, cluster); err != nil {
			return err
		}
	}
	if !o.DryRun.Writes() {
		return nil
	}
	fmt.Fprintln(o.kube.ErrOut, host)
	if o.Force {
		fmt.Fprintln(o.kube.ErrOut, "in the member nothing is deleted, and the account stays")
	} else {
		fmt.Fprintf(o.kube.ErrOut, "in the member the account %s is deleted, and nothing else: what was propagated there stays\n", account.User())
	}
	return writing.Confirm(o.kube.IOStreams, fmt.Sprintf("Take %s out of the federation?", o.Cluster), o.Yes)
}

// leave deletes the KubeFedCluster, and waits until it is gone: the credentials are good as long as somebody may use them.
func (o *Options) leave(ctx context.Context, cluster *kubefedv1beta1.KubeFedCluster) error {
	c, err := o.kube.Client()
	if err != nil {
		return err
	}
	uid := cluster.UID
	if !o.DryRun.Client() {
		err := c.Delete(ctx, cluster, client.Preconditions{UID: &uid}, &client.DeleteOptions{DryRun: o.DryRun.Options()})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete the KubeFedCluster %q: %w", cluster.Name, err)
		}
	}
	if o.DryRun.Writes() {
		waiter := waiting.Flags{Wait: true, Timeout: o.Timeout}
		watched := []kube.Watched{{List: &kubefedv1beta1.KubeFedClusterList{}, Options: []client.ListOption{client.InNamespace(cluster.Namespace)}}}
		err := waiter.For(ctx, o.kube, "the KubeFedCluster "+cluster.Name+" to go", watched, func(ctx context.Context) (bool, string, error) {
			current := &kubefedv1beta1.KubeFedCluster{}
			switch err := c.Get(ctx, client.ObjectKeyFromObject(cluster), current); {
			case apierrors.IsNotFound(err):
				return true, "", nil
			case err != nil:
				return false, "", fmt.Errorf("read the KubeFedCluster %q: %w", cluster.Name, err)
			}
			return current.UID != uid, fmt.Sprintf("it has the finalizers %v, which their owners take away", current.Finalizers), nil
		})
		if err != nil {
			return fmt.Errorf("%w: the credentials are kept until it is gone; run this again then", err)
		}
	}
	o.tell(cluster, "deleted")
	return nil
}

// dropSecrets deletes the tokens in the host: those that join stored, and the one that the KubeFedCluster named.
func (o *Options) dropSecrets(ctx context.Context, c client.Client, cluster *kubefedv1beta1.KubeFedCluster) error {
	secrets := &corev1.SecretList{}
	err := c.List(ctx, secrets, client.InNamespace(o.kube.KubeFedNamespace),
		client.MatchingLabels{membership.ManagedByLabel: membership.ManagedBy, v1alpha1.ClusterLabel: o.Cluster})
	if err != nil {
		return fmt.Errorf("look for the member's tokens in the host: %w", err)
	}
	names := map[string]bool{}
	for i := range secrets.Items {
		names[secrets.Items[i].Name] = true
	}
	if cluster != nil && cluster.Spec.SecretRef.Name != "" && !names[cluster.Spec.SecretRef.Name] {
		shared, err := o.named(ctx, c, cluster.Spec.SecretRef.Name)
		if err != nil {
			return err
		}
		if shared == "" {
			secret := corev1.Secret{}
			secret.Namespace, secret.Name = o.kube.KubeFedNamespace, cluster.Spec.SecretRef.Name
			secrets.Items = append(secrets.Items, secret)
		} else {
			fmt.Fprintf(o.kube.ErrOut, "note: the Secret %q stays: the KubeFedCluster %q names it too\n", cluster.Spec.SecretRef.Name, shared)
		}
	}
	for i := range secrets.Items {
		secret := kube.WithKind(&secrets.Items[i])
		if !o.DryRun.Client() {
			err := c.Delete(ctx, secret, &client.DeleteOptions{DryRun: o.DryRun.Options()})
			if apierrors.IsNotFound(err) {
				continue
			}
			if err != nil {
				return fmt.Errorf("delete the Secret %q with the member's token: %w", secret.Name, err)
			}
		}
		o.tell(secret, "deleted")
	}
	return nil
}

// named returns another KubeFedCluster that names the Secret.
func (o *Options) named(ctx context.Context, c client.Client, secret string) (string, error) {
	clusters := &kubefedv1beta1.KubeFedClusterList{}
	if err := c.List(ctx, clusters, client.InNamespace(o.kube.KubeFedNamespace)); err != nil {
		return "", fmt.Errorf("list the KubeFedClusters: %w", err)
	}
	for i := range clusters.Items {
		if clusters.Items[i].Name != o.Cluster && clusters.Items[i].Spec.SecretRef.Name == secret {
			return clusters.Items[i].Name, nil
		}
	}
	return "", nil
}

// dropAccount deletes the account in the member, as far as it is there. The namespace stays: others may have put something there.
func (o *Options) dropAccount(ctx context.Context, member *membership.Member, account membership.Account) error {
	found := false
	for _, object := range account.All() {
		gvk := object.GetObjectKind().GroupVersionKind()
		switch err := member.Get(ctx, client.ObjectKeyFromObject(object), object); {
		case apierrors.IsNotFound(err):
			continue
		case err != nil:
			return fmt.Errorf("look for the account in the member: %w", err)
		}
		object.GetObjectKind().SetGroupVersionKind(gvk)
		if err := account.Claims(object); err != nil {
			fmt.Fprintf(o.kube.ErrOut, "note: left as it is: %v\n", err)
			continue
		}
		found = true
		uid := object.GetUID()
		if !o.DryRun.Client() {
			err := member.Delete(ctx, object, client.Preconditions{UID: &uid}, &client.DeleteOptions{DryRun: o.DryRun.Options()})
			if client.IgnoreNotFound(err) != nil {
				return fmt.Errorf("delete the %s %q in the member: %w", gvk.Kind, object.GetName(), err)
			}
		}
		fmt.Fprintf(o.kube.Out, "%s deleted in the member%s\n", writing.Reference(gvk.Kind, gvk.Group, object.GetName()), o.DryRun.Suffix())
	}
	if !found {
		fmt.Fprintf(o.kube.ErrOut, "note: the member has no account that kubectl cells join made in the namespace %q: what another tool made there, such as kubefedctl, is to be deleted by hand\n",
			account.Namespace)
	}
	return nil
}

func (o *Options) tell(object client.Object, verb string) {
	gvk := kube.WithKind(object).GetObjectKind().GroupVersionKind()
	fmt.Fprintf(o.kube.Out, "%s %s%s\n", writing.Reference(gvk.Kind, gvk.Group, object.GetName()), verb, o.DryRun.Suffix())
}
