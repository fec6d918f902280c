// Package customizations reads what Argo CD is told of cellfed's kinds as Argo CD itself reads it.
package customizations

import (
	"context"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/yaml"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/argo-cd/v3/util/settings"
)

const namespace = "argocd"

// Overrides are what Argo CD is told of resources, by group and kind.
type Overrides = map[string]v1alpha1.ResourceOverride

// Load returns what the argocd-cm in the file says, beside what Argo CD says by default.
func Load(ctx context.Context, path string) (Overrides, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the argocd-cm: %w", err)
	}
	cm := &corev1.ConfigMap{}
	if err := yaml.UnmarshalStrict(data, cm); err != nil {
		return nil, fmt.Errorf("parse the argocd-cm %s: %w", path, err)
	}
	cm.Namespace = namespace
	secret := &corev1.Secret{}
	secret.Namespace, secret.Name = namespace, "argocd-secret"
	secret.Labels = cm.Labels
	manager := settings.NewSettingsManager(ctx, fake.NewClientset(cm, secret), namespace)
	overrides, err := manager.GetResourceOverrides()
	if err != nil {
		return nil, fmt.Errorf("read the customizations in %s: %w", path, err)
	}
	return overrides, nil
}

// Health judges objects as Argo CD's controller does.
func Health(overrides Overrides) lua.ResourceHealthOverrides {
	return lua.ResourceHealthOverrides(overrides)
}
