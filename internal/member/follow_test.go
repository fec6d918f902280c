package member

import (
	"context"
	"net/http"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache/informertest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"
)

// fakeCache reads from a fake client, and has informers whose events a test sends.
type fakeCache struct {
	*informertest.FakeInformers
	reader client.Client
}

func (c *fakeCache) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	return c.reader.Get(ctx, key, o, opts...)
}

func (c *fakeCache) List(ctx context.Context, o client.ObjectList, opts ...client.ListOption) error {
	return c.reader.List(ctx, o, opts...)
}

// TestFollower: connections follow what KubeFedClusters and Secrets say while nobody asks for them.
func TestFollower(t *testing.T) {
	_, ca := newServer(t, http.NotFoundHandler(), nil)
	cases := map[string]struct {
		reason string
		change func(t *testing.T, c client.Client, cluster *fedv1b1.KubeFedCluster, secret *corev1.Secret) (gone client.Object)
		ends   bool
	}{
		"Rotated": {"a token that rotated", func(t *testing.T, c client.Client, _ *fedv1b1.KubeFedCluster, s *corev1.Secret) client.Object {
			s.Data[TokenKey] = []byte("next")
			must(t, c.Update(t.Context(), s))
			return nil
		}, true},
		"SecretGone": {"a Secret that is gone", func(t *testing.T, c client.Client, _ *fedv1b1.KubeFedCluster, s *corev1.Secret) client.Object {
			must(t, c.Delete(t.Context(), s))
			return s
		}, true},
		"Moved": {"an endpoint that moved", func(t *testing.T, c client.Client, k *fedv1b1.KubeFedCluster, _ *corev1.Secret) client.Object {
			k.Spec.APIEndpoint = "https://127.0.0.1:2"
			must(t, c.Update(t.Context(), k))
			return nil
		}, true},
		"Broken": {"a registration that became wrong", func(t *testing.T, c client.Client, k *fedv1b1.KubeFedCluster, _ *corev1.Secret) client.Object {
			k.Spec.CABundle = []byte("x")
			must(t, c.Update(t.Context(), k))
			return nil
		}, true},
		"Gone": {"a cluster that is gone", func(t *testing.T, c client.Client, k *fedv1b1.KubeFedCluster, _ *corev1.Secret) client.Object {
			must(t, c.Delete(t.Context(), k))
			return k
		}, true},
		"Labels": {"a change that means nothing to connections", func(t *testing.T, c client.Client, k *fedv1b1.KubeFedCluster, _ *corev1.Secret) client.Object {
			k.Labels = map[string]string{"a": "b"}
			must(t, c.Update(t.Context(), k))
			return nil
		}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := runtime.NewScheme()
			must(t, corev1.AddToScheme(s))
			must(t, fedv1b1.AddToScheme(s))
			cluster, secret := newCluster("https://127.0.0.1:1", ca)
			secret.Name, secret.Namespace = cluster.Spec.SecretRef.Name, cluster.Namespace
			c := fake.NewClientBuilder().WithScheme(s).WithObjects(cluster, secret).Build()
			must(t, c.Get(t.Context(), client.ObjectKeyFromObject(cluster), cluster))
			must(t, c.Get(t.Context(), client.ObjectKeyFromObject(secret), secret))
			informers := &informertest.FakeInformers{Scheme: s}
			f := &Follower{Pool: newPool(t), Cache: &fakeCache{informers, c}, Namespace: cluster.Namespace, Log: logr.Discard()}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			m, err := f.Pool.Get(cluster, secret)
			must(t, err)
			before := cluster.DeepCopy()
			go func() { done <- f.Start(ctx) }()
			handlers := []toolscache.ResourceEventHandlerFuncs{f.clusterHandler(ctx), f.secretHandler(ctx)}
			gone := tc.change(t, c, cluster, secret)
			switch {
			case gone == nil:
				handlers[0].UpdateFunc(before, cluster)
				handlers[1].UpdateFunc(nil, secret)
			case gone == client.Object(cluster):
				handlers[0].DeleteFunc(toolscache.DeletedFinalStateUnknown{Obj: gone})
			default:
				handlers[1].DeleteFunc(gone)
			}
			if ended := m.Context().Err() != nil; ended != tc.ends {
				t.Errorf("%s: the connection ended: %v", tc.reason, ended)
			}
			stop()
			must(t, <-done)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
