package facts_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
	"github.com/cellfed/cellfed/internal/cli/manifest/facts"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/render"
)

// TestLoadSomeNamespaces: what is not there in one namespace tells nothing of another that may not be read.
func TestLoadSomeNamespaces(t *testing.T) {
	refused := apierrors.NewForbidden(schema.GroupResource{}, "", nil)
	cases := map[string]struct {
		reason string
		// hidden is the namespace in which nothing may be read.
		hidden    string
		forbidden []string
		// assumed are what is taken for granted of an object in each namespace.
		assumed map[string]int
	}{
		"All": {
			reason: "neither has a FederatedNamespace or a cell", forbidden: []string{"Namespace"}, assumed: map[string]int{"acme": 0, "globex": 0},
		},
		"First": {
			reason: "the second is known", hidden: "acme", forbidden: []string{"Cell", "FederatedNamespace", "Namespace"}, assumed: map[string]int{"acme": 2, "globex": 0},
		},
		"Second": {
			reason: "the first is known", hidden: "globex", forbidden: []string{"Cell", "FederatedNamespace", "Namespace"}, assumed: map[string]int{"acme": 0, "globex": 2},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := kubetest.New(t, "acme", interceptor.Funcs{
				List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
					o := (&client.ListOptions{}).ApplyOptions(opts)
					kind := list.GetObjectKind().GroupVersionKind().Kind
					if o.Namespace == "" && (kind == "CellList" || kind == "NamespaceList") || tc.hidden != "" && o.Namespace == tc.hidden {
						return refused
					}
					return c.List(ctx, list, opts...)
				},
				Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
					if object.GetObjectKind().GroupVersionKind().Kind == "FederatedNamespace" && key.Namespace == tc.hidden {
						return refused
					}
					return c.Get(ctx, key, object, opts...)
				},
			})
			known := facts.New("kube-federation-system")
			forbidden, err := known.Load(t.Context(), h.Fake, []string{"acme", "globex", ""})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.forbidden, forbidden); diff != "" {
				t.Errorf("%s: forbidden, -want +got:\n%s", tc.reason, diff)
			}
			assumed := map[string]int{}
			for namespace := range tc.assumed {
				o := &federated.Object{Namespace: namespace, Name: "pay"}
				o.Placement.TopologyType, o.Placement.Clusters = "cell", []string{namespace + ".rz00a"}
				places, told, err := known.Places(o, facts.Type{Target: render.Target{Namespaced: true}})
				if err != nil {
					t.Fatal(err)
				}
				assumed[namespace] = len(told)
				for _, p := range places {
					if p.Assumed != "" {
						assumed[namespace]++
					}
				}
			}
			if diff := cmp.Diff(tc.assumed, assumed); diff != "" {
				t.Errorf("%s: assumed, -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}
