package tenant

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

func TestMetrics(t *testing.T) {
	before := testutil.ToFloat64(relabeled.WithLabelValues("Cell"))
	relabeled.WithLabelValues("Cell").Inc()
	if got := testutil.ToFloat64(relabeled.WithLabelValues("Cell")); got != before+1 {
		t.Errorf("%v after %v", got, before)
	}
	if problems, err := testutil.CollectAndLint(relabeled); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, family := range families {
		names = append(names, family.GetName())
	}
	if !strings.Contains(strings.Join(names, " "), "cellfed_tenant_relabeled_objects_total") {
		t.Errorf("it is not registered: %v", names)
	}
}
