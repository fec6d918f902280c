package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/inventory"
	"github.com/cellfed/cellfed/internal/inventory/inventorytest"
)

func object(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"namespace": namespace, "name": name},
	}}
}

// Every type is read in the version that is stored, what is in no namespace with that of all, and one that cannot be read is an error.
func TestPlacements(t *testing.T) {
	clusterScoped := config("clusterroles", "FederatedClusterRole", "ClusterRole")
	clusterScoped.Spec.TargetType.Scope = apiextensionsv1.ClusterScoped
	foreign := config("others.example.com", "FederatedOther", "Other")
	foreign.Spec.FederatedType.Group, foreign.Spec.FederatedType.Version = "example.com", "v1"
	stored := policy("secrets", v1alpha1.PropagatorCellfed)
	stored.Status.StorageVersion = "v2beta1"
	f := inventorytest.New(t, config("configmaps", "FederatedConfigMap", "ConfigMap"), config("secrets", "FederatedSecret", "Secret"), stored, foreign, clusterScoped)

	kinds := map[schema.GroupVersionResource]string{}
	for _, r := range []string{"v1beta1/federatedconfigmaps", "v2beta1/federatedsecrets", "v1beta1/federatedclusterroles"} {
		kinds[schema.GroupVersionResource{Group: "types.kubefed.io", Version: r[:7], Resource: r[8:]}] = "FederatedList"
	}
	kinds[schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "federatedothers"}] = "FederatedOtherList"
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds,
		object("types.kubefed.io/v1beta1", "FederatedConfigMap", "acme", "a"), object("types.kubefed.io/v1beta1", "FederatedConfigMap", "other", "b"),
		object("types.kubefed.io/v2beta1", "FederatedSecret", "acme", "c"), object("example.com/v1", "FederatedOther", "acme", "d"),
		object("types.kubefed.io/v1beta1", "FederatedClusterRole", "", "e"))
	p := inventory.NewPlacements(f.Inventory, client)
	for namespace, want := range map[string][]string{
		"acme": {"configmaps FederatedConfigMap a", "others.example.com FederatedOther d", "secrets FederatedSecret c"},
		"": {"clusterroles FederatedClusterRole e", "configmaps FederatedConfigMap a", "configmaps FederatedConfigMap b",
			"others.example.com FederatedOther d", "secrets FederatedSecret c"},
	} {
		objects, err := p.Objects(t.Context(), namespace)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range objects {
			got = append(got, o.Type.Name+" "+o.Type.Kind+" "+o.GetName())
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("in %q: -want +got:\n%s", namespace, diff)
		}
	}

	broken := errors.New("broken")
	client.PrependReactor("list", "federatedsecrets", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, broken })
	if _, err := p.Objects(t.Context(), "acme"); !errors.Is(err, broken) {
		t.Errorf("a type that cannot be read: %v", err)
	}
}

// slow is a client whose every list takes a second. It is all that Placements use of one.
type slow struct {
	dynamic.Interface
	dynamic.NamespaceableResourceInterface
	now, most *atomic.Int32
}

func (s slow) Resource(schema.GroupVersionResource) dynamic.NamespaceableResourceInterface { return s }

func (s slow) Namespace(string) dynamic.ResourceInterface { return s }

func (s slow) List(ctx context.Context, _ metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	defer s.now.Add(-1)
	if now := s.now.Add(1); now > s.most.Load() {
		s.most.Store(now)
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(time.Second):
	}
	return &unstructured.UnstructuredList{Items: []unstructured.Unstructured{*object("types.kubefed.io/v1beta1", "FederatedConfigMap", "acme", "a")}}, nil
}

// Types are read some at a time, and what there was no time for is named.
func TestPlacementsInTime(t *testing.T) {
	cases := map[string]struct {
		reason  string
		types   int
		timeout time.Duration
		took    time.Duration
		objects int
		late    string
	}{
		"None":   {reason: "there is nothing to read"},
		"Few":    {reason: "all at a time", types: 4, took: time.Second, objects: 4},
		"Many":   {reason: "four at a time", types: 10, took: 3 * time.Second, objects: 10},
		"InTime": {reason: "there was time", types: 10, timeout: 4 * time.Second, took: 3 * time.Second, objects: 10},
		"Late": {reason: "two rounds were read", types: 10, timeout: 2500 * time.Millisecond, took: 2500 * time.Millisecond,
			late: "there was no time to read t08, t09: context deadline exceeded"},
		"TooLate": {reason: "not all that is left is named", types: 15, timeout: 500 * time.Millisecond, took: 500 * time.Millisecond,
			late: "there was no time to read t00, t01, t02, t03, t04, t05, t06, t07, t08, t09 and 5 more: context deadline exceeded"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var configs []client.Object
			for n := range tc.types {
				configs = append(configs, config(fmt.Sprintf("t%02d", n), fmt.Sprintf("FederatedT%02d", n), "T"))
			}
			f := inventorytest.New(t, configs...)
			synctest.Test(t, func(t *testing.T) {
				reader, ctx := slow{now: new(atomic.Int32), most: new(atomic.Int32)}, t.Context()
				if tc.timeout > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tc.timeout)
					defer cancel()
				}
				start := time.Now()
				objects, err := inventory.NewPlacements(f.Inventory, reader).Objects(ctx, "acme")
				if took := time.Since(start); took != tc.took || reader.most.Load() > 4 {
					t.Errorf("%s: it took %s with %d at a time, want %s", tc.reason, took, reader.most.Load(), tc.took)
				}
				var late *inventory.LateError
				switch {
				case len(objects) != tc.objects:
					t.Errorf("%s: it read %d objects, want %d", tc.reason, len(objects), tc.objects)
				case tc.late == "" && err != nil:
					t.Errorf("%s: %v", tc.reason, err)
				case tc.late != "" && (!errors.As(err, &late) || late.Error() != tc.late || !errors.Is(err, context.DeadlineExceeded)):
					t.Errorf("%s: the error is %v, want %s", tc.reason, err, tc.late)
				}
			})
		})
	}
}
