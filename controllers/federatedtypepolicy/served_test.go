package federatedtypepolicy

import (
	"context"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/federatedcrd"
)

// serving is the controller that takes v1beta1 away and gives it back, one write at a time.
type serving struct {
	// underway says that the write that takes v1beta1 away is sent, and lands whatever happens.
	underway bool
}

func (s *serving) tick(w *world) {
	p := w.policy()
	wanted := p != nil && p.AsksForV2Beta1Only() && p.WantedPropagator() == cellfed && p.DeletionTimestamp.IsZero() && p.Status.Propagator == cellfed
	hidden := federatedcrd.HidesV1Beta1(w.crd())
	switch {
	case s.underway:
		s.underway = false
		w.serveV1Beta1(false)
		if c := w.config(); c != nil && c.UID == w.given {
			w.t.Errorf("v1beta1 is taken from KubeFed, which was given the type\n%s", w.transcript())
		}
	case wanted && !hidden:
		w.tell(p, metav1.ConditionFalse)
		s.underway = true
	case !wanted && hidden:
		w.serveV1Beta1(true)
	case !wanted && p != nil && meta.IsStatusConditionFalse(p.Status.Conditions, string(v1alpha1.ConditionV1Beta1Served)):
		w.tell(p, metav1.ConditionTrue)
	}
}

func (w *world) crd() *apiextensionsv1.CustomResourceDefinition {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	w.must(w.inner.Get(w.ctx, client.ObjectKey{Name: fedCRD}, crd))
	return crd
}

func (w *world) hides() bool { return federatedcrd.HidesV1Beta1(w.crd()) }

func (w *world) serveV1Beta1(served bool) {
	w.say("v1beta1 served: %t", served)
	crd := w.crd()
	crd.Spec.Versions[0].Served = served
	w.must(w.inner.Update(w.ctx, crd))
}

func (w *world) tell(p *v1alpha1.FederatedTypePolicy, status metav1.ConditionStatus) {
	w.say("tell V1Beta1Served=%s", status)
	meta.SetStatusCondition(&p.Status.Conditions, v1alpha1.NewCondition(v1alpha1.ConditionV1Beta1Served, status, v1alpha1.ReasonV2Beta1Only, p.Generation, ""))
	w.must(w.inner.Status().Update(w.ctx, p))
}

// ask says in which versions the type is to be served.
func (w *world) ask(v v1alpha1.ServedVersions) {
	if p := w.policy(); p != nil {
		w.say("ask for %s", v)
		p.Spec.ServedVersions = v
		p.Generation++
		w.must(w.inner.Update(w.ctx, p))
	}
}

func TestUnserved(t *testing.T) {
	hide := func(w *world) { w.serveV1Beta1(false) }
	tell := func(status metav1.ConditionStatus) func(*world) {
		return func(w *world) { w.tell(w.policy(), status) }
	}
	// namespaces adds the type of the namespaces, and what its CRD and its policy are like.
	namespaces := func(served bool, told metav1.ConditionStatus) func(*world) {
		return func(w *world) {
			w.must(w.inner.Create(w.ctx, &fedv1b1.FederatedTypeConfig{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "namespaces"},
				Spec:       fedv1b1.FederatedTypeConfigSpec{FederatedType: fedv1b1.APIResource{Group: federated.Group, Version: "v1beta1", Kind: "FederatedNamespace", PluralName: "federatednamespaces"}},
			}))
			w.must(w.inner.Create(w.ctx, &apiextensionsv1.CustomResourceDefinition{
				ObjectMeta: metav1.ObjectMeta{Name: "federatednamespaces." + federated.Group},
				Spec:       apiextensionsv1.CustomResourceDefinitionSpec{Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{Name: "v1beta1", Served: served}}},
			}))
			p := &v1alpha1.FederatedTypePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "namespaces"}}
			w.must(w.inner.Create(w.ctx, p))
			w.tell(p, told)
		}
	}
	for name, tc := range map[string]struct {
		reason string
		given  []func(*world)
		scope  apiextensionsv1.ResourceScope
		gone   bool
		want   string
	}{
		"Never":             {reason: "nobody has asked for it"},
		"Hidden":            {reason: "the CRD says so", given: []func(*world){hide}, want: fedCRD},
		"Told":              {reason: "it may cease at any moment", given: []func(*world){tell(metav1.ConditionFalse)}, want: fedCRD},
		"ToldTooEarly":      {reason: "the CRD counts too", given: []func(*world){tell(metav1.ConditionTrue), hide}, want: fedCRD},
		"Again":             {reason: "it is served", given: []func(*world){tell(metav1.ConditionTrue)}},
		"AgainNotYet":       {reason: "the API server has not noticed the CRD yet", given: []func(*world){tell(metav1.ConditionTrue)}, gone: true, want: fedCRD},
		"Namespaces":        {reason: "upstream reads them for each type", given: []func(*world){namespaces(false, metav1.ConditionFalse)}, want: "federatednamespaces"},
		"NamespacesTold":    {reason: "they may cease at any moment", given: []func(*world){namespaces(true, metav1.ConditionFalse)}, want: "federatednamespaces"},
		"NamespacesAgain":   {reason: "they are served", given: []func(*world){namespaces(true, metav1.ConditionTrue)}},
		"NamespacesCluster": {reason: "but not for one whose objects are in no namespace", given: []func(*world){namespaces(false, metav1.ConditionFalse)}, scope: apiextensionsv1.ClusterScoped},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.federate(disabledMode)
			w.want(kubeFed)
			for _, f := range tc.given {
				f(w)
			}
			config := w.config()
			if tc.scope != "" {
				config.Spec.TargetType.Scope = tc.scope
			}
			if tc.gone {
				w.r.live = interceptor.NewClient(w.inner, interceptor.Funcs{
					List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
						return apierrors.NewNotFound(schema.GroupResource{Group: federated.Group, Resource: "federatedconfigmaps"}, "")
					},
				})
			}
			why, err := w.r.unserved(w.ctx, config)
			w.must(err)
			if tc.want == "" && why != "" || !strings.Contains(why, tc.want) {
				t.Errorf("%s: unserved says %q, want what names %q", tc.reason, why, tc.want)
			}
		})
	}
}

// TestServesFirst: upstream gets the type after v1beta1 is served again, and cellfed goes on until then.
func TestServesFirst(t *testing.T) {
	for name, handBack := range map[string]func(*world){
		"KubeFed": func(w *world) { w.want(kubeFed) },
		"Deleted": func(w *world) { w.must(w.inner.Delete(w.ctx, w.policy())) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.federate(enabled)
			w.up.start()
			w.want(cellfed)
			w.ask(v1alpha1.ServedV2Beta1Only)
			w.pass(40*time.Second, 2*time.Second)
			w.check(cellfed, disabledMode)
			if !w.hides() {
				t.Fatalf("v1beta1 is served\n%s", w.transcript())
			}
			handBack(w)
			for range 3 {
				w.reconcile()
			}
			w.check(cellfed, disabledMode)
			if c := condition(w.policy()); c.Reason != string(v1alpha1.ReasonServingV1Beta1) {
				t.Errorf("the condition is %v", c)
			}
			w.pass(20*time.Second, 2*time.Second)
			if w.hides() || w.config().Spec.Propagation != enabled || marked(w.config()) || w.run.running[typeName] {
				t.Errorf("it is not upstream's\n%s", w.transcript())
			}
		})
	}
}
