package federatedcrd_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/federatedcrd"
)

// TestStorageVersion: a type is handed over and back, and nothing but the stored version changes.
func TestStorageVersion(t *testing.T) {
	v1, v2 := federated.V1Beta1, federated.V2Beta1
	plain := upstreamCRDs(t)["federateddeployments.types.kubefed.io"]
	steps := []struct {
		reason  string
		version string   // Options.StorageVersion
		objects []string // status.storedVersions, as the API server and a migration leave it
		stored  string
		old     []string
	}{
		{reason: "The default is upstream's.", version: "", objects: []string{v1}, stored: v1},
		{reason: "It can be named.", version: v1, objects: []string{v1}, stored: v1},
		{reason: "The type is handed over; objects are stored as they were.", version: v2, objects: []string{v1, v2}, stored: v2, old: []string{v1}},
		{reason: "The objects are migrated.", version: v2, objects: []string{v2}, stored: v2},
		{reason: "The way back.", version: v1, objects: []string{v2, v1}, stored: v1, old: []string{v2}},
		{reason: "The objects are migrated back.", version: "", objects: []string{v1}, stored: v1},
	}
	first := upgrade(t, plain)
	crd := plain
	for _, step := range steps {
		opts := options()
		opts.StorageVersion = step.version
		next, err := federatedcrd.Upgrade(crd, opts)
		if err != nil {
			t.Fatalf("%s: %v", step.reason, err)
		}
		next.Status.StoredVersions = step.objects
		valid(t, next)
		if got := federatedcrd.Stored(next); got != step.stored {
			t.Errorf("%s\nstored: got %q, want %q", step.reason, got, step.stored)
		}
		if diff := cmp.Diff(step.old, federatedcrd.OldVersions(next)); diff != "" {
			t.Errorf("%s\nold versions, -want +got:\n%s", step.reason, diff)
		}
		again, err := federatedcrd.Upgrade(next, opts)
		if err != nil {
			t.Fatalf("%s: a second Upgrade: %v", step.reason, err)
		}
		if diff := cmp.Diff(next, again); diff != "" {
			t.Errorf("%s\na second Upgrade changed something:\n%s", step.reason, diff)
		}
		unstored := next.DeepCopy()
		unstored.Status = first.Status
		for i := range unstored.Spec.Versions {
			unstored.Spec.Versions[i].Storage = first.Spec.Versions[i].Storage
		}
		if diff := cmp.Diff(first, unstored); diff != "" {
			t.Errorf("%s\nmore than the stored version changed:\n%s", step.reason, diff)
		}
		if _, err := federatedcrd.Downgrade(next, false); (step.stored == v2 || step.old != nil) != errors.Is(err, &federatedcrd.Error{Reason: federatedcrd.ReasonStillStored}) {
			t.Errorf("%s\nDowngrade: got error %v", step.reason, err)
		}
		crd = next
	}
	if diff := cmp.Diff(plain, downgrade(t, crd, false)); diff != "" {
		t.Errorf("Downgrade did not give back the CRD that was there:\n%s", diff)
	}
}

// TestStorageVersionLost: kubefedctl enable puts its own spec over that of a type that was handed over.
func TestStorageVersionLost(t *testing.T) {
	plain := upstreamCRDs(t)["federateddeployments.types.kubefed.io"]
	opts := options()
	opts.StorageVersion = federated.V2Beta1
	want, err := federatedcrd.Upgrade(plain, opts)
	if err != nil {
		t.Fatal(err)
	}
	crd := want.DeepCopy()
	crd.Spec = *plain.Spec.DeepCopy()
	got, err := federatedcrd.Upgrade(crd, opts)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestStorageVersionUnknown(t *testing.T) {
	opts := options()
	opts.StorageVersion = "v1"
	crd, err := federatedcrd.Upgrade(upstreamCRDs(t)["federateddeployments.types.kubefed.io"], opts)
	if crd != nil || !errors.Is(err, &federatedcrd.Error{Reason: federatedcrd.ReasonUnknownVersions}) {
		t.Errorf("got CRD %t and error %v, want none and reason %s", crd != nil, err, federatedcrd.ReasonUnknownVersions)
	}
}

func TestStoredNowhere(t *testing.T) {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	crd.Status.StoredVersions = []string{federated.V1Beta1}
	if got := federatedcrd.Stored(crd); got != "" {
		t.Errorf("got %q of a CRD without versions", got)
	}
	if diff := cmp.Diff([]string{federated.V1Beta1}, federatedcrd.OldVersions(crd)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
