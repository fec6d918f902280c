package tenants

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/e2e/framework"
)

// defaultFlood is how many cells the tenant floods the host with. Upstream opens a set of watches for each cell that is
// ready, whoever's it is: more are a matter of memory, and of CELLFED_TENANTS_CELLS.
const defaultFlood = 1000

const mebibyte = 1 << 20

// large are objects about as large as API servers and datastores take them.
func large(as *propagation) []try {
	of := func(version string, bytes int) func(*run1) answer {
		return func(r *run1) answer {
			object := framework.Federated{
				Version: version, Kind: as.kind, Namespace: acmeProd, Name: r.name, Cells: true,
				Placement: cellNames(version, "c1"), Template: as.template(strings.Repeat("x", bytes)),
			}.Object()
			return r.world.host.create(r.ctx, object)
		}
	}
	arrived := harmless("it is in acme's cell", func(r *run1) error {
		_, err := r.world.read(r.ctx, r.as, place{commonMember, "acme-prod-c1", r.name})
		return err
	})
	tooMuch := harmless("no member takes it, and everything else goes on", func(r *run1) error { return r.world.onlyAcmes(r) })
	var all []try
	for _, version := range []string{v1beta1, v2beta1} {
		all = append(all,
			try{"1,000,000 bytes, " + version, of(version, 1_000_000), arrived},
			try{"1.25 MiB, more than a member takes, " + version, of(version, mebibyte*5/4), tooMuch},
			try{"4 MiB, more than a request holds, " + version, of(version, 4*mebibyte), refused(byServer, byAdmission)},
		)
	}
	return append(all,
		try{"10,000 overrides", func(r *run1) answer {
			object := r.inCommon()
			operations := []any{map[string]any{"op": "add", "path": "/metadata/labels", "value": map[string]any{"l": "x"}}}
			for i := range 10_000 {
				operations = append(operations, map[string]any{"op": "add", "path": fmt.Sprintf("/metadata/labels/l%d", i), "value": "x"})
			}
			object.Object["spec"].(map[string]any)["overrides"] = []any{map[string]any{"topologyName": "c1", "topologyOverrides": operations}}
			return r.world.host.create(r.ctx, object)
		}, harmless("it is acme's own object", func(r *run1) error { return r.world.onlyAcmes(r) })},
		try{"10,000 names in a placement", func(r *run1) answer {
			object := r.inCommon()
			var names []any
			for i := range 10_000 {
				names = append(names, map[string]any{"name": fmt.Sprintf("none-%d", i)})
			}
			_ = unstructured.SetNestedSlice(object.Object, names, "spec", "placement", "topologies")
			return r.world.host.create(r.ctx, object)
		}, harmless("acme has no such cells", func(r *run1) error { return r.world.onlyAcmes(r) })},
	)
}

// flood makes cells without end, looks whether the other tenant is served meanwhile, and takes them away again.
func flood(t *testing.T) {
	w, count := suite.world, defaultFlood
	if text := os.Getenv("CELLFED_TENANTS_CELLS"); text != "" {
		var err error
		if count, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	before, err := w.sentinel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := &run1{T: t, ctx: t.Context(), world: w, name: "flood"}
	for i := range count {
		cell := newCell(acmeProd, fmt.Sprintf("flood-%d", i), acmeMember, fmt.Sprintf("acme-prod-flood-%d", i))
		if r.answer = w.host.create(t.Context(), asUnstructured(cell)); !r.answer.succeeded() {
			t.Errorf("cell %d: %s %s", i, r.answer, r.answer.message)
			break
		}
	}
	row := suite.table.add("Volume", fmt.Sprintf("%d cells in a loop", count), nil, r)
	w.reached(t, before)

	served := w.othersServed(t, count)
	t.Logf("with %d more cells, a change of the other tenant's took %v", count, served)
	row.want = harmless("the other tenant is served", nil)
	if err := w.env.Err(); err != nil {
		t.Errorf("something ended: %v", err)
	}
	w.drain(t)
}

// othersServed has the other tenant change its objects, and waits until the members have the change.
func (w *world) othersServed(t *testing.T, count int) map[string]time.Duration {
	t.Helper()
	took := map[string]time.Duration{}
	for _, as := range both {
		object := framework.Federated{Version: v2beta1, Kind: as.kind, Namespace: globexProd, Name: "books"}.Object()
		delete(object.Object, "spec")
		start := time.Now()
		patch := fmt.Sprintf(`{"spec":{"template":{"metadata":{"labels":{"round":"after-%d"}}}}}`, count)
		if err := w.env.Host.Client.Patch(t.Context(), object, client.RawPatch(mergePatch, []byte(patch))); err != nil {
			t.Fatal(err)
		}
		framework.Eventually(t, soon, "the other tenant's change under "+as.title(), func(ctx context.Context) error {
			got, err := w.read(ctx, as, place{globexMember, "globex-prod-g1", "books"})
			if err != nil {
				return err
			}
			if round := got.GetLabels()["round"]; round != fmt.Sprintf("after-%d", count) {
				return fmt.Errorf("its label is %q", round)
			}
			return nil
		})
		took[as.title()] = time.Since(start).Round(time.Second / 10)
	}
	return took
}
