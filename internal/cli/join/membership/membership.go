// Package membership is what makes a cluster a member: an account in it with a token that does not end, and in the host a Secret
// with that token and a KubeFedCluster that names it.
//
// The token is that of a Secret of the type kubernetes.io/service-account-token: KubeFed reads the key "token" of a Secret when
// the KubeFedCluster changes and never asks for another, so that a token that ends would end the member's service with it. It is
// revoked by deleting the Secret.
package membership

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8svalidation "k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
)

const (
	// ManagedByLabel marks what kubectl cells made in a member and in the host.
	ManagedByLabel = "app.kubernetes.io/managed-by"
	// ManagedBy is the label's value.
	ManagedBy = "kubectl-cells"
	// HostAnnotation names, on what is in the member, the host that it was made for: the UID of the host's KubeFed namespace.
	HostAnnotation = "cellfed.io/joined-to"
	// NamespaceAnnotation names, on the KubeFedCluster, the namespace of the account in the member.
	NamespaceAnnotation = "cellfed.io/member-namespace"
	// ClusterUIDAnnotation tells, on the KubeFedCluster, which cluster it is by the UID of its namespace kube-system.
	ClusterUIDAnnotation = "cellfed.io/member-uid"
	// Administrator is the role that the account has instead of its own where it is to have every right.
	Administrator = "cluster-admin"

	tokenKey = "token"
	prefix   = "cellfed-"
)

// Account is the account of a host in a member.
type Account struct {
	// Cluster is the name of the KubeFedCluster.
	Cluster string
	// Namespace is that of the account in the member.
	Namespace string
	// Host is the UID of the host's KubeFed namespace.
	Host string
}

// ValidateName refuses a name that a physical cluster cannot have.
func ValidateName(cluster string) error {
	if msgs := k8svalidation.IsDNS1123Subdomain(cluster); len(msgs) > 0 {
		return exit.Usagef("CLUSTER %q cannot be a name: %s", cluster, msgs[0])
	}
	if len(cluster) > k8svalidation.LabelValueMaxLength {
		return exit.Usagef("CLUSTER %q has %d characters: give %d at most, since labels hold the name", cluster, len(cluster), k8svalidation.LabelValueMaxLength)
	}
	return nil
}

// Name is the ServiceAccount's.
func (a Account) Name() string { return prefix + a.Cluster }

// TokenName is that of the Secret in the member that holds the token.
func (a Account) TokenName() string { return a.Name() + "-token" }

// RoleName is that of the ClusterRole and its binding. Accounts of several namespaces do not share one.
func (a Account) RoleName() string { return "cellfed:" + a.Namespace + ":" + a.Cluster }

// User is how the member names the account.
func (a Account) User() string { return "system:serviceaccount:" + a.Namespace + ":" + a.Name() }

// meta is on all that is made in the member.
func (a Account) meta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: namespace, Name: name,
		Labels:      map[string]string{ManagedByLabel: ManagedBy, v1alpha1.ClusterLabel: a.Cluster},
		Annotations: map[string]string{HostAnnotation: a.Host},
	}
}

// ServiceAccount returns the account.
func (a Account) ServiceAccount() *corev1.ServiceAccount {
	return &corev1.ServiceAccount{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
		ObjectMeta: a.meta(a.Namespace, a.Name()),
	}
}

// Role returns the account's role.
func (a Account) Role(rules []rbacv1.PolicyRule) *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole"},
		ObjectMeta: a.meta("", a.RoleName()),
		Rules:      rules,
	}
}

// Binding gives the account a ClusterRole.
func (a Account) Binding(role string) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRoleBinding"},
		ObjectMeta: a.meta("", a.RoleName()),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: a.Namespace, Name: a.Name()}},
	}
}

// Token returns the Secret that the member fills with a token.
func (a Account) Token() *corev1.Secret {
	secret := &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: a.meta(a.Namespace, a.TokenName()),
		Type:       corev1.SecretTypeServiceAccountToken,
	}
	secret.Annotations[corev1.ServiceAccountNameKey] = a.Name()
	return secret
}

// All returns all of the account, to be deleted: the rights first, then the token.
func (a Account) All() []client.Object {
	return []client.Object{a.Binding(""), a.Role(nil), a.Token(), a.ServiceAccount()}
}

// Claims says why an object in the member must not be written or deleted: it is somebody else's. There is none where that is
// fine. The object is nil where there is none.
func (a Account) Claims(object client.Object) error {
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	switch {
	case labels[ManagedByLabel] != ManagedBy:
		return fmt.Errorf("%s in the member was not made by kubectl cells: rename or delete it, or choose another namespace with --member-namespace", where(object))
	case annotations[HostAnnotation] != a.Host:
		return fmt.Errorf("%s in the member belongs to another host cluster, which joined it under the same name: choose another namespace with --member-namespace, "+
			"or another name for the cluster", where(object))
	}
	return nil
}

func where(object client.Object) string {
	kind := strings.ToLower(object.GetObjectKind().GroupVersionKind().Kind)
	return kind + "/" + object.GetName()
}

// Credentials returns the Secret of the host that holds a token. Its name tells one token from another, so that a KubeFedCluster
// that gets a new one changes: KubeFed reads the Secret again then, and no sooner.
func Credentials(namespace, cluster string, token, authority []byte) *corev1.Secret {
	sum := sha256.Sum256(token)
	return &corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: cluster + "-" + hex.EncodeToString(sum[:4]),
			Labels: map[string]string{ManagedByLabel: ManagedBy, v1alpha1.ClusterLabel: cluster},
		},
		Type: corev1.SecretTypeOpaque,
		Data: map[string][]byte{tokenKey: token, corev1.ServiceAccountRootCAKey: authority},
	}
}

// IsReady returns whether KubeFed has found the cluster ready, and what it says else.
func IsReady(cluster *kubefedv1beta1.KubeFedCluster) (ready bool, why string) {
	for _, c := range cluster.Status.Conditions {
		if c.Type != "Ready" {
			continue
		}
		if c.Status == corev1.ConditionTrue {
			return true, ""
		}
		parts := []string{}
		for _, part := range []*string{c.Reason, c.Message} {
			if part != nil && *part != "" {
				parts = append(parts, *part)
			}
		}
		return false, "KubeFed reports: " + strings.Join(parts, ": ")
	}
	for _, c := range cluster.Status.Conditions {
		if c.Type == "Offline" && c.Status == corev1.ConditionTrue {
			return false, "KubeFed does not reach " + cluster.Spec.APIEndpoint
		}
	}
	return false, "KubeFed has not reported on it yet"
}
