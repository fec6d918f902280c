package cell

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/scope"
	"github.com/cellfed/cellfed/internal/topology"
)

// verdict is a condition that has neither a type nor a generation yet.
type verdict struct {
	status  metav1.ConditionStatus
	reason  v1alpha1.ConditionReason
	message string
}

func yes(reason v1alpha1.ConditionReason, format string, args ...any) verdict {
	return verdict{metav1.ConditionTrue, reason, fmt.Sprintf(format, args...)}
}

func no(reason v1alpha1.ConditionReason, format string, args ...any) verdict {
	return verdict{metav1.ConditionFalse, reason, fmt.Sprintf(format, args...)}
}

func unknown(reason v1alpha1.ConditionReason, format string, args ...any) verdict {
	return verdict{metav1.ConditionUnknown, reason, fmt.Sprintf(format, args...)}
}

// statusOf returns the status of the Cell. Transition times are those of the status that it has.
func statusOf(f *facts) v1alpha1.CellStatus {
	status := *f.cell.Status.DeepCopy()
	status.ObservedGeneration = f.cell.Generation
	status.TargetNamespace = f.cell.TargetNamespace()
	status.Tenant = f.namespace.tenant
	status.WorkspaceGroup = f.namespace.workspaceGroup
	status.KubeFedClusterName = ""
	if f.own != nil && !f.foreign() {
		status.KubeFedClusterName = f.own.Name
	}

	set := func(t v1alpha1.ConditionType, v verdict) {
		condition := v1alpha1.NewCondition(t, v.status, v.reason, f.cell.Generation, v.message)
		condition.LastTransitionTime = metav1.NewTime(f.now)
		meta.SetStatusCondition(&status.Conditions, condition)
	}
	cluster, generated, namespace := judgeCluster(f), judgeGenerated(f), judgeNamespace(f)
	set(v1alpha1.ConditionClusterReady, cluster)
	set(v1alpha1.ConditionGenerated, generated)
	set(v1alpha1.ConditionNamespaceFederated, namespace)

	deletion := judgeDeletion(f)
	if deletion.status == metav1.ConditionTrue {
		set(v1alpha1.ConditionDeletionBlocked, deletion)
	} else {
		meta.RemoveStatusCondition(&status.Conditions, string(v1alpha1.ConditionDeletionBlocked))
	}
	set(v1alpha1.ConditionReady, judgeReady(f, deletion, generated, cluster, judgeOwn(f), namespace))
	return status
}

// judgeReady returns the first of the verdicts, ordered by what is to be mended first, that is not good.
func judgeReady(f *facts, deletion verdict, parts ...verdict) verdict {
	if f.cell.DeletionTimestamp != nil {
		message := "the Cell is being deleted"
		if deletion.message != "" {
			message += ", " + deletion.message
		}
		return no(v1alpha1.ReasonTerminating, "%s", message)
	}
	for _, part := range parts {
		if part.status != metav1.ConditionTrue {
			return part
		}
	}
	return yes(v1alpha1.ReasonReady, "objects can be released to the cell")
}

// judgeDeletion says for what the deletion of the Cell waits. It is true if it waits.
func judgeDeletion(f *facts) verdict {
	if f.cell.DeletionTimestamp == nil {
		return verdict{}
	}
	if blockers := blockersOf(f); len(blockers) > 0 {
		return yes(blockedReason(blockers), "%s", blockedMessage(blockers))
	}
	if f.own != nil && !f.foreign() && f.own.DeletionTimestamp != nil && len(f.own.Finalizers) > 0 {
		return yes(v1alpha1.ReasonFinalizersPending, "waiting for KubeFedCluster %q, which is kept by the finalizers %s",
			f.own.Name, strings.Join(slices.Sorted(slices.Values(f.own.Finalizers)), ", "))
	}
	if f.remains != "" {
		return yes(reasonNamespaceRemains, "%s", f.remains)
	}
	return verdict{}
}

// judgeCluster says how the physical cluster is.
func judgeCluster(f *facts) verdict {
	name := f.cell.Spec.ClusterName
	switch {
	case f.clusterIsCell():
		return no(v1alpha1.ReasonClusterIsCell,
			"spec.clusterName: KubeFedCluster %q stands for a cell: name a cluster that was registered with kubefedctl join or by hand", name)
	case f.cluster == nil:
		return no(v1alpha1.ReasonClusterNotFound,
			"spec.clusterName: there is no KubeFedCluster %q in namespace %q: register the cluster or correct the name", name, f.settings.kubeFedNamespace)
	case !f.opens():
		// How another tenant's cluster is, is not for this one to see.
		return no(v1alpha1.ReasonClusterOfAnotherTenant, "%s", closedMessage(f))
	}
	return judgeHealth(healthOf(f.cluster), name)
}

// closedMessage says why the physical cluster does not host the cell. Whose it is, it does not tell.
func closedMessage(f *facts) string {
	return "spec.clusterName: " + scope.ClosedMessage(f.cell.Spec.ClusterName, f.cell.Namespace, f.namespace.labels()) + "; until then the cell is not served, and what it holds is left as it is"
}

// refusedMessage says why the cell must not have its target namespace. Whose that is, it does not tell.
func refusedMessage(f *facts) string {
	return f.target().RefusedMessage(f.targetRefusal(), f.cell.Spec.ClusterName) + "; until then the cell is not served, and what it holds is left as it is"
}

// judgeOwn says how the KubeFedCluster is that stands for the cell.
func judgeOwn(f *facts) verdict {
	if f.own == nil || f.foreign() {
		return verdict{}
	}
	return judgeHealth(healthOf(f.own), f.own.Name)
}

// judgeHealth puts upstream's report into words of our own: its messages hold addresses and ports that change.
func judgeHealth(h health, name string) verdict {
	switch h {
	case healthReady:
		return yes(v1alpha1.ReasonReady, "KubeFed reports KubeFedCluster %q as ready", name)
	case healthOffline:
		return no(v1alpha1.ReasonClusterNotReady, "KubeFed cannot reach KubeFedCluster %q", name)
	case healthMalformed:
		return no(v1alpha1.ReasonClusterNotReady, "KubeFed cannot make a client of KubeFedCluster %q: see its Secret, CA bundle and endpoint", name)
	case healthNotReady:
		return no(v1alpha1.ReasonClusterNotReady, "KubeFed reports KubeFedCluster %q as not ready", name)
	default:
		return unknown(v1alpha1.ReasonClusterUnknown, "KubeFed has not reported on KubeFedCluster %q yet", name)
	}
}

// judgeGenerated says whether what was generated for the cell is in place.
func judgeGenerated(f *facts) verdict {
	name := f.clusterName()
	if !f.opens() {
		// This goes first: who is on another tenant's cluster is not for this one to see.
		return no(v1alpha1.ReasonClusterOfAnotherTenant, "%s", closedMessage(f))
	}
	if f.targetRefusal() != scope.TargetAllowed {
		return no(v1alpha1.ReasonTargetOfAnotherTenant, "%s", refusedMessage(f))
	}
	if winner := f.winner(); winner != nil {
		older := "a Cell of another namespace" // It may be another tenant's, whose names are not told.
		if winner.Namespace == f.cell.Namespace {
			older = fmt.Sprintf("Cell %q", winner.Name)
		}
		return no(v1alpha1.ReasonTargetNamespaceConflict,
			"%s is older and has namespace %q of cluster %q: give this Cell another cluster, or delete it and create one with another targetNamespace; until then it is not served",
			older, f.cell.TargetNamespace(), f.cell.Spec.ClusterName)
	}
	switch {
	case f.clusterIsCell():
		return no(v1alpha1.ReasonClusterIsCell, "nothing is generated while spec.clusterName %q stands for a cell", f.cell.Spec.ClusterName)
	case f.foreign():
		return no(v1alpha1.ReasonNameConflict,
			"KubeFedCluster %q in namespace %q was not made for this cell: remove it, or create the Cell under another name", name, f.settings.kubeFedNamespace)
	case f.own == nil && len(f.settings.caBundle) == 0:
		return no(v1alpha1.ReasonGenerating, "waiting for the CA bundle of the façade")
	case f.own == nil:
		return no(v1alpha1.ReasonGenerating, "KubeFedCluster %q is not there yet", name)
	case f.own.DeletionTimestamp != nil:
		return no(v1alpha1.ReasonGenerating, "KubeFedCluster %q is being deleted", name)
	case !f.tokenInPlace():
		return no(v1alpha1.ReasonGenerating, "the façade token of KubeFedCluster %q is not there yet", name)
	case len(f.settings.caBundle) > 0 && !upToDate(f.own, desiredCluster(f, f.own.Spec.SecretRef.Name)):
		return no(v1alpha1.ReasonGenerating, "KubeFedCluster %q is not up to date yet", name)
	}
	return yes(v1alpha1.ReasonGenerated, "KubeFedCluster %q stands for the cell", name)
}

// tokenInPlace reports whether the Secret that the KubeFedCluster names is there and can be used.
func (f *facts) tokenInPlace() bool {
	return slices.ContainsFunc(f.tokens, func(t token) bool {
		return t.name == f.own.Spec.SecretRef.Name && t.usable && !t.deleting
	})
}

// judgeNamespace says whether a FederatedNamespace places the namespace on the cell.
func judgeNamespace(f *facts) verdict {
	n, kind := f.cell.Namespace, f.federation.kind
	switch {
	case kind == "":
		return no(v1alpha1.ReasonNamespacesNotFederated,
			"Namespaces are not federated: enable them with kubectl cells enable namespaces, or kubefedctl enable namespaces, in namespace %q", f.settings.kubeFedNamespace)
	case !f.federation.read:
		if last := find(f.cell.Status.Conditions, v1alpha1.ConditionNamespaceFederated); last != nil {
			// What was known holds until something else is: a restart is no news.
			return verdict{last.Status, v1alpha1.ConditionReason(last.Reason), last.Message}
		}
		return unknown(v1alpha1.ReasonNamespaceUnknown, "%s objects have not been read yet", kind)
	case f.federation.object == nil:
		return no(v1alpha1.ReasonNamespaceNotPlaced, "there is no %s %q in namespace %q", kind, n, n)
	case f.federation.object.GetDeletionTimestamp() != nil:
		return no(v1alpha1.ReasonNamespaceNotPlaced, "%s %q is being deleted", kind, n)
	case f.federation.disabled:
		return no(v1alpha1.ReasonNamespacesNotFederated, "FederatedTypeConfig %q has propagation Disabled: set it to Enabled", namespacesType)
	}
	if !places(f.federation.object, f.clusterName(), f.placingLabels()) {
		return no(v1alpha1.ReasonNamespaceNotPlaced, "%s", namespaceAdvice(f))
	}
	return yes(v1alpha1.ReasonNamespacePlaced, "%s %q places the namespace on the cell", kind, n)
}

// namespaceAdvice says how the FederatedNamespace, as it was written, can be made to place the cell.
func namespaceAdvice(f *facts) string {
	object := f.federation.object
	subject := fmt.Sprintf("%s %q does not place the namespace on the cell: ", f.federation.kind, f.cell.Namespace)
	if generated(object) {
		return subject + "remove spec.placement.clusters, which somebody added (in v2beta1 spec.placement.topologies)"
	}
	if objectType(object) == topology.Cell {
		return subject + fmt.Sprintf("add %q to spec.placement.topologies (v2beta1), or have a topologySelector select it", f.cell.Name)
	}
	return subject + fmt.Sprintf("add the cluster %q to its placement, or set spec.topologyType to %s and place it on the cell %q",
		f.clusterName(), topology.Cell, f.cell.Name)
}
