package facade

import (
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/facade/mapping"
	"github.com/cellfed/cellfed/internal/member"
)

const kubefed = "kube-federation-system"

func newResolver(t *testing.T, objects ...client.Object) *ClusterResolver {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme, fedv1b1.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	pool := member.NewPool()
	t.Cleanup(pool.Close)
	return &ClusterResolver{
		Reader: fake.NewClientBuilder().WithScheme(s).WithObjects(objects...).
			WithIndex(&corev1.Secret{}, tokenIndex, tokenIndexer).Build(),
		KubeFedNamespace: kubefed, Pool: pool,
	}
}

func tokenSecret(name, namespace, cell, token string, change func(*corev1.Secret)) *corev1.Secret {
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: kubefed, Labels: map[string]string{
			v1alpha1.NamespaceLabel: namespace, v1alpha1.CellLabel: cell, v1alpha1.GeneratedLabel: "true"}},
		Data: map[string][]byte{"token": []byte(token)},
	}
	if change != nil {
		change(s)
	}
	return s
}

func TestTokens(t *testing.T) {
	now := metav1.NewTime(time.Now())
	r := newResolver(t,
		tokenSecret("a", "acme", "rz", "one", nil),
		tokenSecret("b", "acme", "rz", "two", nil),
		tokenSecret("empty", "acme", "rz", "", nil),
		tokenSecret("cell", "acme", "other", "three", nil),
		tokenSecret("elsewhere", "acme", "rz", "four", func(s *corev1.Secret) { s.Namespace = "acme" }),
		tokenSecret("handmade", "acme", "rz", "five", func(s *corev1.Secret) { delete(s.Labels, v1alpha1.GeneratedLabel) }),
		tokenSecret("deleted", "acme", "rz", "six", func(s *corev1.Secret) {
			s.DeletionTimestamp, s.Finalizers = &now, []string{"x/y"}
		}),
	)
	got, err := r.Tokens(t.Context(), "acme", "rz")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"one", "two"}, got); diff != "" {
		t.Errorf("the tokens of a cell are those of its generated Secrets in the KubeFed namespace: (-want +got)\n%s", diff)
	}
	if got, err := r.Tokens(t.Context(), "acme", "none"); len(got) > 0 || err != nil {
		t.Errorf("a cell that there is not: %v, %v", got, err)
	}
}

func TestResolve(t *testing.T) {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate(t).Leaf.Raw})
	newCell := func(change func(*v1alpha1.Cell)) *v1alpha1.Cell {
		c := &v1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Name: "rz", Namespace: "acme", Generation: 1}}
		c.Spec.ClusterName = "hz-a"
		c.Status.Conditions = []metav1.Condition{
			v1alpha1.NewCondition(v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated, 1, ""),
		}
		if change != nil {
			change(c)
		}
		return c
	}
	newCluster := func(change func(*fedv1b1.KubeFedCluster)) *fedv1b1.KubeFedCluster {
		c := &fedv1b1.KubeFedCluster{ObjectMeta: metav1.ObjectMeta{Name: "hz-a", Namespace: kubefed, UID: "u"}}
		c.Spec.APIEndpoint, c.Spec.CABundle = "https://127.0.0.1:1/p", ca
		c.Spec.SecretRef.Name = "hz-a-secret"
		if change != nil {
			change(c)
		}
		return c
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "hz-a-secret", Namespace: kubefed}, Data: map[string][]byte{"token": []byte("s3cret")}}
	conflict := v1alpha1.NewCondition(v1alpha1.ConditionGenerated, metav1.ConditionFalse, v1alpha1.ReasonTargetNamespaceConflict, 1, "an older cell claims it")
	closed := v1alpha1.NewCondition(v1alpha1.ConditionGenerated, metav1.ConditionFalse, v1alpha1.ReasonClusterOfAnotherTenant, 1, "another tenant's")
	refused := v1alpha1.NewCondition(v1alpha1.ConditionGenerated, metav1.ConditionFalse, v1alpha1.ReasonTargetOfAnotherTenant, 1, "another's namespace")
	into := func(target string) func(*v1alpha1.Cell) {
		return func(c *v1alpha1.Cell) { c.Spec.TargetNamespace = target }
	}
	now := metav1.NewTime(time.Now())
	owned := func(tenant string) *corev1.Namespace {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme", Labels: map[string]string{v1alpha1.TenantLabel: tenant}}}
	}
	of := func(key, value string) func(*fedv1b1.KubeFedCluster) {
		return func(c *fedv1b1.KubeFedCluster) { c.Labels = map[string]string{key: value} }
	}
	cases := map[string]struct {
		reason string
		// namespace is the cell's. Nil stands for one that is nobody's.
		namespace *corev1.Namespace
		objects   []client.Object
		want      mapping.View
		unknown   bool
		message   string
	}{
		"Default": {
			reason: "the target namespace is the cell's own", objects: []client.Object{newCell(nil), newCluster(nil), secret},
			want: mapping.View{Namespace: "acme", Cell: "rz", TargetNamespace: "acme"},
		},
		"Target": {
			reason:  "or the one that is named",
			objects: []client.Object{newCell(into("acme-x")), newCluster(nil), secret},
			want:    mapping.View{Namespace: "acme", Cell: "rz", TargetNamespace: "acme-x"},
		},
		"TargetOnOwnCluster": {
			reason: "on its own cluster the tenant decides", namespace: owned("acme"),
			objects: []client.Object{newCell(into("pay")), newCluster(of(v1alpha1.TenantLabel, "acme")), secret},
			want:    mapping.View{Namespace: "acme", Cell: "rz", TargetNamespace: "pay"},
		},
		"TargetOfResident": {
			reason: "what a shared cluster holds is not known, and the controller has said nothing yet", namespace: owned("acme"),
			objects: []client.Object{newCell(into("cert-manager")), newCluster(of(v1alpha1.SharedLabel, "true")), secret},
			message: `may not have namespace "cert-manager"`,
		},
		"TargetOfResidentDeleting": {
			reason: "a cell that is being deleted has no more rights", namespace: owned("acme"),
			objects: []client.Object{newCell(func(c *v1alpha1.Cell) {
				into("cert-manager")(c)
				c.DeletionTimestamp, c.Finalizers = &now, []string{v1alpha1.CellFinalizer}
			}), newCluster(of(v1alpha1.SharedLabel, "true")), secret},
			message: `may not have namespace "cert-manager"`,
		},
		"TargetOfAnother": {
			reason: "another tenant's Namespace has the name, and its objects go there", namespace: owned("acme"),
			objects: []client.Object{newCell(into("acme-x")), newCluster(of(v1alpha1.SharedLabel, "true")), secret,
				&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme-x", Labels: map[string]string{v1alpha1.TenantLabel: "globex"}}}},
			message: "another tenant",
		},
		"TargetOfSystem": {
			reason: "the cluster's own namespaces are no cell's, on the tenant's own cluster too", namespace: owned("acme"),
			objects: []client.Object{newCell(into("kube-system")), newCluster(of(v1alpha1.TenantLabel, "acme")), secret},
			message: "the cluster's own",
		},
		"TargetRefused": {
			reason: "a target that has just become the tenant's may hold an older cell", namespace: owned("acme"),
			objects: []client.Object{newCell(func(c *v1alpha1.Cell) { c.Status.Conditions = []metav1.Condition{refused} }), newCluster(of(v1alpha1.TenantLabel, "acme")), secret},
			message: "another's namespace",
		},
		"Deleting": {
			reason: "what is placed on a cell that is being deleted must be withdrawn",
			objects: []client.Object{newCell(func(c *v1alpha1.Cell) {
				c.DeletionTimestamp, c.Finalizers = &now, []string{v1alpha1.CellFinalizer}
			}), newCluster(nil), secret},
			want: mapping.View{Namespace: "acme", Cell: "rz", TargetNamespace: "acme"},
		},
		"Unknown": {reason: "no cell", objects: []client.Object{newCluster(nil), secret}, unknown: true},
		"Conflict": {
			reason:  "two cells never share a namespace of a cluster",
			objects: []client.Object{newCell(func(c *v1alpha1.Cell) { c.Status.Conditions = []metav1.Condition{conflict} }), newCluster(nil), secret},
			message: "an older cell claims it",
		},
		"Unjudged": {
			reason:  "a cell that the controller has not seen may claim what another has",
			objects: []client.Object{newCell(func(c *v1alpha1.Cell) { c.Status.Conditions = nil }), newCluster(nil), secret},
			message: "has not looked",
		},
		"Changed": {
			reason:  "what the controller said of an older spec does not hold for this one",
			objects: []client.Object{newCell(func(c *v1alpha1.Cell) { c.Generation = 2 }), newCluster(nil), secret},
			message: "has not looked",
		},
		"NoCluster": {reason: "no cluster", objects: []client.Object{newCell(nil)}, message: `no KubeFedCluster "hz-a"`},
		"CellsCluster": {
			reason: "a cell on a cell would go in circles",
			objects: []client.Object{newCell(nil), newCluster(func(c *fedv1b1.KubeFedCluster) {
				c.Labels = map[string]string{v1alpha1.TopologyTypeLabel: "cell"}
			}), secret},
			message: "stands for a cell",
		},
		"NoSecret": {reason: "no credentials", objects: []client.Object{newCell(nil), newCluster(nil)}, message: `no Secret "hz-a-secret"`},
		"TenantsCluster": {
			reason: "a tenant's cluster hosts the tenant's cells", namespace: owned("acme"),
			objects: []client.Object{newCell(nil), newCluster(of(v1alpha1.TenantLabel, "acme")), secret},
			want:    mapping.View{Namespace: "acme", Cell: "rz", TargetNamespace: "acme"},
		},
		"SharedCluster": {
			reason: "a shared cluster hosts everybody's", namespace: owned("acme"),
			objects: []client.Object{newCell(nil), newCluster(of(v1alpha1.SharedLabel, "true")), secret},
			want:    mapping.View{Namespace: "acme", Cell: "rz", TargetNamespace: "acme"},
		},
		"ForeignCluster": {
			reason: "another tenant's cluster hosts none, although the controller has said nothing yet", namespace: owned("acme"),
			objects: []client.Object{newCell(nil), newCluster(of(v1alpha1.TenantLabel, "globex")), secret},
			message: `"hz-a" is not open`,
		},
		"NobodysCluster": {
			reason: "nor does nobody's", namespace: owned("acme"),
			objects: []client.Object{newCell(nil), newCluster(nil), secret},
			message: `"hz-a" is not open`,
		},
		"NobodysNamespace": {
			reason:  "nor does a tenant's host nobody's",
			objects: []client.Object{newCell(nil), newCluster(of(v1alpha1.TenantLabel, "globex")), secret},
			message: "no tenant's",
		},
		"Closed": {
			reason: "a cluster that has just opened may hold an older cell in the same namespace", namespace: owned("acme"),
			objects: []client.Object{newCell(func(c *v1alpha1.Cell) { c.Status.Conditions = []metav1.Condition{closed} }), newCluster(of(v1alpha1.SharedLabel, "true")), secret},
			message: "another tenant's",
		},
		"UnknownNamespace": {
			reason:    "whose the cell is, is not known yet",
			namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "other"}},
			objects:   []client.Object{newCell(nil), newCluster(nil), secret},
			message:   "not known yet",
		},
		"BadCA": {
			reason: "a registration that is wrong", objects: []client.Object{newCell(nil), newCluster(func(c *fedv1b1.KubeFedCluster) { c.Spec.CABundle = []byte("x") }), secret},
			message: "spec.caBundle",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.namespace == nil {
				tc.namespace = owned("")
			}
			r := newResolver(t, append(tc.objects, tc.namespace)...)
			target, err := r.Resolve(t.Context(), "acme", "rz")
			var unavailable *UnavailableError
			switch {
			case tc.unknown:
				if !errors.Is(err, ErrUnknownCell) {
					t.Errorf("%s: got %v", tc.reason, err)
				}
			case tc.message != "":
				if !errors.As(err, &unavailable) || !strings.Contains(unavailable.Message, tc.message) || strings.Contains(err.Error(), "s3cret") {
					t.Errorf("%s: got %v", tc.reason, err)
				}
			case err != nil:
				t.Errorf("%s: got %v", tc.reason, err)
			default:
				if diff := cmp.Diff(tc.want, target.View); diff != "" {
					t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
				}
				if target.Cluster != "hz-a" || target.BaseURL.String() != "https://127.0.0.1:1/p" {
					t.Errorf("%s: it leads to %q at %v", tc.reason, target.Cluster, target.BaseURL)
				}
			}
		})
	}
}
