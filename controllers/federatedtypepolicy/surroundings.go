package federatedtypepolicy

import (
	"context"
	"fmt"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/inventory"
	"github.com/cellfed/cellfed/internal/scope"
	"github.com/cellfed/cellfed/internal/topology"
	"github.com/cellfed/cellfed/internal/validation"
)

// surroundings is what is around the objects of a type. It is read from the API server once, when there is an object.
type surroundings struct {
	reader           client.Reader
	kubeFedNamespace string
	t                *validation.Type

	read bool
	// owners are the labels of the Namespaces, and namesakes what they are to cells whose target namespaces have their names.
	owners    map[string]map[string]string
	namesakes map[string]scope.Namesake
	// physical are the KubeFedClusters that stand for no cell, and generated those of the cells of a namespace.
	physical  []fedv1b1.KubeFedCluster
	generated map[string][]fedv1b1.KubeFedCluster
	cells     map[string][]v1alpha1.Cell

	// known is what was around the objects of each namespace before. What is the same is told by the same address.
	known map[string]*validation.Facts
	// last is what was told of the namespace lastOf: objects come ordered by namespace.
	last   *validation.Facts
	lastOf string
}

// facts returns what is around the objects of a namespace. The empty one is that of cluster-scoped objects, which are nobody's.
func (s *surroundings) facts(ctx context.Context, namespace string) (*validation.Facts, error) {
	if s.last != nil && s.lastOf == namespace {
		return s.last, nil
	}
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	labels, known := s.owners[namespace]
	clusters := append(s.physical[:len(s.physical):len(s.physical)], s.generated[namespace]...)
	now := &validation.Facts{
		Type: s.t, NamespaceLabels: labels, NamespaceKnown: known || namespace == "",
		Topologies: inventory.Judge(labels, clusters, s.cells[namespace], s.namesakes), TopologiesKnown: true,
	}
	if before := s.known[namespace]; before != nil && sameFacts(*before, *now) {
		now = before
	} else {
		s.known[namespace] = now
	}
	s.lastOf, s.last = namespace, now
	return now, nil
}

// sameFacts compares all but the type.
func sameFacts(a, b validation.Facts) bool {
	a.Type, b.Type = nil, nil
	return reflect.DeepEqual(a, b)
}

func (s *surroundings) load(ctx context.Context) error {
	if s.read {
		return nil
	}
	namespaces := &metav1.PartialObjectMetadataList{}
	namespaces.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	if err := s.reader.List(ctx, namespaces); err != nil {
		return fmt.Errorf("listing Namespaces: %w", err)
	}
	clusters := &fedv1b1.KubeFedClusterList{}
	if err := s.reader.List(ctx, clusters, client.InNamespace(s.kubeFedNamespace)); err != nil {
		return fmt.Errorf("listing KubeFedClusters: %w", err)
	}
	cells := &v1alpha1.CellList{}
	// Where there is no such kind, there are none.
	if err := s.reader.List(ctx, cells); err != nil && !meta.IsNoMatchError(err) && !apierrors.IsNotFound(err) {
		return fmt.Errorf("listing Cells: %w", err)
	}
	s.owners = make(map[string]map[string]string, len(namespaces.Items))
	s.namesakes = make(map[string]scope.Namesake, len(namespaces.Items))
	for i := range namespaces.Items {
		name, labels := namespaces.Items[i].Name, namespaces.Items[i].Labels
		s.owners[name], s.namesakes[name] = labels, scope.NamesakeOf(labels)
	}
	ofKubeFed := s.namesakes[s.kubeFedNamespace]
	ofKubeFed.KubeFed = true
	s.namesakes[s.kubeFedNamespace] = ofKubeFed
	s.generated = map[string][]fedv1b1.KubeFedCluster{}
	for i := range clusters.Items {
		c := clusters.Items[i]
		if !topology.StandsForCell(c.Labels) {
			s.physical = append(s.physical, c)
		}
		// One that only has the name of a cell's keeps the cell from having it.
		if namespace, _, ok := topology.SplitCellClusterName(c.Name); ok && topology.StandsForCell(c.Labels) {
			s.generated[namespace] = append(s.generated[namespace], c)
		}
	}
	s.cells = map[string][]v1alpha1.Cell{}
	for i := range cells.Items {
		s.cells[cells.Items[i].Namespace] = append(s.cells[cells.Items[i].Namespace], cells.Items[i])
	}
	s.read = true
	return nil
}
