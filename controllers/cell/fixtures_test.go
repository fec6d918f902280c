package cell

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/kubefed/pkg/apis/core/common"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/placementcache"
	"github.com/cellfed/cellfed/internal/scope"
)

// epoch is when the facts of the planner's tests are gathered.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const (
	testLifetime = 24 * time.Hour
	testGrace    = 10 * time.Minute
)

// newFacts returns the facts about the Cell rz00a of the namespace shop on the ready and shared cluster hz-a, for which nothing
// was generated yet.
func newFacts(change ...func(*facts)) *facts {
	f := &facts{
		now: epoch,
		settings: settings{
			kubeFedNamespace: "kube-federation-system",
			facadeURL:        "https://facade:9444",
			caBundle:         []byte("CA"),
			tokenLifetime:    testLifetime,
			tokenGrace:       testGrace,
		},
		cell:      newCell("shop", "rz00a", "hz-a", "shop-rz00a"),
		namespace: namespaceFacts{tenant: "acme", workspaceGroup: "prod"},
		cluster:   newCluster("hz-a", common.ClusterReady, corev1.ConditionTrue),
		federation: federationFacts{
			kind: "FederatedNamespace", read: true, typed: true,
			object: newFederatedNamespace("types.kubefed.io/v1beta1", "FederatedNamespace", "shop"),
		},
	}
	for _, c := range change {
		c(f)
	}
	return f
}

func newCell(namespace, name, cluster, target string) *v1alpha1.Cell {
	return &v1alpha1.Cell{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, UID: types.UID("uid-" + namespace + "-" + name), Generation: 1,
			Labels:            map[string]string{"city": "hangzhou"},
			Finalizers:        []string{v1alpha1.CellFinalizer},
			CreationTimestamp: metav1.NewTime(epoch.Add(-time.Hour)),
		},
		Spec: v1alpha1.CellSpec{ClusterName: cluster, TargetNamespace: target},
	}
}

func newCluster(name string, condition common.ClusterConditionType, status corev1.ConditionStatus) *kubefedv1beta1.KubeFedCluster {
	return &kubefedv1beta1.KubeFedCluster{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name), Labels: map[string]string{v1alpha1.SharedLabel: "true"}},
		Status: kubefedv1beta1.KubeFedClusterStatus{
			Conditions: []kubefedv1beta1.ClusterCondition{{Type: condition, Status: status}},
		},
	}
}

// generatedFully gives the facts a KubeFedCluster that is up to date and ready, and its token t0 with half of its life
// to go.
func generatedFully(f *facts) {
	f.tokens = append(f.tokens, goodToken(f, "t0"))
	f.own = liveCluster(desiredCluster(f, "t0"))
}

func goodToken(f *facts, name string) token {
	return token{name: name, uid: types.UID("uid-" + name), labels: secretLabels(f), usable: true, expires: f.now.Add(f.settings.tokenLifetime / 2)}
}

// liveCluster returns the KubeFedCluster that the API server would hold after it was applied, and that upstream has
// found ready.
func liveCluster(desired *kubefedv1beta1.KubeFedCluster) *kubefedv1beta1.KubeFedCluster {
	live := desired.DeepCopy()
	live.UID = types.UID("uid-" + live.Name)
	fields := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(desired.Labels)) {
		fields["f:"+key] = map[string]any{}
	}
	raw, err := json.Marshal(map[string]any{"f:metadata": map[string]any{"f:labels": fields}})
	if err != nil {
		panic(err)
	}
	live.ManagedFields = []metav1.ManagedFieldsEntry{{
		Manager: v1alpha1.FieldManager, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(string(raw)),
	}}
	live.Status = newCluster("", common.ClusterReady, corev1.ConditionTrue).Status
	return live
}

// foreignCluster gives the facts a KubeFedCluster of the cell's name that somebody registered.
func foreignCluster(f *facts) {
	f.own = newCluster(f.clusterName(), common.ClusterReady, corev1.ConditionTrue)
}

// takenOver gives the physical cluster to another tenant.
func takenOver(f *facts) {
	f.cluster.Labels = map[string]string{v1alpha1.TenantLabel: "globex"}
}

// intruding leads the cell into what may be anybody's namespace of the shared cluster.
func intruding(f *facts) { f.cell.Spec.TargetNamespace = "cert-manager" }

// namesake gives a Namespace of the name of the target namespace to another tenant.
func namesake(f *facts) { f.namesake = scope.Namesake{Exists: true, Tenant: "globex"} }

func deleted(f *facts) {
	f.cell.DeletionTimestamp = &metav1.Time{Time: f.now}
}

// object returns a federated object from YAML, as the placement cache holds it.
func object(t *testing.T, typeName, content string) placementcache.Object {
	t.Helper()
	return objectIn(t, "types.kubefed.io/v1beta1", typeName, content)
}

// objectIn is object for one that is stored in the version. It is in the namespace shop.
func objectIn(t *testing.T, apiVersion, typeName, content string) placementcache.Object {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(content), &u.Object); err != nil {
		t.Fatalf("parse the object: %v", err)
	}
	normalise(u.Object)
	u.SetAPIVersion(apiVersion)
	u.SetNamespace("shop")
	stripped, err := placementcache.Strip(u)
	if err != nil {
		t.Fatalf("strip the object: %v", err)
	}
	return placementcache.Object{
		Type:         placementcache.Type{Name: typeName, Kind: u.GetKind()},
		Unstructured: stripped.(*unstructured.Unstructured),
	}
}

// normalise makes the whole numbers of YAML what the API machinery takes for numbers.
func normalise(value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, item := range v {
			if n, ok := item.(float64); ok {
				v[key] = int64(n)
				continue
			}
			normalise(item)
		}
	case []any:
		for _, item := range v {
			normalise(item)
		}
	}
}
