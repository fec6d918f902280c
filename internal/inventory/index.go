package inventory

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/topology"
)

const (
	// configResource finds FederatedTypeConfigs by the group and resource of their federated objects.
	configResource = "inventory.resource"
	// clusterNamespace finds the KubeFedClusters of cells by the namespace of the cell, and physical ones by
	// physicalClusters.
	clusterNamespace = "inventory.namespace"
	// cellClaim, cellCluster and cellTarget find Cells by what they claim, by the cluster that they name, and by the
	// namespace in the member.
	cellClaim   = "inventory.claim"
	cellCluster = "inventory.cluster"
	cellTarget  = "inventory.target"
)

// physicalClusters is no namespace's name.
const physicalClusters = "/"

// Index is an index that lookups rely on, in the form that a field indexer and a fake client take it.
type Index struct {
	Object  client.Object
	Field   string
	Extract client.IndexerFunc
}

// Indexes returns the indexes that the Reader of an Inventory must have.
func Indexes() []Index {
	ofCell := func(value func(*v1alpha1.Cell) string) client.IndexerFunc {
		return func(o client.Object) []string { return []string{value(o.(*v1alpha1.Cell))} }
	}
	return []Index{
		{&fedv1b1.FederatedTypeConfig{}, configResource, func(o client.Object) []string {
			return []string{federatedResource(o.(*fedv1b1.FederatedTypeConfig)).String()}
		}},
		{&fedv1b1.KubeFedCluster{}, clusterNamespace, func(o client.Object) []string {
			return []string{namespaceOf(o.(*fedv1b1.KubeFedCluster))}
		}},
		{&v1alpha1.Cell{}, cellClaim, ofCell((*v1alpha1.Cell).Claim)},
		{&v1alpha1.Cell{}, cellCluster, ofCell(func(c *v1alpha1.Cell) string { return c.Spec.ClusterName })},
		{&v1alpha1.Cell{}, cellTarget, ofCell((*v1alpha1.Cell).TargetNamespace)},
	}
}

// IndexFields gives a manager's cache the indexes. It is called once, before the manager starts.
func IndexFields(ctx context.Context, indexer client.FieldIndexer) error {
	for _, index := range Indexes() {
		if err := indexer.IndexField(ctx, index.Object, index.Field, index.Extract); err != nil {
			return fmt.Errorf("index %T by %s: %w", index.Object, index.Field, err)
		}
	}
	return nil
}

// federatedResource returns what the federated objects of a FederatedTypeConfig are read as. The plural may be left to
// its default where upstream's webhook is not installed.
func federatedResource(config *fedv1b1.FederatedTypeConfig) schema.GroupResource {
	fed := config.Spec.FederatedType
	if fed.PluralName == "" {
		fed.PluralName = fedv1b1.PluralName(fed.Kind)
	}
	return schema.GroupResource{Group: fed.Group, Resource: fed.PluralName}
}

func namespaceOf(cluster *fedv1b1.KubeFedCluster) string {
	if !topology.StandsForCell(cluster.Labels) {
		return physicalClusters
	}
	namespace, _, _ := topology.SplitCellClusterName(cluster.Name)
	return namespace
}
