package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

// TestV2Beta1Only has a type that was handed over served in v2beta1 alone: clients of v1beta1 are turned away, what is
// written reaches the members, and KubeFed can read the type again when it gets it back.
func TestV2Beta1Only(t *testing.T) {
	h := newHandover(t, "only", "configmaps")
	ask := func(ctx context.Context, versions string) error {
		policy := &cellfedv1alpha1.FederatedTypePolicy{}
		policy.Namespace, policy.Name = framework.KubeFedNamespace, "configmaps"
		return h.env.Host.Client.Patch(ctx, policy, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"servedVersions":`+versions+`}}`)))
	}
	t.Cleanup(func() {
		if err := ask(context.Background(), "null"); err != nil {
			t.Error(err)
		}
	})
	h.to(cellfedv1alpha1.PropagatorCellfed)
	if err := ask(h.ctx, `"V2Beta1Only"`); err != nil {
		t.Fatal(err)
	}
	h.waitV1Beta1(false)
	before, marked := h.mustSnapshot(true), h.mark()
	framework.Always(t, afterHandover, "the peace of the members", h.same(before, true))
	h.wantNoWrites(marked, "when v1beta1 was taken away")
	set := func(value string) {
		t.Helper()
		for _, s := range h.stages {
			s.patch("FederatedConfigMap", v2beta1, "pay", `{"spec":{"template":{"data":{"stays":"`+value+`"}}}}`)
		}
		for _, s := range h.stages {
			for _, topology := range []string{s.one, s.two} {
				s.waitMap(topology, "pay", map[string]any{"stays": value, "goes0": "yes", "goes1": "yes", "goes2": "yes"})
			}
		}
	}
	set("v2beta1 alone")

	h.to(cellfedv1alpha1.PropagatorKubeFed)
	h.waitV1Beta1(true)
	set("both again")
	h.waitWell()
}

// waitV1Beta1 waits until the API server serves FederatedConfigMaps in v1beta1, or does not, and the policy says so.
func (h *handover) waitV1Beta1(served bool) {
	h.t.Helper()
	want := metav1.ConditionFalse
	if served {
		want = metav1.ConditionTrue
	}
	framework.Eventually(h.t, 2*soon, fmt.Sprintf("v1beta1 served %t", served), func(ctx context.Context) error {
		policy := &cellfedv1alpha1.FederatedTypePolicy{}
		if err := h.env.Host.Client.Get(ctx, client.ObjectKey{Namespace: framework.KubeFedNamespace, Name: "configmaps"}, policy); err != nil {
			return err
		}
		if !meta.IsStatusConditionPresentAndEqual(policy.Status.Conditions, string(cellfedv1alpha1.ConditionV1Beta1Served), want) {
			return fmt.Errorf("the conditions are %v", policy.Status.Conditions)
		}
		err := h.env.Host.Client.Get(ctx, h.stages[0].key("pay"), federated("FederatedConfigMap", v1beta1))
		switch {
		case served:
			return err
		case err == nil:
			return errors.New("it is served")
		case !apierrors.IsNotFound(err) && !meta.IsNoMatchError(err):
			return err
		}
		return nil
	})
}
