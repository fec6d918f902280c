package doctor

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/join/membership"
	"github.com/cellfed/cellfed/internal/cli/writing"
	"github.com/cellfed/cellfed/internal/scope"
	"github.com/cellfed/cellfed/internal/topology"
)

// physical returns the clusters that people registered, by name.
func (p *probe) physical(ctx context.Context) ([]kubefedv1beta1.KubeFedCluster, error) {
	list := &kubefedv1beta1.KubeFedClusterList{}
	if err := p.list(ctx, list, "the KubeFedClusters"); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list.Items, func(c kubefedv1beta1.KubeFedCluster) bool { return topology.StandsForCell(c.Labels) }), nil
}

// members looks whether KubeFed reaches every member.
func members(ctx context.Context, p *probe) (Verdict, error) {
	clusters, err := p.physical(ctx)
	if err != nil {
		return Verdict{}, err
	}
	var wrong []string
	for i := range clusters {
		if ready, why := membership.IsReady(&clusters[i]); !ready {
			wrong = append(wrong, clusters[i].Name+" ("+why+")")
		}
	}
	switch {
	case len(clusters) == 0:
		return verdictf(Warn, "register one with kubectl cells join", "there are no members"), nil
	case len(wrong) > 0:
		return verdictf(Fail, "see whether the host reaches the endpoint, and whether the token still works; kubectl cells join renews the account", "not ready: %s", writing.Some(wrong)), nil
	}
	return verdictf(OK, "", "%s ready", counted(len(clusters), "member")), nil
}

// tenants looks whether the labels of clusters and Namespaces go together.
func tenants(ctx context.Context, p *probe) (Verdict, error) {
	clusters, err := p.physical(ctx)
	if err != nil {
		return Verdict{}, err
	}
	namespaces := &corev1.NamespaceList{}
	if err := p.List(ctx, namespaces); err != nil {
		return Verdict{}, fmt.Errorf("list the Namespaces: %w", err)
	}
	var owned, homeless, unowned []string
	for i := range namespaces.Items {
		labels := namespaces.Items[i].Labels
		if labels[v1alpha1.TenantLabel] == "" {
			continue
		}
		owned = append(owned, namespaces.Items[i].Name)
		if !slices.ContainsFunc(clusters, func(c kubefedv1beta1.KubeFedCluster) bool { return scope.OpensTo(c.Labels, labels) }) {
			homeless = append(homeless, namespaces.Items[i].Name)
		}
	}
	for i := range clusters {
		if labels := clusters[i].Labels; labels[v1alpha1.TenantLabel] == "" && labels[v1alpha1.SharedLabel] != "true" {
			unowned = append(unowned, clusters[i].Name)
		}
	}
	way := fmt.Sprintf("label clusters with %s, or with %s=true", v1alpha1.TenantLabel, v1alpha1.SharedLabel)
	switch {
	case len(homeless) > 0:
		return verdictf(Warn, way, "no cluster serves the tenants' namespaces %s", writing.Some(homeless)), nil
	case len(owned) > 0 && len(unowned) > 0:
		return verdictf(Warn, way+", if tenants are to have cells there", "the clusters %s serve namespaces without a tenant alone, and there are tenants", writing.Some(unowned)), nil
	case len(owned) == 0:
		return verdictf(OK, "", "no namespace is a tenant's"), nil
	}
	return verdictf(OK, "", "%s of tenants served by clusters", counted(len(owned), "namespace")), nil
}

// cells looks whether objects can be released to every cell, which takes the façade.
func cells(ctx context.Context, p *probe) (Verdict, error) {
	list := &v1alpha1.CellList{}
	if err := p.List(ctx, list); err != nil {
		return Verdict{}, fmt.Errorf("list the Cells: %w", err)
	}
	var wrong []string
	for i := range list.Items {
		cell := &list.Items[i]
		c := meta.FindStatusCondition(cell.Status.Conditions, string(v1alpha1.ConditionReady))
		switch {
		case c == nil || c.ObservedGeneration != cell.Generation:
			wrong = append(wrong, fmt.Sprintf("%s/%s (the manager has not reported on it)", cell.Namespace, cell.Name))
		case c.Status != metav1.ConditionTrue:
			wrong = append(wrong, fmt.Sprintf("%s/%s (%s)", cell.Namespace, cell.Name, c.Reason))
		}
	}
	slices.Sort(wrong)
	switch {
	case len(list.Items) == 0:
		return verdictf(OK, "", "there are no cells yet: kubectl cells create makes one"), nil
	case len(wrong) > 0:
		return verdictf(Fail, "kubectl cells describe CELL -n NAMESPACE tells more; where the members are ready, see whether KubeFed reaches the façade", "not ready: %s", writing.Some(wrong)), nil
	}
	return verdictf(OK, "", "%s ready, the façade answers", counted(len(list.Items), "cell")), nil
}
