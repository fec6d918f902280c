package federatedtype

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/federatedcrd"
)

func newType(name string, wanted, now v1alpha1.Propagator, change ...func(*typeFacts)) typeFacts {
	t := typeFacts{
		ftc: &kubefedv1beta1.FederatedTypeConfig{
			ObjectMeta: metav1.ObjectMeta{Namespace: "kube-federation-system", Name: name},
			Spec: kubefedv1beta1.FederatedTypeConfigSpec{
				Propagation:   kubefedv1beta1.PropagationEnabled,
				TargetType:    kubefedv1beta1.APIResource{Scope: apiextensionsv1.NamespaceScoped},
				FederatedType: kubefedv1beta1.APIResource{Group: federated.Group, Kind: "FederatedOdd", PluralName: "federatedodds"},
			},
		},
		policy: &v1alpha1.FederatedTypePolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: "kube-federation-system", Name: name},
			Spec:       v1alpha1.FederatedTypePolicySpec{Propagator: wanted, ServedVersions: v1alpha1.ServedV2Beta1Only},
			Status:     v1alpha1.FederatedTypePolicyStatus{Propagator: now},
		},
	}
	if now == v1alpha1.PropagatorCellfed {
		t.ftc.Spec.Propagation, t.ftc.Annotations = kubefedv1beta1.PropagationDisabled, map[string]string{v1alpha1.HandedOverAnnotation: "true"}
	}
	for _, f := range change {
		f(&t)
	}
	return t
}

// migratedCRD returns a CRD whose objects are all stored in v2beta1.
func migratedCRD(t *testing.T) *apiextensionsv1.CustomResourceDefinition {
	crd := storedIn(upgradedCRD(t, "https://here/convert"), federated.V2Beta1)
	crd.Status.StoredVersions = []string{federated.V2Beta1}
	return crd
}

func TestDecideServed(t *testing.T) {
	const cellfed, kubeFed = v1alpha1.PropagatorCellfed, v1alpha1.PropagatorKubeFed
	stored := migratedCRD(t)
	half := stored.DeepCopy()
	half.Status.StoredVersions = []string{federated.V1Beta1, federated.V2Beta1}
	both := func(t *typeFacts) { t.policy.Spec.ServedVersions = "" }
	going := func(t *typeFacts) { t.policy.DeletionTimestamp = new(metav1.Now()) }
	status := func(t *typeFacts) { t.ftc.Spec.StatusCollection = new(kubefedv1beta1.StatusCollectionEnabled) }
	without := func(t *typeFacts) { t.policy = nil }
	disabled := func(t *typeFacts) { t.ftc.Spec.Propagation = kubefedv1beta1.PropagationDisabled }
	cluster := func(t *typeFacts) { t.ftc.Spec.TargetType.Scope = apiextensionsv1.ClusterScoped }
	handed := newType("configmaps", cellfed, cellfed)
	namespaces := newType("namespaces", cellfed, cellfed, cluster)
	for name, tc := range map[string]struct {
		reason string
		of     typeFacts
		crd    *apiextensionsv1.CustomResourceDefinition
		others []typeFacts
		want   v1alpha1.ConditionReason
		words  string
	}{
		"Only":                  {reason: "all that is needed is there", of: handed, want: v1alpha1.ReasonV2Beta1Only},
		"NoPolicy":              {reason: "nobody asks", of: newType("configmaps", cellfed, cellfed, without), want: v1alpha1.ReasonNotAsked},
		"NotAsked":              {reason: "nobody asks", of: newType("configmaps", cellfed, cellfed, both), want: v1alpha1.ReasonNotAsked},
		"KubeFed":               {reason: "upstream reads it", of: newType("configmaps", kubeFed, kubeFed), want: v1alpha1.ReasonPropagatorNotCellfed},
		"HandingOver":           {reason: "upstream may still read it", of: newType("configmaps", cellfed, ""), want: v1alpha1.ReasonPropagatorNotCellfed},
		"HandingBack":           {reason: "upstream is about to read it", of: newType("configmaps", kubeFed, cellfed), want: v1alpha1.ReasonPropagatorNotCellfed},
		"Deleted":               {reason: "upstream is about to read it", of: newType("configmaps", cellfed, cellfed, going), want: v1alpha1.ReasonPropagatorNotCellfed},
		"Migrating":             {reason: "what is stored in it must be read", of: handed, crd: half, want: v1alpha1.ReasonStorageNotMigrated},
		"StoredInV1Beta1":       {reason: "what is stored in it must be read", of: handed, crd: upgradedCRD(t, "https://here"), want: v1alpha1.ReasonStorageNotMigrated},
		"Services":              {reason: "upstream collects their status whoever propagates them", of: newType("services", cellfed, cellfed, status), want: v1alpha1.ReasonKubeFedCollectsStatus},
		"ServicesWithout":       {reason: "it was told not to", of: newType("services", cellfed, cellfed), want: v1alpha1.ReasonV2Beta1Only},
		"StatusOfOthers":        {reason: "it does so for Services alone", of: newType("configmaps", cellfed, cellfed, status), want: v1alpha1.ReasonV2Beta1Only},
		"NamespacesAlone":       {reason: "nobody reads them", of: namespaces, others: []typeFacts{namespaces, handed}, want: v1alpha1.ReasonV2Beta1Only},
		"NamespacesKubeFed":     {reason: "upstream reads them for each of its types", of: namespaces, others: []typeFacts{namespaces, newType("secrets", kubeFed, kubeFed), newType("jobs", "", "", without), handed}, want: v1alpha1.ReasonKubeFedReadsNamespaces, words: "hand over jobs, secrets"},
		"NamespacesHandingBack": {reason: "upstream is about to", of: namespaces, others: []typeFacts{newType("secrets", kubeFed, cellfed)}, want: v1alpha1.ReasonKubeFedReadsNamespaces, words: "secrets"},
		"NamespacesDeleting":    {reason: "upstream is about to", of: namespaces, others: []typeFacts{newType("secrets", cellfed, cellfed, going)}, want: v1alpha1.ReasonKubeFedReadsNamespaces, words: "secrets"},
		"NamespacesTornAway":    {reason: "upstream is about to", of: namespaces, others: []typeFacts{newType("secrets", cellfed, cellfed, without)}, want: v1alpha1.ReasonKubeFedReadsNamespaces, words: "secrets"},
		"NamespacesDisabled":    {reason: "nobody propagates what somebody disabled", of: namespaces, others: []typeFacts{newType("secrets", "", "", without, disabled)}, want: v1alpha1.ReasonV2Beta1Only},
		"NamespacesCluster":     {reason: "what is in no namespace needs none", of: namespaces, others: []typeFacts{newType("clusterroles", "", "", without, cluster)}, want: v1alpha1.ReasonV2Beta1Only},
		"OthersDoNotMatter":     {reason: "but for the namespaces", of: handed, others: []typeFacts{newType("secrets", kubeFed, kubeFed)}, want: v1alpha1.ReasonV2Beta1Only},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.crd == nil {
				tc.crd = stored
			}
			got := decideServed(tc.of, tc.crd, tc.others)
			if got.reason != tc.want || got.only != (tc.want == v1alpha1.ReasonV2Beta1Only) || !strings.Contains(got.message, tc.words) {
				t.Errorf("%s: got %+v, want %s that says %q", tc.reason, got, tc.want, tc.words)
			}
		})
	}
}

// TestMarkFirst: somebody changes their mind at the last moment. Either the controller sees it, or the condition was there before.
func TestMarkFirst(t *testing.T) {
	for name, before := range map[string]bool{"BeforeTheCondition": true, "AfterTheCondition": false} {
		t.Run(name, func(t *testing.T) {
			scheme, err := framework.NewScheme()
			if err != nil {
				t.Fatal(err)
			}
			facts := newType("odds", v1alpha1.PropagatorCellfed, v1alpha1.PropagatorCellfed)
			facts.policy.UID = "policy"
			inner := fake.NewClientBuilder().WithScheme(scheme).WithObjects(facts.ftc, facts.policy).WithStatusSubresource(&v1alpha1.FederatedTypePolicy{}).Build()
			change := func(ctx context.Context) error {
				p := &v1alpha1.FederatedTypePolicy{}
				if err := inner.Get(ctx, client.ObjectKeyFromObject(facts.policy), p); err != nil {
					return err
				}
				p.Spec.Propagator = v1alpha1.PropagatorKubeFed
				return inner.Update(ctx, p)
			}
			c := interceptor.NewClient(inner, interceptor.Funcs{
				SubResourceApply: func(ctx context.Context, c client.Client, sub string, o runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
					if before {
						if err := change(ctx); err != nil {
							return err
						}
					}
					if err := c.SubResource(sub).Apply(ctx, o, opts...); err != nil {
						return err
					}
					if !before {
						return change(ctx)
					}
					return nil
				},
			})
			r := &Reconciler{client: c, live: inner}
			only, err := r.v2beta1Only(t.Context(), migratedCRD(t), facts.ftc)
			if err != nil || only {
				t.Errorf("v1beta1 is taken away: %t, %v", only, err)
			}
			p := &v1alpha1.FederatedTypePolicy{}
			if err := inner.Get(t.Context(), client.ObjectKeyFromObject(facts.policy), p); err != nil {
				t.Fatal(err)
			}
			if !meta.IsStatusConditionFalse(p.Status.Conditions, string(v1alpha1.ConditionV1Beta1Served)) {
				t.Errorf("nobody was told: %v", p.Status.Conditions)
			}
		})
	}
}

func (f *fixture) patchPolicy(document string) {
	f.Helper()
	f.must(f.client.Patch(f.Context(), f.policy(), client.RawPatch("application/merge-patch+json", []byte(document))))
}

// waitServing waits until v1beta1 is served or not, in earnest, and the policy says so.
func (f *fixture) waitServing(served bool, reason v1alpha1.ConditionReason) {
	f.Helper()
	framework.Eventually(f.T, patience, fmt.Sprintf("v1beta1 served %t", served), func(ctx context.Context) error {
		c := meta.FindStatusCondition(f.policy().Status.Conditions, string(v1alpha1.ConditionV1Beta1Served))
		if c == nil || c.Status == metav1.ConditionTrue != served || c.Reason != string(reason) {
			return fmt.Errorf("the condition is %v", c)
		}
		if federatedcrd.HidesV1Beta1(f.crd()) == served {
			return errors.New("the CRD says otherwise")
		}
		if err := f.client.List(ctx, f.list(federated.V1Beta1)); err == nil != served {
			return fmt.Errorf("listing: %w", err)
		}
		return nil
	})
}

// testV2Beta1Only: v1beta1 is served until all is stored in v2beta1, and again before anything is stored in it.
func testV2Beta1Only(f *fixture) {
	plain := f.enable(nil)
	f.federate()
	url, _ := f.webhook(0)
	stop := f.start(url, nil)
	f.waitServed()
	f.must(f.client.Create(f.Context(), f.object(federated.V1Beta1, plainObject)))
	before := f.spec(federated.V1Beta1, "plain")
	f.propagated(v1alpha1.PropagatorCellfed)
	f.patchPolicy(`{"spec":{"propagator":"Cellfed","servedVersions":"V2Beta1Only"}}`)
	f.waitServing(false, v1alpha1.ReasonV2Beta1Only)
	f.waitStored(federated.V2Beta1)
	err := f.client.Get(f.Context(), client.ObjectKey{Namespace: f.namespace, Name: "plain"}, f.object(federated.V1Beta1, plainObject))
	if !apierrors.IsNotFound(err) && !meta.IsNoMatchError(err) {
		f.Errorf("v1beta1 is answered with %v", err)
	}
	// The object was written in v1beta1, and its managedFields say so.
	object := f.object(federated.V2Beta1, plainObject)
	f.must(f.client.Patch(f.Context(), object, client.RawPatch("application/apply-patch+yaml", []byte(`{"apiVersion":"`+federated.APIVersionV2Beta1+`","kind":"Federated`+f.kind+
		`","metadata":{"name":"plain","namespace":"`+f.namespace+`"},"spec":{"retainReplicas":true}}`)), client.FieldOwner("somebody")))
	f.must(f.client.Patch(f.Context(), object, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"retainReplicas":null}}`))))

	f.patchPolicy(`{"spec":{"servedVersions":null}}`)
	f.waitServing(true, v1alpha1.ReasonNotAsked)
	f.patchPolicy(`{"spec":{"servedVersions":"V2Beta1Only"}}`)
	f.waitServing(false, v1alpha1.ReasonV2Beta1Only)
	// The wish alone has it served again; the policies' own controller waits for that.
	f.patchPolicy(`{"spec":{"propagator":"KubeFed"}}`)
	f.waitServing(true, v1alpha1.ReasonPropagatorNotCellfed)
	f.patchPolicy(`{"spec":{"propagator":"Cellfed"}}`)
	f.waitServing(false, v1alpha1.ReasonV2Beta1Only)

	stop()
	outcomes, err := f.takeBack(f.namespace)
	f.must(err)
	if len(outcomes) != 1 || outcomes[0].Reason != v1alpha1.ReasonRemoved {
		f.Errorf("outcomes %+v", outcomes)
	}
	crd := f.crd()
	if federatedcrd.HidesV1Beta1(crd) || len(crd.Spec.Versions) != len(plain.Spec.Versions) {
		f.Errorf("the CRD is left with %+v", crd.Spec.Versions)
	}
	if after := f.spec(federated.V1Beta1, "plain"); after != before {
		f.Errorf("the object was %s and is %s", before, after)
	}
}
