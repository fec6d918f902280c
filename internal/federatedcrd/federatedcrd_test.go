package federatedcrd_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/federatedcrd"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden compares what real federated CRDs become with the files in testdata, which are there to be read.
func TestGolden(t *testing.T) {
	upstream := upstreamCRDs(t)
	for _, name := range []string{
		"federateddeployments.types.kubefed.io",
		"federatedconfigmaps.types.kubefed.io",
		"federatednamespaces.types.kubefed.io",
		"federatedclusterroles.types.kubefed.io",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := yaml.Marshal(upgrade(t, upstream[name]))
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".yaml")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("-want +got (go test -update writes the file anew):\n%s", diff)
			}
		})
	}
}

// TestInvariants holds for every CRD that can be upgraded: upstream's and the odd ones.
func TestInvariants(t *testing.T) {
	crds := upstreamCRDs(t)
	for name, tc := range oddSchemas {
		crds[name] = odd(t, tc.schema)
	}
	for name, plain := range crds {
		t.Run(name, func(t *testing.T) {
			before := plain.DeepCopy()
			upgraded := upgrade(t, plain)
			if diff := cmp.Diff(before, plain); diff != "" {
				t.Errorf("Upgrade changed its argument:\n%s", diff)
			}
			valid(t, upgraded)
			if diff := cmp.Diff(upgraded, upgrade(t, upgraded)); diff != "" {
				t.Errorf("a second Upgrade changed something:\n%s", diff)
			}
			if diff := cmp.Diff(plain, downgrade(t, upgraded, false)); diff != "" {
				t.Errorf("Downgrade did not give back the CRD that was there:\n%s", diff)
			}
			kept := downgrade(t, upgraded, true)
			valid(t, kept)
			for _, annotation := range []string{"cellfed.io/keyed-lists", "cellfed.io/status-fields"} {
				if change, ok := kept.Annotations[annotation]; ok {
					t.Errorf("Downgrade with fields kept left the annotation %s: %q", annotation, change)
				}
			}
			for _, field := range []string{"spec.topologyType", "spec.placementMask"} {
				want, got := property(schema(t, upgraded, federated.V1Beta1), field), property(schema(t, kept, federated.V1Beta1), field)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("Downgrade with fields kept changed %s:\n%s", field, diff)
				}
			}
			if federatedcrd.Serves(kept) {
				t.Error("Downgrade with fields kept left v2beta1")
			}
			if diff := cmp.Diff(plain, downgrade(t, kept, false)); diff != "" {
				t.Errorf("a second Downgrade did not give back the CRD that was there:\n%s", diff)
			}
			if diff := cmp.Diff(upgraded, upgrade(t, kept)); diff != "" {
				t.Errorf("Upgrade after a Downgrade with fields kept gave another CRD:\n%s", diff)
			}
			if diff := cmp.Diff(plain, downgrade(t, plain, false)); diff != "" {
				t.Errorf("Downgrade changed a CRD that was never upgraded:\n%s", diff)
			}
		})
	}
}

// valid fails the test unless an API server would take the CRD: structural schemas, rules that compile and are cheap
// enough, columns, and all the rest.
func valid(t *testing.T, crd *apiextensionsv1.CustomResourceDefinition) {
	t.Helper()
	crd = crd.DeepCopy()
	if c := crd.Spec.Conversion; c != nil && c.Webhook != nil {
		c.Webhook.ClientConfig.CABundle = nil // Options' is not a certificate.
	}
	var internal apiextensions.CustomResourceDefinition
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(crd, &internal, nil); err != nil {
		t.Fatal(err)
	}
	if errs := validation.ValidateCustomResourceDefinition(context.Background(), &internal); len(errs) > 0 {
		t.Errorf("the CRD is not valid: %v", errs.ToAggregate())
	}
}

func TestUpgradeRefuses(t *testing.T) {
	type edit = func(*apiextensionsv1.CustomResourceDefinition)
	other := apiextensionsv1.CustomResourceDefinitionVersion{
		Name: "v1", Served: true,
		Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object"}},
	}
	cases := map[string]struct {
		reason string
		edit   edit
		want   federatedcrd.Reason
	}{
		"Group": {
			reason: "The conversion knows one group.",
			edit:   func(crd *apiextensionsv1.CustomResourceDefinition) { crd.Spec.Group = "example.com" },
			want:   federatedcrd.ReasonForeignGroup,
		},
		"NoV1beta1": {
			reason: "Upstream's version must be there.",
			edit:   func(crd *apiextensionsv1.CustomResourceDefinition) { crd.Spec.Versions[0].Name = "v1" },
			want:   federatedcrd.ReasonNoV1beta1,
		},
		"UnknownVersion": {
			reason: "Nobody can convert a version that is neither.",
			edit: func(crd *apiextensionsv1.CustomResourceDefinition) {
				crd.Spec.Versions = append(crd.Spec.Versions, other)
			},
			want: federatedcrd.ReasonUnknownVersions,
		},
		"StoredElsewhere": {
			reason: "Upstream's informers must read what is stored.",
			edit: func(crd *apiextensionsv1.CustomResourceDefinition) {
				crd.Spec.Versions[0].Storage = false
				v2 := other
				v2.Name, v2.Storage = federated.V2Beta1, true
				crd.Spec.Versions = append(crd.Spec.Versions, v2)
			},
			want: federatedcrd.ReasonNotStorageVersion,
		},
		"PreservesUnknownFields": {
			reason: "The API server allows such a CRD no second schema.",
			edit:   func(crd *apiextensionsv1.CustomResourceDefinition) { crd.Spec.PreserveUnknownFields = true },
			want:   federatedcrd.ReasonPreservesUnknownFields,
		},
		"NoSchema": {
			reason: "There is nothing to derive v2beta1's schema from.",
			edit:   func(crd *apiextensionsv1.CustomResourceDefinition) { crd.Spec.Versions[0].Schema = nil },
			want:   federatedcrd.ReasonNoStructuralSchema,
		},
		"NotStructural": {
			reason: "A field without a type is not structural.",
			edit: func(crd *apiextensionsv1.CustomResourceDefinition) {
				crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["odd"] = apiextensionsv1.JSONSchemaProps{}
			},
			want: federatedcrd.ReasonNoStructuralSchema,
		},
		"NoSpec": {
			reason: "Fields cannot be added to a spec that is not declared.",
			edit: func(crd *apiextensionsv1.CustomResourceDefinition) {
				delete(crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties, "spec")
				crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Required = nil
			},
			want: federatedcrd.ReasonNoStructuralSchema,
		},
		"ForeignVersion": {
			reason: "Somebody else's v2beta1 is not overwritten.",
			edit: func(crd *apiextensionsv1.CustomResourceDefinition) {
				v2 := other
				v2.Name = federated.V2Beta1
				crd.Spec.Versions = append(crd.Spec.Versions, v2)
			},
			want: federatedcrd.ReasonForeignV2beta1,
		},
		"ForeignWebhook": {
			reason: "Somebody else's conversion webhook is not replaced.",
			edit: func(crd *apiextensionsv1.CustomResourceDefinition) {
				crd.Spec.Conversion = &apiextensionsv1.CustomResourceConversion{
					Strategy: apiextensionsv1.WebhookConverter,
					Webhook: &apiextensionsv1.WebhookConversion{
						ClientConfig:             &apiextensionsv1.WebhookClientConfig{URL: new("https://example.com")},
						ConversionReviewVersions: []string{"v1"},
					},
				}
			},
			want: federatedcrd.ReasonForeignConversion,
		},
		"ForeignField": {
			reason: "Somebody else's field of the same name is not overwritten.",
			edit: func(crd *apiextensionsv1.CustomResourceDefinition) {
				crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties["topologyType"] =
					apiextensionsv1.JSONSchemaProps{Type: "integer"}
			},
			want: federatedcrd.ReasonForeignField,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			crd := upstreamCRDs(t)["federateddeployments.types.kubefed.io"]
			tc.edit(crd)
			out, err := federatedcrd.Upgrade(crd, options())
			if want := (&federatedcrd.Error{Reason: tc.want}); !errors.Is(err, want) || out != nil {
				t.Errorf("%s\ngot CRD %t and error %v, want no CRD and reason %s", tc.reason, out != nil, err, tc.want)
			}
		})
	}
}

// TestUpgradeRecognisesItsOwn: what Upgrade added stays its own when the annotation or a part is lost.
func TestUpgradeRecognisesItsOwn(t *testing.T) {
	plain := upstreamCRDs(t)["federateddeployments.types.kubefed.io"]
	cases := map[string]struct {
		reason string
		edit   func(*apiextensionsv1.CustomResourceDefinition)
	}{
		"AnnotationLost": {
			reason: "A tool that replaces metadata takes the annotation away, and v2beta1 still shows whose it is.",
			edit:   func(crd *apiextensionsv1.CustomResourceDefinition) { crd.Annotations = nil },
		},
		"SpecReplaced": {
			reason: "kubefedctl enable puts its own spec over the one that is there.",
			edit:   func(crd *apiextensionsv1.CustomResourceDefinition) { crd.Spec = *plain.Spec.DeepCopy() },
		},
		"EndpointMoved": {
			reason: "Another webhook URL is a change of configuration.",
			edit: func(crd *apiextensionsv1.CustomResourceDefinition) {
				crd.Spec.Conversion.Webhook.ClientConfig = &apiextensionsv1.WebhookClientConfig{URL: new("https://elsewhere/convert")}
			},
		},
		"StatusRedescribed": {
			reason: "What an older release declared in the status is its own too, whatever it said of it.",
			edit: func(crd *apiextensionsv1.CustomResourceDefinition) {
				crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["status"].Properties["summary"] = apiextensionsv1.JSONSchemaProps{Type: "object"}
			},
		},
		"ConversionOff": {
			reason: "Somebody set the strategy back to None.",
			edit: func(crd *apiextensionsv1.CustomResourceDefinition) {
				crd.Spec.Conversion = &apiextensionsv1.CustomResourceConversion{Strategy: apiextensionsv1.NoneConverter}
			},
		},
		"SchemaEdited": {
			reason: "Somebody edited what is derived.",
			edit: func(crd *apiextensionsv1.CustomResourceDefinition) {
				delete(crd.Spec.Versions[1].Schema.OpenAPIV3Schema.Properties["spec"].Properties, "overrides")
				crd.Spec.Versions[1].AdditionalPrinterColumns = nil
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			want := upgrade(t, plain)
			crd := want.DeepCopy()
			tc.edit(crd)
			if diff := cmp.Diff(want, upgrade(t, crd)); diff != "" {
				t.Errorf("%s\n-want +got:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(plain, downgrade(t, crd, false)); diff != "" {
				t.Errorf("%s\nDowngrade, -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestDowngradeRefuses(t *testing.T) {
	cases := map[string]struct {
		reason string
		edit   func(*apiextensionsv1.CustomResourceDefinition)
		want   federatedcrd.Reason
	}{
		"StoredOnce": {
			reason: "Objects may be stored in v2beta1.",
			edit: func(crd *apiextensionsv1.CustomResourceDefinition) {
				crd.Status.StoredVersions = []string{federated.V1Beta1, federated.V2Beta1}
			},
			want: federatedcrd.ReasonStillStored,
		},
		"StorageVersion": {
			reason: "Objects are about to be stored in v2beta1.",
			edit: func(crd *apiextensionsv1.CustomResourceDefinition) {
				crd.Spec.Versions[0].Storage, crd.Spec.Versions[1].Storage = false, true
			},
			want: federatedcrd.ReasonStillStored,
		},
		"NothingLeft": {
			reason: "A CRD has at least one version.",
			edit: func(crd *apiextensionsv1.CustomResourceDefinition) {
				crd.Spec.Versions = crd.Spec.Versions[1:]
			},
			want: federatedcrd.ReasonNoV1beta1,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			crd := upgrade(t, upstreamCRDs(t)["federateddeployments.types.kubefed.io"])
			tc.edit(crd)
			for _, keep := range []bool{true, false} {
				if _, err := federatedcrd.Downgrade(crd, keep); !errors.Is(err, &federatedcrd.Error{Reason: tc.want}) {
					t.Errorf("%s\nkeepFields %t: got error %v, want reason %s", tc.reason, keep, err, tc.want)
				}
			}
		})
	}
}

func TestDowngradeLeavesForeign(t *testing.T) {
	crd := upstreamCRDs(t)["federateddeployments.types.kubefed.io"]
	v2 := *crd.Spec.Versions[0].DeepCopy()
	v2.Name, v2.Storage = federated.V2Beta1, false
	crd.Spec.Versions = append(crd.Spec.Versions, v2)
	if diff := cmp.Diff(crd, downgrade(t, crd, false)); diff != "" {
		t.Errorf("Downgrade changed somebody else's v2beta1:\n%s", diff)
	}
}

func TestUsesFields(t *testing.T) {
	cases := map[string]struct {
		reason string
		object map[string]any
		want   bool
	}{
		"Plain":  {reason: "Upstream's own objects have neither.", object: map[string]any{"spec": map[string]any{"placement": map[string]any{}}}},
		"NoSpec": {reason: "An object without a spec has neither.", object: map[string]any{}},
		"Type":   {reason: "Even the default is a field to be kept.", object: map[string]any{"spec": map[string]any{"topologyType": "cluster"}}, want: true},
		"Mask":   {reason: "An empty mask means nothing, an absent one everything.", object: map[string]any{"spec": map[string]any{"placementMask": map[string]any{}}}, want: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := federatedcrd.UsesFields(tc.object); got != tc.want {
				t.Errorf("%s\ngot %t, want %t", tc.reason, got, tc.want)
			}
		})
	}
}

func TestURL(t *testing.T) {
	service := func(port *int32, path *string) apiextensionsv1.WebhookClientConfig {
		return apiextensionsv1.WebhookClientConfig{Service: &apiextensionsv1.ServiceReference{Namespace: "ns", Name: "svc", Port: port, Path: path}}
	}
	both := service(nil, nil)
	both.URL = new("https://host/convert")
	cases := map[string]struct {
		reason  string
		config  apiextensionsv1.WebhookClientConfig
		want    string
		invalid bool
	}{
		"URL":     {reason: "A URL is what it is.", config: apiextensionsv1.WebhookClientConfig{URL: new("https://host:1/convert")}, want: "https://host:1/convert"},
		"Service": {reason: "A Service is called by its DNS name.", config: service(new(int32(8443)), new("/convert")), want: "https://svc.ns.svc:8443/convert"},
		"Default": {reason: "The API server's defaults are port 443 and no path.", config: service(nil, nil), want: "https://svc.ns.svc:443"},
		"Plain":   {reason: "The API server refuses plain HTTP.", config: apiextensionsv1.WebhookClientConfig{URL: new("http://host")}, invalid: true},
		"Neither": {reason: "There must be one.", invalid: true},
		"Both":    {reason: "There must not be two.", config: both, invalid: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := federatedcrd.URL(tc.config)
			if got != tc.want || (err != nil) != tc.invalid {
				t.Errorf("%s\ngot %q and error %v, want %q", tc.reason, got, err, tc.want)
			}
		})
	}
}
