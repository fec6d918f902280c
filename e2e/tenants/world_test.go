package tenants

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	// The members: one tenant's each, and one that is shared.
	acmeMember   = "acme-a"
	globexMember = "globex-b"
	commonMember = "common"

	// The namespaces in the host. The tenant who attacks holds the first two.
	acmeProd    = "acme-prod"
	acmeDev     = "acme-dev"
	globexProd  = "globex-prod"
	globexPlain = "globex-plain"

	// platform is a namespace of the shared member that is no tenant's.
	platform = "platform"

	// mallory is the user who attacks.
	mallory = "mallory"

	v1beta1 = "v1beta1"
	v2beta1 = "v2beta1"

	// marker is in everything that others keep secret.
	marker = "globex-keeps-this-to-itself"
)

// propagation is a federated type and who propagates it.
type propagation struct {
	propagator cellfedv1alpha1.Propagator
	// kind and resource are the federated type's, targetVersion and target the kind that arrives.
	kind, resource, targetVersion, target string
}

var (
	// upstreams stays with upstream KubeFed; cellfeds is handed over.
	upstreams = &propagation{cellfedv1alpha1.PropagatorKubeFed, "FederatedConfigMap", "federatedconfigmaps", "v1", "ConfigMap"}
	cellfeds  = &propagation{cellfedv1alpha1.PropagatorCellfed, "FederatedSecret", "federatedsecrets", "v1", "Secret"}
	both      = []*propagation{upstreams, cellfeds}
	// deployments stay with upstream, namespaces are handed over late.
	deployments        = &propagation{cellfedv1alpha1.PropagatorKubeFed, "FederatedDeployment", "federateddeployments", "apps/v1", "Deployment"}
	upstreamNamespaces = &propagation{cellfedv1alpha1.PropagatorKubeFed, "FederatedNamespace", "federatednamespaces", "v1", "Namespace"}
	cellfedNamespaces  = &propagation{cellfedv1alpha1.PropagatorCellfed, "FederatedNamespace", "federatednamespaces", "v1", "Namespace"}
)

func (p *propagation) title() string {
	if p == nil {
		return "-"
	}
	return string(p.propagator)
}

// template is the content of an object of the type.
func (p *propagation) template(content string) map[string]any {
	if p.target == "Secret" {
		return map[string]any{"stringData": map[string]any{"content": content}}
	}
	return map[string]any{"data": map[string]any{"content": content}}
}

// world is both tenants, and what they have.
type world struct {
	env  *framework.Environment
	host *caller
	made int
}

func newWorld(ctx context.Context, env *framework.Environment) (*world, error) {
	w := &world{env: env}
	var err error
	if w.host, err = tenantCaller(env); err != nil {
		return nil, err
	}
	if err := w.settleUpstream(ctx); err != nil {
		return nil, err
	}
	if err := env.Cellfed.HandOver(ctx, soon, cellfedv1alpha1.PropagatorCellfed, "secrets"); err != nil {
		return nil, err
	}
	for name, labels := range map[string][2]string{
		acmeProd: {"acme", "prod"}, acmeDev: {"acme", "dev"}, globexProd: {"globex", "prod"}, globexPlain: {"globex", "prod"},
	} {
		err := env.Host.CreateNamespace(ctx, name, map[string]string{
			cellfedv1alpha1.TenantLabel: labels[0], cellfedv1alpha1.WorkspaceGroupLabel: labels[1],
		})
		if err != nil {
			return nil, err
		}
	}
	if err := w.installUpstreamRoles(ctx); err != nil {
		return nil, err
	}
	if err := w.bind(ctx, "tenant", acmeProd, acmeDev); err != nil {
		return nil, err
	}
	if err := w.keepElsewhere(ctx); err != nil {
		return nil, err
	}
	if err := w.makeCells(ctx); err != nil {
		return nil, err
	}
	if err := w.makeGlobex(ctx); err != nil {
		return nil, err
	}
	if err := w.keepInCell(ctx); err != nil {
		return nil, err
	}
	for _, as := range both {
		if err := w.canary(ctx, as); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// settleUpstream waits until upstream has worked off what it finds when it starts: a type that is taken from it before
// its informers have synced ends its process.
func (w *world) settleUpstream(ctx context.Context) error {
	const name = "settling"
	if err := w.env.Host.CreateNamespace(ctx, name, nil); err != nil {
		return err
	}
	object := framework.Federated{
		Version: v1beta1, Kind: "FederatedNamespace", Namespace: name, Name: name, Placement: []string{commonMember},
	}.Object()
	if err := w.env.Host.Client.Create(ctx, object); err != nil {
		return err
	}
	err := framework.Poll(ctx, soon, "upstream to have started", func(ctx context.Context) error {
		return w.env.Member(commonMember).Client.Get(ctx, client.ObjectKey{Name: name}, &corev1.Namespace{})
	})
	if err != nil {
		return err
	}
	if err := w.env.Host.Client.Delete(ctx, object); err != nil {
		return err
	}
	return framework.Poll(ctx, soon, "upstream to have deleted something", func(ctx context.Context) error {
		return gone(w.env.Host.Client.Get(ctx, client.ObjectKeyFromObject(object), object))
	})
}

// installUpstreamRoles installs what upstream's chart adds to the cluster's own roles.
func (w *world) installUpstreamRoles(ctx context.Context) error {
	groups := []string{"types.kubefed.io", "core.kubefed.io", "scheduling.kubefed.io", "multiclusterdns.kubefed.io"}
	write := []string{"get", "watch", "list", "create", "update", "patch", "delete"}
	for role, verbs := range map[string][]string{"admin": {rbacv1.VerbAll}, "edit": write, "view": write[:3]} {
		object := &rbacv1.ClusterRole{
			ObjectMeta: metav1.ObjectMeta{Name: "kubefed-" + role, Labels: map[string]string{
				"api": "kubefed", "rbac.authorization.k8s.io/aggregate-to-" + role: "true",
			}},
			Rules: []rbacv1.PolicyRule{{APIGroups: groups, Resources: []string{rbacv1.ResourceAll}, Verbs: verbs}},
		}
		if err := client.IgnoreAlreadyExists(w.env.Host.Client.Create(ctx, object)); err != nil {
			return fmt.Errorf("create the ClusterRole %s: %w", object.Name, err)
		}
	}
	return nil
}

// bind gives the tenant's user a ClusterRole in namespaces.
func (w *world) bind(ctx context.Context, role string, namespaces ...string) error {
	for _, namespace := range namespaces {
		binding := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: mallory + "-" + role, Namespace: namespace},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: mallory}},
		}
		if err := client.IgnoreAlreadyExists(w.env.Host.Client.Create(ctx, binding)); err != nil {
			return fmt.Errorf("bind %s to %s in %s: %w", mallory, role, namespace, err)
		}
	}
	return nil
}

// keepElsewhere puts something to be found into the members' own namespaces.
func (w *world) keepElsewhere(ctx context.Context) error {
	if err := w.env.Member(commonMember).CreateNamespace(ctx, platform, nil); err != nil {
		return err
	}
	for member, namespaces := range map[string][]string{
		commonMember: {platform, "kube-system", "default"}, globexMember: {"kube-system", "default"}, acmeMember: {"kube-system"},
	} {
		for _, namespace := range namespaces {
			secret := &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Name: "keys", Namespace: namespace},
				Data:       map[string][]byte{"key": []byte(marker)},
			}
			if err := w.env.Member(member).Client.Create(ctx, secret); err != nil {
				return fmt.Errorf("create the Secret of %s in %s: %w", namespace, member, err)
			}
		}
	}
	return nil
}

// keepInCell puts something into the tenant's cell on the shared member that no propagator made.
func (w *world) keepInCell(ctx context.Context) error {
	// A cell is ready before its namespace is there.
	return framework.Poll(ctx, soon, "a ConfigMap in the tenant's cell", func(ctx context.Context) error {
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "found", Namespace: "acme-prod-c1"}}
		return w.env.Member(commonMember).Client.Create(ctx, object)
	})
}

func (w *world) makeCells(ctx context.Context) error {
	cells := []*cellfedv1alpha1.Cell{
		newCell(acmeProd, "a1", acmeMember, "acme-prod-a1"), newCell(acmeProd, "c1", commonMember, "acme-prod-c1"),
		newCell(globexProd, "g1", globexMember, "globex-prod-g1"), newCell(globexProd, "c1", commonMember, "globex-prod-c1"),
	}
	for _, cell := range cells {
		if err := w.env.Host.Client.Create(ctx, cell); err != nil {
			return fmt.Errorf("create the cell %s: %w", client.ObjectKeyFromObject(cell), err)
		}
	}
	for _, cell := range cells {
		if err := w.cellReady(ctx, client.ObjectKeyFromObject(cell)); err != nil {
			return err
		}
	}
	return nil
}

func newCell(namespace, name, cluster, target string) *cellfedv1alpha1.Cell {
	return &cellfedv1alpha1.Cell{
		TypeMeta:   metav1.TypeMeta{APIVersion: cellfedv1alpha1.GroupVersion.String(), Kind: "Cell"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec:       cellfedv1alpha1.CellSpec{ClusterName: cluster, TargetNamespace: target},
	}
}

func (w *world) cellReady(ctx context.Context, key client.ObjectKey) error {
	return framework.Poll(ctx, soon, "the cell "+key.String(), func(ctx context.Context) error {
		cell := &cellfedv1alpha1.Cell{}
		if err := w.env.Host.Client.Get(ctx, key, cell); err != nil {
			return err
		}
		if !meta.IsStatusConditionTrue(cell.Status.Conditions, string(cellfedv1alpha1.ConditionReady)) {
			return fmt.Errorf("it is not ready: %v", cell.Status.Conditions)
		}
		return nil
	})
}

// makeGlobex gives the other tenant objects in its cells and, from another namespace, on its clusters.
func (w *world) makeGlobex(ctx context.Context) error {
	objects := []framework.Federated{{
		Version: v1beta1, Kind: "FederatedNamespace", Namespace: globexPlain, Name: globexPlain,
		Placement: []string{globexMember, commonMember},
	}}
	for _, as := range both {
		objects = append(objects,
			framework.Federated{
				Version: v2beta1, Kind: as.kind, Namespace: globexProd, Name: "books", Cells: true,
				Placement: []string{"g1", "c1"}, Template: as.template(marker),
			},
			framework.Federated{
				Version: v1beta1, Kind: as.kind, Namespace: globexPlain, Name: "ledger",
				Placement: []string{globexMember, commonMember}, Template: as.template(marker),
			})
	}
	for _, object := range objects {
		if err := w.env.Host.Client.Create(ctx, object.Object()); err != nil {
			return fmt.Errorf("create %s %s/%s: %w", object.Kind, object.Namespace, object.Name, err)
		}
	}
	for _, as := range both {
		for _, at := range []place{
			{globexMember, "globex-prod-g1", "books"}, {commonMember, "globex-prod-c1", "books"},
			{globexMember, globexPlain, "ledger"}, {commonMember, globexPlain, "ledger"},
		} {
			if err := w.arrives(ctx, as, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// place is an object in a member.
type place struct{ member, namespace, name string }

func (w *world) arrives(ctx context.Context, as *propagation, at place) error {
	return framework.Poll(ctx, soon, fmt.Sprintf("the %s %s/%s in %s", as.target, at.namespace, at.name, at.member),
		func(ctx context.Context) error { return w.is(ctx, as, at) })
}

// is returns nil if an object is there.
func (w *world) is(ctx context.Context, as *propagation, at place) error {
	_, err := w.read(ctx, as, at)
	return err
}

func (w *world) read(ctx context.Context, as *propagation, at place) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(as.targetVersion)
	object.SetKind(as.target)
	err := w.env.Member(at.member).Client.Get(ctx, client.ObjectKey{Namespace: at.namespace, Name: at.name}, object)
	return object, err
}

// canary has the tenant write what it may, and waits until it is where it belongs: what was asked before has been looked at.
func (w *world) canary(ctx context.Context, as *propagation) error {
	name := w.nextName()
	object := framework.Federated{
		Version: v2beta1, Kind: as.kind, Namespace: acmeProd, Name: name, Cells: true,
		Placement: []string{"a1", "c1"}, Template: as.template("canary"),
	}.Object()
	if got := w.host.create(ctx, object); !got.succeeded() {
		return fmt.Errorf("create %s %s: %s %s", as.kind, name, got, got.message)
	}
	for _, at := range []place{{acmeMember, "acme-prod-a1", name}, {commonMember, "acme-prod-c1", name}} {
		if err := w.arrives(ctx, as, at); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) nextName() string {
	w.made++
	return fmt.Sprintf("try-%03d", w.made)
}

func gone(err error) error {
	if err == nil {
		return errThere
	}
	return client.IgnoreNotFound(err)
}
