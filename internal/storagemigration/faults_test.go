package storagemigration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/federated"
)

func (w *world) expectStored(version string, names ...string) {
	w.Helper()
	for _, name := range names {
		if got := w.stored(name); got != version {
			w.Errorf("%s is stored in %q, want %s", name, got, version)
		}
	}
}

func (w *world) expectVersions(versions ...string) {
	w.Helper()
	if diff := cmp.Diff(versions, w.crd().Status.StoredVersions); diff != "" {
		w.Errorf("stored versions: %s", diff)
	}
}

// TestInterrupted: a migration that ends after every page, each time in another process, never says too early that it is
// done.
func TestInterrupted(t *testing.T) {
	w := start(t)
	var names []string
	for i := range 23 {
		names = append(names, fmt.Sprintf("o-%02d", i))
		w.create(federated.V1Beta1, names[i])
	}
	w.store(federated.V2Beta1)
	for pages := range 4 {
		ctx, cancel := context.WithCancel(t.Context())
		seen := 0
		_, err := w.migrator(Options{PageSize: 5}).Migrate(ctx, w.crd().Name, func(Progress) {
			if seen++; seen > pages {
				cancel()
			}
		})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("after %d pages: %v", pages+1, err)
		}
		w.expectVersions(federated.V1Beta1, federated.V2Beta1)
	}
	var last Progress
	m := w.migrator(Options{PageSize: 5})
	wait, err := m.Migrate(t.Context(), w.crd().Name, func(p Progress) { last = p })
	if err != nil || wait <= 0 {
		t.Fatalf("the first pass: %v to wait, error %v", wait, err)
	}
	if diff := cmp.Diff(Progress{Version: federated.V2Beta1, Done: 23, Total: 23}, last); diff != "" {
		t.Errorf("progress: %s", diff)
	}
	w.expectVersions(federated.V1Beta1, federated.V2Beta1)
	w.migrate(m)
	w.expectVersions(federated.V2Beta1)
	w.expectStored(federated.V2Beta1, names...)
}

// TestChangeOfMind: the stored version changes back in the middle of a pass.
func TestChangeOfMind(t *testing.T) {
	w := start(t)
	for i := range 6 {
		w.create(federated.V1Beta1, fmt.Sprintf("o-%d", i))
	}
	w.store(federated.V2Beta1)
	m := w.migrator(Options{PageSize: 2})
	back := sync.OnceFunc(func() { w.store(federated.V1Beta1) })
	if _, err := m.Migrate(t.Context(), w.crd().Name, func(Progress) { back() }); !errors.Is(err, ErrOvertaken) {
		t.Fatalf("a pass that the CRD overtook ended with %v", err)
	}
	w.expectVersions(federated.V1Beta1, federated.V2Beta1)
	w.migrate(m)
	w.expectVersions(federated.V1Beta1)
	w.expectStored(federated.V1Beta1, "o-0", "o-1", "o-5")

	// There and back between two looks: the version is the one that it was, and the pass proves nothing all the same.
	w.store(federated.V2Beta1)
	flip := sync.OnceFunc(func() {
		w.store(federated.V1Beta1)
		w.store(federated.V2Beta1)
	})
	if _, err := m.Migrate(t.Context(), w.crd().Name, func(Progress) { flip() }); !errors.Is(err, ErrOvertaken) {
		t.Fatalf("a pass during which the version was another for a moment ended with %v", err)
	}
}

// TestWriters: people create, change and delete objects, in both versions, while the type goes there and back. Every
// write that was acknowledged is there in the end, and no other.
func TestWriters(t *testing.T) {
	w := start(t)
	const objects, writers = 40, 4
	for i := range objects {
		w.create(federated.V1Beta1, fmt.Sprintf("o-%02d", i))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var acknowledged [objects]atomic.Int64
	var created, deleted sync.Map
	var wg sync.WaitGroup
	for writer := range writers {
		wg.Go(func() {
			for n := writer; ctx.Err() == nil; n++ {
				version := []string{federated.V1Beta1, federated.V2Beta1}[n%2]
				// Each object has one writer, so that what was acknowledged is what must be there.
				i := (n*writers + writer) % objects
				i -= i%writers - writer
				o := w.object(version, fmt.Sprintf("o-%02d", i))
				if err := host.Client.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
					continue
				}
				count, _, _ := unstructured.NestedInt64(o.Object, "spec", "template", "count")
				_ = unstructured.SetNestedField(o.Object, count+1, "spec", "template", "count")
				if err := host.Client.Update(t.Context(), o); err == nil {
					acknowledged[i].Add(1)
				}
				name := fmt.Sprintf("new-%d-%d", writer, n)
				fresh := w.object(version, name)
				fresh.Object["spec"] = map[string]any{"topologyType": "cell"}
				if err := host.Client.Create(t.Context(), fresh); err == nil {
					created.Store(name, true)
				}
				if n%3 == 0 && host.Client.Delete(t.Context(), fresh) == nil {
					deleted.Store(name, true)
				}
			}
		})
	}
	for _, version := range []string{federated.V2Beta1, federated.V1Beta1, federated.V2Beta1} {
		w.store(version)
		w.migrate(w.migrator(Options{PageSize: 7}))
		w.expectVersions(version)
	}
	cancel()
	wg.Wait()
	for i := range objects {
		name := fmt.Sprintf("o-%02d", i)
		count, _, err := unstructured.NestedInt64(w.get(federated.V2Beta1, name).Object, "spec", "template", "count")
		if want := acknowledged[i].Load(); err != nil || count != want || want == 0 {
			t.Errorf("%s counts %d writes, want %d and more than none (%v)", name, count, want, err)
		}
		w.expectStored(federated.V2Beta1, name)
	}
	list := w.list(federated.V2Beta1)
	w.must(host.Client.List(t.Context(), list))
	there := map[string]bool{}
	for _, o := range list.Items {
		there[o.GetName()] = true
	}
	created.Range(func(name, _ any) bool {
		if _, gone := deleted.Load(name); there[name.(string)] == gone {
			t.Errorf("%s: there %t, deleted %t", name, there[name.(string)], gone)
		}
		return true
	})
}

// TestFaults: what fails at the wrong moment leaves the old version in the list.
func TestFaults(t *testing.T) {
	w := start(t)
	for i := range 5 {
		w.create(federated.V1Beta1, fmt.Sprintf("o-%d", i))
	}
	w.store(federated.V2Beta1)
	resource := schema.GroupResource{Group: federated.Group, Resource: w.plural()}
	failure := errors.New("out of order")
	failing := func(err error, names ...string) interceptor.Funcs {
		return interceptor.Funcs{Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			for _, name := range names {
				if o.GetName() == name {
					return err
				}
			}
			return c.Patch(ctx, o, p, opts...)
		}}
	}
	expired := 0
	for name, tc := range map[string]struct {
		reason string
		faults interceptor.Funcs
		want   error
		words  string
	}{
		"Refused": {
			reason: "an object that a webhook refuses is named, in order, and the others are migrated",
			faults: failing(apierrors.NewForbidden(resource, "o", failure), "o-3", "o-1", "o-4", "o-0"),
			want:   ErrRefused, words: "shop/o-0, shop/o-1, shop/o-3 and 1 more",
		},
		"Failed": {
			reason: "a write that failed may have failed for all",
			faults: failing(failure, "o-2"), want: failure, words: "shop/o-2",
		},
		"Conflict": {
			reason: "an object that others keep writing is not taken for migrated",
			faults: failing(apierrors.NewConflict(resource, "o-2", failure), "o-2"), words: "shop/o-2",
		},
		"Trim": {
			reason: "the list of versions could not be written",
			faults: interceptor.Funcs{SubResourceUpdate: func(context.Context, client.Client, string, client.Object, ...client.SubResourceUpdateOption) error {
				return failure
			}},
			want: failure,
		},
		"List": {
			reason: "the objects could not be listed",
			faults: interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
				return failure
			}},
			want: failure,
		},
		"Expired": {
			reason: "a list that took too long goes on from where it was",
			faults: interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
				applied := &client.ListOptions{}
				applied.ApplyOptions(opts)
				if expired++; applied.Continue != "" && expired == 2 {
					err := apierrors.NewResourceExpired("too old")
					err.ErrStatus.Continue = applied.Continue
					return err
				}
				return c.List(ctx, list, opts...)
			}},
			// A migrator that has gone on in spite of it, and could not prove anything, goes on to the last step.
			want: failure,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "Expired" {
				tc.faults.SubResourceUpdate = func(context.Context, client.Client, string, client.Object, ...client.SubResourceUpdateOption) error {
					return failure
				}
			}
			c := interceptor.NewClient(host.Client, tc.faults)
			m := New(c, c, Options{PageSize: 2, Settle: settle})
			var err error
			framework.Eventually(t, patience, "the fault", func(ctx context.Context) error {
				var wait any
				if wait, err = m.Migrate(ctx, w.crd().Name, nil); err == nil {
					return fmt.Errorf("none, and %v to wait", wait)
				}
				return nil
			})
			if tc.want != nil && !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.words) {
				t.Errorf("%s: error %v, want %v that says %q", tc.reason, err, tc.want, tc.words)
			}
			w.expectVersions(federated.V1Beta1, federated.V2Beta1)
		})
	}
	w.migrate(w.migrator(Options{}))
	w.expectVersions(federated.V2Beta1)
	w.expectStored(federated.V2Beta1, "o-0", "o-4")
	// A CRD that is gone has nothing left to be migrated.
	if wait, err := w.migrator(Options{}).Migrate(t.Context(), "none."+federated.Group, nil); wait != 0 || err != nil {
		t.Errorf("without a CRD: %v, %v", wait, err)
	}
}
