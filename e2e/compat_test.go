package e2e

import (
	"context"
	"testing"

	"github.com/cellfed/cellfed/e2e/framework"
)

// compatible is a story of something that upstream's user guide promises. It is told on clusters and on cells, and by
// whoever propagates.
type compatible struct {
	name string
	// reason is what the guide says, in short.
	reason string
	// on says where the story is told; nil means on clusters and on cells.
	on []string
	// pushed says that the story is of what upstream cannot do, and is told under the push reconciler alone.
	pushed bool
	// refused stories are of what admission refuses. They are told where it does not look: such objects may have been stored
	// before.
	refused bool
	tell    func(s *stage)
}

const (
	onClusters = "clusters"
	onCells    = "cells"
)

// guide are the stories. Each has objects of its own, and all of a stage share two topologies.
var guide = []compatible{
	{name: "propagation", reason: "an object is created, changed, repaired and deleted where it is placed", tell: tellPropagation},
	{name: "field", reason: "what leaves the template leaves the members", tell: tellField},
	{name: "placement", reason: "a list says where an object goes, an absent one leaves it to the selector, an empty one is nowhere", tell: tellPlacement},
	{name: "status", reason: "the condition Propagation and the list of clusters say what has become of an object", refused: true, tell: tellStatus},
	{name: "creation-failed", reason: "an object that a member refuses is CreationFailed until it is mended", tell: tellCreationFailed},
	{name: "update-failed", reason: "a change of an immutable field is UpdateFailed until it is reverted", tell: tellUpdateFailed},
	{name: "placement-failed", reason: "a selector that cannot be read is ComputePlacementFailed and touches nothing", refused: true, tell: tellPlacementFailed},
	{name: "waiting", reason: "an object that a member does not let go of is WaitingForRemoval", tell: tellWaitingForRemoval},

	{name: "overrides", reason: "JSON patches by cluster: replace where no op is given, add, remove, also in lists", tell: tellOverrides},
	{name: "overrides-retained", reason: "retained fields can be overridden", refused: true, tell: tellOverridesRetained},
	{name: "overrides-failed", reason: "an override that does not apply is ApplyOverridesFailed where it is for", refused: true, tell: tellOverridesFailed},
	{name: "overrides-refused", reason: "name, namespace and kind cannot be overridden", refused: true, tell: tellOverridesRefused},

	{name: "orphaning", reason: "kubefed.io/orphan leaves the members' objects behind, without the labels", tell: tellOrphaning},
	{name: "delete-options", reason: "kubefed.io/deleteoption decides how the members' objects are deleted", tell: tellDeleteOptions},
	{name: "finalizer", reason: "an object that cannot be deleted in a member keeps its federated object", tell: tellFinalizer},
	{name: "adoption", reason: "an object that is there already is taken over as it is", tell: tellAdoption},
	{name: "unmanaged", reason: "kubefed.io/managed=false keeps an object as it is", tell: tellUnmanaged},
	{name: "stray-label", reason: "an object with the label and without a federated object loses the label", on: []string{onClusters}, tell: tellStrayLabel},

	{name: "retained-metadata", reason: "annotations and finalizers are the members'", tell: tellRetainedMetadata},
	{name: "retained-service", reason: "cluster IPs and node ports of a Service are the members'", tell: tellRetainedService},
	{name: "retained-secrets", reason: "secrets of a ServiceAccount are the members' where the template has none", tell: tellRetainedSecrets},
	{name: "retained-replicas", reason: "with retainReplicas the replicas are those of the member's autoscaler", tell: tellRetainedReplicas},

	{name: "namespace-limits", reason: "an object goes only where its FederatedNamespace is placed too", on: []string{onClusters}, tell: tellNamespaceLimits},
	{name: "namespace-missing", reason: "an object without a FederatedNamespace is NamespaceNotFederated", on: []string{onClusters}, tell: tellNamespaceMissing},
	{name: "namespace-deleted", reason: "with a FederatedNamespace the members' Namespaces go, the host's stays", on: []string{onClusters}, tell: tellNamespaceDeleted},

	{name: "mask-create", reason: "held is not created", pushed: true, tell: tellMaskCreate},
	{name: "mask-update", reason: "held is not changed, nor repaired", pushed: true, tell: tellMaskUpdate},
	{name: "mask-removal", reason: "held stays when its placement goes", pushed: true, tell: tellMaskRemoval},
	{name: "mask-deletion", reason: "held stays when the federated object is deleted, which waits", pushed: true, tell: tellMaskDeletion},
	{name: "mask-empty", reason: "an empty mask holds everything", pushed: true, tell: tellMaskEmpty},
	{name: "annotations", reason: "annotations of the template that the policy names reach the members", pushed: true, tell: tellAnnotations},
	{name: "kept-fields", reason: "a field that a member's controllers set and the template does not is theirs", pushed: true, tell: tellKeptFields},
}

// TestCompatibility tells the stories of upstream's user guide, in upstream's words, on the members themselves and on
// cells.
func TestCompatibility(t *testing.T) {
	env := environment(t)
	for _, on := range []string{onClusters, onCells} {
		t.Run(on, func(t *testing.T) {
			t.Parallel()
			s, past := newStage(t, env, on, "compat"), newStage(t, env, on, "past")
			past.must(env.Cellfed.Exempt(past.ctx, past.namespace))
			for _, story := range guide {
				if !story.toldOn(on) || story.pushed && !pushed() {
					continue
				}
				t.Run(story.name, func(t *testing.T) {
					t.Parallel()
					told := s.in(t)
					if story.refused {
						told = past.in(t)
					}
					t.Logf("%s", story.reason)
					story.tell(told)
				})
			}
		})
	}
}

func (c compatible) toldOn(on string) bool {
	if c.on == nil {
		return true
	}
	for _, where := range c.on {
		if where == on {
			return true
		}
	}
	return false
}

// stage is what a story is told on: two topologies, which are the members or a cell on each of them.
type stage struct {
	*tenant
	cells bool
	// one and two are the names of the topologies' KubeFedClusters.
	one, two string
	// home are the places of the topologies, by the same names.
	home map[string]place
}

// newStage makes the topologies and federates the namespace to them. The name tells the test's from others'.
func newStage(t *testing.T, env *framework.Environment, on, name string) *stage {
	t.Helper()
	if on == onClusters {
		return newClusterStage(t, env, name+"-clusters")
	}
	s := &stage{tenant: newTenant(t, env, name+"-cells"), cells: true}
	s.one, s.two = s.namespace+".one", s.namespace+".two"
	s.cell("one", hangzhou, s.namespace+"-one", map[string]string{"city": "hangzhou"})
	s.cell("two", shanghai, s.namespace+"-two", map[string]string{"city": "shanghai"})
	s.home = map[string]place{s.one: s.places["one"], s.two: s.places["two"]}
	s.waitReady()
	s.waitNamespaces()
	return s
}

// newClusterStage makes a stage of the members themselves, in a namespace of a user who knows nothing of tenants.
func newClusterStage(t *testing.T, env *framework.Environment, namespace string) *stage {
	t.Helper()
	s := newBareStage(t, env, namespace)
	s.put(s.federatedNamespace(s.one, s.two))
	s.waitNamespaces()
	return s
}

// newBareStage is newClusterStage without a FederatedNamespace.
func newBareStage(t *testing.T, env *framework.Environment, namespace string) *stage {
	t.Helper()
	s := &stage{tenant: newUser(t, env, namespace), one: hangzhou, two: shanghai}
	for _, cluster := range []string{hangzhou, shanghai} {
		where := place{cluster: cluster, namespace: namespace}
		s.places[cluster] = where
	}
	s.home = s.places
	return s
}

// in returns the stage for a story of its own.
func (s *stage) in(t *testing.T) *stage {
	told, played := *s, *s.tenant
	played.t, played.ctx = t, t.Context()
	told.tenant = &played
	return &told
}

// waitNamespaces waits until the topologies have the namespace in which the objects will be.
func (s *stage) waitNamespaces() {
	s.t.Helper()
	for _, topology := range []string{s.one, s.two} {
		s.eventually("the namespace of "+topology, func(ctx context.Context) error {
			where := s.home[topology]
			return s.env.Member(where.cluster).Client.Get(ctx, keyOf("", where.namespace), typed("Namespace"))
		})
	}
}
