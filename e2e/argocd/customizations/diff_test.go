package customizations

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/argo/diff"
	"github.com/argoproj/argo-cd/v3/util/argo/normalizers"
)

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	return object
}

// TestDifferences: what cellfed writes into objects that are in Git is no difference, and what others write is.
func TestDifferences(t *testing.T) {
	const (
		ftc = `{apiVersion: core.kubefed.io/v1beta1, kind: FederatedTypeConfig, metadata: {name: configmaps, namespace: n}, `
		own = `{apiVersion: types.kubefed.io/v2beta1, kind: FederatedConfigMap, metadata: {name: pay, namespace: n, labels: {`
	)
	cases := map[string]struct {
		reason    string
		git, live string
		modified  bool
	}{
		"Owner": {
			"Admission writes the owner over what the manifest says.",
			own + `cellfed.io/tenant: typo, app: pay}}, spec: {}}`,
			own + `cellfed.io/tenant: acme, cellfed.io/workspace-group: prod, app: pay}}, spec: {}}`, false,
		},
		"OwnLabel": {"Other labels are the manifest's.", own + `app: pay}}, spec: {}}`, own + `app: other}}, spec: {}}`, true},
		"CellOwner": {
			"So it is with Cells.",
			`{apiVersion: cellfed.io/v1alpha1, kind: Cell, metadata: {name: c, namespace: n, labels: {cellfed.io/tenant: typo}}, spec: {clusterName: a}}`,
			`{apiVersion: cellfed.io/v1alpha1, kind: Cell, metadata: {name: c, namespace: n, labels: {cellfed.io/tenant: acme}}, spec: {clusterName: a}}`, false,
		},
		"DefaultedMask": {
			"A mask that admission gave is in no manifest.",
			own + `app: pay}}, spec: {template: {}}}`, own + `app: pay}}, spec: {template: {}, placementMask: {topologies: []}}}`, false,
		},
		"Mask": {
			"A mask that the manifest gives is the manifest's.",
			own + `app: pay}}, spec: {placementMask: {topologies: [{name: a}]}}}`, own + `app: pay}}, spec: {placementMask: {topologies: []}}}`, true,
		},
		"HandOver":  {"cellfed disables a type that it takes over.", ftc + `spec: {propagation: Enabled}}`, ftc + `spec: {propagation: Disabled}}`, false},
		"OtherType": {"The rest of the type is the manifest's.", ftc + `spec: {statusCollection: Enabled}}`, ftc + `spec: {statusCollection: Disabled}}`, true},
		"FederatedCRD": {
			"cellfed gives it a version and a conversion.",
			`{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: a.b}, spec: {group: types.kubefed.io, scope: Namespaced, versions: [{name: v1beta1}], conversion: {strategy: None}}}`,
			`{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: a.b}, spec: {group: types.kubefed.io, scope: Namespaced, versions: [{name: v2beta1}, {name: v1beta1}], conversion: {strategy: Webhook}}}`, false,
		},
		"OtherCRD": {
			"Other CRDs are nobody's here.",
			`{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: a.b}, spec: {group: example.com, versions: [{name: v1}]}}`,
			`{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: a.b}, spec: {group: example.com, versions: [{name: v2}]}}`, true,
		},
		"Authority": {
			"The manager renews its authority.",
			`{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: cellfed-validating}, webhooks: [{name: a, clientConfig: {caBundle: YQ==}}]}`,
			`{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: cellfed-validating}, webhooks: [{name: a, clientConfig: {caBundle: Yg==}}]}`, false,
		},
		"OtherAuthority": {
			"Others' webhooks are nobody's here.",
			`{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: other}, webhooks: [{name: a, clientConfig: {caBundle: YQ==}}]}`,
			`{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: other}, webhooks: [{name: a, clientConfig: {caBundle: Yg==}}]}`, true,
		},
	}
	config, err := diff.NewDiffConfigBuilder().
		WithDiffSettings([]v1alpha1.ResourceIgnoreDifferences{}, load(t), true, normalizers.IgnoreNormalizerOpts{}).
		WithTracking("", "").WithNoCache().Build()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := diff.StateDiff(parse(t, tc.live), parse(t, tc.git), config)
			if err != nil {
				t.Fatal(err)
			}
			if got.Modified != tc.modified {
				t.Errorf("%s\nmodified is %t, want %t:\nlive %s\nwant %s", tc.reason, got.Modified, tc.modified, got.NormalizedLive, got.PredictedLive)
			}
		})
	}
}
