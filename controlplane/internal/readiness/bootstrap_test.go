package readiness

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsfake "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/fake"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func TestWaitBootstrap(t *testing.T) {
	down := errors.New("not served yet")
	cases := map[string]struct {
		reason     string
		namespaces []string
		crds       error
		check      func(error) bool
	}{
		"Complete":      {"All is there", []string{"default", "kube-system", "kube-public"}, nil, func(err error) bool { return err == nil }},
		"NoDefault":     {"People's objects go there", []string{"kube-system", "kube-public"}, nil, apierrors.IsNotFound},
		"NoSystem":      {"Components' leases go there", []string{"default", "kube-public"}, nil, apierrors.IsNotFound},
		"NoDefinitions": {"A definition cannot be created", []string{"default", "kube-system", "kube-public"}, down, func(err error) bool { return errors.Is(err, down) }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			client, extensions := fake.NewClientset(), apiextensionsfake.NewClientset()
			for _, name := range tc.namespaces {
				if err := client.Tracker().Add(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
					t.Fatal(err)
				}
			}
			extensions.PrependReactor("list", "customresourcedefinitions", func(clienttesting.Action) (bool, runtime.Object, error) {
				return tc.crds != nil, nil, tc.crds
			})
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if err := WaitBootstrap(ctx, client, extensions); !tc.check(err) {
				t.Errorf("%s: got %v", tc.reason, err)
			}
		})
	}
}

// What is missing at first and made later is waited for.
func TestWaitBootstrapLater(t *testing.T) {
	client, extensions := fake.NewClientset(), apiextensionsfake.NewClientset()
	looks := 0
	client.PrependReactor("get", "namespaces", func(action clienttesting.Action) (bool, runtime.Object, error) {
		looks++
		name := action.(clienttesting.GetAction).GetName()
		if looks < 3 {
			return true, nil, apierrors.NewNotFound(corev1.Resource("namespaces"), name)
		}
		return true, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, nil
	})
	if err := WaitBootstrap(t.Context(), client, extensions); err != nil {
		t.Error(err)
	}
}
