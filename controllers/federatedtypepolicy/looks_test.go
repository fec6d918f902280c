package federatedtypepolicy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
)

const (
	unpinned = `{placement: {topologySelector: {}}}`
	onOwn    = `{placement: {topologies: [{name: %s-a}]}}`
	masked   = `{placement: {topologies: []}, placementMask: {topologies: []}}`
)

// TestLooksAreRemembered: what nothing has happened to is not judged again, and everything that a rule goes by has it judged.
func TestLooksAreRemembered(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*world, *v1alpha1.FederatedTypePolicy)
		judged int
		unfit  []string
		held   []string
	}{
		"Nothing": {reason: "it was judged", change: func(*world, *v1alpha1.FederatedTypePolicy) {}, unfit: []string{"acme/wide"}},
		"Object": {reason: "another version is judged", judged: 1, change: func(w *world, _ *v1alpha1.FederatedTypePolicy) {
			u := w.stored("acme", "wide")
			w.must(unstructured.SetNestedField(u.Object, []any{map[string]any{"name": "acme-a"}}, "spec", "placement", "topologies"))
			w.must(w.inner.Update(w.ctx, u))
		}},
		"Created": {reason: "what is new is judged", judged: 1, change: func(w *world, _ *v1alpha1.FederatedTypePolicy) {
			w.store(federated.V2Beta1, "evil", "wide", unpinned)
		}, unfit: []string{"acme/wide", "evil/wide"}},
		"Recreated": {reason: "it has the name alone of what was judged", judged: 1, change: func(w *world, _ *v1alpha1.FederatedTypePolicy) {
			u := w.stored("acme", "wide")
			w.must(w.inner.Delete(w.ctx, u))
			u.SetUID("another")
			u.SetResourceVersion("")
			w.must(w.inner.Create(w.ctx, u))
		}, unfit: []string{"acme/wide"}},
		"Namespace": {reason: "its owner is asked for by its objects alone", judged: 2, change: func(w *world, _ *v1alpha1.FederatedTypePolicy) {
			n := &corev1.Namespace{}
			w.must(w.inner.Get(w.ctx, types.NamespacedName{Name: "acme"}, n))
			n.Labels[v1alpha1.TenantLabel] = "evil"
			w.must(w.inner.Update(w.ctx, n))
		}, unfit: []string{"acme/own", "acme/wide"}},
		"Cell": {reason: "a cell is its namespace's", judged: 2, change: func(w *world, _ *v1alpha1.FederatedTypePolicy) {
			c := &v1alpha1.Cell{}
			w.must(w.inner.Get(w.ctx, types.NamespacedName{Namespace: "acme", Name: "rz00a"}, c))
			w.must(w.inner.Delete(w.ctx, c))
		}, unfit: []string{"acme/wide"}},
		"Cluster": {reason: "a physical cluster is everybody's", judged: 3, change: func(w *world, _ *v1alpha1.FederatedTypePolicy) {
			c := &fedv1b1.KubeFedCluster{}
			w.must(w.inner.Get(w.ctx, types.NamespacedName{Namespace: namespace, Name: "evil-a"}, c))
			c.Labels[v1alpha1.TenantLabel] = "acme"
			w.must(w.inner.Update(w.ctx, c))
		}, unfit: []string{"acme/wide", "evil/own"}},
		"ClusterStatus": {reason: "heartbeats say nothing", change: func(w *world, _ *v1alpha1.FederatedTypePolicy) {
			c := &fedv1b1.KubeFedCluster{}
			w.must(w.inner.Get(w.ctx, types.NamespacedName{Namespace: namespace, Name: "evil-a"}, c))
			c.Annotations = map[string]string{"beats": "1"}
			w.must(w.inner.Update(w.ctx, c))
		}, unfit: []string{"acme/wide"}},
		"Policy": {reason: "the rules are others", judged: 3, change: func(_ *world, p *v1alpha1.FederatedTypePolicy) {
			p.Spec.PropagatingAnnotations = []string{"x/*"}
		}, unfit: []string{"acme/wide"}},
		"Held": {reason: "what is held is told first, and nothing is judged", change: func(w *world, _ *v1alpha1.FederatedTypePolicy) {
			w.store(federated.V2Beta1, "acme", "held", masked)
		}, held: []string{"acme/held"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.populate()
			w.federate(enabled)
			w.store(federated.V2Beta1, "acme", "own", fmt.Sprintf(onOwn, "acme"))
			w.store(federated.V2Beta1, "acme", "wide", unpinned)
			w.store(federated.V2Beta1, "evil", "own", fmt.Sprintf(onOwn, "evil"))
			m, policy := &memory{}, &v1alpha1.FederatedTypePolicy{}
			look := func() obstacles {
				found, err := m.look(w.ctx, w.inner, w.config(), policy)
				w.must(err)
				return found
			}
			look()
			if m.judged != 3 {
				t.Errorf("%s: the first look judged %d objects, want 3", tc.reason, m.judged)
			}
			m.judged = 0
			tc.change(w, policy)
			found := look()
			if m.judged != tc.judged {
				t.Errorf("%s: the second look judged %d objects, want %d", tc.reason, m.judged, tc.judged)
			}
			var unfit []string
			for _, u := range found.unfit {
				unfit = append(unfit, u.name)
			}
			if diff := cmp.Diff([][]string{tc.held, tc.unfit}, [][]string{found.held, unfit}); diff != "" {
				t.Errorf("%s: held and unfit: -want +got:\n%s", tc.reason, diff)
			}
			m.judged = 0
			if again := look(); m.judged != 0 || !again.sameAs(found) {
				t.Errorf("%s: a third look judged %d objects, and found %v", tc.reason, m.judged, again)
			}
		})
	}
}

// TestHeldIsLookedForFirst: the first look judges nothing as long as something is held, wherever that is in the list.
func TestHeldIsLookedForFirst(t *testing.T) {
	w := newWorld(t)
	w.populate()
	w.federate(enabled)
	w.store(federated.V2Beta1, "acme", "wide", unpinned)
	held := w.store(federated.V2Beta1, "evil", "held", masked)
	m := &memory{}
	found, err := m.look(w.ctx, w.inner, w.config(), nil)
	w.must(err)
	if m.judged != 0 || len(found.unfit) != 0 || !slices.Equal(found.held, []string{"evil/held"}) {
		t.Errorf("it judged %d objects and found %v", m.judged, found)
	}
	w.must(w.inner.Delete(w.ctx, held))
	found, err = m.look(w.ctx, w.inner, w.config(), nil)
	w.must(err)
	if m.judged != 1 || len(found.unfit) != 1 || len(found.held) != 0 {
		t.Errorf("once nothing is held, it judged %d objects and found %v", m.judged, found)
	}
}

// TestLastLook: KubeFed is given nothing that was found fit at another moment, and what was found is forgotten with the wait.
func TestLastLook(t *testing.T) {
	w := newWorld(t)
	w.federate(enabled)
	w.up.start()
	w.want(cellfed)
	w.pass(30*time.Second, 2*time.Second)
	w.populate()
	object := w.store(federated.V2Beta1, "acme", "wide", unpinned)
	w.want(kubeFed)
	w.pass(10*time.Second, 2*time.Second)
	verdicts := w.r.looks[typeName].verdicts
	for _, name := range slices.Collect(maps.Keys(verdicts)) {
		v := verdicts[name]
		v.why = ""
		verdicts[name] = v
	}
	w.pass(80*time.Second, 2*time.Second)
	w.check(cellfed, disabledMode)
	if c := condition(w.policy()); c.Reason != string(v1alpha1.ReasonObjectsUnfit) || !strings.Contains(c.Message, "acme/wide") {
		t.Errorf("the condition is %v", c)
	}
	w.must(w.inner.Delete(w.ctx, object))
	w.pass(10*time.Second, 2*time.Second)
	w.check(kubeFed, enabled)
	if len(w.r.looks) != 0 {
		t.Errorf("it remembers %v", w.r.looks)
	}
}

// TestLooksGetRarer: a hand-back that waits for long is looked at once a minute, and often again once something happens.
func TestLooksGetRarer(t *testing.T) {
	w := newWorld(t)
	w.federate(enabled)
	w.up.start()
	w.want(cellfed)
	w.pass(30*time.Second, 2*time.Second)
	w.populate()
	w.hold()
	w.want(kubeFed)
	var waits []time.Duration
	for range 16 {
		wait := w.reconcile().RequeueAfter
		waits = append(waits, wait.Round(time.Second)/time.Second)
		w.clock.SetTime(w.clock.Now().Add(wait))
	}
	if diff := cmp.Diff([]time.Duration{5, 5, 5, 5, 5, 6, 8, 10, 12, 15, 19, 24, 30, 37, 47, 58}, waits); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	w.clock.SetTime(w.clock.Now().Add(time.Hour))
	if wait := w.reconcile().RequeueAfter; wait != obstaclePoll {
		t.Errorf("after an hour it looks again after %s", wait)
	}
	w.store(federated.V2Beta1, "evil", "held", masked)
	if wait := w.reconcile().RequeueAfter; wait != heldPoll {
		t.Errorf("after something happened it looks again after %s", wait)
	}
}

func (w *world) stored(namespace, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetAPIVersion(federated.APIVersionV2Beta1)
	u.SetKind("FederatedConfigMap")
	w.must(w.inner.Get(w.ctx, types.NamespacedName{Namespace: namespace, Name: name}, u))
	return u
}

// pages is a reader whose objects come in pages, as an API server's do, and cost next to nothing to make.
type pages struct {
	client.Reader
	objects []unstructured.Unstructured
}

func (p *pages) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	into, ok := list.(*unstructured.UnstructuredList)
	if !ok {
		return p.Reader.List(ctx, list, options...)
	}
	var o client.ListOptions
	o.ApplyOptions(options)
	from, _ := strconv.Atoi(o.Continue)
	to := min(from+int(o.Limit), len(p.objects))
	into.Items = p.objects[from:to]
	into.SetContinue("")
	if to < len(p.objects) {
		into.SetContinue(strconv.Itoa(to))
	}
	return nil
}

// BenchmarkLook is a look at 5,000 objects of 4 KiB: a first one, and one at what nothing has happened to.
func BenchmarkLook(b *testing.B) {
	w := newWorld(b)
	w.populate()
	w.federate(enabled)
	config, reader := w.config(), &pages{Reader: w.inner}
	for i := range 5000 {
		u := unstructured.Unstructured{Object: map[string]any{}}
		if err := yaml.Unmarshal(fmt.Appendf(nil, `{apiVersion: types.kubefed.io/v2beta1, kind: FederatedConfigMap, metadata: {namespace: acme, name: o%d, uid: u%d, resourceVersion: "1"},
			spec: {topologyType: cell, placement: {topologies: [{name: rz00a}]}, template: {data: {x: %q}}, overrides: [{topologyName: rz00a, topologyOverrides: [{path: /data/y, op: add, value: "1"}]}]}}`,
			i, i, strings.Repeat("x", 4000)), &u.Object); err != nil {
			b.Fatal(err)
		}
		reader.objects = append(reader.objects, u)
	}
	look := func(b *testing.B, m *memory) {
		if found, err := m.look(w.ctx, reader, config, nil); err != nil || found.any() {
			b.Fatal(found, err)
		}
	}
	b.Run("First", func(b *testing.B) {
		for b.Loop() {
			look(b, &memory{free: true})
		}
	})
	b.Run("Again", func(b *testing.B) {
		m := &memory{free: true}
		for look(b, m); b.Loop(); {
			look(b, m)
		}
	})
}
