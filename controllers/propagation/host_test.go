package propagation

import (
	"context"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"
)

// configReader holds one KubeFedConfig, or none.
type configReader struct {
	client.Reader
	config *fedv1b1.KubeFedConfig
}

func (r *configReader) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	if r.config == nil {
		return apierrors.NewNotFound(schema.GroupResource{Group: "core.kubefed.io", Resource: "kubefedconfigs"}, key.Name)
	}
	*into.(*fedv1b1.KubeFedConfig) = *r.config
	return nil
}

func TestAdopts(t *testing.T) {
	says := func(value fedv1b1.ResourceAdoption) *fedv1b1.KubeFedConfig {
		return &fedv1b1.KubeFedConfig{Spec: fedv1b1.KubeFedConfigSpec{SyncController: &fedv1b1.SyncControllerConfig{AdoptResources: &value}}}
	}
	enabled, disabled := says(fedv1b1.AdoptResourcesEnabled), says(fedv1b1.AdoptResourcesDisabled)
	cases := map[string]struct {
		reason  string
		configs []*fedv1b1.KubeFedConfig // one after the other
		want    bool
	}{
		"NeverThere":   {"upstream's default", []*fedv1b1.KubeFedConfig{nil}, true},
		"Silent":       {"upstream's default", []*fedv1b1.KubeFedConfig{{}}, true},
		"Enabled":      {"as it says", []*fedv1b1.KubeFedConfig{enabled}, true},
		"Disabled":     {"as it says", []*fedv1b1.KubeFedConfig{disabled}, false},
		"GoneDisabled": {"what KubeFed was installed by is gone, and nobody has allowed anything", []*fedv1b1.KubeFedConfig{disabled, nil, nil}, false},
		"GoneEnabled":  {"it was allowed", []*fedv1b1.KubeFedConfig{enabled, nil}, true},
		"ChangedGone":  {"the last word counts", []*fedv1b1.KubeFedConfig{disabled, enabled, nil}, true},
		"BackAgain":    {"it has its say again", []*fedv1b1.KubeFedConfig{disabled, nil, enabled}, true},
		"GoesSilent":   {"a config that does not say has the default", []*fedv1b1.KubeFedConfig{disabled, {}, nil}, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			reader := &configReader{}
			host := &hostCluster{client: reader, namespace: "kube-federation-system"}
			var got bool
			for _, reader.config = range tc.configs {
				var err error
				if got, err = host.Adopts(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if got != tc.want {
				t.Errorf("%s: %v", tc.reason, got)
			}
		})
	}
}
