package cell

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// occurrence is an event of the API group events.k8s.io about a Cell, to be recorded after what it tells of has been
// written.
type occurrence struct {
	kind, reason, action, note string
}

func normal(reason, action, format string, args ...any) occurrence {
	return occurrence{corev1.EventTypeNormal, reason, action, fmt.Sprintf(format, args...)}
}

func warning(reason, action, format string, args ...any) occurrence {
	return occurrence{corev1.EventTypeWarning, reason, action, fmt.Sprintf(format, args...)}
}

func clusterCreated(name string) occurrence {
	return normal("KubeFedClusterCreated", "Generate", "Created KubeFedCluster %q", name)
}

func clusterApplied(name string) occurrence {
	return normal("KubeFedClusterApplied", "Generate", "Brought KubeFedCluster %q up to date", name)
}

func clusterDeleted(name string) occurrence {
	return normal("KubeFedClusterDeleted", "Delete", "Deleted KubeFedCluster %q", name)
}

func tokenIssued(secret string) occurrence {
	return normal("TokenIssued", "RotateToken", "Issued a façade token in Secret %q", secret)
}

func tokenRevoked(secret string) occurrence {
	return normal("TokenRevoked", "RotateToken", "Revoked the façade token in Secret %q", secret)
}

func namespaceFederated(kind, namespace string) occurrence {
	return normal("NamespaceFederated", "Generate", "Created %s %q, which places the namespace on all its cells", kind, namespace)
}

func namespaceCorrected(kind, namespace string) occurrence {
	return normal("NamespaceCorrected", "Generate", "Placed %s %q on all cells of the namespace again", kind, namespace)
}

func memberNamespaceDeleted(cluster, namespace string) occurrence {
	return normal("MemberNamespaceDeleted", "Delete", "Deleted namespace %q in cluster %q, in which nothing was left", namespace, cluster)
}

func memberNamespaceKept(cluster, namespace, why string) occurrence {
	return warning("MemberNamespaceKept", "Delete", "Left namespace %q in cluster %q, with the labels of the cell: %s", namespace, cluster, why)
}

// turned returns what is to be told about conditions that are not what they were: a Cell that became ready or ceased to
// be, and one whose deletion has begun to wait.
func turned(before, after []metav1.Condition) []occurrence {
	var all []occurrence
	was, is := find(before, v1alpha1.ConditionReady), find(after, v1alpha1.ConditionReady)
	if is != nil && (was == nil || was.Status != is.Status || was.Reason != is.Reason) {
		switch {
		case is.Status == metav1.ConditionTrue:
			all = append(all, normal(is.Reason, "Observe", "The cell became ready"))
		case is.Status == metav1.ConditionFalse && worthTelling(v1alpha1.ConditionReason(is.Reason)):
			all = append(all, warning(is.Reason, "Observe", "The cell is not ready: %s", is.Message))
		}
	}
	was, is = find(before, v1alpha1.ConditionDeletionBlocked), find(after, v1alpha1.ConditionDeletionBlocked)
	if is != nil && (was == nil || was.Reason != is.Reason) {
		all = append(all, warning("DeletionBlocked", "Delete", "The deletion was held up: %s", is.Message))
	}
	return all
}

// worthTelling leaves out what every Cell goes through.
func worthTelling(reason v1alpha1.ConditionReason) bool {
	return reason != v1alpha1.ReasonGenerating && reason != v1alpha1.ReasonTerminating
}

func find(conditions []metav1.Condition, t v1alpha1.ConditionType) *metav1.Condition {
	for i := range conditions {
		if conditions[i].Type == string(t) {
			return &conditions[i]
		}
	}
	return nil
}
