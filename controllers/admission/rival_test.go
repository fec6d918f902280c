package admission

import (
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// TestRival: that somebody else keeps the bundle too is told once for each configuration, and again when it happens again.
func TestRival(t *testing.T) {
	annotated := map[string]string{"cert-manager.io/inject-ca-from": "kubefed/serving"}
	type look struct {
		uid         types.UID
		annotations map[string]string
	}
	cases := map[string]struct {
		reason string
		looks  []look
		want   int
	}{
		"Nobody":     {reason: "nobody else writes", looks: []look{{"a", nil}, {"b", map[string]string{"cert-manager.io/x": "y"}}}},
		"Once":       {reason: "each look finds it", looks: []look{{"a", annotated}, {"a", annotated}}, want: 1},
		"Both":       {reason: "each configuration is somebody's", looks: []look{{"a", annotated}, {"b", annotated}, {"a", annotated}}, want: 2},
		"Again":      {reason: "it went and came", looks: []look{{"a", annotated}, {"a", nil}, {"a", annotated}}, want: 2},
		"OtherClaim": {reason: "by another annotation", looks: []look{{"a", annotated}, {"a", map[string]string{"cert-manager.io/inject-apiserver-ca": "true"}}}, want: 2},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var lines []string
			ctx := log.IntoContext(t.Context(), funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{}))
			r := &Reconciler{}
			for _, l := range tc.looks {
				r.tellOfRival(ctx, &admissionregistrationv1.MutatingWebhookConfiguration{
					ObjectMeta: metav1.ObjectMeta{Name: MutatingName, UID: l.uid, Annotations: l.annotations},
				})
			}
			if len(lines) != tc.want {
				t.Errorf("%s: it was told %d times, want %d: %q", tc.reason, len(lines), tc.want, lines)
			}
			for _, line := range lines {
				if !strings.Contains(line, MutatingName) || !strings.Contains(line, "cert-manager.io/inject-") {
					t.Errorf("%s: neither the configuration nor the annotation is named: %s", tc.reason, line)
				}
			}
		})
	}
}
