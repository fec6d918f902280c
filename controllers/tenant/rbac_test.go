package tenant

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

const everyVerb = "get list watch create update patch delete"

// may is what a user may do with a resource, group after the name, subresource after a slash.
type may struct {
	reason, resource string
	// verbs are the ones that are asked about. In the user's own namespaces those in own are allowed, elsewhere none.
	verbs, own string
}

// tenantRights are what the roles edit and tenant both give, as long as nobody adds to them.
var tenantRights = []may{
	{"a tenant makes its own cells", "cells.cellfed.io", everyVerb + " deletecollection", everyVerb},
	{"what a cell's status says is the controller's to say", "cells/status.cellfed.io", everyVerb, "get list watch"},
	{"nobody takes a cell's finalizer by a right of its own", "cells/finalizers.cellfed.io", everyVerb, ""},
	{"a tenant releases what is its own", "federateddeployments.types.kubefed.io", everyVerb, everyVerb},
	{"a tenant releases what is its own", "federatedconfigmaps.types.kubefed.io", everyVerb, everyVerb},
	{"who may edit Secrets may federate them", "federatedsecrets.types.kubefed.io", everyVerb, everyVerb},
	{"a tenant releases what is its own", "federatednetworkpolicies.types.kubefed.io", everyVerb, everyVerb},
	{"a status is the propagator's to write", "federateddeployments/status.types.kubefed.io", "create update patch delete", ""},
	{"a status is everybody's to read", "federateddeployments/status.types.kubefed.io", "get", "get"},
	{"nor is there a scale", "federateddeployments/scale.types.kubefed.io", everyVerb, ""},
	{"who writes it writes Namespaces", "federatednamespaces.types.kubefed.io", everyVerb, "get list watch"},
	{"who edits grants nothing", "federatedroles.types.kubefed.io", everyVerb, ""},
	{"who edits grants nothing", "federatedrolebindings.types.kubefed.io", everyVerb, ""},
	{"what is cluster-scoped is no tenant's", "federatedclusterroles.types.kubefed.io", everyVerb, ""},
	{"types that no role names are nobody's", "federatedclowns.types.kubefed.io", everyVerb, ""},
	{"clusters are the platform's", "kubefedclusters.core.kubefed.io", everyVerb, ""},
	{"clusters are the platform's", "kubefedclusters/status.core.kubefed.io", everyVerb, ""},
	{"types are the platform's", "federatedtypeconfigs.core.kubefed.io", everyVerb, ""},
	{"the configuration is the platform's", "kubefedconfigs.core.kubefed.io", everyVerb, ""},
	{"who propagates what is everybody's to see", "federatedtypepolicies.cellfed.io", everyVerb, "get list watch"},
	{"a tenant's Secrets are its own", "secrets", "get list", "get list"},
	{"whose a Namespace is, is not for it to say", "namespaces", "update patch delete create", ""},
	{"a tenant's service accounts are its own", "serviceaccounts", "impersonate", "impersonate"},
	{"a tenant's service accounts are its own", "serviceaccounts/token", "create", "create"},
	{"nobody acts for other people", "users", "impersonate", ""},
	{"nobody acts for other people", "groups", "impersonate", ""},
	{"who edits grants nothing", "rolebindings.rbac.authorization.k8s.io", "create update patch delete bind", ""},
	{"who edits grants nothing", "roles.rbac.authorization.k8s.io", "create update patch delete escalate", ""},
	{"who edits grants nothing", "clusterrolebindings.rbac.authorization.k8s.io", everyVerb, ""},
	{"admission is the platform's", "validatingwebhookconfigurations.admissionregistration.k8s.io", everyVerb, ""},
	{"CRDs are the platform's", "customresourcedefinitions.apiextensions.k8s.io", everyVerb, ""},
}

// asked says whether the API server allows a request, in a namespace or, where that is empty, in all of them.
func asked(t *testing.T, user, verb, resource, namespace string) bool {
	t.Helper()
	resource, group, _ := strings.Cut(resource, ".")
	resource, subresource, _ := strings.Cut(resource, "/")
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user, Groups: []string{"system:authenticated"},
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: verb, Group: group, Resource: resource, Subresource: subresource,
		},
	}}
	if err := host.Client.Create(t.Context(), review); err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}

// bind gives a user a ClusterRole in a namespace, and waits until it is put together.
func bind(t *testing.T, role, user, namespace string) {
	t.Helper()
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}},
	}
	if err := host.Client.Create(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	framework.Eventually(t, patience, "the role "+role, func(context.Context) error {
		for _, resource := range []string{"federatedconfigmaps.types.kubefed.io", "cells.cellfed.io", "configmaps"} {
			if !asked(t, user, "get", resource, namespace) {
				return fmt.Errorf("it does not give %s", resource)
			}
		}
		return nil
	})
}

// assertRights compares what a user may do with what it should.
func assertRights(t *testing.T, user, own, others string, rights []may) {
	t.Helper()
	for _, right := range rights {
		for verb := range strings.FieldsSeq(right.verbs) {
			want := strings.Contains(" "+right.own+" ", " "+verb+" ")
			if got := asked(t, user, verb, right.resource, own); got != want {
				t.Errorf("%s: %s %s in its own namespace: allowed is %t", right.reason, verb, right.resource, got)
			}
			for _, namespace := range []string{others, framework.KubeFedNamespace, metav1.NamespaceSystem, ""} {
				if asked(t, user, verb, right.resource, namespace) {
					t.Errorf("%s %s is allowed in namespace %q", verb, right.resource, namespace)
				}
			}
		}
	}
}

func TestTenantRights(t *testing.T) {
	own, others := newNamespaceOf(t, owned("acme", "prod")), newNamespaceOf(t, owned("globex", "prod"))
	for _, role := range []string{"edit", "tenant"} {
		t.Run(role, func(t *testing.T) {
			bind(t, role, role+"-user", own)
			assertRights(t, role+"-user", own, others, tenantRights)
		})
	}
	t.Run("view", func(t *testing.T) {
		bind(t, "view", "view-user", own)
		assertRights(t, "view-user", own, others, []may{
			{"who views changes nothing", "cells.cellfed.io", everyVerb, "get list watch"},
			{"who views changes nothing", "federateddeployments.types.kubefed.io", everyVerb, "get list watch"},
			{"who views sees no Secrets, federated ones neither", "federatedsecrets.types.kubefed.io", everyVerb, ""},
			{"who views sees no Secrets", "secrets", everyVerb, ""},
			{"who views changes nothing", "federatednamespaces.types.kubefed.io", everyVerb, "get list watch"},
			{"clusters are the platform's", "kubefedclusters.core.kubefed.io", everyVerb, ""},
		})
	})
	t.Run("admin", func(t *testing.T) {
		bind(t, "admin", "admin-user", own)
		assertRights(t, "admin-user", own, others, []may{
			{"who administers a namespace grants what is in it", "federatedroles.types.kubefed.io", everyVerb, everyVerb},
			{"who administers a namespace grants what is in it", "federatedrolebindings.types.kubefed.io", everyVerb, everyVerb},
			{"who writes it writes Namespaces", "federatednamespaces.types.kubefed.io", everyVerb, "get list watch"},
			{"clusters are the platform's", "kubefedclusters.core.kubefed.io", everyVerb, ""},
		})
	})
}

// Upstream's chart adds to the cluster's own roles. The role of tenants does not take that over.
func TestTenantRightsBesideUpstreamsChart(t *testing.T) {
	own, others := newNamespaceOf(t, owned("acme", "prod")), newNamespaceOf(t, owned("globex", "prod"))
	applyUpstreamsRoles(t)
	bind(t, "edit", "chart-edit-user", own)
	framework.Eventually(t, patience, "upstream's part of the role edit", func(context.Context) error {
		if !asked(t, "chart-edit-user", "patch", "federateddeployments/status.types.kubefed.io", own) {
			return errors.New("it is not there")
		}
		return nil
	})
	bind(t, "tenant", "chart-tenant-user", own)
	assertRights(t, "chart-tenant-user", own, others, []may{
		{"a tenant releases what is its own", "federateddeployments.types.kubefed.io", everyVerb, everyVerb},
		{"a status is the propagator's to write", "federateddeployments/status.types.kubefed.io", "create update patch delete", ""},
		{"who writes it writes Namespaces", "federatednamespaces.types.kubefed.io", "create update patch delete", ""},
		{"who edits grants nothing", "federatedrolebindings.types.kubefed.io", "create update patch delete", ""},
		{"clusters are the platform's", "kubefedclusters.core.kubefed.io", "create update patch delete", ""},
	})
}

// applyUpstreamsRoles applies the ClusterRoles of upstream's chart that join the cluster's own, for as long as the test
// runs.
func applyUpstreamsRoles(t *testing.T) {
	t.Helper()
	module, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kubefed").Output()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(module)), "charts/kubefed/charts/controllermanager/templates/aggregate_clusterroles.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// It is a template in one condition only.
	var plain [][]byte
	for line := range bytes.Lines(data) {
		if !bytes.HasPrefix(line, []byte("{{")) {
			plain = append(plain, line)
		}
	}
	roles, err := framework.ParseManifests(bytes.Join(plain, nil))
	if err != nil {
		t.Fatal(err)
	}
	if len(roles) != 3 {
		t.Fatalf("upstream's chart has %d such roles", len(roles))
	}
	if err := host.Apply(t.Context(), roles...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, role := range roles {
			if err := host.Client.Delete(context.Background(), role); err != nil {
				t.Error(err)
			}
		}
		// The cluster's own roles shrink again.
		err := framework.Poll(context.Background(), patience, "the role edit to shrink", func(ctx context.Context) error {
			edit := &rbacv1.ClusterRole{}
			if err := host.Client.Get(ctx, client.ObjectKey{Name: "edit"}, edit); err != nil {
				return err
			}
			for _, rule := range edit.Rules {
				if slices.Contains(rule.APIGroups, "core.kubefed.io") {
					return errors.New("it has upstream's part")
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// What a user who holds edit, and nothing else, gets to see and to change when it tries.
func TestTenantTries(t *testing.T) {
	own, others := newNamespaceOf(t, owned("acme", "prod")), newNamespaceOf(t, owned("globex", "prod"))
	const user = "tries-user"
	bind(t, "edit", user, own)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{GenerateName: "member-", Namespace: framework.KubeFedNamespace}}
	if err := host.Client.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	cfg, err := host.Config()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Impersonate.UserName = user
	scheme, err := framework.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(cfg, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	cellIn := func(namespace string) *v1alpha1.Cell {
		return &v1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "a"}, Spec: v1alpha1.CellSpec{ClusterName: "hz-a"}}
	}
	federatedIn := func(namespace string) client.Object {
		return framework.Federated{Version: "v1beta1", Kind: "FederatedConfigMap", Namespace: namespace, Name: "a", Placement: []string{"hz-a"}}.Object()
	}
	ctx := t.Context()
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"cellfed.io/tenant":"globex","cellfed.io/shared":"true"}}}`))
	manager := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: framework.KubeFedNamespace, Name: "manager"}}
	for _, try := range []struct {
		what    string
		err     error
		allowed bool
	}{
		{"a cell of its own", c.Create(ctx, cellIn(own)), true},
		{"a cell of another", c.Create(ctx, cellIn(others)), false},
		{"a cell in the KubeFed namespace", c.Create(ctx, cellIn(framework.KubeFedNamespace)), false},
		{"its own cells", c.List(ctx, &v1alpha1.CellList{}, client.InNamespace(own)), true},
		{"everybody's cells", c.List(ctx, &v1alpha1.CellList{}), false},
		{"a federated object of its own", c.Create(ctx, federatedIn(own)), true},
		{"a federated object of another", c.Create(ctx, federatedIn(others)), false},
		{"the status of a federated object", c.Status().Patch(ctx, federatedIn(own), patch), false},
		{"the labels of its Namespace", c.Patch(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: own}}, patch), false},
		{"the KubeFedClusters", c.List(ctx, &kubefedv1beta1.KubeFedClusterList{}, client.InNamespace(framework.KubeFedNamespace)), false},
		{"the labels of a KubeFedCluster", c.Patch(ctx, &kubefedv1beta1.KubeFedCluster{ObjectMeta: metav1.ObjectMeta{Namespace: framework.KubeFedNamespace, Name: "hz-a"}}, patch), false},
		{"a member's credentials", c.Get(ctx, client.ObjectKeyFromObject(secret), &corev1.Secret{}), false},
		{"all credentials", c.List(ctx, &corev1.SecretList{}, client.InNamespace(framework.KubeFedNamespace)), false},
		{"everybody's Secrets", c.List(ctx, &corev1.SecretList{}), false},
		{"a FederatedTypeConfig", c.Patch(ctx, &kubefedv1beta1.FederatedTypeConfig{ObjectMeta: metav1.ObjectMeta{Namespace: framework.KubeFedNamespace, Name: "configmaps"}}, patch), false},
		{"a FederatedTypePolicy", c.Create(ctx, &v1alpha1.FederatedTypePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: framework.KubeFedNamespace, Name: "configmaps"}}), false},
		{"a token of the manager", c.SubResource("token").Create(ctx, manager, &authenticationv1.TokenRequest{}), false},
	} {
		if try.allowed && try.err != nil || !try.allowed && !apierrors.IsForbidden(try.err) {
			t.Errorf("%s: allowed should be %t: %v", try.what, try.allowed, try.err)
		}
	}
}
