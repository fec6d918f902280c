package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/controllers/federatedtypepolicy"
)

// TestWantFit: nothing is taken back while upstream would write to clusters that an object's tenant may not reach.
func TestWantFit(t *testing.T) {
	const kubefed = "kube-federation-system"
	tenant := map[string]string{v1alpha1.TenantLabel: "acme"}
	everywhere := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "types.kubefed.io/v2beta1", "kind": "FederatedConfigMap", "metadata": map[string]any{"name": "pay", "namespace": "acme"},
		"spec": map[string]any{"placement": map[string]any{"topologySelector": map[string]any{}}},
	}}
	errUnread := errors.New("the conversion is not served")
	cases := map[string]struct {
		reason      string
		annotations map[string]string
		object      *unstructured.Unstructured
		unread      int
		unfit       bool
		served      int
	}{
		"Unfit":       {reason: "upstream selects every tenant's clusters", annotations: handedOver, object: everywhere, unfit: true},
		"Upstreams":   {reason: "what upstream propagates stays as it is", object: everywhere},
		"Empty":       {reason: "there is nothing to judge", annotations: handedOver},
		"Unconverted": {reason: "objects that are stored in v1beta1 are read once the conversion is served", annotations: handedOver, object: everywhere, unread: 2, unfit: true, served: 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			scheme, err := newScheme()
			if err != nil {
				t.Fatal(err)
			}
			objects := []client.Object{
				&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme", Labels: tenant}},
				&kubefedv1beta1.FederatedTypeConfig{
					ObjectMeta: metav1.ObjectMeta{Namespace: kubefed, Name: "configmaps", Annotations: tc.annotations},
					Spec: kubefedv1beta1.FederatedTypeConfigSpec{
						TargetType:    kubefedv1beta1.APIResource{Version: "v1", Kind: "ConfigMap", Scope: "Namespaced"},
						FederatedType: kubefedv1beta1.APIResource{Group: "types.kubefed.io", Version: "v1beta1", Kind: "FederatedConfigMap", Scope: "Namespaced"},
					},
				},
			}
			if tc.object != nil {
				objects = append(objects, tc.object)
			}
			var initial []runtime.Object
			for _, o := range objects {
				initial = append(initial, o.DeepCopyObject())
			}
			unread := tc.unread
			c := interceptor.NewClient(fake.NewClientBuilder().WithScheme(scheme).WithRuntimeObjects(initial...).Build(), interceptor.Funcs{
				List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
					if _, ok := list.(*unstructured.UnstructuredList); ok && unread > 0 {
						unread--
						return errUnread
					}
					return c.List(ctx, list, opts...)
				},
			})
			served, stopped := 0, 0
			err = wantFit(t.Context(), c, kubefed, func(context.Context) (func(), error) {
				served++
				return func() { stopped++ }, nil
			})
			if errors.Is(err, federatedtypepolicy.ErrUnfit) != tc.unfit || err != nil && !tc.unfit {
				t.Errorf("%s: it says %v", tc.reason, err)
			}
			if tc.unfit && err != nil && (!strings.Contains(err.Error(), `"configmaps"`) || !strings.Contains(err.Error(), "acme/pay (spec.placement.topologySelector")) {
				t.Errorf("%s: it names neither the type nor the object: %v", tc.reason, err)
			}
			if served != tc.served || stopped != served {
				t.Errorf("%s: the conversion was served %d times, and stopped %d times, want %d", tc.reason, served, stopped, tc.served)
			}
		})
	}
}

var handedOver = map[string]string{v1alpha1.HandedOverAnnotation: "true"}
