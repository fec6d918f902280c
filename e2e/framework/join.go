package framework

import (
	"context"
	"errors"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
)

// memberAccount is the service account in a member that upstream's token belongs to.
const memberAccount = "cellfed-e2e-member"

// MemberUser is the name that upstream, and a façade on behalf of a cell, has in a member.
const MemberUser = "system:serviceaccount:" + KubeFedNamespace + ":" + memberAccount

// JoinOptions say what a member is registered with.
type JoinOptions struct {
	// Labels are put on the KubeFedCluster.
	Labels map[string]string
	// Unshared leaves a member that Labels give to no tenant to nobody, as kubefedctl join does. Otherwise such a member
	// serves every tenant.
	Unshared bool
	// Endpoint is where the member is reached, such as a Proxy's or a Front's URL. Empty means the member itself.
	Endpoint string
	// CABundle is the authority of the endpoint's certificate. Empty means the member's own.
	CABundle []byte
}

// Join registers the member with upstream KubeFed in the host, as kubefedctl join does: a service account with all
// rights in the member, a Secret with its token in the host, and a KubeFedCluster of the member's name. Unless the labels
// give it to a tenant it serves all of them.
func (k *KubeFed) Join(ctx context.Context, member *Cluster, labels map[string]string) error {
	return k.JoinWith(ctx, member, JoinOptions{Labels: labels})
}

// JoinWith is Join with more to say.
func (k *KubeFed) JoinWith(ctx context.Context, member *Cluster, o JoinOptions) error {
	if err := member.createMemberAccount(ctx); err != nil {
		return err
	}
	secret, err := k.newMemberSecret(ctx, member)
	if err != nil {
		return err
	}
	cluster := &kubefedv1beta1.KubeFedCluster{
		ObjectMeta: metav1.ObjectMeta{Name: member.Name, Namespace: KubeFedNamespace, Labels: o.labels()},
		Spec: kubefedv1beta1.KubeFedClusterSpec{
			SecretRef: kubefedv1beta1.LocalSecretReference{Name: secret},
		},
	}
	if cluster.Spec.APIEndpoint, cluster.Spec.CABundle, err = member.endpoint(o); err != nil {
		return err
	}
	if err := k.host.Client.Create(ctx, cluster); err != nil {
		return fmt.Errorf("register the member %s: %w", member.Name, err)
	}
	return nil
}

// labels returns what the KubeFedCluster is labeled with.
func (o *JoinOptions) labels() map[string]string {
	if o.Unshared || o.Labels[cellfedv1alpha1.TenantLabel] != "" {
		return o.Labels
	}
	labels := map[string]string{cellfedv1alpha1.SharedLabel: "true"}
	maps.Copy(labels, o.Labels)
	return labels
}

// endpoint returns where the member is reached, and the authority of the certificate there.
func (c *Cluster) endpoint(o JoinOptions) (string, []byte, error) {
	config, err := c.Config()
	if err != nil {
		return "", nil, err
	}
	if err := rest.LoadTLSFiles(config); err != nil {
		return "", nil, fmt.Errorf("read the kubeconfig of %s: %w", c.Name, err)
	}
	if o.Endpoint == "" {
		o.Endpoint = c.URL()
	}
	if len(o.CABundle) == 0 {
		o.CABundle = config.CAData
	}
	return o.Endpoint, o.CABundle, nil
}

// Move lets the member's KubeFedCluster name another endpoint. The labels stay.
func (k *KubeFed) Move(ctx context.Context, member *Cluster, o JoinOptions) error {
	cluster := &kubefedv1beta1.KubeFedCluster{}
	if err := k.host.Client.Get(ctx, client.ObjectKey{Namespace: KubeFedNamespace, Name: member.Name}, cluster); err != nil {
		return fmt.Errorf("move the member %s: %w", member.Name, err)
	}
	before := cluster.DeepCopy()
	var err error
	if cluster.Spec.APIEndpoint, cluster.Spec.CABundle, err = member.endpoint(o); err != nil {
		return err
	}
	if err := k.host.Client.Patch(ctx, cluster, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("move the member %s: %w", member.Name, err)
	}
	return nil
}

// RotateToken gives the host a new token of the member, points the KubeFedCluster at it, and revokes the old one in
// the member, whose answer to it is 401 from then on.
func (k *KubeFed) RotateToken(ctx context.Context, member *Cluster) error {
	old, err := member.memberTokens(ctx)
	if err != nil {
		return err
	}
	secret, err := k.newMemberSecret(ctx, member)
	if err != nil {
		return err
	}
	key := client.ObjectKey{Namespace: KubeFedNamespace, Name: member.Name}
	cluster := &kubefedv1beta1.KubeFedCluster{}
	if err := k.host.Client.Get(ctx, key, cluster); err != nil {
		return fmt.Errorf("rotate the token of %s: %w", member.Name, err)
	}
	previous := cluster.Spec.SecretRef.Name
	before := cluster.DeepCopy()
	cluster.Spec.SecretRef.Name = secret
	if err := k.host.Client.Patch(ctx, cluster, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("rotate the token of %s: %w", member.Name, err)
	}
	for i := range old {
		if err := member.Client.Delete(ctx, &old[i]); err != nil {
			return fmt.Errorf("revoke the old token of %s: %w", member.Name, err)
		}
	}
	stale := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: previous, Namespace: KubeFedNamespace}}
	if err := k.host.Client.Delete(ctx, stale); err != nil {
		return fmt.Errorf("delete the old token of %s: %w", member.Name, err)
	}
	return nil
}

func (c *Cluster) createMemberAccount(ctx context.Context) error {
	if err := c.CreateNamespace(ctx, KubeFedNamespace, nil); err != nil {
		return err
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: memberAccount, Namespace: KubeFedNamespace}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: memberAccount},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: memberAccount, Namespace: KubeFedNamespace}},
	}
	for _, object := range []client.Object{account, binding} {
		if err := client.IgnoreAlreadyExists(c.Client.Create(ctx, object)); err != nil {
			return fmt.Errorf("create the account of the member %s: %w", c.Name, err)
		}
	}
	return nil
}

// newMemberSecret makes a token in the member and stores it in the host; it returns the name of the host's Secret.
func (k *KubeFed) newMemberSecret(ctx context.Context, member *Cluster) (string, error) {
	token, err := member.newToken(ctx, KubeFedNamespace, memberAccount)
	if err != nil {
		return "", err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{GenerateName: member.Name + "-", Namespace: KubeFedNamespace},
		Data:       map[string][]byte{"token": token},
	}
	if err := k.host.Client.Create(ctx, secret); err != nil {
		return "", fmt.Errorf("store the token of %s: %w", member.Name, err)
	}
	return secret.Name, nil
}

// newToken makes a token Secret for a service account, which its deletion revokes, and returns the token.
func (c *Cluster) newToken(ctx context.Context, namespace, account string) ([]byte, error) {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: account + "-", Namespace: namespace,
			Annotations: map[string]string{corev1.ServiceAccountNameKey: account},
		},
		Type: corev1.SecretTypeServiceAccountToken,
	}
	if err := c.Client.Create(ctx, secret); err != nil {
		return nil, fmt.Errorf("make a token in %s: %w", c.Name, err)
	}
	err := Poll(ctx, readyTimeout, "a token in "+c.Name, func(ctx context.Context) error {
		if err := c.Client.Get(ctx, client.ObjectKeyFromObject(secret), secret); err != nil {
			return err
		}
		if len(secret.Data[corev1.ServiceAccountTokenKey]) == 0 {
			return errors.New("the token controller has not written it")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return secret.Data[corev1.ServiceAccountTokenKey], nil
}

// CountTokens returns how many tokens of the account that Join makes are good in the member.
func CountTokens(ctx context.Context, member *Cluster) (int, error) {
	tokens, err := member.memberTokens(ctx)
	return len(tokens), err
}

func (c *Cluster) memberTokens(ctx context.Context) ([]corev1.Secret, error) {
	secrets := &corev1.SecretList{}
	ofType := client.MatchingFields{"type": string(corev1.SecretTypeServiceAccountToken)}
	if err := c.Client.List(ctx, secrets, client.InNamespace(KubeFedNamespace), ofType); err != nil {
		return nil, fmt.Errorf("list the tokens of %s: %w", c.Name, err)
	}
	return secrets.Items, nil
}
