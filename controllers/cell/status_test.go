package cell

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/kubefed/pkg/apis/core/common"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/placementcache"
)

func TestStatus(t *testing.T) {
	const (
		ready     = v1alpha1.ConditionReady
		cluster   = v1alpha1.ConditionClusterReady
		generated = v1alpha1.ConditionGenerated
		namespace = v1alpha1.ConditionNamespaceFederated
		deletion  = v1alpha1.ConditionDeletionBlocked
	)
	for name, tc := range map[string]struct {
		reason string
		facts  *facts
		// want holds what differs from a cell that is ready: status/reason of a condition, or "" where it must not be.
		want map[v1alpha1.ConditionType]string
	}{
		"Ready": {
			reason: "all is well",
			facts:  newFacts(generatedFully),
		},
		"New": {
			reason: "what is not there yet is on its way",
			facts:  newFacts(),
			want:   map[v1alpha1.ConditionType]string{generated: "False/Generating", ready: "False/Generating"},
		},
		"NoCluster": {
			reason: "the physical cluster is not registered",
			facts:  newFacts(generatedFully, func(f *facts) { f.cluster = nil }),
			want:   map[v1alpha1.ConditionType]string{cluster: "False/ClusterNotFound", ready: "False/ClusterNotFound"},
		},
		"ClusterUnknown": {
			reason: "upstream has not looked at the physical cluster",
			facts:  newFacts(generatedFully, func(f *facts) { f.cluster.Status = kubefedv1beta1.KubeFedClusterStatus{} }),
			want:   map[v1alpha1.ConditionType]string{cluster: "Unknown/ClusterUnknown", ready: "Unknown/ClusterUnknown"},
		},
		"ClusterOffline": {
			reason: "upstream cannot reach the physical cluster",
			facts:  newFacts(generatedFully, func(f *facts) { f.cluster = newCluster("hz-a", common.ClusterOffline, corev1.ConditionTrue) }),
			want:   map[v1alpha1.ConditionType]string{cluster: "False/ClusterNotReady", ready: "False/ClusterNotReady"},
		},
		"OwnNotReady": {
			reason: "upstream does not find the façade ready",
			facts: newFacts(generatedFully, func(f *facts) {
				f.own.Status = newCluster("", common.ClusterReady, corev1.ConditionFalse).Status
			}),
			want: map[v1alpha1.ConditionType]string{ready: "False/ClusterNotReady"},
		},
		"OwnUnknown": {
			reason: "upstream has not looked at the façade",
			facts:  newFacts(generatedFully, func(f *facts) { f.own.Status = kubefedv1beta1.KubeFedClusterStatus{} }),
			want:   map[v1alpha1.ConditionType]string{ready: "Unknown/ClusterUnknown"},
		},
		"NotFederated": {
			reason: "Namespaces are not federated, so nothing can be released",
			facts:  newFacts(generatedFully, func(f *facts) { f.federation = federationFacts{} }),
			want:   map[v1alpha1.ConditionType]string{namespace: "False/NamespacesNotFederated", ready: "False/NamespacesNotFederated"},
		},
		"NamespaceUnread": {
			reason: "nobody knows yet",
			facts:  newFacts(generatedFully, func(f *facts) { f.federation.read = false }),
			want:   map[v1alpha1.ConditionType]string{namespace: "Unknown/NamespaceUnknown", ready: "Unknown/NamespaceUnknown"},
		},
		"NamespaceUnreadAgain": {
			reason: "what was known before a restart holds",
			facts: newFacts(generatedFully, func(f *facts) {
				f.cell.Status = statusOf(f)
				f.federation.read = false
			}),
		},
		"NoNamespace": {
			reason: "there is no FederatedNamespace",
			facts:  newFacts(generatedFully, func(f *facts) { f.federation.object = nil }),
			want:   map[v1alpha1.ConditionType]string{namespace: "False/NamespaceNotPlaced", ready: "False/NamespaceNotPlaced"},
		},
		"Foreign": {
			reason: "the name is taken",
			facts:  newFacts(foreignCluster),
			want:   map[v1alpha1.ConditionType]string{generated: "False/NameConflict", ready: "False/NameConflict"},
		},
		"Younger": {
			reason: "the place is taken, which counts more than what else is wrong",
			facts: newFacts(generatedFully, func(f *facts) {
				f.cluster = nil
				f.rivals = []*v1alpha1.Cell{newCell("other", "x", "hz-a", "shop-rz00a")}
				f.rivals[0].CreationTimestamp = metav1.NewTime(epoch.Add(-2 * time.Hour))
			}),
			want: map[v1alpha1.ConditionType]string{
				cluster: "False/ClusterNotFound", generated: "False/TargetNamespaceConflict", ready: "False/TargetNamespaceConflict",
			},
		},
		"ClusterIsCell": {
			reason: "a cell stands on no cell",
			facts: newFacts(func(f *facts) {
				f.cluster.Labels = map[string]string{v1alpha1.TopologyTypeLabel: "cell"}
			}),
			want: map[v1alpha1.ConditionType]string{cluster: "False/ClusterIsCell", generated: "False/ClusterIsCell", ready: "False/ClusterIsCell"},
		},
		"ClusterOfAnotherTenant": {
			reason: "a cell is on no cluster that is another tenant's, and how that is, is not for it to see",
			facts: newFacts(takenOver, func(f *facts) {
				f.cluster.Status = newCluster("", common.ClusterOffline, corev1.ConditionTrue).Status
			}),
			want: map[v1alpha1.ConditionType]string{
				cluster: "False/ClusterOfAnotherTenant", generated: "False/ClusterOfAnotherTenant", ready: "False/ClusterOfAnotherTenant",
			},
		},
		"TargetOfAnotherTenant": {
			reason: "a cell is in no namespace that may be another's, and the cluster is ready for others",
			facts:  newFacts(intruding),
			want:   map[v1alpha1.ConditionType]string{generated: "False/TargetOfAnotherTenant", ready: "False/TargetOfAnotherTenant"},
		},
		"TargetTakenOver": {
			reason: "nor is one that was served before its namespace had a namesake of another tenant's",
			facts:  newFacts(generatedFully, namesake),
			want:   map[v1alpha1.ConditionType]string{generated: "False/TargetOfAnotherTenant", ready: "False/TargetOfAnotherTenant"},
		},
		"YoungerInAnothers": {
			reason: "that another Cell is in a namespace is not told to who may not have it",
			facts: newFacts(intruding, func(f *facts) {
				f.rivals = []*v1alpha1.Cell{newCell("other", "x", "hz-a", "cert-manager")}
				f.rivals[0].CreationTimestamp = metav1.NewTime(epoch.Add(-2 * time.Hour))
			}),
			want: map[v1alpha1.ConditionType]string{generated: "False/TargetOfAnotherTenant", ready: "False/TargetOfAnotherTenant"},
		},
		"TargetOnAnothersCluster": {
			reason: "of another tenant's cluster nothing else is told",
			facts:  newFacts(intruding, takenOver),
			want: map[v1alpha1.ConditionType]string{
				cluster: "False/ClusterOfAnotherTenant", generated: "False/ClusterOfAnotherTenant", ready: "False/ClusterOfAnotherTenant",
			},
		},
		"ClusterTakenOver": {
			reason: "nor is one that was served before the cluster changed hands",
			facts:  newFacts(generatedFully, takenOver),
			want: map[v1alpha1.ConditionType]string{
				cluster: "False/ClusterOfAnotherTenant", generated: "False/ClusterOfAnotherTenant", ready: "False/ClusterOfAnotherTenant",
			},
		},
		"NamespaceTakenOver": {
			reason: "nor one whose Namespace did",
			facts: newFacts(generatedFully, func(f *facts) {
				f.cluster.Labels = map[string]string{v1alpha1.TenantLabel: "acme"}
				f.namespace.tenant = "globex"
			}),
			want: map[v1alpha1.ConditionType]string{
				cluster: "False/ClusterOfAnotherTenant", generated: "False/ClusterOfAnotherTenant", ready: "False/ClusterOfAnotherTenant",
			},
		},
		"YoungerOnAnothers": {
			reason: "that the place is taken is not told of another tenant's cluster",
			facts: newFacts(takenOver, func(f *facts) {
				f.rivals = []*v1alpha1.Cell{newCell("other", "x", "hz-a", "shop-rz00a")}
				f.rivals[0].CreationTimestamp = metav1.NewTime(epoch.Add(-2 * time.Hour))
			}),
			want: map[v1alpha1.ConditionType]string{
				cluster: "False/ClusterOfAnotherTenant", generated: "False/ClusterOfAnotherTenant", ready: "False/ClusterOfAnotherTenant",
			},
		},
		"TenantsOwn": {
			reason: "the tenant's own cluster need not be shared",
			facts:  newFacts(generatedFully, func(f *facts) { f.cluster.Labels = map[string]string{v1alpha1.TenantLabel: "acme"} }),
		},
		"TokenGone": {
			reason: "a KubeFedCluster whose Secret is gone is of no use",
			facts:  newFacts(generatedFully, func(f *facts) { f.tokens = nil }),
			want:   map[v1alpha1.ConditionType]string{generated: "False/Generating", ready: "False/Generating"},
		},
		"Outdated": {
			reason: "a KubeFedCluster that could not be applied yet",
			facts:  newFacts(generatedFully, func(f *facts) { f.own.Spec.APIEndpoint = "https://elsewhere" }),
			want:   map[v1alpha1.ConditionType]string{generated: "False/Generating", ready: "False/Generating"},
		},
		"OwnBeingDeleted": {
			reason: "a KubeFedCluster that somebody deletes",
			facts:  newFacts(generatedFully, func(f *facts) { f.own.DeletionTimestamp = &metav1.Time{Time: epoch} }),
			want:   map[v1alpha1.ConditionType]string{generated: "False/Generating", ready: "False/Generating"},
		},
		"Deleting": {
			reason: "it goes",
			facts:  newFacts(generatedFully, deleted),
			want:   map[v1alpha1.ConditionType]string{ready: "False/Terminating"},
		},
		"DeletionBlocked": {
			reason: "it waits",
			facts: newFacts(generatedFully, deleted, func(f *facts) {
				placing := object(t, "configmaps", `{kind: FederatedConfigMap, metadata: {name: cfg, generation: 1}, spec: {placement: {clusterSelector: {}}}}`)
				f.objects = []placementcache.Object{placing}
			}),
			want: map[v1alpha1.ConditionType]string{ready: "False/Terminating", deletion: "True/Placed"},
		},
		"DeletionKept": {
			reason: "somebody's finalizer keeps the KubeFedCluster",
			facts: newFacts(generatedFully, deleted, func(f *facts) {
				f.own.DeletionTimestamp, f.own.Finalizers = &metav1.Time{Time: epoch}, []string{"z", "a"}
			}),
			want: map[v1alpha1.ConditionType]string{
				generated: "False/Generating", ready: "False/Terminating", deletion: "True/FinalizersPending",
			},
		},
		"DeletionGoesOn": {
			reason: "what it waited for has gone",
			facts: newFacts(generatedFully, deleted, func(f *facts) {
				f.cell.Status.Conditions = []metav1.Condition{{Type: string(deletion), Status: metav1.ConditionTrue}}
			}),
			want: map[v1alpha1.ConditionType]string{ready: "False/Terminating", deletion: ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := map[v1alpha1.ConditionType]string{
				ready: "True/Ready", cluster: "True/Ready", generated: "True/Generated", namespace: "True/NamespacePlaced",
			}
			for condition, verdict := range tc.want {
				want[condition] = verdict
				if verdict == "" {
					delete(want, condition)
				}
			}
			got := map[v1alpha1.ConditionType]string{}
			status := statusOf(tc.facts)
			for _, c := range status.Conditions {
				got[v1alpha1.ConditionType(c.Type)] = string(c.Status) + "/" + c.Reason
				if c.Message == "" || c.ObservedGeneration != tc.facts.cell.Generation || c.LastTransitionTime.IsZero() {
					t.Errorf("%s is not complete: %+v", c.Type, c)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
			tc.facts.cell.Status = status
			tc.facts.now = tc.facts.now.Add(time.Hour)
			if diff := cmp.Diff(status, statusOf(tc.facts)); diff != "" {
				t.Errorf("%s: the same facts make another status later: %s", tc.reason, diff)
			}
		})
	}
}

// A cluster is registered, changes, and the message of upstream with its ports does not come along.
func TestStatusMessages(t *testing.T) {
	f := newFacts(generatedFully, func(f *facts) {
		f.cluster = newCluster("hz-a", common.ClusterOffline, corev1.ConditionTrue)
		message := "dial tcp 127.0.0.1:39042"
		f.cluster.Status.Conditions[0].Message = &message
	})
	for _, c := range statusOf(f).Conditions {
		if strings.Contains(c.Message, "39042") {
			t.Errorf("%s: %s", c.Type, c.Message)
		}
	}
}

func TestTurned(t *testing.T) {
	condition := func(t v1alpha1.ConditionType, status metav1.ConditionStatus, reason v1alpha1.ConditionReason) metav1.Condition {
		return v1alpha1.NewCondition(t, status, reason, 1, "because")
	}
	yes := condition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	gone := condition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonClusterNotFound)
	taken := condition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNameConflict)
	making := condition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonGenerating)
	unsure := condition(v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonClusterUnknown)
	blocked := condition(v1alpha1.ConditionDeletionBlocked, metav1.ConditionTrue, v1alpha1.ReasonPlaced)
	for name, tc := range map[string]struct {
		reason        string
		before, after []metav1.Condition
		want          []string
	}{
		"Same":         {"nothing is told twice", []metav1.Condition{gone}, []metav1.Condition{gone}, nil},
		"BecameReady":  {"the cell became ready", []metav1.Condition{gone}, []metav1.Condition{yes}, []string{"Ready"}},
		"NotReady":     {"the cell ceased to be ready", []metav1.Condition{yes}, []metav1.Condition{gone}, []string{"ClusterNotFound"}},
		"OtherReason":  {"it is not ready for another reason", []metav1.Condition{gone}, []metav1.Condition{taken}, []string{"NameConflict"}},
		"First":        {"the first verdict is news", nil, []metav1.Condition{gone}, []string{"ClusterNotFound"}},
		"Underway":     {"what every Cell goes through is not", nil, []metav1.Condition{making}, nil},
		"Unknown":      {"nor is what nobody knows", []metav1.Condition{yes}, []metav1.Condition{unsure}, nil},
		"Blocked":      {"a deletion began to wait", nil, []metav1.Condition{blocked}, []string{"DeletionBlocked"}},
		"StillBlocked": {"and goes on waiting", []metav1.Condition{blocked}, []metav1.Condition{blocked}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, o := range turned(tc.before, tc.after) {
				got = append(got, o.reason)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestNewToken(t *testing.T) {
	secret := func(value string) *corev1.Secret {
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Name: "t0", UID: types.UID("u"),
				Annotations: map[string]string{
					v1alpha1.TokenExpiresAnnotation:      "2026-01-01T00:00:00Z",
					v1alpha1.TokenRevokedAfterAnnotation: "nonsense",
				},
			},
			Data: map[string][]byte{"token": []byte(value)},
		}
	}
	for reason, tc := range map[string]struct {
		value string
		want  bool
	}{
		"32 bytes":                {strings.Repeat("A", 43), true},
		"one byte less":           {strings.Repeat("A", 42), false},
		"nothing":                 {"", false},
		"not base64url":           {strings.Repeat("+", 43), false},
		"a token that was padded": {strings.Repeat("A", 43) + "=", false},
	} {
		got := newToken(secret(tc.value))
		if got.usable != tc.want || !got.expires.Equal(epoch) || !got.revokedAfter.IsZero() {
			t.Errorf("%s: %+v, want usable %t", reason, got, tc.want)
		}
	}
}
