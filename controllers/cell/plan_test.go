package cell

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kubefed/pkg/apis/core/common"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/placementcache"
)

func compare(t *testing.T, want, got any, reason string) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(plan{}, tokenPlan{}, verdict{}, blocker{})); diff != "" {
		t.Errorf("%s: -want, +got:\n%s", reason, diff)
	}
}

func TestDecide(t *testing.T) {
	settled := plan{tokens: tokenPlan{use: "t0", next: testLifetime / 2}, next: testLifetime / 2}
	with := func(change func(*plan)) plan {
		p := settled
		change(&p)
		return p
	}
	placing := func(f *facts) {
		f.objects = []placementcache.Object{object(t, "configmaps", `
kind: FederatedConfigMap
metadata: {name: cfg, namespace: shop, generation: 1}
spec: {placement: {clusters: [{name: shop.rz00a}]}}`)}
	}
	for name, tc := range map[string]struct {
		reason string
		facts  *facts
		want   plan
	}{
		"New": {
			reason: "the finalizer comes before anything that it has to take away again",
			facts:  newFacts(func(f *facts) { f.cell.Finalizers = nil }),
			want:   plan{finalizer: finalizerAdd, tokens: tokenPlan{issue: true}, cluster: clusterCreate},
		},
		"Settled": {
			reason: "nothing is written where all is as it should be",
			facts:  newFacts(generatedFully),
			want:   settled,
		},
		"ClusterAbsent": {
			reason: "a physical cluster that vanishes takes nothing along",
			facts:  newFacts(generatedFully, func(f *facts) { f.cluster = nil }),
			want:   settled,
		},
		"NoBundle": {
			reason: "without a CA bundle nothing is made that would trust anybody",
			facts:  newFacts(func(f *facts) { f.settings.caBundle = nil }),
		},
		"BundleGone": {
			reason: "without a CA bundle what is there stays",
			facts:  newFacts(generatedFully, func(f *facts) { f.settings.caBundle = nil }),
		},
		"BundleRotated": {
			reason: "a new CA bundle is applied",
			facts:  newFacts(generatedFully, func(f *facts) { f.settings.caBundle = []byte("CB") }),
			want:   with(func(p *plan) { p.cluster = clusterApply }),
		},
		"ClusterDeletedByHand": {
			reason: "a KubeFedCluster that is gone is made again, with the token that there is",
			facts:  newFacts(generatedFully, func(f *facts) { f.own = nil }),
			want:   with(func(p *plan) { p.cluster = clusterCreate }),
		},
		"ClusterBeingDeleted": {
			reason: "a KubeFedCluster that is being deleted cannot be mended",
			facts:  newFacts(generatedFully, func(f *facts) { f.own.DeletionTimestamp = &metav1.Time{Time: epoch} }),
			want:   settled,
		},
		"Foreign": {
			reason: "a KubeFedCluster that somebody else made is left alone, and so is what would go with it",
			facts:  newFacts(foreignCluster),
		},
		"Younger": {
			reason: "nothing is generated for a Cell whose place an older one has",
			facts: newFacts(func(f *facts) {
				f.rivals = []*v1alpha1.Cell{newCell("other", "x", "hz-a", "shop-rz00a")}
				f.rivals[0].CreationTimestamp = metav1.NewTime(epoch.Add(-2 * time.Hour))
			}),
		},
		"YoungerAfterAnEdit": {
			reason: "what was generated before an older Cell got the place stays as it is, a stale label included",
			facts: newFacts(generatedFully, func(f *facts) {
				delete(f.own.Labels, "city")
				f.rivals = []*v1alpha1.Cell{newCell("other", "x", "hz-a", "shop-rz00a")}
				f.rivals[0].CreationTimestamp = metav1.NewTime(epoch.Add(-2 * time.Hour))
			}),
		},
		"Older": {
			reason: "a younger rival changes nothing",
			facts: newFacts(generatedFully, func(f *facts) {
				f.rivals = []*v1alpha1.Cell{newCell("other", "x", "hz-a", "shop-rz00a")}
				f.rivals[0].CreationTimestamp = metav1.NewTime(epoch)
			}),
			want: settled,
		},
		"ClusterIsCell": {
			reason: "nothing is generated for a Cell on a cell",
			facts: newFacts(func(f *facts) {
				f.cluster.Labels = map[string]string{v1alpha1.TopologyTypeLabel: "cell"}
			}),
		},
		"ClusterOfAnotherTenant": {
			reason: "nothing is generated for a Cell on another tenant's cluster",
			facts:  newFacts(takenOver, func(f *facts) { f.federation.object = nil }),
		},
		"TargetOfAnotherTenant": {
			reason: "nothing is generated for a Cell in what may be anybody's namespace",
			facts:  newFacts(intruding, func(f *facts) { f.federation.object = nil }),
		},
		"TargetInUnknownCluster": {
			reason: "what a cluster holds is not known before it is",
			facts:  newFacts(intruding, func(f *facts) { f.cluster = nil }),
			want:   plan{tokens: tokenPlan{issue: true}, cluster: clusterCreate},
		},
		"TargetTakenOver": {
			reason: "what was generated before the namespace was another's stays",
			facts:  newFacts(generatedFully, namesake),
			want:   settled,
		},
		"TargetTakenOverAndGone": {
			reason: "what somebody has removed since is not made again",
			facts:  newFacts(generatedFully, namesake, func(f *facts) { f.own = nil }),
		},
		"ClusterTakenOver": {
			reason: "what was generated before the cluster changed hands stays: upstream would take it for lost",
			facts:  newFacts(generatedFully, takenOver),
			want:   settled,
		},
		"ClusterTakenOverAndGone": {
			reason: "what somebody has removed since is not made again",
			facts:  newFacts(generatedFully, takenOver, func(f *facts) { f.own = nil }),
		},
		"NamespaceTakenOver": {
			reason: "what there is follows its Namespace, whether it is served or not",
			facts: newFacts(generatedFully, func(f *facts) {
				f.cluster.Labels = map[string]string{v1alpha1.TenantLabel: "acme"}
				f.namespace.tenant = "globex"
			}),
			want: with(func(p *plan) { p.cluster, p.tokens.relabel = clusterApply, []string{"t0"} }),
		},
		"DeletedOnAnothers": {
			reason: "the Cell can go; its namespace is not looked for in another tenant's cluster",
			facts:  newFacts(takenOver, deleted),
			want:   plan{finalizer: finalizerRemove},
		},
		"ClusterIsItself": {
			reason: "a Cell on itself is a Cell on a cell, also before there is a KubeFedCluster to tell",
			facts: newFacts(func(f *facts) {
				f.cell.Spec.ClusterName, f.cluster = "shop.rz00a", nil
			}),
		},
		"DeletedAndPlaced": {
			reason: "as long as something places it, a Cell that is being deleted is kept up",
			facts:  newFacts(generatedFully, deleted, placing, func(f *facts) { delete(f.own.Labels, "city") }),
			want:   with(func(p *plan) { p.cluster = clusterApply }),
		},
		"DeletedAndUnreadable": {
			reason: "what cannot be read may place the Cell",
			facts:  newFacts(generatedFully, deleted, func(f *facts) { f.unreadable = []string{"FederatedSecret"} }),
			want:   settled,
		},
		"Deleted": {
			reason: "the KubeFedCluster goes first",
			facts:  newFacts(generatedFully, deleted),
			want:   plan{cluster: clusterDelete},
		},
		"DeletedClusterKept": {
			reason: "what somebody else's finalizer keeps is waited for",
			facts:  newFacts(generatedFully, deleted, func(f *facts) { f.own.DeletionTimestamp = &metav1.Time{Time: epoch} }),
		},
		"DeletedClusterGone": {
			reason: "then every token goes, whatever its state, and the finalizer",
			facts: newFacts(generatedFully, deleted, func(f *facts) {
				f.own = nil
				f.tokens = append(f.tokens, token{name: "t1"})
			}),
			want: plan{finalizer: finalizerRemove, vacate: true, tokens: tokenPlan{revoke: []string{"t0", "t1"}}},
		},
		"DeletedForeign": {
			reason: "a KubeFedCluster that somebody else made is not waited for, let alone deleted",
			facts:  newFacts(foreignCluster, deleted),
			want:   plan{finalizer: finalizerRemove, vacate: true},
		},
		"DeletedAndDone": {
			reason: "a Cell that somebody else's finalizer keeps gets nothing any more",
			facts:  newFacts(deleted, func(f *facts) { f.cell.Finalizers = []string{"example.com/keep"} }),
		},
	} {
		t.Run(name, func(t *testing.T) {
			compare(t, tc.want, decide(tc.facts), tc.reason)
		})
	}
}

func TestDecideTokens(t *testing.T) {
	tokens := func(current string, all ...func(*facts) token) *facts {
		return newFacts(func(f *facts) {
			for _, make := range all {
				f.tokens = append(f.tokens, make(f))
			}
			if current != "" {
				f.own = liveCluster(desiredCluster(f, current))
			}
		})
	}
	a := func(name string, left time.Duration, change ...func(*token)) func(*facts) token {
		return func(f *facts) token {
			made := goodToken(f, name)
			made.expires = f.now.Add(left)
			for _, c := range change {
				c(&made)
			}
			return made
		}
	}
	revoked := func(after time.Duration) func(*token) {
		return func(t *token) { t.revokedAfter = epoch.Add(after) }
	}
	unusable := func(t *token) { t.usable = false }
	deleting := func(t *token) { t.deleting = true }

	for name, tc := range map[string]struct {
		reason string
		facts  *facts
		want   tokenPlan
	}{
		"None": {
			reason: "the first token is made",
			facts:  tokens(""),
			want:   tokenPlan{issue: true},
		},
		"Good": {
			reason: "a good one is used until it expires",
			facts:  tokens("t0", a("t0", time.Hour)),
			want:   tokenPlan{use: "t0", next: time.Hour},
		},
		"Expired": {
			reason: "another is made before the expired one goes, which upstream still uses",
			facts:  tokens("t0", a("t0", 0)),
			want:   tokenPlan{issue: true},
		},
		"Unsure": {
			reason: "one that does not say when it expires is replaced",
			facts:  tokens("t0", a("t0", 0, func(t *token) { t.expires = time.Time{} })),
			want:   tokenPlan{issue: true},
		},
		"LifetimeShortened": {
			reason: "one that would outlast a new one was made under a longer lifetime",
			facts:  tokens("t0", a("t0", testLifetime+time.Second)),
			want:   tokenPlan{issue: true},
		},
		"NotSwitched": {
			reason: "one that was made but not named yet is used, and the old one is not touched before that",
			facts:  tokens("t0", a("t0", -time.Hour), a("t1", time.Hour)),
			want:   tokenPlan{use: "t1", next: time.Hour},
		},
		"Switched": {
			reason: "the grace begins when the KubeFedCluster names the new one",
			facts:  tokens("t1", a("t0", -time.Hour), a("t1", time.Hour)),
			want:   tokenPlan{use: "t1", retire: []string{"t0"}, next: testGrace},
		},
		"Grace": {
			reason: "the old one is good until its grace is over",
			facts:  tokens("t1", a("t0", -time.Hour, revoked(time.Minute)), a("t1", time.Hour)),
			want:   tokenPlan{use: "t1", next: time.Minute},
		},
		"GraceOver": {
			reason: "then it is revoked",
			facts:  tokens("t1", a("t0", -time.Hour, revoked(0)), a("t1", time.Hour)),
			want:   tokenPlan{use: "t1", revoke: []string{"t0"}, next: time.Hour},
		},
		"GraceOverNotSwitched": {
			reason: "but not while upstream may still use it",
			facts:  tokens("t0", a("t0", time.Hour, revoked(-time.Hour)), a("t1", time.Hour)),
			want:   tokenPlan{use: "t1", next: time.Hour},
		},
		"Extra": {
			reason: "tokens that nobody uses go the same way, in order",
			facts:  tokens("t0", a("t9", time.Hour), a("t0", time.Minute), a("t3", time.Hour)),
			want:   tokenPlan{use: "t0", retire: []string{"t3", "t9"}, next: time.Minute},
		},
		"Unusable": {
			reason: "one that no façade accepts goes at once",
			facts:  tokens("t0", a("t0", time.Hour), a("t1", time.Hour, unusable)),
			want:   tokenPlan{use: "t0", revoke: []string{"t1"}, next: time.Hour},
		},
		"CurrentUnusable": {
			reason: "one that is named and cannot be used is replaced first",
			facts:  tokens("t0", a("t0", time.Hour, unusable)),
			want:   tokenPlan{issue: true},
		},
		"DeletedByHand": {
			reason: "one that was deleted by hand is replaced",
			facts:  tokens("t0"),
			want:   tokenPlan{issue: true},
		},
		"BeingDeleted": {
			reason: "one that is being deleted is as good as gone",
			facts:  tokens("t0", a("t0", time.Hour, deleting)),
			want:   tokenPlan{issue: true},
		},
		"LongestLeft": {
			reason: "of several that could be used the one that lasts longest is",
			facts:  tokens("", a("t0", time.Minute), a("t1", time.Hour), a("t2", time.Hour)),
			want:   tokenPlan{use: "t1", next: time.Hour},
		},
		"Relabel": {
			reason: "a tenant that changed is written on the Secret too; labels of others are theirs",
			facts: tokens("t0", a("t0", time.Hour, func(t *token) {
				t.labels = map[string]string{"mine": "x", v1alpha1.GeneratedLabel: "true", v1alpha1.NamespaceLabel: "shop", v1alpha1.CellLabel: "rz00a", v1alpha1.TenantLabel: "other"}
			})),
			want: tokenPlan{use: "t0", relabel: []string{"t0"}, next: time.Hour},
		},
	} {
		t.Run(name, func(t *testing.T) {
			compare(t, tc.want, decideTokens(tc.facts), tc.reason)
		})
	}
}

func TestDecideNamespace(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		change func(*facts)
		want   namespaceStep
	}{
		"None":         {"a namespace with a cell gets one", func(f *facts) { f.federation.object = nil }, namespaceCreate},
		"There":        {"one is enough", func(*facts) {}, ""},
		"Untyped":      {"the CRD does not declare the type yet", func(f *facts) { untype(f); f.federation.typed = false }, ""},
		"Declared":     {"the CRD declares the type now, which was dropped before", untype, namespaceCorrect},
		"Narrowed":     {"the selector was changed", func(f *facts) { selectorLabels(f)["city"] = "x" }, namespaceCorrect},
		"Theirs":       {"one that somebody wrote is theirs", func(f *facts) { selectorLabels(f)["city"] = "x"; f.federation.object.SetLabels(nil) }, ""},
		"NotFederated": {"Namespaces are not federated", func(f *facts) { f.federation = federationFacts{} }, ""},
		"Unread":       {"nobody knows yet whether there is one", func(f *facts) { f.federation.object, f.federation.read = nil, false }, ""},
		"Terminating":  {"the namespace is being deleted, and it with it", func(f *facts) { f.federation.object = nil; f.namespace.terminating = true }, ""},
		"Unserved":     {"a cell that is not served needs none", func(f *facts) { f.federation.object = nil; f.cell.Spec.ClusterName = "shop.rz00a" }, ""},
		"BeingDeleted": {
			"one that is being deleted is waited for",
			func(f *facts) {
				now := metav1.Now()
				f.federation.object.SetDeletionTimestamp(&now)
				selectorLabels(f)["x"] = "y"
			}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFacts(tc.change)
			if got := decideNamespace(f); got != tc.want {
				t.Errorf("%s: decideNamespace() = %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}

func untype(f *facts) {
	unstructured.RemoveNestedField(f.federation.object.Object, "spec", "topologyType")
}

func selectorLabels(f *facts) map[string]any {
	labels, _, _ := unstructured.NestedFieldNoCopy(f.federation.object.Object, "spec", "placement", "clusterSelector", "matchLabels")
	return labels.(map[string]any)
}

func TestHealth(t *testing.T) {
	for name, tc := range map[string]struct {
		reason  string
		cluster *kubefedv1beta1.KubeFedCluster
		want    health
	}{
		"None":      {"upstream has not looked yet", &kubefedv1beta1.KubeFedCluster{}, healthUnknown},
		"Ready":     {"upstream reports Ready alone", newCluster("c", common.ClusterReady, corev1.ConditionTrue), healthReady},
		"NotReady":  {"its /healthz does not say ok", newCluster("c", common.ClusterReady, corev1.ConditionFalse), healthNotReady},
		"Offline":   {"upstream reports Offline alone", newCluster("c", common.ClusterOffline, corev1.ConditionTrue), healthOffline},
		"Malformed": {"no client can be made", newCluster("c", common.ClusterConfigMalformed, corev1.ConditionTrue), healthMalformed},
		"Unsure":    {"a Ready that is Unknown says nothing", newCluster("c", common.ClusterReady, corev1.ConditionUnknown), healthUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			if got := healthOf(tc.cluster); got != tc.want {
				t.Errorf("%s: healthOf() = %d, want %d", tc.reason, got, tc.want)
			}
		})
	}
}
