package cell

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/topology"
)

// clusterStep is what is to be done about the KubeFedCluster that stands for a cell.
type clusterStep string

const (
	clusterCreate clusterStep = "create"
	clusterApply  clusterStep = "apply"
	clusterDelete clusterStep = "delete"
)

// decideCluster is asked only about a cell that is kept up.
func decideCluster(f *facts, tokens tokenPlan) clusterStep {
	switch {
	case f.own == nil:
		return clusterCreate
	case f.own.DeletionTimestamp != nil:
		return ""
	case tokens.issue || !upToDate(f.own, desiredCluster(f, tokens.use)):
		return clusterApply
	default:
		return ""
	}
}

// desiredCluster returns what the KubeFedCluster is to be, with the Secret of that name.
func desiredCluster(f *facts, secret string) *kubefedv1beta1.KubeFedCluster {
	return &kubefedv1beta1.KubeFedCluster{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:   f.settings.kubeFedNamespace,
			Name:        f.clusterName(),
			Labels:      clusterLabels(f),
			Annotations: map[string]string{v1alpha1.CellUIDAnnotation: string(f.cell.UID)},
		},
		Spec: kubefedv1beta1.KubeFedClusterSpec{
			APIEndpoint: facadeEndpoint(f.settings.facadeURL, f.cell.Namespace, f.cell.Name),
			CABundle:    f.settings.caBundle,
			SecretRef:   kubefedv1beta1.LocalSecretReference{Name: secret},
			// Empty, but applied: a proxy that saw the token, or a check of the façade's certificate that
			// is turned off, is drift like any other.
			DisabledTLSValidations: []kubefedv1beta1.TLSValidation{},
			ProxyURL:               "",
		},
	}
}

// facadeEndpoint returns the URL at which the façade shows the cell as a cluster.
func facadeEndpoint(facadeURL, namespace, cell string) string {
	return strings.TrimRight(facadeURL, "/") + "/cells/" + namespace + "/" + cell
}

// clusterLabels returns the labels of the KubeFedCluster: the Cell's own, without those that are not for the Cell to
// say, and cellfed's.
func clusterLabels(f *facts) map[string]string {
	labels := map[string]string{}
	for key, value := range f.cell.Labels {
		if !topology.ReservedLabel(key) {
			labels[key] = value
		}
	}
	labels[v1alpha1.GeneratedLabel] = "true"
	labels[v1alpha1.NamespaceLabel] = f.cell.Namespace
	labels[v1alpha1.CellLabel] = f.cell.Name
	labels[v1alpha1.ClusterLabel] = f.cell.Spec.ClusterName
	labels[v1alpha1.TopologyTypeLabel] = topology.Cell
	addTenant(labels, f.namespace)
	return labels
}

// upToDate reports whether applying desired would change nothing: every value is there, and cellfed owns nothing else
// that it would give up. Labels that others have put on the KubeFedCluster are theirs.
func upToDate(live, desired *kubefedv1beta1.KubeFedCluster) bool {
	for key, value := range desired.Labels {
		if got, ok := live.Labels[key]; !ok || got != value {
			return false
		}
	}
	if live.Annotations[v1alpha1.CellUIDAnnotation] != desired.Annotations[v1alpha1.CellUIDAnnotation] {
		return false
	}
	a, b := live.Spec, desired.Spec
	if a.APIEndpoint != b.APIEndpoint || !bytes.Equal(a.CABundle, b.CABundle) || a.SecretRef != b.SecretRef ||
		a.ProxyURL != b.ProxyURL || !slices.Equal(a.DisabledTLSValidations, b.DisabledTLSValidations) {
		return false
	}
	return slices.Equal(appliedLabels(live), slices.Sorted(maps.Keys(desired.Labels)))
}

// appliedLabels returns the keys, sorted, of the labels that cellfed has applied to the object, or nil if it has
// applied nothing.
func appliedLabels(object metav1.Object) []string {
	for _, entry := range object.GetManagedFields() {
		if !appliedByUs(entry) || entry.FieldsV1 == nil {
			continue
		}
		var fields struct {
			Metadata struct {
				Labels map[string]json.RawMessage `json:"f:labels"`
			} `json:"f:metadata"`
		}
		if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields); err != nil {
			return nil
		}
		keys := make([]string, 0, len(fields.Metadata.Labels))
		for key := range fields.Metadata.Labels {
			if key, ok := strings.CutPrefix(key, "f:"); ok {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		return keys
	}
	return nil
}

// appliedByUs reports whether an entry of managedFields stands for what cellfed's controllers applied.
func appliedByUs(entry metav1.ManagedFieldsEntry) bool {
	return entry.Manager == v1alpha1.FieldManager && entry.Operation == metav1.ManagedFieldsOperationApply &&
		entry.Subresource == ""
}
