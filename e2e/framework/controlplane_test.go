package framework

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestControlPlane starts a cluster, stops it, crashes it, and finds what it had written.
func TestControlPlane(t *testing.T) {
	cluster, err := StartCluster(t.Context(), Options{
		Name: "cluster", Dir: t.TempDir(), Controllers: MemberControllers, Audit: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	mark, err := cluster.Mark()
	if err != nil {
		t.Fatal(err)
	}
	object := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "kept", Namespace: metav1.NamespaceDefault},
		Data:       map[string]string{"a": "b"},
	}
	if err := cluster.Client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	writes, err := cluster.Writes(mark, func(w Write) bool { return w.Name == "kept" })
	if err != nil {
		t.Fatal(err)
	}
	if len(writes) != 1 || writes[0].Verb != "create" || writes[0].Resource != "configmaps" || !writes[0].Succeeded() {
		t.Errorf("the log of writes has %v, want one create", writes)
	}

	if err := cluster.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	readBack(t, cluster, object)
	if err := cluster.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	readBack(t, cluster, object)

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "passing"}}
	if err := cluster.Client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Client.Delete(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	Eventually(t, readyTimeout, "the namespace to go, which takes a controller", func(ctx context.Context) error {
		err := cluster.Client.Get(ctx, client.ObjectKeyFromObject(namespace), namespace)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(errors.New("it is there"), err)
	})
}

func readBack(t *testing.T, cluster *Cluster, want *corev1.ConfigMap) {
	t.Helper()
	got := &corev1.ConfigMap{}
	if err := cluster.Client.Get(t.Context(), client.ObjectKeyFromObject(want), got); err != nil {
		t.Fatal(err)
	}
	if got.UID != want.UID || got.Data["a"] != "b" {
		t.Errorf("after a restart the object is %s %v, want %s %v", got.UID, got.Data, want.UID, want.Data)
	}
}

// TestPortTaken wants the way out when somebody asks for a port that another server has.
func TestPortTaken(t *testing.T) {
	first := RunControlPlane(t, Options{Name: "first"})
	_, err := StartControlPlane(t.Context(), Options{Name: "second", Dir: t.TempDir(), Port: first.Port})
	if err == nil {
		t.Fatal("two API servers listen on one port")
	}
	t.Log(err)
}
