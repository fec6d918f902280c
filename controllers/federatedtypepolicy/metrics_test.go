package federatedtypepolicy

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

func TestPolicyCollector(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	policyOf := func(namespace, name string, wanted, has v1alpha1.Propagator, conditions ...metav1.Condition) *v1alpha1.FederatedTypePolicy {
		p := &v1alpha1.FederatedTypePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		p.Spec.Propagator, p.Status.Propagator, p.Status.Conditions = wanted, has, conditions
		return p
	}
	propagating := v1alpha1.NewCondition(v1alpha1.ConditionPropagating, metav1.ConditionTrue, v1alpha1.ReasonCellfed, 1, "")
	waiting := v1alpha1.NewCondition(v1alpha1.ConditionPropagating, metav1.ConditionFalse, v1alpha1.ReasonWaitingForKubeFed, 1, "")
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		policyOf("kubefed", "deployments.apps", v1alpha1.PropagatorCellfed, v1alpha1.PropagatorCellfed, propagating),
		policyOf("kubefed", "secrets", v1alpha1.PropagatorCellfed, "", waiting),
		policyOf("kubefed", "services", "", ""),
		policyOf("acme", "services", "", ""),
	).Build()
	elected := make(chan struct{})
	collector := &policyCollector{client: reader, namespace: "kubefed", elected: elected}
	if n := testutil.CollectAndCount(collector); n != 0 {
		t.Errorf("%d samples of a replica that does not lead", n)
	}
	close(elected)
	want := `
# HELP cellfed_federatedtypepolicy_types 1 for each FederatedTypePolicy, by type, who is to propagate it (wanted), who does (propagator, empty for nobody), and status and reason of its condition Propagating. The leader alone has it.
# TYPE cellfed_federatedtypepolicy_types gauge
cellfed_federatedtypepolicy_types{propagating="False",propagator="",reason="WaitingForKubeFed",type="secrets",wanted="Cellfed"} 1
cellfed_federatedtypepolicy_types{propagating="True",propagator="Cellfed",reason="Cellfed",type="deployments.apps",wanted="Cellfed"} 1
cellfed_federatedtypepolicy_types{propagating="Unknown",propagator="",reason="",type="services",wanted="KubeFed"} 1
`
	if err := testutil.CollectAndCompare(collector, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	// What cannot be listed is left out: a sample that is an error has all others of the manager answered with a 500.
	broken := interceptor.NewClient(reader, interceptor.Funcs{List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
		return errors.New("broken")
	}})
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(&policyCollector{client: broken, namespace: "kubefed", elected: elected})
	if families, err := registry.Gather(); err != nil || len(families) != 0 {
		t.Errorf("of policies that cannot be listed: %v, %v", families, err)
	}
	// A manager takes over from an earlier one in the same process.
	for range 2 {
		if err := registerMetrics(reader, "kubefed", elected); err != nil {
			t.Error(err)
		}
	}
}

func TestHandovers(t *testing.T) {
	const name = "handovers.test"
	for _, h := range []happening{disabled(name), handedOver(), flipped(name, false), disabled(name), handedOver(), handedBack(name)} {
		countHandover(name, h.reason)
	}
	countHandover(name, "AnythingElse")
	for _, tc := range []struct {
		direction, outcome string
		want               float64
	}{
		{"to_cellfed", "begun", 2}, {"to_cellfed", "completed", 2}, {"to_cellfed", "interrupted", 1}, {"to_kubefed", "completed", 1},
	} {
		if got := testutil.ToFloat64(handoversTotal.WithLabelValues(name, tc.direction, tc.outcome)); got != tc.want {
			t.Errorf("%s %s: %v, want %v", tc.direction, tc.outcome, got, tc.want)
		}
	}
	if problems, err := testutil.CollectAndLint(handoversTotal); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	before := testutil.CollectAndCount(handoversTotal)
	forgetHandovers(name)
	if left := testutil.CollectAndCount(handoversTotal); left != before-4 {
		t.Errorf("%d series are left of %d", left, before)
	}
}
