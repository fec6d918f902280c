package join_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/cli/join"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
	"github.com/cellfed/cellfed/internal/cli/kube/servertest"
	"github.com/cellfed/cellfed/internal/cli/unjoin"
)

const (
	kubefed  = framework.KubeFedNamespace
	patience = time.Minute
)

// clusters returns a host that has upstream's kinds and cellfed's, and a member that makes tokens. Neither has a federation's
// controllers.
func clusters(t *testing.T) (host, member *framework.Cluster) {
	t.Helper()
	host = servertest.Run(t)
	member = framework.RunCluster(t, framework.Options{Name: "hz-a", Controllers: framework.MemberControllers})
	return host, member
}

// run runs a verb against the host.
func run(t *testing.T, host *framework.Cluster, args ...string) (out string, err error) {
	t.Helper()
	var stdout, stderr strings.Builder
	k := kube.New(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &stdout, ErrOut: &stderr})
	cmd := join.New(k)
	if args[0] == "unjoin" {
		cmd = unjoin.New(k)
	}
	k.AddFlags(cmd.PersistentFlags())
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(append(args[1:], "--kubeconfig", host.Kubeconfig))
	err = cmd.ExecuteContext(t.Context())
	return stdout.String() + stderr.String(), err
}

// kubeconfigAs writes a kubeconfig that reaches the cluster as somebody else.
func kubeconfigAs(t *testing.T, cluster *framework.Cluster, user string) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range config.AuthInfos {
		info.Impersonate = user
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// as returns a client of the member with the token that the host has.
func as(t *testing.T, host *framework.Cluster) client.Client {
	t.Helper()
	registered := &kubefedv1beta1.KubeFedCluster{}
	if err := host.Client.Get(t.Context(), client.ObjectKey{Namespace: kubefed, Name: "hz-a"}, registered); err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{}
	if err := host.Client.Get(t.Context(), client.ObjectKey{Namespace: kubefed, Name: registered.Spec.SecretRef.Name}, secret); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(&rest.Config{
		Host: registered.Spec.APIEndpoint, BearerToken: string(secret.Data["token"]), TLSClientConfig: rest.TLSClientConfig{CAData: registered.Spec.CABundle},
	}, client.Options{Scheme: kube.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestServer: what only servers can show: tokens, what they are good for, and who may grant it.
func TestServer(t *testing.T) {
	host, member := clusters(t)
	ctx := t.Context()

	// Somebody who may write roles and holds next to nothing cannot grant what the account needs.
	rules := []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"namespaces", "serviceaccounts", "secrets"}, Verbs: []string{"get", "create", "patch"}},
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles", "clusterrolebindings"}, Verbs: []string{"get", "create", "patch", "update"}},
	}
	for _, object := range []client.Object{
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "jane"}, Rules: rules},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "jane"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "jane"},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "jane"}},
		},
	} {
		if err := member.Client.Create(ctx, object); err != nil {
			t.Fatal(err)
		}
	}
	jane := kubeconfigAs(t, member, "jane")
	framework.Eventually(t, patience, "jane's rights", func(context.Context) error {
		out, err := run(t, host, "join", "hz-a", "--member-kubeconfig", jane, "--wait=false")
		if err == nil || !strings.Contains(err.Error(), "who grants rights must hold them") {
			t.Logf("jane joins, with %v: %s", err, out)
			return err
		}
		return nil
	})
	if err := host.Client.Get(ctx, client.ObjectKey{Namespace: kubefed, Name: "hz-a"}, &kubefedv1beta1.KubeFedCluster{}); !apierrors.IsNotFound(err) {
		t.Fatalf("a member that was not joined is registered: %v", err)
	}

	out, err := run(t, host, "join", "hz-a", "--member-kubeconfig", member.Kubeconfig, "--shared", "--wait=false")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// Once the account is there, she can join it again: nothing is to be granted.
	if out, err := run(t, host, "join", "hz-a", "--member-kubeconfig", jane, "--wait=false"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	tokenWorks(t, as(t, host))

	before := objectsIn(t, member)
	refused := map[string]client.Object{
		"cells stand on the cluster: acme/rz00a":                    &v1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "rz00a"}, Spec: v1alpha1.CellSpec{ClusterName: "hz-a"}},
		"are placed on the cluster: configmaps/everywhere in acme:": kubetest.FromYAML(t, "{apiVersion: types.kubefed.io/v1beta1, kind: FederatedConfigMap, metadata: {name: everywhere, namespace: acme}, spec: {placement: {clusterSelector: {}}, template: {}}}"),
	}
	if err := host.CreateNamespace(ctx, "acme", nil); err != nil {
		t.Fatal(err)
	}
	for want, object := range refused {
		if err := host.Client.Create(ctx, object); err != nil {
			t.Fatal(err)
		}
		if out, err := run(t, host, "unjoin", "hz-a", "--yes", "--member-kubeconfig", member.Kubeconfig); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("it says %v, want %q: %s", err, want, out)
		}
		if err := host.Client.Delete(ctx, object); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(before, objectsIn(t, member)); diff != "" {
		t.Errorf("the member has changed though it was not taken out: -before +after:\n%s", diff)
	}
	leaves(t, host, member)
}

// tokenWorks tries what the account must be able to do, and what it must not.
func tokenWorks(t *testing.T, c client.Client) {
	t.Helper()
	ctx := t.Context()
	framework.Eventually(t, patience, "the account's rights", func(ctx context.Context) error {
		return c.List(ctx, &corev1.ConfigMapList{})
	})
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "pay"}}
	for what, err := range map[string]error{
		"nodes": c.List(ctx, &corev1.NodeList{}), "namespaces": c.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}),
		"configmaps": c.Create(ctx, config), "deletions": c.Delete(ctx, config),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, err := range map[string]error{
		"pods": c.List(ctx, &corev1.PodList{}), "bindings": c.List(ctx, &rbacv1.ClusterRoleBindingList{}),
		"collections": c.DeleteAllOf(ctx, &corev1.ConfigMap{}, client.InNamespace("default")),
	} {
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s: the account may have them: %v", what, err)
		}
	}
}

// objectsIn returns what an account consists of in the member, and what is beside it.
func objectsIn(t *testing.T, member *framework.Cluster) []string {
	t.Helper()
	var names []string
	accounts, secrets, namespaces := &corev1.ServiceAccountList{}, &corev1.SecretList{}, &corev1.NamespaceList{}
	roles, bindings := &rbacv1.ClusterRoleList{}, &rbacv1.ClusterRoleBindingList{}
	for _, list := range []client.ObjectList{accounts, secrets, namespaces, roles, bindings} {
		if err := member.Client.List(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range accounts.Items {
		if o.Name != "default" {
			names = append(names, "serviceaccount/"+o.Name)
		}
	}
	for _, o := range secrets.Items {
		names = append(names, "secret/"+o.Name)
	}
	for _, o := range namespaces.Items {
		names = append(names, "namespace/"+o.Name)
	}
	for _, o := range roles.Items {
		if strings.HasPrefix(o.Name, "cellfed:") {
			names = append(names, "clusterrole/"+o.Name)
		}
	}
	for _, o := range bindings.Items {
		if strings.HasPrefix(o.Name, "cellfed:") {
			names = append(names, "clusterrolebinding/"+o.Name)
		}
	}
	return names
}

// leaves: the account goes, namespaces and what is in them stay, and the token is worth nothing any more.
func leaves(t *testing.T, host, member *framework.Cluster) {
	t.Helper()
	ctx := t.Context()
	stays := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "stays"}}
	if err := member.Client.Create(ctx, stays); err != nil {
		t.Fatal(err)
	}
	token := as(t, host)
	out, err := run(t, host, "unjoin", "hz-a", "--yes", "--member-kubeconfig", member.Kubeconfig)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range objectsIn(t, member) {
		if strings.Contains(name, "hz-a") {
			t.Errorf("%s is left", name)
		}
	}
	for _, object := range []client.Object{stays, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: kubefed}}} {
		if err := member.Client.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil || object.GetDeletionTimestamp() != nil {
			t.Errorf("%s is gone: %v", object.GetName(), err)
		}
	}
	framework.Eventually(t, patience, "the token to be revoked", func(ctx context.Context) error {
		if err := token.List(ctx, &corev1.ConfigMapList{}); !apierrors.IsUnauthorized(err) && !apierrors.IsForbidden(err) {
			return errors.New("it still works")
		}
		return nil
	})
	secrets := &corev1.SecretList{}
	if err := host.Client.List(ctx, secrets, client.InNamespace(kubefed)); err != nil {
		t.Fatal(err)
	}
	if len(secrets.Items) > 0 {
		t.Errorf("the host still has %s", secrets.Items[0].Name)
	}
	// A second run finds nothing to do.
	if out, err := run(t, host, "unjoin", "hz-a", "--yes", "--member-kubeconfig", member.Kubeconfig); err != nil || strings.Contains(out, "deleted in the member") {
		t.Errorf("%v: %s", err, out)
	}
}
