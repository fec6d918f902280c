package storagemigration

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cellfed/cellfed/internal/federated"
)

// TestThereAndBack: every object is stored in the other version, nothing else of it is another, and then everything goes
// back.
func TestThereAndBack(t *testing.T) {
	w := start(t)
	const objects = 25
	before := map[string][2]string{}
	for i := range objects {
		version := []string{federated.V1Beta1, federated.V2Beta1}[i%2]
		name := fmt.Sprintf("o-%02d", i)
		w.create(version, name)
		if got := w.stored(name); got != federated.V1Beta1 {
			t.Fatalf("%s was written in %s and is stored in %q", name, version, got)
		}
		before[name] = [2]string{w.raw(federated.V1Beta1, name), w.raw(federated.V2Beta1, name)}
	}
	for _, version := range []string{federated.V2Beta1, federated.V1Beta1} {
		w.store(version)
		if got := w.crd().Status.StoredVersions; len(got) != 2 {
			t.Fatalf("the CRD says that %q are stored", got)
		}
		w.migrate(w.migrator(Options{PageSize: 10}))
		if diff := cmp.Diff([]string{version}, w.crd().Status.StoredVersions); diff != "" {
			t.Errorf("stored versions: %s", diff)
		}
		for name, want := range before {
			if got := w.stored(name); got != version {
				t.Errorf("%s is stored in %q, want %s", name, got, version)
			}
			if diff := cmp.Diff(want, [2]string{w.raw(federated.V1Beta1, name), w.raw(federated.V2Beta1, name)}); diff != "" {
				t.Errorf("%s has changed: %s", name, diff)
			}
		}
	}
}

// TestIdle: what is stored as it should be is not written.
func TestIdle(t *testing.T) {
	w := start(t)
	w.create(federated.V1Beta1, "o")
	w.store(federated.V2Beta1)
	m := w.migrator(Options{})
	w.migrate(m)
	settled := w.get(federated.V2Beta1, "o").GetResourceVersion()
	crd := w.crd()
	w.migrate(m)
	if err := m.pass(t.Context(), crd, nil); err != nil {
		t.Fatal(err)
	}
	if got := w.get(federated.V2Beta1, "o").GetResourceVersion(); got != settled {
		t.Errorf("it was written again: %s, then %s", settled, got)
	}
	if w.crd().ResourceVersion != crd.ResourceVersion {
		t.Error("the CRD was written again")
	}
	if versions := w.crd().Status.StoredVersions; !slices.Equal(versions, []string{federated.V2Beta1}) {
		t.Errorf("stored are %q", versions)
	}
}
