package federatedtypepolicy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"
)

func TestLeaseWatch(t *testing.T) {
	type look struct {
		at      int // seconds
		record  string
		expired bool
	}
	cases := map[string]struct {
		reason string
		looks  []look
	}{
		"Renewed":  {"", []look{{0, "a", false}, {10, "b", false}, {25, "c", false}, {60, "d", false}}},
		"RunOut":   {"a margin after the lease has run out, by our clock", []look{{0, "a", false}, {19, "a", false}, {20, "a", true}, {50, "a", true}}},
		"Late":     {"renewed at the last moment", []look{{0, "a", false}, {19, "b", false}, {38, "b", false}, {39, "b", true}}},
		"None":     {"no lease must stay so: somebody may have deleted it under a leader", []look{{0, "", false}, {19, "", false}, {20, "", true}}},
		"Deleted":  {"", []look{{0, "a", false}, {10, "", false}, {29, "", false}, {30, "", true}}},
		"Acquired": {"", []look{{0, "", false}, {20, "", true}, {21, "a", false}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := &leaseWatch{}
			for _, l := range c.looks {
				now := time.Unix(1000+int64(l.at), 0)
				if got := w.expired(now, lease{record: l.record, duration: defaultLease}); got != l.expired {
					t.Errorf("%s: after %d s expired is %t", c.reason, l.at, got)
				}
			}
		})
	}
}

// TestReadLease: each renewal is seen in whatever object the lease is, and the longest duration counts.
func TestReadLease(t *testing.T) {
	meta := metav1.ObjectMeta{Namespace: namespace, Name: leaseName, Annotations: map[string]string{leaderAnnotation: `{"leaseDurationSeconds":30}`}}
	cases := map[string]struct {
		reason string
		object client.Object
		renew  func(client.Object)
		want   time.Duration
	}{
		"ConfigMap": {"", &corev1.ConfigMap{ObjectMeta: meta}, func(o client.Object) {
			o.SetAnnotations(map[string]string{leaderAnnotation: `{"leaseDurationSeconds":30,"renewTime":"x"}`})
		}, 30 * time.Second},
		"Endpoints": {"", &corev1.Endpoints{ObjectMeta: meta}, func(o client.Object) { //nolint:staticcheck // Upstream may keep its lease there.
			o.SetAnnotations(map[string]string{leaderAnnotation: `{"leaseDurationSeconds":30,"renewTime":"x"}`})
		}, 30 * time.Second},
		"Garbage": {"what cannot be read is still somebody's", &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: leaseName}}, func(o client.Object) {
			o.SetAnnotations(map[string]string{leaderAnnotation: `{`})
		}, defaultLease},
		"Lease": {"", &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: leaseName},
			Spec:       coordinationv1.LeaseSpec{LeaseDurationSeconds: new(int32(40))},
		}, func(o client.Object) {
			o.(*coordinationv1.Lease).Spec.RenewTime = new(metav1.NewMicroTime(time.Unix(5, 0)))
		}, 40 * time.Second},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			none, err := readLease(w.ctx, w.inner, namespace)
			w.must(err)
			if diff := cmp.Diff(lease{duration: defaultLease}, none, cmp.AllowUnexported(lease{})); diff != "" {
				t.Errorf("no lease: %s", diff)
			}
			w.must(w.inner.Create(w.ctx, c.object))
			first, err := readLease(w.ctx, w.inner, namespace)
			w.must(err)
			c.renew(c.object)
			w.must(w.inner.Update(w.ctx, c.object))
			second, err := readLease(w.ctx, w.inner, namespace)
			w.must(err)
			if first.record == "" || first.record == second.record || second.duration != c.want {
				t.Errorf("%s: first %v, then %v", c.reason, first, second)
			}
		})
	}
}

func TestTraces(t *testing.T) {
	object := func(finalizer bool, times ...int64) trace {
		o := &metav1.PartialObjectMetadata{}
		if finalizer {
			o.Finalizers = []string{"example.com/theirs", syncFinalizer}
		}
		for _, at := range times {
			o.ManagedFields = append(o.ManagedFields, metav1.ManagedFieldsEntry{Manager: "controller-manager", Subresource: "status", Time: new(metav1.Unix(at, 0))})
		}
		return objectTrace(o)
	}
	edited := func() trace {
		o := &metav1.PartialObjectMetadata{}
		o.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl", Time: new(metav1.Unix(9, 0))}}
		o.ResourceVersion, o.Labels = "9", map[string]string{"a": "b"}
		return objectTrace(o)
	}
	version := func(rv string) trace {
		o := &metav1.PartialObjectMetadata{}
		o.ResourceVersion = rv
		return versionTrace(o)
	}
	cases := map[string]struct {
		reason        string
		before, after traces
		want          bool
	}{
		"Same":            {"", traces{"a": object(true, 1), "v": version("1")}, traces{"a": object(true, 1), "v": version("1")}, false},
		"Status":          {"", traces{"a": object(true, 1)}, traces{"a": object(true, 2)}, true},
		"Finalizer":       {"", traces{"a": object(false)}, traces{"a": object(true)}, true},
		"Version":         {"", traces{"v": version("1")}, traces{"v": version("2")}, true},
		"NewVersion":      {"", traces{}, traces{"v": version("2")}, true},
		"VersionGone":     {"the garbage collector's", traces{"v": version("1")}, traces{}, false},
		"PeopleEdit":      {"people may go on", traces{"a": object(false)}, traces{"a": edited()}, false},
		"PeopleCreate":    {"", traces{}, traces{"a": edited()}, false},
		"PeopleDelete":    {"an object that upstream never saw", traces{"a": edited()}, traces{}, false},
		"UpstreamDeletes": {"it went by upstream's letting go of it", traces{"a": object(true, 1)}, traces{}, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := c.after.writtenSince(c.before); got != c.want {
				t.Errorf("%s: got %t", c.reason, got)
			}
		})
	}
}

// TestQuiet: a cluster that is not ready makes the wait longer, and each trace makes it begin anew.
func TestQuiet(t *testing.T) {
	w := newWorld(t)
	cluster := &fedv1b1.KubeFedCluster{}
	cluster.Namespace, cluster.Name = namespace, "hz-a"
	w.must(w.inner.Create(w.ctx, cluster))
	w.federate(enabled)
	w.up.start()
	w.up.busy = 1
	w.want(cellfed)
	w.pass(4*time.Second, time.Second)
	w.up.kill() // It is not seen as gone for 20 seconds; the quiet time goes on.
	w.up.renew(w.clock.Now())
	for range 8 {
		w.pass(4*time.Second, time.Second)
		w.up.renew(w.clock.Now())
		if w.run.running[typeName] {
			t.Fatalf("it began too soon:\n%s", w.transcript())
		}
	}
	w.up.trace()
	for range 9 {
		w.pass(4*time.Second, time.Second)
		w.up.renew(w.clock.Now())
	}
	if w.run.running[typeName] {
		t.Fatalf("it began in spite of a trace:\n%s", w.transcript())
	}
	w.pass(6*time.Second, time.Second)
	w.check(cellfed, disabledMode)
}
