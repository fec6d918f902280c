package kube_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

const pay = `
apiVersion: types.kubefed.io/v2beta1
kind: FederatedDeployment
metadata: {name: pay, namespace: acme}
`

func TestObject(t *testing.T) {
	cases := map[string]struct {
		reason string
		args   []string
		want   string
		code   int
	}{
		"Slash":   {"TYPE/NAME", []string{"deployment/pay"}, "", 0},
		"Two":     {"TYPE NAME", []string{"deployment", "pay"}, "", 0},
		"NoName":  {"a type alone is no object", []string{"pay"}, `"pay" names no object: write TYPE/NAME, such as deployment/pay`, exit.Usage},
		"Empty":   {"an empty name is none", []string{"deployment/"}, `"deployment/" names no object: write TYPE/NAME, such as deployment/pay`, exit.Usage},
		"Three":   {"one object at a time", []string{"a", "b", "c"}, "3 arguments do not name an object: write TYPE/NAME or TYPE NAME", exit.Usage},
		"Missing": {"what is not there is told with the namespace", []string{"deploy/no"}, `federateddeployments.types.kubefed.io "no" not found in the namespace "acme": choose another with -n`, exit.Failure},
	}
	h := kubetest.New(t, "acme", interceptor.Funcs{}, kubetest.TypeConfig("deployments", "apps", "v1", "Deployment"), kubetest.FromYAML(t, pay))
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			ty, object, err := h.Object(t.Context(), tc.args)
			if diff := cmp.Diff(tc.want, exit.Message(err)); diff != "" || exit.Code(err) != tc.code {
				t.Fatalf("%s: code %d, -want +got:\n%s", tc.reason, exit.Code(err), diff)
			}
			if err == nil && (ty.Name != "deployments.apps" || object.GetName() != "pay") {
				t.Errorf("%s: got %s %s", tc.reason, ty, object.GetName())
			}
		})
	}
}

// TestFleet: what may not be read is named, and the rest is there.
func TestFleet(t *testing.T) {
	h := kubetest.New(t, "acme", interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if gvk := list.GetObjectKind().GroupVersionKind(); gvk.Kind == "FederatedSecretList" {
				return apierrors.NewForbidden(schema.GroupResource{}, "", errors.New("not yours"))
			}
			return c.List(ctx, list, opts...)
		},
	}, kubetest.TypeConfig("deployments", "apps", "v1", "Deployment"), kubetest.TypeConfig("secrets", "", "v1", "Secret"),
		kubetest.FromYAML(t, pay), &v1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "rz00a"}})
	fleet, err := h.Fleet(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	if len(fleet.Cells) != 1 || len(fleet.Objects[0].Items) != 1 || fleet.Note() != "you may not read federatedsecrets here: they are left out" {
		t.Errorf("got %d cells, %d Deployments, note %q", len(fleet.Cells), len(fleet.Objects[0].Items), fleet.Note())
	}
	if got := len(h.Watched(fleet, "acme")); got != 2 {
		t.Errorf("got %d watches, want one of cells and one of Deployments", got)
	}
}

// TestFollow: a change is told of, and what is asked for then is what is there then.
func TestFollow(t *testing.T) {
	cell := &v1alpha1.Cell{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "rz00a"}}
	h := kubetest.New(t, "acme", interceptor.Funcs{}, cell)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var seen []string
	err := h.Follow(ctx, []kube.Watched{{List: &v1alpha1.CellList{}}}, func(ctx context.Context) (bool, error) {
		cells, err := h.Cells(ctx, "acme")
		if err != nil {
			return false, err
		}
		seen = append(seen, cells[0].Spec.ClusterName)
		if len(seen) == 1 {
			moved := cells[0]
			moved.Spec.ClusterName = "sh-b"
			return false, h.Fake.Update(ctx, &moved)
		}
		return true, nil
	})
	if diff := cmp.Diff([]string{"", "sh-b"}, seen); err != nil || diff != "" {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
}

func TestFollowEnds(t *testing.T) {
	h := kubetest.New(t, "acme", interceptor.Funcs{})
	ctx, cancel := context.WithCancel(t.Context())
	err := h.Follow(ctx, []kube.Watched{{List: &v1alpha1.CellList{}}}, func(context.Context) (bool, error) {
		cancel()
		return false, nil
	})
	if err != nil {
		t.Errorf("an end that the user asks for is no error: got %v", err)
	}
	broken := errors.New("broken")
	if err := h.Follow(t.Context(), nil, func(context.Context) (bool, error) { return false, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want what the look failed with", err)
	}
}

func TestNamespace(t *testing.T) {
	h := kubetest.New(t, "acme", interceptor.Funcs{})
	if name, explicit, err := h.Namespace(); name != "acme" || !explicit || err != nil {
		t.Errorf("got %q, %t, %v", name, explicit, err)
	}
	h = kubetest.New(t, "", interceptor.Funcs{})
	if name, explicit, err := h.Namespace(); name != "default" || explicit || err != nil {
		t.Errorf("got %q, %t, %v", name, explicit, err)
	}
}
