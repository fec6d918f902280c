package main

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// asked counts what a mapper is asked for, and knows kinds once they are served.
type asked struct {
	meta.RESTMapper
	times  int
	served bool
}

func (a *asked) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	a.times++
	if !a.served {
		return nil, &meta.NoKindMatchError{GroupKind: kind, SearchedVersions: versions}
	}
	version := "newest"
	if len(versions) > 0 {
		version = versions[0]
	}
	return &meta.RESTMapping{GroupVersionKind: kind.WithVersion(version)}, nil
}

// TestKnownKinds: a kind that is found is not asked for again, one that is not found yet is.
func TestKnownKinds(t *testing.T) {
	server := &asked{}
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	mapper := &knownKinds{RESTMapper: server, scheme: scheme}
	kind := schema.GroupKind{Group: "cellfed.io", Kind: "Cell"}
	if _, err := mapper.RESTMapping(kind, "v1alpha1"); !meta.IsNoMatchError(err) {
		t.Fatalf("A kind that is not served: %v", err)
	}
	server.served = true
	for _, version := range []string{"v1alpha1", "v1alpha1", "v1alpha1"} {
		mapping, err := mapper.RESTMapping(kind, version)
		if err != nil || mapping.GroupVersionKind != kind.WithVersion(version) {
			t.Errorf("%s: %+v, %v", version, mapping, err)
		}
	}
	if server.times != 2 {
		t.Errorf("The server is asked %d times, want once when the kind is not served, and once when it is", server.times)
	}
	for range 2 { // Which version is preferred may change.
		if _, err := mapper.RESTMapping(kind); err != nil {
			t.Error(err)
		}
	}
	for range 2 { // A CRD may be replaced by one of another scope.
		if _, err := mapper.RESTMapping(schema.GroupKind{Group: "types.kubefed.io", Kind: "FederatedSecret"}, "v2beta1"); err != nil {
			t.Error(err)
		}
	}
	if _, err := mapper.RESTMapping(kind, "v1alpha1", "v1beta1"); err != nil || server.times != 7 {
		t.Errorf("The server is asked %d times, want each time that no version or several are named, or a kind that a CRD makes: %v", server.times, err)
	}
}
