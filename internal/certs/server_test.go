package certs_test

import (
	"bytes"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/certs"
)

// TestServer has two replicas share a Secret in a real API server, which they only learn of by their watches.
func TestServer(t *testing.T) {
	ctx := t.Context()
	host := framework.RunCluster(t, framework.Options{})
	if err := host.CreateNamespace(ctx, secretKey.Namespace, nil); err != nil {
		t.Fatal(err)
	}
	c := host.Client
	w := newWorld(t)
	w.c = c
	o := certs.RotatorOptions{
		Secret: secretKey, Names: []string{"localhost", "127.0.0.1", "webhook.kubefed.svc"}, Lifetimes: lifetimes, Interval: time.Hour, Now: w.clock.Now,
		Clients: certs.HostClients{Reader: c, KubeFedNamespace: secretKey.Namespace, WebhookURL: "https://hook:1", FacadeURL: "https://facade:1"},
	}
	w.clock.advance(time.Until(w.clock.Now()))
	one, two := w.replica(o), w.replica(o)
	if s := w.secret(); s.Type != corev1.SecretTypeTLS || !w.sound(s) || !bytes.Equal(one.Bundle(), two.Bundle()) {
		t.Fatalf("a Secret of type %s is not what two replicas begin with", s.Type)
	}
	w.run(one, two)

	before := w.secret().Data
	if err := c.Patch(ctx, w.secret(), client.RawPatch("application/merge-patch+json", []byte(`{"data":{"tls.key":"eA==","ca.key":null,"next-ca.key":"eA=="}}`))); err != nil {
		t.Fatal(err)
	}
	poll(t, "the repair", func() bool {
		s := w.secret()
		_, stray := s.Data["next-ca.key"]
		return !stray && bytes.Equal(s.Data["tls.key"], before["tls.key"]) && bytes.Equal(s.Data["ca.key"], before["ca.key"])
	})

	w.damage(nil)
	poll(t, "another CA", func() bool {
		return len(blocks(one.Bundle())) == 2 && bytes.Equal(one.Bundle(), two.Bundle())
	})
	if s := w.secret(); !w.sound(s) || !bytes.Equal(s.Data["tls.crt"], before["tls.crt"]) {
		t.Error("the serving certificate was not kept until the new CA is trusted")
	}
}
