package tenants

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

func (w *world) uid(ctx context.Context, gvk schema.GroupVersionKind, namespace, name string) (string, error) {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(gvk)
	err := w.env.Host.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object)
	return string(object.UID), err
}

// generatedIsAcmes looks at what stands for a cell of the tenant's: it carries the Namespace's owner, and what the
// controller knows of the cell.
func (w *world) generatedIsAcmes(ctx context.Context, cell string) error {
	cluster := &kubefedv1beta1.KubeFedCluster{}
	key := client.ObjectKey{Namespace: framework.KubeFedNamespace, Name: acmeProd + "." + cell}
	if err := w.env.Host.Client.Get(ctx, key, cluster); err != nil {
		return err
	}
	for label, want := range map[string]string{
		cellfedv1alpha1.TenantLabel: "acme", cellfedv1alpha1.WorkspaceGroupLabel: "prod", cellfedv1alpha1.NamespaceLabel: acmeProd,
		cellfedv1alpha1.CellLabel: cell, cellfedv1alpha1.ClusterLabel: acmeMember, cellfedv1alpha1.SharedLabel: "",
		cellfedv1alpha1.TopologyTypeLabel: "cell", cellfedv1alpha1.GeneratedLabel: "true",
	} {
		if got := cluster.Labels[label]; got != want {
			return framework.Final(fmt.Errorf("the KubeFedCluster %s has the label %s=%q, want %q", cluster.Name, label, got, want))
		}
	}
	return nil
}

// waits is for a cell that nothing is made for.
func waits(why string) want {
	return harmless(why, func(r *run1) error {
		cell := &cellfedv1alpha1.Cell{}
		if err := r.world.env.Host.Client.Get(r.ctx, client.ObjectKey{Namespace: acmeProd, Name: r.name}, cell); err != nil {
			return err
		}
		ready := meta.FindStatusCondition(cell.Status.Conditions, string(cellfedv1alpha1.ConditionReady))
		if ready == nil || ready.Status == metav1.ConditionTrue {
			return fmt.Errorf("it does not say why it is not ready: %v", cell.Status.Conditions)
		}
		return nil
	})
}

// foreignCells are tries to have a cell where another tenant is, or the cluster itself.
func foreignCells(*propagation) []try {
	at := func(cluster, target string) func(*run1) answer {
		return func(r *run1) answer {
			return r.world.host.create(r.ctx, asUnstructured(newCell(acmeProd, r.name, cluster, target)))
		}
	}
	all := []try{
		{"on the other tenant's cluster", at(globexMember, "acme-prod-x"), denied},
		{"on the other tenant's cluster, default target", at(globexMember, ""), denied},
		{"on the KubeFedCluster of the other tenant's cell", at("globex-prod.g1", "acme-prod-x"), denied},
		{"on the KubeFedCluster of an own cell", at("acme-prod.a1", "acme-prod-x"), denied},
		{"on a cluster that there is not", at("nowhere", "acme-prod-x"), waits("it waits, and says for what")},
		{"on an own cluster of another workspace group", func(r *run1) answer {
			return r.world.host.create(r.ctx, asUnstructured(newCell(acmeDev, r.name, acmeMember, "")))
		}, denied},
		{"shared cluster, target of the other tenant's cell", at(commonMember, "globex-prod-c1"), denied},
		{"shared cluster, target that is the other tenant's namespace", at(commonMember, globexPlain), denied},
		{"shared cluster, target that is the Namespace of the other tenant's cells", at(commonMember, globexProd), denied},
		{"shared cluster, target of an own cell", at(commonMember, "acme-prod-c1"), denied},
		{"shared cluster, target that is to be the other tenant's Namespace", squatted, denied},
		{"shared cluster, own cell of whose target an administrator makes a Namespace without an owner", overtaken(nil), denied},
		{"shared cluster, own cell of whose target an administrator makes the other tenant's Namespace", overtaken(map[string]string{
			cellfedv1alpha1.TenantLabel: "globex", cellfedv1alpha1.WorkspaceGroupLabel: "prod",
		}), denied},
		{"shared cluster, target kube-system", at(commonMember, "kube-system"), refused(bySchema)},
		{"shared cluster, target kube-public", at(commonMember, "kube-public"), refused(bySchema)},
		{"shared cluster, target kube-federation-system", at(commonMember, framework.KubeFedNamespace), refused(bySchema)},
		{"shared cluster, target default", at(commonMember, "default"), denied},
		{"shared cluster, target that the cluster's administrator made", intruded, denied},
		{"own cluster, target kube-system", at(acmeMember, "kube-system"), refused(bySchema)},
		{"target with a slash", at(commonMember, "acme/kube-system"), refused(bySchema)},
		{"target with a dot", at(commonMember, "globex-prod.c1"), refused(bySchema)},
		{"target ..", at(commonMember, ".."), refused(bySchema)},
		{"cluster with a path", at("../globex-b", "acme-prod-x"), refused(bySchema)},
		{"named like the other tenant's, globex-prod.g1", named(acmeProd, "globex-prod.g1"), refused(bySchema)},
		{"name with a dot", named(acmeProd, "a1.x"), refused(bySchema)},
		{"name with a colon", named(acmeProd, "cluster:globex-b"), refused(bySchema, byServer)},
		{"in the other tenant's namespace", named(globexProd, "g2"), refused(byRBAC)},
		{"in the KubeFed namespace", named(framework.KubeFedNamespace, "g2"), refused(byRBAC)},
		{"the other tenant's, read", func(r *run1) answer {
			return r.world.host.get(r.ctx, "/apis/cellfed.io/v1alpha1/namespaces/globex-prod/cells/g1")
		}, refused(byRBAC)},
		{"all tenants', list", func(r *run1) answer { return r.world.host.get(r.ctx, "/apis/cellfed.io/v1alpha1/cells") }, refused(byRBAC)},
		{"the other tenant's, delete", func(r *run1) answer {
			return r.world.host.call(r.ctx, http.MethodDelete, "/apis/cellfed.io/v1alpha1/namespaces/globex-prod/cells/g1", "", nil)
		}, refused(byRBAC)},
	}
	return append(all, movedCells()...)
}

// intruded has a cell in a namespace that was in the shared member before, and an application beside the secrets there.
func intruded(r *run1) answer {
	made := r.world.host.create(r.ctx, asUnstructured(newCell(acmeProd, r.name, commonMember, platform)))
	if !made.succeeded() {
		return made
	}
	object := framework.Federated{
		Version: v2beta1, Kind: cellfeds.kind, Namespace: acmeProd, Name: r.name, Cells: true,
		Placement: []string{r.name}, Template: cellfeds.template(r.name),
	}.Object()
	if next := r.world.host.create(r.ctx, object); !next.succeeded() {
		return next
	}
	// That it does not arrive is what is hoped for.
	_ = framework.Poll(r.ctx, quickly, "the intruder", func(ctx context.Context) error {
		return r.world.is(ctx, cellfeds, place{commonMember, platform, r.name})
	})
	return made
}

// squatted claims a namespace of the shared member before the other tenant gets the Namespace of that name: one of both is
// refused.
func squatted(r *run1) answer {
	made := r.world.host.create(r.ctx, asUnstructured(newCell(acmeProd, r.name, commonMember, "acme-globex")))
	if !made.succeeded() {
		return made
	}
	err := r.world.env.Host.CreateNamespace(r.ctx, "acme-globex", map[string]string{
		cellfedv1alpha1.TenantLabel: "globex", cellfedv1alpha1.WorkspaceGroupLabel: "prod",
	})
	if err == nil {
		return made
	}
	return answerOf(err)
}

// overtaken has a cell on the shared member that is served, and an administrator create a Namespace of its target's name, which would
// stop it.
func overtaken(labels map[string]string) func(*run1) answer {
	return func(r *run1) answer {
		made := r.world.host.create(r.ctx, asUnstructured(newCell(acmeProd, r.name, commonMember, "acme-prod-"+r.name)))
		if !made.succeeded() {
			return made
		}
		if err := r.world.cellReady(r.ctx, client.ObjectKey{Namespace: acmeProd, Name: r.name}); err != nil {
			return r.failed(err)
		}
		if err := r.world.env.Host.CreateNamespace(r.ctx, "acme-prod-"+r.name, labels); err != nil {
			return answerOf(err)
		}
		return made
	}
}

// answerOf is what the API server said to somebody else.
func answerOf(err error) answer {
	said, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok {
		return answer{code: http.StatusInternalServerError, message: err.Error(), layer: byServer}
	}
	status := said.ErrStatus
	return answer{code: int(status.Code), reason: string(status.Reason), message: status.Message, layer: layerOf(int(status.Code), string(status.Reason), status.Message)}
}

func named(namespace, name string) func(*run1) answer {
	return func(r *run1) answer {
		return r.world.host.create(r.ctx, asUnstructured(newCell(namespace, name, commonMember, "acme-prod-x")))
	}
}

// movedCells are tries to lead a cell elsewhere once it is there.
func movedCells() []try {
	var all []try
	for _, moved := range []struct {
		what, merge string
		want        want
	}{
		{"own cell moved to the other tenant's cluster", `{"spec":{"clusterName":"globex-b"}}`, denied},
		{"own cell given another target", `{"spec":{"targetNamespace":"globex-plain"}}`, refused(bySchema, byAdmission)},
	} {
		for _, v := range verbs {
			all = append(all, try{moved.what + ", " + v.name, func(r *run1) answer {
				object := asUnstructured(newCell(acmeProd, r.name, acmeMember, "acme-prod-"+r.name))
				if made := r.world.host.create(r.ctx, object); !made.succeeded() {
					return made
				}
				return v.change(r, pathOf(object), object, moved.merge)
			}, moved.want})
		}
	}
	return append(all,
		try{"own cell deleted, and its finalizer taken away, while it holds an object", func(r *run1) answer {
			cell := asUnstructured(newCell(acmeProd, r.name, acmeMember, "acme-prod-"+r.name))
			if made := r.world.host.create(r.ctx, cell); !made.succeeded() {
				return made
			}
			key := client.ObjectKey{Namespace: acmeProd, Name: r.name}
			if err := r.world.cellReady(r.ctx, key); err != nil {
				return r.failed(err)
			}
			object := framework.Federated{
				Version: v2beta1, Kind: cellfeds.kind, Namespace: acmeProd, Name: r.name, Cells: true,
				Placement: []string{r.name}, Template: cellfeds.template("x"),
			}.Object()
			if made := r.world.host.create(r.ctx, object); !made.succeeded() {
				return made
			}
			if err := r.world.arrives(r.ctx, cellfeds, place{acmeMember, "acme-prod-" + r.name, r.name}); err != nil {
				return r.failed(err)
			}
			if deleted := r.world.host.call(r.ctx, http.MethodDelete, pathOf(cell), "", nil); !deleted.succeeded() {
				return deleted
			}
			return r.world.host.patch(r.ctx, pathOf(cell), mergePatch, `{"metadata":{"finalizers":null}}`)
		}, harmless("what acme left in its own namespace is acme's loss", func(r *run1) error {
			err := r.world.env.Host.Client.Get(r.ctx, client.ObjectKey{Namespace: acmeProd, Name: r.name}, &cellfedv1alpha1.Cell{})
			if err == nil {
				return errors.New("the Cell is still there")
			}
			return client.IgnoreNotFound(err)
		})},
	)
}

// forbidden are requests that the tenant's roles do not allow.
func forbidden(*propagation) []try {
	const system = "/namespaces/kube-federation-system/"
	objects := []struct{ what, collection, name string }{
		{"members' credentials", "/api/v1" + system + "secrets", ""},
		{"KubeFedClusters", "/apis/core.kubefed.io/v1beta1" + system + "kubefedclusters", globexMember},
		{"FederatedTypeConfigs", "/apis/core.kubefed.io/v1beta1" + system + "federatedtypeconfigs", "secrets"},
		{"KubeFedConfigs", "/apis/core.kubefed.io/v1beta1" + system + "kubefedconfigs", "kubefed"},
		{"FederatedTypePolicies", "/apis/cellfed.io/v1alpha1" + system + "federatedtypepolicies", "secrets"},
		{"CustomResourceDefinitions", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "federatedsecrets.types.kubefed.io"},
		{"ValidatingWebhookConfigurations", "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", framework.ValidatingConfiguration},
		{"MutatingWebhookConfigurations", "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", framework.MutatingConfiguration},
		{"ClusterRoles", "/apis/rbac.authorization.k8s.io/v1/clusterroles", "tenant"},
		{"FederatedClusterRoles", "/apis/types.kubefed.io/v1beta1/federatedclusterroles", "x"},
		{"the other tenant's Secrets", "/api/v1/namespaces/globex-prod/secrets", "x"},
		{"own RoleBindings", "/apis/rbac.authorization.k8s.io/v1/namespaces/acme-prod/rolebindings", "mallory-tenant"},
	}
	verbs := []struct{ name, method, contentType string }{
		{"get", http.MethodGet, ""}, {"list", http.MethodGet, ""}, {"watch", http.MethodGet, ""},
		{"create", http.MethodPost, "application/json"}, {"update", http.MethodPut, "application/json"},
		{"patch", http.MethodPatch, mergePatch}, {"apply", http.MethodPatch, applyPatch},
		{"delete", http.MethodDelete, ""}, {"delete all", http.MethodDelete, ""},
	}
	var all []try
	for _, object := range objects {
		for _, v := range verbs {
			all = append(all, try{object.what + ", " + v.name, func(r *run1) answer {
				name := object.name
				if name == "" {
					secret, err := r.world.memberSecret(r.ctx)
					if err != nil {
						return r.failed(err)
					}
					name = secret
				}
				path := object.collection + "/" + name
				switch v.name {
				case "list", "create", "delete all":
					path = object.collection
				case "watch":
					path = object.collection + "?watch=true"
				case "apply":
					path += "?fieldManager=mallory&force=true"
				}
				return r.world.host.call(r.ctx, v.method, path, v.contentType, []byte(`{"metadata":{"name":"`+name+`"}}`))
			}, refused(byRBAC)})
		}
	}
	return append(all, escalations()...)
}

// memberSecret is the name of the Secret with the other tenant's member's token.
func (w *world) memberSecret(ctx context.Context) (string, error) {
	cluster := &kubefedv1beta1.KubeFedCluster{}
	err := w.env.Host.Client.Get(ctx, client.ObjectKey{Namespace: framework.KubeFedNamespace, Name: globexMember}, cluster)
	return cluster.Spec.SecretRef.Name, err
}

// escalations are tries to become somebody else.
func escalations() []try {
	post := func(path, body string) func(*run1) answer {
		return func(r *run1) answer {
			return r.world.host.call(r.ctx, http.MethodPost, path, "application/json", []byte(body))
		}
	}
	return []try{
		{"token of the manager's account", post("/api/v1/namespaces/kube-federation-system/serviceaccounts/manager/token",
			`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}`), refused(byRBAC)},
		{"a ClusterRoleBinding to cluster-admin", post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
			`{"metadata":{"name":"mallory"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"},"subjects":[{"kind":"User","name":"mallory"}]}`), refused(byRBAC)},
		{"a Secret with the token of the manager's account", post("/api/v1/namespaces/acme-prod/secrets",
			`{"metadata":{"name":"stolen","annotations":{"kubernetes.io/service-account.name":"manager"}},"type":"kubernetes.io/service-account-token"}`),
			harmless("acme-prod has no such account, and the Secret goes", func(r *run1) error {
				got := r.world.host.get(r.ctx, "/api/v1/namespaces/acme-prod/secrets/stolen")
				if got.succeeded() && strings.Contains(string(got.body), `"token"`) {
					return framework.Final(errors.New("it has a token"))
				}
				return nil
			})},
		{"a façade token made by hand, in the own namespace", func(r *run1) answer {
			made := r.world.host.call(r.ctx, http.MethodPost, "/api/v1/namespaces/acme-prod/secrets", "application/json", []byte(
				`{"metadata":{"name":"facade","labels":{"cellfed.io/generated":"true","cellfed.io/namespace":"globex-prod","cellfed.io/cell":"g1"}},"stringData":{"token":"mallorys-own-token"}}`))
			return made
		}, harmless("the façade reads the KubeFed namespace alone", func(r *run1) error {
			facade, err := r.world.facade(r.ctx, globexProd, "g1")
			if err != nil {
				return err
			}
			facade.header.Set("Authorization", "Bearer mallorys-own-token")
			if got := facade.get(r.ctx, "/api/v1/namespaces/globex-prod/secrets"); got.code != http.StatusUnauthorized {
				return framework.Final(fmt.Errorf("the façade says %s", got))
			}
			return nil
		})},
	}
}
