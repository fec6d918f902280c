package federatedtype

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/federatedcrd"
)

// probes is a Prober that answers with an error, or nil.
type probes struct{ err error }

func (p probes) Probe(context.Context, apiextensionsv1.WebhookClientConfig, string) error {
	return p.err
}

// TestReconcile is about what a real API server rarely does: fail at the wrong moment.
func TestReconcile(t *testing.T) {
	var (
		resource = schema.GroupResource{Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions"}
		conflict = apierrors.NewConflict(resource, "odds", errors.New("somebody was faster"))
		failure  = apierrors.NewInternalError(errors.New("out of order"))
		down     = errors.New("the webhook is down")
	)
	failing := func(err error) interceptor.Funcs {
		return interceptor.Funcs{Update: func(context.Context, client.WithWatch, client.Object, ...client.UpdateOption) error { return err }}
	}
	failingStatus := func(err error) interceptor.Funcs {
		return interceptor.Funcs{SubResourceUpdate: func(context.Context, client.Client, string, client.Object, ...client.SubResourceUpdateOption) error {
			return err
		}}
	}
	cases := map[string]struct {
		reason    string
		fail      interceptor.Funcs
		probe     error
		wantAfter time.Duration
		wantErr   error
		served    bool
		condition string // reason of the condition, "" for none
		state     string
		events    int
	}{
		"Good": {
			reason: "Nothing fails.", served: true, condition: "Served", state: "Served", events: 1,
		},
		"Conflict": {
			reason: "A conflict is nobody's fault: it is tried again, without an error, an event or a condition.",
			fail:   failing(conflict), wantAfter: conflictDelay,
		},
		"Failure": {
			reason: "A write that failed is no word about the CRD.",
			fail:   failing(failure), wantErr: failure,
		},
		"StatusConflict": {
			reason: "The condition is written at the next attempt, and only then is there an event.",
			fail:   failingStatus(conflict), wantAfter: conflictDelay, served: true, state: "Served",
		},
		"StatusFailure": {
			reason: "A condition that could not be written is tried again.",
			fail:   failingStatus(failure), wantErr: failure, served: true, state: "Served",
		},
		"WebhookDown": {
			reason: "The error makes the queue back off; the condition tells the operator.",
			probe:  down, wantErr: down, condition: "WebhookUnreachable", state: "WebhookUnreachable", events: 1,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			scheme, err := framework.NewScheme()
			if err != nil {
				t.Fatal(err)
			}
			ftc := &kubefedv1beta1.FederatedTypeConfig{
				ObjectMeta: metav1.ObjectMeta{Namespace: "kube-federation-system", Name: "odds"},
				Spec: kubefedv1beta1.FederatedTypeConfigSpec{
					FederatedType: kubefedv1beta1.APIResource{Group: federated.Group, Kind: "FederatedOdd"},
				},
			}
			crd := plainCRD()
			c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(ftc, crd).
				WithStatusSubresource(&apiextensionsv1.CustomResourceDefinition{}).WithInterceptorFuncs(tc.fail).Build()
			recorder := events.NewFakeRecorder(10)
			r := &Reconciler{client: c, live: c, recorder: recorder, states: newStates(), options: Options{
				Namespace: ftc.Namespace, Webhook: webhook("https://here/convert"), CA: noBundle{}, Prober: probes{tc.probe},
			}}
			result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(ftc)})
			if !errors.Is(err, tc.wantErr) || result.RequeueAfter != tc.wantAfter {
				t.Errorf("%s\ngot %v and error %v, want %v and %v", tc.reason, result, err, tc.wantAfter, tc.wantErr)
			}
			got := &apiextensionsv1.CustomResourceDefinition{}
			if err := c.Get(t.Context(), client.ObjectKeyFromObject(crd), got); err != nil {
				t.Fatal(err)
			}
			var reason string
			if c := condition(got); c != nil {
				reason = c.Reason
			}
			if federatedcrd.Serves(got) != tc.served || reason != tc.condition {
				t.Errorf("%s\nserved %t with condition %q, want %t with %q", tc.reason, federatedcrd.Serves(got), reason, tc.served, tc.condition)
			}
			if len(recorder.Events) != tc.events {
				t.Errorf("%s\ngot %d events, want %d", tc.reason, len(recorder.Events), tc.events)
			}
			want := map[string]string{}
			if tc.state != "" {
				want[crd.Name] = tc.state
			}
			if diff := cmp.Diff(want, r.states.byCRD); diff != "" {
				t.Errorf("%s\nstates, -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestStates(t *testing.T) {
	count := func(state string) float64 { return testutil.ToFloat64(typesByState.WithLabelValues(state)) }
	s := newStates()
	if !s.set("a", "Served") || s.set("a", "Served") || !s.set("b", "Served") || !s.set("b", stateMissing) {
		t.Error("set must tell whether the state is another")
	}
	if count("Served") != 1 || count(stateMissing) != 1 {
		t.Errorf("served %v, missing %v, want 1 and 1", count("Served"), count(stateMissing))
	}
	s.retain(func(crd string) bool { return crd == "b" })
	if count("Served") != 0 || count(stateMissing) != 1 {
		t.Errorf("after one has gone: served %v, missing %v, want 0 and 1", count("Served"), count(stateMissing))
	}
	s.retain(func(string) bool { return false })
}
