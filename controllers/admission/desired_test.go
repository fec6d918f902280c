package admission

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestDesired(t *testing.T) {
	bundle := []byte("ca")
	cases := map[string]struct {
		reason   string
		deleted  bool
		webhooks []clientConfig
		want     any
	}{
		"None":    {reason: "Without webhooks there is nothing to trust."},
		"Current": {reason: "What has the bundle is left alone.", webhooks: []clientConfig{{"a", bundle}, {"b", bundle}}},
		"Missing": {reason: "All webhooks are applied, or those that are left out would lose the bundle.",
			webhooks: []clientConfig{{"a", bundle}, {"b", nil}}, want: []any{
				map[string]any{"name": "a", "clientConfig": map[string]any{"caBundle": "Y2E="}},
				map[string]any{"name": "b", "clientConfig": map[string]any{"caBundle": "Y2E="}},
			}},
		"Other": {reason: "Another bundle is replaced.", webhooks: []clientConfig{{"a", []byte("old")}},
			want: []any{map[string]any{"name": "a", "clientConfig": map[string]any{"caBundle": "Y2E="}}}},
		"Deleted": {reason: "What is being deleted is left alone.", deleted: true, webhooks: []clientConfig{{"a", nil}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			meta := &metav1.ObjectMeta{Name: MutatingName, UID: "u", ResourceVersion: "7"}
			if tc.deleted {
				meta.DeletionTimestamp = new(metav1.NewTime(time.Unix(1, 0)))
			}
			got := desired("MutatingWebhookConfiguration", meta, tc.webhooks, bundle)
			if tc.want == nil {
				if got != nil {
					t.Errorf("%s\ngot %v, want nothing", tc.reason, got.Object)
				}
				return
			}
			want := map[string]any{
				"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
				"metadata": map[string]any{"name": MutatingName, "uid": "u", "resourceVersion": "7"},
				"webhooks": tc.want,
			}
			if diff := cmp.Diff(want, got.Object); diff != "" {
				t.Errorf("%s\n-want +got:\n%s", tc.reason, diff)
			}
		})
	}
}
