package await

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

var watched = []kube.Watched{{List: &v1alpha1.CellList{}}}

// TestGrace: nobody is asked whether a manager runs that has just been given something to do.
func TestGrace(t *testing.T) {
	const silence = "waiting until somebody reports"
	cases := map[string]struct {
		reason string
		grace  time.Duration
		told   string
	}{
		"Soon": {reason: "it is a matter of course", grace: time.Hour, told: silence + "\n"},
		"Late": {reason: "it is none any more, though nothing has changed", grace: 50 * time.Millisecond, told: silence + "\n" + silence + Question + "\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := kubetest.New(t, "acme", interceptor.Funcs{})
			done, waitingFor, err := until(t.Context(), h.Kube, 500*time.Millisecond, tc.grace, watched, func(context.Context) (bool, string, error) {
				return false, silence + Question, nil
			})
			if done || err != nil || waitingFor != silence+Question {
				t.Errorf("%s: got %t, %q, %v", tc.reason, done, waitingFor, err)
			}
			if diff := cmp.Diff(tc.told, h.Stderr.String()); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestOutage: a host cluster that does not answer until the time is over is what was waited for last.
func TestOutage(t *testing.T) {
	h := kubetest.New(t, "acme", interceptor.Funcs{})
	done, waitingFor, err := Until(t.Context(), h.Kube, 300*time.Millisecond, watched, func(context.Context) (bool, string, error) {
		return false, "", apierrors.NewServiceUnavailable("starting")
	})
	if done || err != nil || waitingFor != "the host cluster does not answer: starting" {
		t.Errorf("got %t, %q, %v", done, waitingFor, err)
	}
}
