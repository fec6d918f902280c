package e2e

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

// held is the status of an object of which the first topology has what it should have and the second is held.
func (s *stage) held() report {
	return report{reason: "CheckClusters", clusters: map[string]string{s.one: "", s.two: "Held"}}
}

// waitHeld waits until the status says that the topology is held and which generation it has.
func (s *stage) waitHeld(kind, name, topology string, generation int64) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("the federated %s %s to be held in %s", kind, name, topology), func(ctx context.Context) error {
		object := federated("Federated"+kind, v1beta1)
		if err := s.env.Host.Client.Get(ctx, s.key(name), object); err != nil {
			return err
		}
		entries, err := clusterEntries(object)
		if err != nil {
			return err
		}
		got, _, err := unstructured.NestedInt64(entries[topology], "generation")
		if err != nil {
			return err
		}
		observed, _, _ := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
		if entries[topology]["status"] != "Held" || got != generation || observed != object.GetGeneration() {
			return fmt.Errorf("it is %v, want it Held at generation %d; generation %d of %d was observed",
				entries[topology], generation, observed, object.GetGeneration())
		}
		return nil
	})
}

// wantAsBefore checks that an object was not written in its member.
func (s *stage) wantAsBefore(topology string, before *unstructured.Unstructured) {
	s.t.Helper()
	after, err := s.read(s.ctx, topology, before.GetKind(), before.GetName())
	if err != nil {
		s.t.Errorf("what is held is not there any more: %v", err)
		return
	}
	if !equality.Semantic.DeepEqual(before.Object, after.Object) {
		s.t.Errorf("what is held was written in %s:\nit was %v\nit is  %v", topology, before.Object, after.Object)
	}
}

func tellMaskCreate(s *stage) {
	data := map[string]any{"a": "1"}
	f := s.configMapOf("mask-create", data)
	f.Mask = []string{s.one}
	s.put(f)
	s.waitMap(s.one, "mask-create", data)
	s.waitHeld("ConfigMap", "mask-create", s.two, 0)
	s.wantAbsent(s.two, "ConfigMap", "mask-create")
	s.edit("ConfigMap", "mask-create", `{"spec":{"placementMask":null}}`)
	s.waitMap(s.two, "mask-create", data)
	s.waitReport("ConfigMap", "mask-create", well(s.one, s.two))
}

func tellMaskUpdate(s *stage) {
	s.put(s.configMapOf("mask-update", map[string]any{"a": "1"}))
	s.waitReport("ConfigMap", "mask-update", well(s.one, s.two))
	s.edit("ConfigMap", "mask-update", `{"spec":{"placementMask":{"clusters":[{"name":%q}]}}}`, s.one)
	s.waitHeld("ConfigMap", "mask-update", s.two, 1)
	before := s.now(s.two, "ConfigMap", "mask-update")
	s.edit("ConfigMap", "mask-update", `{"spec":{"template":{"data":{"a":"2"}}}}`)
	s.waitMap(s.one, "mask-update", map[string]any{"a": "2"})
	s.waitHeld("ConfigMap", "mask-update", s.two, 1)
	s.wantAsBefore(s.two, before)

	s.t.Log("What somebody does to it in the members is undone in scope, and left alone where it is held")
	s.touch(s.two, "ConfigMap", "mask-update", `{"data":{"a":"drifted"}}`)
	s.touch(s.one, "ConfigMap", "mask-update", `{"data":{"a":"drifted"}}`)
	s.waitMap(s.one, "mask-update", map[string]any{"a": "2"})
	s.waitMap(s.two, "mask-update", map[string]any{"a": "drifted"})

	s.t.Log("An override of what is held is a change that is held too")
	s.edit("ConfigMap", "mask-update", `{"spec":{"overrides":[{"clusterName":%q,"clusterOverrides":[{"path":"/data/a","value":"3"}]}]}}`, s.two)
	s.waitHeld("ConfigMap", "mask-update", s.two, 1)
	s.waitMap(s.two, "mask-update", map[string]any{"a": "drifted"})

	s.edit("ConfigMap", "mask-update", `{"spec":{"placementMask":{"clusters":[{"name":%q},{"name":%q}]}}}`, s.one, s.two)
	s.waitMap(s.two, "mask-update", map[string]any{"a": "3"})
	s.waitReport("ConfigMap", "mask-update", well(s.one, s.two))
}

func tellMaskRemoval(s *stage) {
	s.put(s.configMapOf("mask-removal", map[string]any{"a": "1"}))
	s.waitReport("ConfigMap", "mask-removal", well(s.one, s.two))
	before := s.now(s.two, "ConfigMap", "mask-removal")
	s.edit("ConfigMap", "mask-removal", `{"spec":{"placementMask":{"clusters":[{"name":%q}]},"placement":{"clusters":[]}}}`, s.one)
	s.waitAbsent(s.one, "ConfigMap", "mask-removal")
	s.waitHeld("ConfigMap", "mask-removal", s.two, 1)
	s.wantAsBefore(s.two, before)
	s.edit("ConfigMap", "mask-removal", `{"spec":{"placementMask":null}}`)
	s.waitAbsent(s.two, "ConfigMap", "mask-removal")
	s.waitReport("ConfigMap", "mask-removal", well())
}

func tellMaskDeletion(s *stage) {
	f := s.configMapOf("mask-deletion", map[string]any{"a": "1"})
	s.put(f)
	s.waitReport("ConfigMap", "mask-deletion", well(s.one, s.two))
	s.edit("ConfigMap", "mask-deletion", `{"spec":{"placementMask":{"clusters":[{"name":%q}]}}}`, s.one)
	s.waitHeld("ConfigMap", "mask-deletion", s.two, 1)
	before := s.now(s.two, "ConfigMap", "mask-deletion")
	s.dropLater("ConfigMap", "mask-deletion")
	s.waitAbsent(s.one, "ConfigMap", "mask-deletion")
	s.waitHeld("ConfigMap", "mask-deletion", s.two, 1)
	s.wantAsBefore(s.two, before)
	if got := s.get("FederatedConfigMap", v1beta1, "mask-deletion"); !slices.Contains(got.GetFinalizers(), "kubefed.io/sync-controller") {
		s.t.Errorf("the federated object has the finalizers %v while it is held", got.GetFinalizers())
	}
	s.edit("ConfigMap", "mask-deletion", `{"spec":{"placementMask":null}}`)
	s.waitAbsent(s.two, "ConfigMap", "mask-deletion")
	s.eventually("the federated object to be gone", func(ctx context.Context) error {
		return gone(s.env.Host.Client.Get(ctx, s.key("mask-deletion"), federated("FederatedConfigMap", v1beta1)))
	})
}

func tellMaskEmpty(s *stage) {
	f := s.configMapOf("mask-empty", map[string]any{"a": "1"})
	f.Mask = []string{}
	s.put(f)
	s.waitReport("ConfigMap", "mask-empty", report{reason: "CheckClusters", clusters: map[string]string{s.one: "Held", s.two: "Held"}})
	s.wantAbsent(s.one, "ConfigMap", "mask-empty")
	s.wantAbsent(s.two, "ConfigMap", "mask-empty")
	s.edit("ConfigMap", "mask-empty", `{"spec":{"placementMask":{"clusters":[{"name":%q}]}}}`, s.one)
	s.waitMap(s.one, "mask-empty", map[string]any{"a": "1"})
	s.waitReport("ConfigMap", "mask-empty", s.held())
	s.wantAbsent(s.two, "ConfigMap", "mask-empty")
}

func tellAnnotations(s *stage) {
	s.allowAnnotations("secrets", "compat.example.com/*")
	f := s.object("Secret", "annotated", map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{"compat.example.com/a": "1", "other.example.com/b": "1"}},
		"data":     map[string]any{"k": "dg=="},
	})
	s.put(f)
	expect := func(want map[string]string) {
		s.t.Helper()
		for _, topology := range []string{s.one, s.two} {
			s.waitObject(topology, "Secret", "annotated", "its annotations", func(object *unstructured.Unstructured) error {
				if got := object.GetAnnotations(); !equality.Semantic.DeepEqual(got, want) {
					return fmt.Errorf("they are %v, want %v", got, want)
				}
				return nil
			})
		}
	}
	expect(map[string]string{"compat.example.com/a": "1"})
	s.edit("Secret", "annotated", `{"spec":{"template":{"metadata":{"annotations":{"compat.example.com/a":"2","compat.example.com/c":"1"}}}}}`)
	expect(map[string]string{"compat.example.com/a": "2", "compat.example.com/c": "1"})
	s.touch(s.one, "Secret", "annotated", `{"metadata":{"annotations":{"compat.example.com/a":"drifted"}}}`)
	expect(map[string]string{"compat.example.com/a": "2", "compat.example.com/c": "1"})
	s.edit("Secret", "annotated", `{"spec":{"template":{"metadata":{"annotations":null}}}}`)
	expect(nil)
}

// allowAnnotations names annotations in the policy of a type.
func (s *stage) allowAnnotations(federatedType string, globs ...string) {
	s.t.Helper()
	policy := &cellfedv1alpha1.FederatedTypePolicy{}
	s.must(s.env.Host.Client.Get(s.ctx, keyOf(framework.KubeFedNamespace, federatedType), policy))
	before := policy.DeepCopy()
	policy.Spec.PropagatingAnnotations = globs
	s.must(s.env.Host.Client.Patch(s.ctx, policy, client.MergeFrom(before)))
}

func tellKeptFields(s *stage) {
	s.put(s.object("ServiceAccount", "kept", map[string]any{"metadata": map[string]any{"labels": map[string]any{"change": "0"}}}))
	s.waitLabel(s.one, "ServiceAccount", "kept", "0")
	s.waitLabel(s.two, "ServiceAccount", "kept", "0")
	s.waitReport("ServiceAccount", "kept", well(s.one, s.two))
	s.touch(s.one, "ServiceAccount", "kept", `{"metadata":{"labels":{"member.example.com/a":"theirs"}},"automountServiceAccountToken":false}`)
	s.relabel("ServiceAccount", "kept", "1")
	s.waitLabel(s.one, "ServiceAccount", "kept", "1")
	got := s.now(s.one, "ServiceAccount", "kept")
	if got.GetLabels()["member.example.com/a"] != "theirs" || got.Object["automountServiceAccountToken"] != false {
		s.t.Errorf("what the template says nothing of was taken from the member: %v", got.Object)
	}
}
