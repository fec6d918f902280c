package v1alpha1

const (
	// TenantLabel names the tenant that owns a host Namespace. The Namespace is the source of truth; everything
	// that carries the label elsewhere carries a copy of it.
	TenantLabel = "cellfed.io/tenant"

	// WorkspaceGroupLabel names the workspace group of a host Namespace, copied like TenantLabel.
	WorkspaceGroupLabel = "cellfed.io/workspace-group"

	// NamespaceLabel holds the host namespace of the cell that a generated KubeFedCluster, a Secret, or an
	// object in a member belongs to.
	NamespaceLabel = "cellfed.io/namespace"

	// CellLabel holds the name of the cell that a generated KubeFedCluster, a Secret, or an object in a
	// member belongs to.
	CellLabel = "cellfed.io/cell"

	// ClusterLabel holds the name of the physical KubeFedCluster that a generated KubeFedCluster stands on.
	ClusterLabel = "cellfed.io/cluster"

	// TopologyTypeLabel holds the topology type of a KubeFedCluster. Clusters that people registered do not
	// carry it; the ones that stand for a cell carry the value "cell".
	TopologyTypeLabel = "cellfed.io/topology-type"

	// SharedLabel opens a physical KubeFedCluster that carries it with the value "true" to every tenant.
	SharedLabel = "cellfed.io/shared"

	// ManagedLabel marks, with the value "true", an object in a member that was propagated for a cell. It
	// stands there in place of upstream KubeFed's own label, so that upstream does not see the object through
	// a physical KubeFedCluster.
	ManagedLabel = "cellfed.io/managed"

	// GeneratedLabel marks, with the value "true", an object in the host cluster that cellfed made and keeps
	// as it should be.
	GeneratedLabel = "cellfed.io/generated"

	// CellUIDAnnotation holds, on a generated KubeFedCluster, the UID of the Cell that it was generated for. It
	// tells a KubeFedCluster whose labels somebody took away from one that was never cellfed's.
	CellUIDAnnotation = "cellfed.io/cell-uid"

	// TokenExpiresAnnotation holds, on the Secret of a façade token, the time (RFC 3339) at which it is replaced
	// by another. The façade itself accepts the token until its Secret is deleted.
	TokenExpiresAnnotation = "cellfed.io/token-expires-at"

	// TokenRevokedAfterAnnotation holds, on the Secret of a façade token that was replaced, the time (RFC 3339)
	// after which it is deleted, which revokes the token. It is absent while the token is in use.
	TokenRevokedAfterAnnotation = "cellfed.io/token-revoked-after"

	// DefaultPlacementMaskAnnotation says, on a host Namespace, what becomes of the placement mask of a federated object
	// when somebody changes what is propagated and does not touch the mask: "all" leaves it as it was written, "keep"
	// gives back the one that was there, "none" empties it. Absent means what the manager was started with.
	DefaultPlacementMaskAnnotation = "cellfed.io/default-placement-mask"

	// CellFinalizer keeps a Cell until nothing is placed on it any more and what was generated for it is gone.
	CellFinalizer = "cellfed.io/cell"

	// FieldManager is the name under which cellfed's controllers apply what they own.
	FieldManager = "cellfed"
)

// KubeFedManagedLabel is the label by which upstream KubeFed marks, with the value "true", what it manages in
// a member cluster (sigs.k8s.io/kubefed/pkg/controller/util, ManagedByKubeFedLabelKey, which does not compile
// beside a current controller-runtime).
const KubeFedManagedLabel = "kubefed.io/managed"
