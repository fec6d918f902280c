package cell

import (
	"encoding/base64"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/kubefed/pkg/apis/core/common"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/placementcache"
	"github.com/cellfed/cellfed/internal/scope"
	"github.com/cellfed/cellfed/internal/topology"
)

const (
	// tokenKey is the key of the token in a Secret, as upstream KubeFed reads it.
	tokenKey = "token"
	// tokenBytes is how many random bytes a token is made of.
	tokenBytes = 32
)

// facts are all that the decisions about one Cell depend on. The functions that decide (plan*.go, status.go) read them
// and change nothing.
type facts struct {
	now      time.Time
	settings settings

	// cell is the Cell.
	cell *v1alpha1.Cell
	// namespace is what the Cell's namespace says about itself.
	namespace namespaceFacts
	// namesake is what the host has under the name of the Cell's target namespace.
	namesake scope.Namesake
	// rivals are the other Cells with the same claim, as far as they may have the place.
	rivals []*v1alpha1.Cell

	// cluster is the physical KubeFedCluster that the Cell names, or nil.
	cluster *kubefedv1beta1.KubeFedCluster
	// own is the KubeFedCluster of the name that the cell's must have, whoever made it, or nil.
	own *kubefedv1beta1.KubeFedCluster
	// tokens are the façade tokens that were made for the Cell.
	tokens []token

	// federation is how the Cell's namespace is federated.
	federation federationFacts

	// objects are the federated objects of the namespace. They are gathered only for a Cell that is being deleted.
	objects []placementcache.Object
	// unreadable are the kinds, sorted, whose objects could not be read, and unreadableErr says why.
	unreadable    []string
	unreadableErr error

	// remains is why the cell's namespace in the member is not removed yet, while it may still be. It is found out
	// while the plan is carried out.
	remains string
}

// settings are what holds for every Cell.
type settings struct {
	kubeFedNamespace string
	facadeURL        string
	caBundle         []byte
	tokenLifetime    time.Duration
	tokenGrace       time.Duration
}

type namespaceFacts struct {
	tenant, workspaceGroup string
	terminating            bool
}

// labels are those by which a Namespace says whose it is.
func (n namespaceFacts) labels() map[string]string {
	return map[string]string{v1alpha1.TenantLabel: n.tenant, v1alpha1.WorkspaceGroupLabel: n.workspaceGroup}
}

// federationFacts say how the namespace is federated.
type federationFacts struct {
	// kind is the kind of federated Namespaces. Empty means that no FederatedTypeConfig, or no CRD, federates them.
	kind string
	// resource is what they are read and written as.
	resource schema.GroupVersionResource
	// disabled says that nobody propagates them, because the FederatedTypeConfig turns it off.
	disabled bool
	// read says whether object is known.
	read bool
	// object is the namespace's FederatedNamespace, reduced, or nil.
	object *unstructured.Unstructured
	// typed says that the CRD declares spec.topologyType. The API server drops the field from objects until then.
	typed bool
}

// token is the Secret of a façade token, without the token.
type token struct {
	name string
	uid  types.UID
	// labels are the Secret's labels.
	labels map[string]string
	// expires is when it is to be replaced. Zero means that nobody knows.
	expires time.Time
	// revokedAfter is when it is to be deleted. Zero means that it was not replaced.
	revokedAfter time.Time
	// usable says that the Secret holds a token of the length that is asked for.
	usable bool
	// deleting says that the Secret is being deleted.
	deleting bool
}

// newToken returns what of a Secret decisions depend on.
func newToken(secret *corev1.Secret) token {
	decoded, err := base64.RawURLEncoding.DecodeString(string(secret.Data[tokenKey]))
	return token{
		name:         secret.Name,
		uid:          secret.UID,
		labels:       secret.Labels,
		expires:      annotatedTime(secret, v1alpha1.TokenExpiresAnnotation),
		revokedAfter: annotatedTime(secret, v1alpha1.TokenRevokedAfterAnnotation),
		usable:       err == nil && len(decoded) >= tokenBytes,
		deleting:     secret.DeletionTimestamp != nil,
	}
}

// annotatedTime returns the time in an annotation, or zero when there is none or it is not a time.
func annotatedTime(object metav1.Object, key string) time.Time {
	t, err := time.Parse(time.RFC3339, object.GetAnnotations()[key])
	if err != nil {
		return time.Time{}
	}
	return t
}

// clusterName is the name of the KubeFedCluster that stands for the cell.
func (f *facts) clusterName() string {
	return topology.CellClusterName(f.cell.Namespace, f.cell.Name)
}

// foreign reports whether the KubeFedCluster of the cell's name is somebody else's.
func (f *facts) foreign() bool {
	return f.own != nil && !owns(f.cell, f.own)
}

// owns reports whether a KubeFedCluster was generated for the Cell. One that has lost labels by hand is known by the
// Cell's UID, and one that outlived another Cell of the same name by its labels.
func owns(cell *v1alpha1.Cell, cluster *kubefedv1beta1.KubeFedCluster) bool {
	if cell.UID != "" && cluster.Annotations[v1alpha1.CellUIDAnnotation] == string(cell.UID) {
		return true
	}
	return generatedFor(cluster.Labels, cell.Namespace, cell.Name)
}

// generatedFor reports whether labels say that cellfed made the object for the cell.
func generatedFor(labels map[string]string, namespace, cell string) bool {
	return labels[v1alpha1.GeneratedLabel] == "true" &&
		labels[v1alpha1.NamespaceLabel] == namespace &&
		labels[v1alpha1.CellLabel] == cell
}

// winner returns the Cell that has the claim instead of this one, or nil.
func (f *facts) winner() *v1alpha1.Cell {
	first := f.cell
	for _, rival := range f.rivals {
		if rival.Precedes(first) {
			first = rival
		}
	}
	if first == f.cell {
		return nil
	}
	return first
}

// clusterIsCell reports whether the Cell names a KubeFedCluster that stands for a cell: through one façade another
// would be reached, its own included.
func (f *facts) clusterIsCell() bool {
	if f.cell.Spec.ClusterName == f.clusterName() {
		return true
	}
	return f.cluster != nil && f.cluster.Labels[v1alpha1.TopologyTypeLabel] == topology.Cell
}

// servable reports whether the cell may be served at all.
func (f *facts) servable() bool {
	return f.undisputed() && f.admitted()
}

// undisputed reports whether the place that the Cell names can be a cell's, and is no other's. What was generated for a
// Cell whose place is not is left as it is.
func (f *facts) undisputed() bool {
	return f.winner() == nil && !f.clusterIsCell()
}

// admitted reports whether the physical cluster may host the cell, and in its target namespace.
func (f *facts) admitted() bool { return f.opens() && f.targetRefusal() == scope.TargetAllowed }

// targetRefusal says why the cell must not have its target namespace.
func (f *facts) targetRefusal() scope.TargetRefusal { return f.target().Refusal() }

func (f *facts) target() scope.Target {
	cluster := f.cluster
	if f.clusterIsCell() {
		cluster = nil // What is in a cell, the cluster that it is on does not say.
	}
	return targetOf(f.cell, f.namespace, f.namesake, cluster)
}

// targetOf returns the target namespace of a Cell on a physical cluster, nil for one that nobody has registered yet.
func targetOf(cell *v1alpha1.Cell, namespace namespaceFacts, namesake scope.Namesake, cluster *kubefedv1beta1.KubeFedCluster) scope.Target {
	target := scope.Target{
		Name: cell.TargetNamespace(), Namespace: cell.Namespace, NamespaceLabels: namespace.labels(), Namesake: namesake, ClusterKnown: cluster != nil,
	}
	if cluster != nil {
		target.ClusterLabels = cluster.Labels
	}
	return target
}

// opens reports whether the physical cluster may host cells of the Cell's namespace.
func (f *facts) opens() bool {
	return f.clusterIsCell() || opensTo(f.cluster, f.namespace)
}

// opensTo reports whether a physical cluster may host cells of a namespace. Of one that nobody has registered yet nobody
// knows: whoever registers it says whose it is.
func opensTo(cluster *kubefedv1beta1.KubeFedCluster, namespace namespaceFacts) bool {
	return cluster == nil || scope.OpensTo(cluster.Labels, namespace.labels())
}

// keepsUp reports whether what upstream needs is generated, and kept up to date. For a cell that its physical cluster does
// not open to, or whose target namespace is not its to have, nothing is made. What is there stays, because upstream takes a
// cluster that has gone for one that holds nothing; and it goes on following its Namespace, the façade being what refuses to
// serve it.
func (f *facts) keepsUp() bool {
	return f.undisputed() && !f.foreign() && (f.own != nil || f.admitted())
}

// placingLabels returns the labels that upstream selects the cell's KubeFedCluster by: those that are there now, or else
// those that will be.
func (f *facts) placingLabels() map[string]string {
	if f.own != nil && !f.foreign() {
		return f.own.Labels
	}
	return clusterLabels(f)
}

// health is what upstream KubeFed reports about a cluster.
type health int

const (
	healthUnknown health = iota
	healthReady
	healthNotReady
	healthOffline
	healthMalformed
)

// healthOf reads the conditions of a KubeFedCluster. Upstream writes only the ones that say something: an offline
// cluster has no Ready.
func healthOf(cluster *kubefedv1beta1.KubeFedCluster) health {
	isTrue := func(t common.ClusterConditionType) bool {
		return slices.ContainsFunc(cluster.Status.Conditions, func(c kubefedv1beta1.ClusterCondition) bool {
			return c.Type == t && c.Status == corev1.ConditionTrue
		})
	}
	reported := slices.ContainsFunc(cluster.Status.Conditions, func(c kubefedv1beta1.ClusterCondition) bool {
		return c.Type == common.ClusterReady && c.Status != corev1.ConditionUnknown
	})
	switch {
	case isTrue(common.ClusterConfigMalformed):
		return healthMalformed
	case isTrue(common.ClusterOffline):
		return healthOffline
	case isTrue(common.ClusterReady):
		return healthReady
	case reported:
		return healthNotReady
	default:
		return healthUnknown
	}
}
