package admission

import (
	"net/http"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"
)

type constantBundle string

func (b constantBundle) Bundle() []byte                     { return []byte(b) }
func (b constantBundle) Changes() <-chan event.GenericEvent { return nil }

func mutatingWith(bundle string) *admissionregistrationv1.MutatingWebhookConfiguration {
	return &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: MutatingName},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: "m.cellfed.io", ClientConfig: admissionregistrationv1.WebhookClientConfig{CABundle: []byte(bundle)},
		}},
	}
}

func validatingWith(bundle string) *admissionregistrationv1.ValidatingWebhookConfiguration {
	return &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: ValidatingName},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: "v.cellfed.io", ClientConfig: admissionregistrationv1.WebhookClientConfig{CABundle: []byte(bundle)},
		}},
	}
}

func TestTrusted(t *testing.T) {
	cases := map[string]struct {
		reason string
		there  []client.Object
		want   string
	}{
		"Nothing":        {reason: "who does without admission is ready"},
		"Both":           {reason: "both have it", there: []client.Object{mutatingWith("new"), validatingWith("new")}},
		"MutatingLacks":  {reason: "as it is installed", there: []client.Object{mutatingWith(""), validatingWith("new")}, want: MutatingName},
		"ValidatingOld":  {reason: "of an authority that is no more", there: []client.Object{mutatingWith("new"), validatingWith("old")}, want: ValidatingName},
		"ValidatingOnly": {reason: "one of them is enough to be asked", there: []client.Object{validatingWith("old")}, want: ValidatingName},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			check := Trusted(fake.NewClientBuilder().WithObjects(tc.there...).Build(), constantBundle("new"))
			err := check(&http.Request{})
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%s: got the error %v, want one that names %q", tc.reason, err, tc.want)
			}
		})
	}
}

func TestTrustedStays(t *testing.T) {
	there := fake.NewClientBuilder().WithObjects(mutatingWith("")).Build()
	check := Trusted(there, constantBundle("new"))
	if err := check(&http.Request{}); err == nil {
		t.Fatal("ready without the bundle")
	}
	for _, bundle := range []string{"new", "overwritten"} {
		changed := &admissionregistrationv1.MutatingWebhookConfiguration{}
		if err := there.Get(t.Context(), client.ObjectKey{Name: MutatingName}, changed); err != nil {
			t.Fatal(err)
		}
		changed.Webhooks = mutatingWith(bundle).Webhooks
		if err := there.Update(t.Context(), changed); err != nil {
			t.Fatal(err)
		}
		if err := check(&http.Request{}); err != nil {
			t.Errorf("with the bundle %q: %v", bundle, err)
		}
	}
}
