package cell

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/member"
)

// fakeMembers are physical clusters that hold namespaces.
type fakeMembers struct {
	mu sync.Mutex
	// labels are those of the namespaces, by cluster and name, and rest is what is in them.
	labels map[string]map[string]string
	rest   map[string][]string
	// err is what every request ends with.
	err     error
	deleted []string
	asked   int
}

func (m *fakeMembers) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

func (m *fakeMembers) Read(_ context.Context, cluster string, t member.Target, _, name string) (*member.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	labels, ok := m.labels[cluster+"/"+name]
	if !ok || m.err != nil || t.Kind.Kind != "Namespace" {
		return nil, m.err
	}
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetName(name)
	u.SetLabels(labels)
	u.SetUID(types.UID("uid-" + name))
	u.SetResourceVersion("7")
	return &member.Object{Unstructured: u}, nil
}

func (m *fakeMembers) EmptyNamespace(_ context.Context, cluster, namespace string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rest[cluster+"/"+namespace], m.err
}

func (m *fakeMembers) Delete(_ context.Context, cluster string, _ member.Target, live *member.Object, o metav1.DeleteOptions) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if *o.Preconditions.UID != live.GetUID() || *o.Preconditions.ResourceVersion != "7" {
		return false, apierrors.NewConflict(schema.GroupResource{Resource: "namespaces"}, live.GetName(), errors.New("another"))
	}
	m.deleted = append(m.deleted, cluster+"/"+live.GetName())
	delete(m.labels, cluster+"/"+live.GetName())
	return false, m.err
}

// holds gives a cluster a namespace with the labels of the cell.
func (m *fakeMembers) holds(cell *v1alpha1.Cell, rest ...string) string {
	key := cell.Spec.ClusterName + "/" + cell.TargetNamespace()
	m.set(func() {
		if m.labels == nil {
			m.labels, m.rest = map[string]map[string]string{}, map[string][]string{}
		}
		m.labels[key], m.rest[key] = cellLabels(cell.Namespace, cell.Name), rest
	})
	return key
}

func cellLabels(namespace, cell string) map[string]string {
	return map[string]string{"cellfed.io/managed": "true", "cellfed.io/namespace": namespace, "cellfed.io/cell": cell}
}

func TestVacates(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		change func(*facts)
		want   bool
	}{
		"Own":        {"the cell has the namespace for itself", func(*facts) {}, true},
		"NoCluster":  {"nobody knows where the cluster is", func(f *facts) { f.cluster = nil }, false},
		"Rival":      {"another Cell claims the namespace", func(f *facts) { f.rivals = append(f.rivals, newCell("other", "c", "hz-a", "shop-rz00a")) }, false},
		"OnACell":    {"the cluster stands for a cell", func(f *facts) { f.cluster.Labels = map[string]string{v1alpha1.TopologyTypeLabel: "cell"} }, false},
		"Intruding":  {"what may be anybody's stays", intruding, false},
		"Namesake":   {"what is another's stays", namesake, false},
		"KubeSystem": {"the cluster's own namespaces stay", func(f *facts) { f.cell.Spec.TargetNamespace = "kube-system" }, false},
		"Default":    {"every cluster has it", func(f *facts) { f.cell.Spec.TargetNamespace = "default" }, false},
		"KubeFed":    {"KubeFed's namespace stays", func(f *facts) { f.settings.kubeFedNamespace = f.cell.TargetNamespace() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			compare(t, tc.want, vacates(newFacts(tc.change)), tc.reason)
		})
	}
}

func TestOwnNamespace(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		change func(*unstructured.Unstructured, map[string]string)
		want   bool
	}{
		"Own":          {"it carries the cell's labels", func(*unstructured.Unstructured, map[string]string) {}, true},
		"Unlabelled":   {"somebody made it before the cell", func(_ *unstructured.Unstructured, l map[string]string) { clear(l) }, false},
		"Unmanaged":    {"somebody took it over", func(_ *unstructured.Unstructured, l map[string]string) { l["cellfed.io/managed"] = "false" }, false},
		"AnotherCell":  {"it is another cell's", func(_ *unstructured.Unstructured, l map[string]string) { l["cellfed.io/cell"] = "rz00b" }, false},
		"AnotherGroup": {"it is a cell's of another namespace", func(_ *unstructured.Unstructured, l map[string]string) { l["cellfed.io/namespace"] = "bank" }, false},
		"Upstreams":    {"it came through the physical cluster too", func(_ *unstructured.Unstructured, l map[string]string) { l["kubefed.io/managed"] = "true" }, false},
		"AnotherName":  {"it is not the cell's target", func(u *unstructured.Unstructured, _ map[string]string) { u.SetName("bank") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			u, labels := &unstructured.Unstructured{Object: map[string]any{}}, cellLabels("shop", "rz00a")
			u.SetName("shop-rz00a")
			tc.change(u, labels)
			u.SetLabels(labels)
			compare(t, tc.want, ownNamespace(newFacts(), u), tc.reason)
		})
	}
}

// TestVacate is about one look at the member after another, as time goes by.
func TestVacate(t *testing.T) {
	down := errors.New("it does not answer: dial 10.0.0.1")
	for name, tc := range map[string]struct {
		reason  string
		change  func(*fakeMembers)
		unowned bool
		deleted bool
		remains string // what the Cell waits for at first
		kept    string // why the namespace is left in the end
	}{
		"Empty":   {reason: "nothing is left in it", deleted: true},
		"None":    {reason: "it was never made", change: func(m *fakeMembers) { clear(m.labels) }},
		"Unowned": {reason: "it is somebody else's", unowned: true},
		"Full": {
			reason: "what is left in it is named, and waited for",
			change: func(m *fakeMembers) {
				m.rest["hz-a/shop-rz00a"] = []string{"Pod b", "ConfigMap a", "Pod c", "Pod d", "Pod e", "Pod f"}
			},
			remains: "it holds ConfigMap a, Pod b, Pod c, Pod d, Pod e and 1 more", kept: "it holds ConfigMap a, Pod b, Pod c, Pod d, Pod e and 1 more",
		},
		"Down": {
			reason:  "a member that does not answer keeps the Cell for a bounded time, and its error is not for the condition",
			change:  func(m *fakeMembers) { m.err = down },
			remains: "the cluster did not say what is in it", kept: "the cluster did not say what is in it",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFacts(deleted)
			members := &fakeMembers{}
			members.holds(f.cell)
			if tc.unowned {
				members.labels["hz-a/shop-rz00a"]["cellfed.io/cell"] = "other"
			}
			if tc.change != nil {
				tc.change(members)
			}
			r := &Reconciler{options: Options{Members: members}}
			var told []string
			tell := func(o occurrence) { told = append(told, o.reason+": "+o.note) }
			err := r.vacate(t.Context(), f, true, tell)
			if tc.remains != "" {
				if !errors.Is(err, errRemains) || !strings.Contains(f.remains, tc.remains) || len(told) > 0 {
					t.Fatalf("%s: error %v, it waits for %q and told %q", tc.reason, err, f.remains, told)
				}
				compare(t, reasonNamespaceRemains, judgeDeletion(f).reason, "the condition says so")
				f = newFacts(deleted)
				f.now = f.now.Add(vacatePatience)
				err = r.vacate(t.Context(), f, true, tell)
			}
			if err != nil || f.remains != "" {
				t.Errorf("%s: error %v, and it waits for %q", tc.reason, err, f.remains)
			}
			compare(t, tc.deleted, len(members.deleted) == 1, tc.reason)
			switch {
			case tc.deleted && (len(told) != 1 || !strings.HasPrefix(told[0], "MemberNamespaceDeleted")),
				tc.kept != "" && (len(told) != 1 || !strings.HasPrefix(told[0], "MemberNamespaceKept") || !strings.Contains(told[0], tc.kept)),
				!tc.deleted && tc.kept == "" && len(told) > 0:
				t.Errorf("%s: it told %q", tc.reason, told)
			}
			if len(r.attempts.first) > 0 {
				t.Error("an attempt is remembered for ever")
			}
		})
	}
}

// A cell's namespace goes with the cell, last of all; that of a cell that stays, and one that is not empty, stay.
func TestDeletionVacates(t *testing.T) {
	w := start(t)
	w.federateNamespaces()
	n := w.namespace("n", nil)
	empty, full, stays := w.ready(n, "empty"), w.ready(n, "full"), w.ready(n, "stays")
	gone, kept := w.members.holds(empty), w.members.holds(full, "ConfigMap left")
	w.members.holds(stays)

	cluster := w.generatedCluster(empty, nil)
	w.remove(empty)
	w.gone(empty)
	w.gone(cluster)
	w.remove(full)
	message := w.condition(full, v1alpha1.ConditionDeletionBlocked, metav1.ConditionTrue, reasonNamespaceRemains)
	if !strings.Contains(message, "ConfigMap left") {
		t.Errorf("%q does not say what is left", message)
	}
	w.clock.SetTime(w.clock.Now().Add(vacatePatience))
	w.gone(full)
	w.members.set(func() {
		if !slices.Equal(w.members.deleted, []string{gone}) {
			t.Errorf("%q were deleted, want %s alone, and not %s", w.members.deleted, gone, kept)
		}
	})
	w.expectEvents(empty, "MemberNamespaceDeleted")
	w.expectEvents(full, "MemberNamespaceKept")
}

// While the push reconciler propagates Namespaces, upstream's propagation is disabled, and the cells are ready all the same.
func TestHandedOverNamespaces(t *testing.T) {
	w := start(t)
	w.federateNamespaces()
	n := w.namespace("n", nil)
	cell := w.ready(n, "a")
	config := &kubefedv1beta1.FederatedTypeConfig{}
	config.Namespace, config.Name = kubefed, namespacesType
	w.update(config, func() { config.Spec.Propagation = "Disabled" })
	w.condition(cell, v1alpha1.ConditionNamespaceFederated, metav1.ConditionFalse, v1alpha1.ReasonNamespacesNotFederated)
	policy := &v1alpha1.FederatedTypePolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: kubefed, Name: namespacesType},
		Spec:       v1alpha1.FederatedTypePolicySpec{Propagator: v1alpha1.PropagatorCellfed},
	}
	w.create(policy)
	w.condition(cell, v1alpha1.ConditionNamespaceFederated, metav1.ConditionTrue, v1alpha1.ReasonNamespacePlaced)
	w.remove(policy)
	w.condition(cell, v1alpha1.ConditionNamespaceFederated, metav1.ConditionFalse, v1alpha1.ReasonNamespacesNotFederated)
}
