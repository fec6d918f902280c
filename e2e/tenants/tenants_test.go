package tenants

import (
	"context"
	"flag"
	"testing"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

// TestHostileTenant makes every try. The groups share the clusters, and the last ones leave their traces.
func TestHostileTenant(t *testing.T) {
	w := suite.world
	first, err := w.sentinel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	whole := true
	play := func(g group) {
		whole = t.Run(g.name, func(t *testing.T) { g.play(t) }) && whole
	}
	play(group{"Not the tenant's to touch", nil, forbidden})
	play(group{"Façade tokens", nil, facadeTokens})
	play(group{"Through the façade", nil, facadeRequests})
	play(group{"Forged labels of federated objects", both, forgedOnFederated})
	play(group{"Forged labels of Cells and Namespaces", nil, forgedElsewhere})
	play(group{"Placement on what is another's", both, foreignPlacements})
	play(group{"Overrides that make another object", both, forgingOverrides})
	play(group{"Templates of another object", both, forgingTemplates})
	play(group{"Owners and finalizers", both, foreignOwners})
	w.drain(t)
	play(group{"Cells where another is", nil, foreignCells})
	w.drain(t)
	play(group{"FederatedNamespaces, with the role tenant", nil, withoutTheRight})
	play(group{"Large objects", both, large})

	w.drain(t)
	t.Run("afterwards", func(t *testing.T) {
		framework.Always(t, tail, "what is not the attacker's", func(ctx context.Context) error {
			now, err := w.sentinel(ctx)
			if err != nil {
				return err
			}
			return onlyFirst(first.differences(now))
		})
		w.reached(t, first)
	})
	whole = t.Run("flood", flood) && whole

	w.drain(t)

	// The cluster's own edit role, as upstream's chart extends it, gives more than the role tenant.
	if err := w.bind(t.Context(), "edit", acmeProd, acmeDev); err != nil {
		t.Fatal(err)
	}
	play(group{"With edit, as upstream's chart extends it", both, forgedStatus})
	play(group{"With edit: replica scheduling", []*propagation{deployments}, scheduled})
	play(group{"With edit: FederatedNamespaces", []*propagation{upstreamNamespaces}, namespacesOfOthers})
	if err := w.env.Cellfed.HandOver(t.Context(), soon, cellfedv1alpha1.PropagatorCellfed, "namespaces"); err != nil {
		t.Fatal(err)
	}
	play(group{"With edit: FederatedNamespaces", []*propagation{cellfedNamespaces}, namespacesOfOthers})

	// What holds when nobody asks the webhooks.
	if err := w.env.Cellfed.RemoveAdmission(t.Context()); err != nil {
		t.Fatal(err)
	}
	play(group{"With admission taken away, under cellfed", []*propagation{cellfeds}, withoutAdmission})
	w.drain(t)
	play(group{"With admission taken away: cells", nil, cellsWithoutAdmission})
	if err := w.env.Cellfed.InstallAdmission(t.Context()); err != nil {
		t.Fatal(err)
	}
	// A part of the tries makes no table.
	if !whole || t.Failed() || flag.Lookup("test.run").Value.String() != "" {
		return
	}
	if err := suite.table.record(); err != nil {
		t.Error(err)
	}
}
