package e2e

import (
	"context"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/e2e/framework"
)

// TestAdoptionDisabled has a KubeFedConfig that says that what is in a member already is not taken over.
func TestAdoptionDisabled(t *testing.T) {
	env := environment(t)
	setAdoption(t.Context(), t, env, kubefedv1beta1.AdoptResourcesDisabled)
	t.Cleanup(func() { setAdoption(context.Background(), t, env, kubefedv1beta1.AdoptResourcesEnabled) })
	for _, on := range []string{onClusters, onCells} {
		s := newStage(t, env, on, "adoption")
		before := s.plant(s.two, planted("there", nil))
		data := map[string]any{"a": "1"}
		s.put(s.configMapOf("there", data))
		s.waitMap(s.one, "there", data)
		s.waitReport("ConfigMap", "there", report{reason: "CheckClusters", clusters: map[string]string{s.one: "", s.two: "AlreadyExists"}})
		if after := s.now(s.two, "ConfigMap", "there"); after.GetResourceVersion() != before.GetResourceVersion() {
			t.Errorf("an object that is not to be adopted was written: %v", after.Object)
		}
		s.drop("ConfigMap", "there")
		if after := s.now(s.two, "ConfigMap", "there"); after.GetResourceVersion() != before.GetResourceVersion() {
			t.Errorf("an object that was not adopted was written when its federated object went: %v", after.Object)
		}
	}
}

// setAdoption changes the KubeFedConfig. Upstream reads it when it starts.
func setAdoption(ctx context.Context, t *testing.T, env *framework.Environment, value kubefedv1beta1.ResourceAdoption) {
	t.Helper()
	config := &kubefedv1beta1.KubeFedConfig{}
	if err := env.Host.Client.Get(ctx, keyOf(framework.KubeFedNamespace, "kubefed"), config); err != nil {
		t.Error(err)
		return
	}
	before := config.DeepCopy()
	config.Spec.SyncController.AdoptResources = &value
	if err := env.Host.Client.Patch(ctx, config, client.MergeFrom(before)); err != nil {
		t.Error(err)
		return
	}
	if pushed() {
		return
	}
	if err := env.KubeFed.Stop(ctx); err != nil {
		t.Error(err)
		return
	}
	if err := env.KubeFed.Start(ctx); err != nil {
		t.Error(err)
	}
}
