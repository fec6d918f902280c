package tenant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/workqueue"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

func TestPatchOf(t *testing.T) {
	cases := map[string]struct {
		reason     string
		have, want map[string]string
		patch      string
	}{
		"Right":      {"nothing is written where nothing is wrong", owned("acme", "prod"), owned("acme", "prod"), ""},
		"Nobodys":    {"nor where nobody is the owner", map[string]string{"team": "a"}, nil, ""},
		"Empty":      {"a Namespace with an empty label is nobody's", nil, map[string]string{v1alpha1.TenantLabel: ""}, ""},
		"New":        {"what has none gets both", nil, owned("acme", "prod"), `{"metadata":{"labels":{"cellfed.io/tenant":"acme","cellfed.io/workspace-group":"prod"},"uid":"u"}}`},
		"Group":      {"only what is wrong is written", owned("acme", "test"), owned("acme", "prod"), `{"metadata":{"labels":{"cellfed.io/workspace-group":"prod"},"uid":"u"}}`},
		"Left":       {"what nobody owns has no label", owned("acme", "prod"), nil, `{"metadata":{"labels":{"cellfed.io/tenant":null,"cellfed.io/workspace-group":null},"uid":"u"}}`},
		"EmptyThere": {"nor an empty one", map[string]string{v1alpha1.TenantLabel: ""}, nil, `{"metadata":{"labels":{"cellfed.io/tenant":null},"uid":"u"}}`},
		"Others":     {"other labels are not looked at", map[string]string{"team": "a", v1alpha1.TenantLabel: "acme"}, map[string]string{"team": "b", v1alpha1.TenantLabel: "acme"}, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := patchOf("u", tc.have, tc.want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.patch, string(got)); diff != "" {
				t.Errorf("%s: %s", tc.reason, diff)
			}
		})
	}
}

// newFederated creates a federated object with labels.
func newFederated(t *testing.T, kind, namespace, name string, labels map[string]string) *unstructured.Unstructured {
	t.Helper()
	object := framework.Federated{Version: "v1beta1", Kind: kind, Namespace: namespace, Name: name, Placement: []string{"hz-a"}}.Object()
	object.SetLabels(labels)
	if err := host.Client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	return object
}

func newCell(t *testing.T, namespace, name string, labels map[string]string) *v1alpha1.Cell {
	t.Helper()
	cell := &v1alpha1.Cell{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec:       v1alpha1.CellSpec{ClusterName: "hz-a"},
	}
	if err := host.Client.Create(t.Context(), cell); err != nil {
		t.Fatal(err)
	}
	return cell
}

// labeled waits until objects have these labels and their own, and nothing else of them has changed.
func (w *world) labeled(want map[string]string, objects ...client.Object) {
	w.Helper()
	for _, object := range objects {
		before := object.DeepCopyObject().(client.Object)
		framework.Eventually(w.T, patience, "the labels of "+object.GetName(), func(ctx context.Context) error {
			if err := host.Client.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
				return err
			}
			if keys := wrong(object.GetLabels(), want); len(keys) > 0 {
				return fmt.Errorf("%v of %v", keys, object.GetLabels())
			}
			return nil
		})
		if object.GetLabels()["team"] != before.GetLabels()["team"] || object.GetGeneration() != before.GetGeneration() || object.GetUID() != before.GetUID() {
			w.Errorf("%s was changed:\n%s", object.GetName(), cmp.Diff(before, object))
		}
	}
}

func mark(t *testing.T) framework.AuditMark {
	t.Helper()
	mark, err := host.Mark()
	if err != nil {
		t.Fatal(err)
	}
	return mark
}

// written returns the objects that the controller has written since in the namespaces, with repetitions, sorted.
func written(t *testing.T, since framework.AuditMark, namespaces ...string) []string {
	t.Helper()
	writes, err := host.Writes(since, func(w framework.Write) bool { return w.Agent == agent && slices.Contains(namespaces, w.Namespace) })
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, w := range writes {
		names = append(names, fmt.Sprintf("%s %s %s", w.Verb, w.Resource, w.Name))
	}
	slices.Sort(names)
	return names
}

func TestRelabel(t *testing.T) {
	acme, evil := newNamespaceOf(t, owned("acme", "prod")), newNamespaceOf(t, owned("evil", "prod"))
	plain := newNamespaceOf(t, nil)
	team := map[string]string{"team": "a"}
	bare := newFederated(t, "FederatedConfigMap", acme, "bare", team)
	right := newFederated(t, "FederatedConfigMap", acme, "right", owned("acme", "prod"))
	forged := newFederated(t, "FederatedDeployment", acme, "forged", owned("evil", "prod"))
	cell := newCell(t, acme, "a", nil)
	theirs := newFederated(t, "FederatedConfigMap", evil, "theirs", owned("evil", "prod"))
	left := newFederated(t, "FederatedConfigMap", plain, "left", owned("acme", ""))
	since := mark(t)

	// What was missed while there was no controller.
	w := start(t)
	w.labeled(owned("acme", "prod"), bare, right, forged, cell)
	w.labeled(nil, left)
	want := []string{
		"patch cells.cellfed.io a", "patch federatedconfigmaps.types.kubefed.io bare", "patch federatedconfigmaps.types.kubefed.io left",
		"patch federateddeployments.types.kubefed.io forged",
	}
	if diff := cmp.Diff(want, written(t, since, acme, evil, plain)); diff != "" {
		t.Errorf("the writes of the start: %s", diff)
	}

	// A Namespace that changes hands takes along what is in it, and nothing else.
	since = mark(t)
	w.handOver(acme, owned("globex", "test"))
	w.labeled(owned("globex", "test"), bare, right, forged, cell)
	want = []string{
		"patch cells.cellfed.io a", "patch federatedconfigmaps.types.kubefed.io bare", "patch federatedconfigmaps.types.kubefed.io right",
		"patch federateddeployments.types.kubefed.io forged",
	}
	if diff := cmp.Diff(want, written(t, since, acme, evil, plain)); diff != "" {
		t.Errorf("the writes of the change: %s", diff)
	}
	w.labeled(owned("evil", "prod"), theirs)

	// One of the labels.
	since = mark(t)
	w.handOver(acme, owned("globex", "prod"))
	w.labeled(owned("globex", "prod"), bare, right, forged, cell)
	if got := written(t, since, acme, evil, plain); len(got) != 4 {
		t.Errorf("the writes of the change of one label: %v", got)
	}

	// None.
	w.handOver(acme, nil)
	w.labeled(nil, bare, right, forged, cell)

	// What says nothing about the owner is nobody's business. The other Namespace's change, which comes later, shows when
	// it was looked at.
	since = mark(t)
	w.must(host.Client.Patch(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: acme}},
		client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"team":"b"},"annotations":{"a":"b"}}}`))))
	w.handOver(evil, owned("good", "prod"))
	w.labeled(owned("good", "prod"), theirs)
	if diff := cmp.Diff([]string{"patch federatedconfigmaps.types.kubefed.io theirs"}, written(t, since, acme, evil, plain)); diff != "" {
		t.Errorf("the writes of a change of other labels: %s", diff)
	}
}

// reconciler returns one that is driven by hand, with a client that people have changed.
func reconciler(c client.Client) *Reconciler {
	return &Reconciler{options: Options{KubeFedNamespace: framework.KubeFedNamespace, SecondLook: time.Second}, client: c, live: c, page: 2, batch: 3}
}

func TestBatches(t *testing.T) {
	n := newNamespaceOf(t, owned("acme", "prod"))
	for i := range 7 {
		newFederated(t, "FederatedConfigMap", n, fmt.Sprintf("a%d", i), nil)
	}
	newFederated(t, "FederatedConfigMap", n, "group", owned("acme", "test"))
	r := reconciler(host.Client)
	var steps []int
	for {
		since := mark(t)
		result, err := r.Reconcile(t.Context(), work{config: "configmaps", namespace: n})
		if err != nil {
			t.Fatal(err)
		}
		// The cluster's own controllers write to a new namespace, too.
		writes, err := host.Writes(since, func(w framework.Write) bool {
			return w.Namespace == n && w.Resource == "federatedconfigmaps.types.kubefed.io"
		})
		if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, len(writes))
		if result.RequeueAfter == 0 {
			break
		}
	}
	if diff := cmp.Diff([]int{3, 3, 2}, steps); diff != "" {
		t.Errorf("what was written at a time: %s", diff)
	}
}

// One that cannot be written keeps none of the rest from it, and one that admission gives its former labels is not done.
func TestFailures(t *testing.T) {
	n := newNamespaceOf(t, owned("acme", "prod"))
	var objects []client.Object
	for _, name := range []string{"a", "refused", "stale", "z"} {
		objects = append(objects, newFederated(t, "FederatedConfigMap", n, name, nil))
	}
	errRefused := errors.New("refused")
	healed := false
	r := reconciler(interceptor.NewClient(host.Client, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, options ...client.PatchOption) error {
			switch {
			case healed:
			case o.GetName() == "refused":
				return errRefused
			case o.GetName() == "stale":
				return nil
			}
			return c.Patch(ctx, o, patch, options...)
		},
	}))
	_, err := r.Reconcile(t.Context(), work{config: "configmaps", namespace: n})
	if !errors.Is(err, errRefused) || !errors.Is(err, errStale) {
		t.Errorf("it says %v", err)
	}
	w := &world{T: t}
	w.labeled(owned("acme", "prod"), objects[0], objects[3])
	healed = true
	if _, err := r.Reconcile(t.Context(), work{config: "configmaps", namespace: n}); err != nil {
		t.Errorf("it says %v", err)
	}
	w.labeled(owned("acme", "prod"), objects...)
}

func TestNothingThere(t *testing.T) {
	n := newNamespaceOf(t, owned("acme", "prod"))
	r := reconciler(host.Client)
	for name, work := range map[string]work{
		"NoType":      {config: "nothing", namespace: n},
		"NoNamespace": {config: "configmaps", namespace: "nowhere"},
		"NoObjects":   {config: "configmaps", namespace: n},
	} {
		if result, err := r.Reconcile(t.Context(), work); err != nil || result.RequeueAfter != 0 {
			t.Errorf("%s: %v, %v", name, result, err)
		}
	}
}

// A change is looked at at once and once more, because a replica that admits objects may hear of it later.
func TestLooks(t *testing.T) {
	r := reconciler(host.Client)
	clock := testingclock.NewFakeClock(time.Now())
	queue := workqueue.NewTypedRateLimitingQueueWithConfig(workqueue.DefaultTypedControllerRateLimiter[work](), workqueue.TypedRateLimitingQueueConfig[work]{Clock: clock})
	defer queue.ShutDown()
	before, after := newNamespace(), newNamespace()
	before.Name, after.Name = "n", "n"
	after.Labels = map[string]string{"team": "a"}
	update := func() {
		r.onNamespace().Update(t.Context(), event.TypedUpdateEvent[*metav1.PartialObjectMetadata]{ObjectOld: before, ObjectNew: after}, queue)
	}
	update()
	if queue.Len() != 0 {
		t.Errorf("%d looks at a Namespace that changed no hands", queue.Len())
	}
	after.Labels = owned("acme", "prod")
	update()
	looks := func(again bool) {
		t.Helper()
		want := len(r.configs(t.Context())) + 1
		framework.Eventually(t, patience, "the looks", func(context.Context) error {
			if queue.Len() < want {
				return fmt.Errorf("%d of %d", queue.Len(), want)
			}
			return nil
		})
		got := map[string]bool{}
		for range want {
			w, _ := queue.Get()
			queue.Done(w)
			if w.namespace != "n" || w.again != again {
				t.Errorf("it looks at %+v", w)
			}
			got[w.config] = true
		}
		if len(got) != want || want < 3 || queue.Len() != 0 {
			t.Errorf("it looks at %v, and %d more", got, queue.Len())
		}
	}
	looks(false)
	clock.Step(r.options.SecondLook)
	looks(true)
}
