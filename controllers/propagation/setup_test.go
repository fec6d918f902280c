package propagation

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// planned notes what is planned, and takes nothing else.
type planned struct {
	feeder
	namespaces []string
}

func (p *planned) PlanAll(_, namespace string, _ int) { p.namespaces = append(p.namespaces, namespace) }

// Whose a Namespace is decides about its objects, and about cells of others that have a namespace of its name in their members.
func TestNamespaceLabels(t *testing.T) {
	namespace := func(tenant string) *metav1.PartialObjectMetadata {
		return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "acme", Labels: map[string]string{v1alpha1.TenantLabel: tenant}}}
	}
	type outcome struct {
		Planned, Looked []string
		Topologies      int
	}
	both := outcome{Planned: []string{"acme"}, Looked: []string{"acme"}, Topologies: 1}
	for name, tc := range map[string]struct {
		reason string
		happen func(h *namespaceLabels, q workqueue.TypedRateLimitingInterface[reconcile.Request])
		want   outcome
	}{
		"Created": {"a cell may be in what becomes another's", func(h *namespaceLabels, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			h.Create(t.Context(), event.CreateEvent{Object: namespace("acme")}, q)
		}, both},
		"Listed": {"what was there when the manager began is looked at anyway", func(h *namespaceLabels, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			h.Create(t.Context(), event.CreateEvent{Object: namespace("acme"), IsInInitialList: true}, q)
		}, outcome{}},
		"Relabeled": {"it changes hands", func(h *namespaceLabels, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			h.Update(t.Context(), event.UpdateEvent{ObjectOld: namespace("acme"), ObjectNew: namespace("globex")}, q)
		}, both},
		"Touched": {"whose it is stays", func(h *namespaceLabels, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			h.Update(t.Context(), event.UpdateEvent{ObjectOld: namespace("acme"), ObjectNew: namespace("acme")}, q)
		}, outcome{}},
		"Deleted": {"the name is nobody's any more", func(h *namespaceLabels, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			h.Delete(t.Context(), event.DeleteEvent{Object: namespace("acme")}, q)
		}, outcome{Topologies: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
			defer queue.ShutDown()
			var got outcome
			feed := &planned{}
			tc.happen(&namespaceLabels{feed, func(namespace string) { got.Looked = append(got.Looked, namespace) }}, queue)
			got.Planned, got.Topologies = feed.namespaces, queue.Len()
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}
