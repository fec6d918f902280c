package facade

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/facade/mapping"
	"github.com/cellfed/cellfed/internal/inventory"
	"github.com/cellfed/cellfed/internal/member"
	"github.com/cellfed/cellfed/internal/scope"
	"github.com/cellfed/cellfed/internal/topology"
)

// tokenIndex is the index of Secrets by the cell that they hold a façade token of.
const tokenIndex = "cellfed.io/facade-token"

// IndexTokens adds the index that a ClusterResolver's Reader needs. Call it before the cache starts.
func IndexTokens(ctx context.Context, indexer client.FieldIndexer) error {
	if err := indexer.IndexField(ctx, &corev1.Secret{}, tokenIndex, tokenIndexer); err != nil {
		return fmt.Errorf("index façade tokens: %w", err)
	}
	return nil
}

// tokenIndexer returns the cell that a Secret holds a façade token of.
func tokenIndexer(object client.Object) []string {
	labels := object.GetLabels()
	namespace, cell := labels[v1alpha1.NamespaceLabel], labels[v1alpha1.CellLabel]
	if labels[v1alpha1.GeneratedLabel] != "true" || namespace == "" || cell == "" {
		return nil
	}
	return []string{namespace + "/" + cell}
}

// +kubebuilder:rbac:groups=cellfed.io,resources=cells,verbs=get;list;watch
// +kubebuilder:rbac:groups=core.kubefed.io,namespace=kube-federation-system,resources=kubefedclusters,verbs=get;list;watch
// +kubebuilder:rbac:groups="",namespace=kube-federation-system,resources=secrets,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch

// ClusterResolver is the Resolver over Cells, KubeFedClusters and Secrets of the host cluster.
type ClusterResolver struct {
	// Reader reads from a cache that has the index of IndexTokens, and Namespaces as metadata.
	Reader client.Reader
	// KubeFedNamespace is where KubeFedClusters and Secrets are.
	KubeFedNamespace string
	// Pool holds the connections to members.
	Pool *member.Pool
}

// Tokens returns all tokens of a cell: while one replaces another, both are good.
func (c *ClusterResolver) Tokens(ctx context.Context, namespace, cell string) ([]string, error) {
	var secrets corev1.SecretList
	err := c.Reader.List(ctx, &secrets, client.InNamespace(c.KubeFedNamespace),
		client.MatchingFields{tokenIndex: namespace + "/" + cell})
	if err != nil {
		return nil, fmt.Errorf("list the façade tokens of cell %q of namespace %q: %w", cell, namespace, err)
	}
	var tokens []string
	for i := range secrets.Items {
		if token := secrets.Items[i].Data[member.TokenKey]; len(token) > 0 && secrets.Items[i].DeletionTimestamp == nil {
			tokens = append(tokens, string(token))
		}
	}
	return tokens, nil
}

// Resolve returns the member behind a cell. A cell that is being deleted is still served: what is placed on it must be
// withdrawn through its façade.
func (c *ClusterResolver) Resolve(ctx context.Context, namespace, cell string) (*Target, error) {
	var object v1alpha1.Cell
	if err := c.Reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: cell}, &object); apierrors.IsNotFound(err) {
		return nil, ErrUnknownCell
	} else if err != nil {
		return nil, fmt.Errorf("read cell %q of namespace %q: %w", cell, namespace, err)
	}
	if err := servable(&object); err != nil {
		return nil, err
	}
	cluster, err := c.cluster(ctx, object.Spec.ClusterName)
	if err != nil {
		return nil, err
	}
	if err := c.opens(ctx, &object, cluster); err != nil {
		return nil, err
	}
	secret, err := member.ReadSecret(ctx, c.Reader, cluster)
	if err != nil {
		return nil, err
	}
	m, err := c.Pool.Get(cluster, secret)
	var wrong *member.ConfigError
	switch {
	case errors.As(err, &wrong):
		return nil, &UnavailableError{Message: wrong.Error()}
	case err != nil:
		return nil, fmt.Errorf("connect to member cluster %q: %w", cluster.Name, err)
	}
	return &Target{
		View: mapping.View{Namespace: namespace, Cell: cell, TargetNamespace: object.TargetNamespace()},
		// The member is the transport and knows its kinds.
		Cluster: m.Name(), BaseURL: m.BaseURL(), Transport: m, Scopes: m, Membership: m.Context(),
	}, nil
}

// servable returns why a cell is not served. Until the controller has judged what the spec says now, another cell may
// own the namespace that it claims.
func servable(object *v1alpha1.Cell) error {
	generated := meta.FindStatusCondition(object.Status.Conditions, string(v1alpha1.ConditionGenerated))
	switch {
	case generated == nil || generated.ObservedGeneration != object.Generation:
		return &UnavailableError{Message: "the controller has not looked yet at what the Cell's spec says now"}
	case generated.Status == metav1.ConditionFalse && v1alpha1.ConditionReason(generated.Reason).Withholds():
		return &UnavailableError{Message: generated.Message}
	}
	return nil
}

// opens returns why a physical cluster does not host the cell, or not in its target namespace. The controller says so too,
// but only after it has looked: no request may reach a cluster or a namespace that has become another tenant's in the meantime.
func (c *ClusterResolver) opens(ctx context.Context, object *v1alpha1.Cell, cluster *fedv1b1.KubeFedCluster) error {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	err := c.Reader.Get(ctx, client.ObjectKey{Name: object.Namespace}, namespace)
	switch {
	case apierrors.IsNotFound(err):
		return &UnavailableError{Message: fmt.Sprintf("namespace %q is not known yet, and neither is whose it is", object.Namespace)}
	case err != nil:
		return fmt.Errorf("read namespace %q: %w", object.Namespace, err)
	case !scope.OpensTo(cluster.Labels, namespace.Labels):
		return &UnavailableError{Message: scope.ClosedMessage(cluster.Name, object.Namespace, namespace.Labels)}
	}
	target := scope.Target{
		Name: object.TargetNamespace(), Namespace: object.Namespace, NamespaceLabels: namespace.Labels,
		ClusterLabels: cluster.Labels, ClusterKnown: true,
	}
	if target.Namesake, err = inventory.Namesake(ctx, c.Reader, c.KubeFedNamespace, target.Name); err != nil {
		return err
	}
	if refusal := target.Refusal(); refusal != scope.TargetAllowed {
		return &UnavailableError{Message: target.RefusedMessage(refusal, cluster.Name)}
	}
	return nil
}

// cluster returns the physical KubeFedCluster of a name.
func (c *ClusterResolver) cluster(ctx context.Context, name string) (*fedv1b1.KubeFedCluster, error) {
	var cluster fedv1b1.KubeFedCluster
	err := c.Reader.Get(ctx, client.ObjectKey{Namespace: c.KubeFedNamespace, Name: name}, &cluster)
	switch {
	case apierrors.IsNotFound(err):
		return nil, &UnavailableError{Message: fmt.Sprintf(
			"no KubeFedCluster %q in namespace %q: register it, or let spec.clusterName of the Cell name one that is",
			name, c.KubeFedNamespace)}
	case err != nil:
		return nil, fmt.Errorf("read KubeFedCluster %q: %w", name, err)
	case topology.StandsForCell(cluster.Labels):
		return nil, &UnavailableError{Message: fmt.Sprintf(
			"KubeFedCluster %q stands for a cell: let spec.clusterName of the Cell name a physical cluster", name)}
	}
	return &cluster, nil
}
