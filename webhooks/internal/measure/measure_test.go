package measure_test

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/cellfed/cellfed/webhooks/internal/measure"
)

func TestHandler(t *testing.T) {
	handler := measure.Handler("/some-webhook", admission.HandlerFunc(func(_ context.Context, r admission.Request) admission.Response {
		if r.Operation == admissionv1.Delete {
			panic("a handler can")
		}
		return admission.ValidationResponse(r.Operation == admissionv1.Create, "")
	}))
	ask := func(operation admissionv1.Operation) {
		defer func() { _ = recover() }()
		handler.Handle(t.Context(), admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{Operation: operation}})
	}
	before := counts(t)
	for _, operation := range []admissionv1.Operation{admissionv1.Create, admissionv1.Create, admissionv1.Update, admissionv1.Delete} {
		ask(operation)
	}
	got := counts(t)
	maps.DeleteFunc(got, func(key string, count uint64) bool { return count == before[key] })
	want := map[string]uint64{
		"allowed=true operation=CREATE webhook=some-webhook ":  2,
		"allowed=false operation=UPDATE webhook=some-webhook ": 1,
		"allowed=false operation=DELETE webhook=some-webhook ": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("every answer is counted, one that was a panic too: -want +got:\n%s", diff)
	}
}

// counts returns the number of observations by the labels.
func counts(t *testing.T) map[string]uint64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]uint64{}
	for _, family := range families {
		if family.GetName() != "cellfed_admission_duration_seconds" {
			continue
		}
		for _, metric := range family.GetMetric() {
			key := ""
			for _, label := range metric.GetLabel() {
				key += fmt.Sprintf("%s=%s ", label.GetName(), label.GetValue())
			}
			all[key] = metric.GetHistogram().GetSampleCount()
		}
	}
	return all
}
