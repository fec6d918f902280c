package certs_test

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/cellfed/cellfed/internal/certs"
)

// TestReplicasRace has several replicas read the same Secret before any of them writes: one write goes through, and all
// serve and publish what it wrote.
func TestReplicasRace(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		there  bool
		pass   time.Duration
	}{
		"First":   {reason: "Nothing is there yet."},
		"Due":     {reason: "The serving certificate is due.", there: true, pass: 25 * time.Minute},
		"Expired": {reason: "All of it has expired.", there: true, pass: 4 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if tc.there {
				w.replica(w.options())
			}
			w.clock.advance(tc.pass)
			const replicas = 5
			var reads sync.WaitGroup
			reads.Add(replicas)
			var writes, won atomic.Int64
			count := func(err error) error {
				writes.Add(1)
				if err == nil {
					won.Add(1)
				} else if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
					t.Errorf("a write failed with %v", err)
				}
				return err
			}
			var got [replicas]*certs.Rotator
			var group sync.WaitGroup
			for i := range got {
				var once sync.Once
				racing := interceptor.NewClient(w.c, interceptor.Funcs{
					Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
						err := c.Get(ctx, key, obj, opts...)
						once.Do(func() {
							reads.Done()
							reads.Wait()
						})
						return err
					},
					Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
						return count(c.Create(ctx, obj, opts...))
					},
					Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
						return count(c.Patch(ctx, obj, patch, opts...))
					},
				})
				group.Go(func() {
					var err error
					if got[i], err = certs.NewRotator(w.ctx, racing, w.options()); err != nil {
						t.Errorf("%s\nreplica %d: %v", tc.reason, i, err)
					}
				})
			}
			group.Wait()
			if t.Failed() {
				return
			}
			if writes.Load() != replicas || won.Load() != 1 {
				t.Errorf("%s\n%d of %d writes went through, want 1 of %d", tc.reason, won.Load(), writes.Load(), replicas)
			}
			secret := w.secret()
			if !w.sound(secret) {
				t.Errorf("%s\nthe Secret is not sound", tc.reason)
			}
			for i, r := range got {
				if diff := cmp.Diff(string(secret.Data["ca.crt"]), string(r.Bundle())); diff != "" {
					t.Errorf("replica %d publishes another bundle: %s", i, diff)
				}
				if !bytes.Equal(served(t, r).Raw, served(t, got[0]).Raw) {
					t.Errorf("replica %d serves another certificate", i)
				}
			}
		})
	}
}

// TestDamage damages the Secret under running replicas, which mend it, and before a replica starts, which must make do
// with what is left. Clients of the running ones never see a certificate that they do not trust.
func TestDamage(t *testing.T) {
	set := func(name, value string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.Data[name] = []byte(value) }
	}
	remove := func(names ...string) func(*corev1.Secret) {
		return func(s *corev1.Secret) {
			maps.DeleteFunc(s.Data, func(name string, _ []byte) bool { return slices.Contains(names, name) })
		}
	}
	cert, key := newPair(t, "foreign")
	cases := map[string]struct {
		reason string
		damage func(*corev1.Secret) // nil deletes it
	}{
		"Deleted":        {reason: "Whoever deletes it wants new keys."},
		"Empty":          {reason: "Nothing is left.", damage: func(s *corev1.Secret) { s.Data = nil }},
		"NoServingKey":   {reason: "tls.key is gone.", damage: remove("tls.key")},
		"NoServing":      {reason: "tls.crt and tls.key are gone.", damage: remove("tls.crt", "tls.key")},
		"NoAuthorityKey": {reason: "ca.key is gone.", damage: remove("ca.key")},
		"NoBundle":       {reason: "ca.crt is gone.", damage: remove("ca.crt")},
		"BrokenBundle":   {reason: "ca.crt is no PEM.", damage: set("ca.crt", "x")},
		"BrokenServing":  {reason: "tls.crt is no PEM.", damage: set("tls.crt", "x")},
		"BrokenKey":      {reason: "ca.key is no PEM.", damage: set("ca.key", "x")},
		"StraySuccessor": {reason: "next-ca.key belongs to nothing.", damage: set("next-ca.key", string(key))},
		"KeyInBundle":    {reason: "A key would be published.", damage: func(s *corev1.Secret) { s.Data["ca.crt"] = slices.Concat(s.Data["ca.crt"], s.Data["ca.key"]) }},
		"ForeignServing": {reason: "No client trusts it.", damage: func(s *corev1.Secret) { s.Data["tls.crt"], s.Data["tls.key"] = cert, key }},
		"ForeignBundle":  {reason: "It is no CA's.", damage: set("ca.crt", string(cert))},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			one, two := w.replica(w.options()), w.replica(w.options())
			before, bundle, data := served(t, one), one.Bundle(), w.secret().Data
			w.run(one, two)
			w.damage(tc.damage)
			poll(t, "a sound Secret", func() bool {
				for _, r := range []*certs.Rotator{one, two} {
					if err := verify(served(t, r), bundle, w.clock.Now()); err != nil {
						t.Fatalf("%s\na client refuses what is served: %v", tc.reason, err)
					}
				}
				s := &corev1.Secret{}
				return w.c.Get(t.Context(), secretKey, s) == nil && w.sound(s) && bytes.HasPrefix(s.Data["ca.crt"], bundle)
			})
			w.rest(2)
			if same := bytes.Equal(served(t, one).Raw, before.Raw); !same {
				t.Errorf("%s\nanother serving certificate: nothing needed one", tc.reason)
			}
			if same := maps.EqualFunc(w.secret().Data, data, bytes.Equal); same != (tc.damage != nil) {
				t.Errorf("%s\nthe Secret holds what it held before: %t", tc.reason, same)
			}
			if !bytes.Equal(one.Bundle(), two.Bundle()) || !bytes.Equal(one.Bundle(), w.secret().Data["ca.crt"]) {
				t.Errorf("%s\nthe replicas do not publish what the Secret holds", tc.reason)
			}
			// Without a CA's key in it, the log is of no use to a thief.
			for _, name := range []string{"tls.key", "ca.key", "next-ca.key"} {
				for _, line := range strings.Split(string(w.secret().Data[name]), "\n") {
					if len(line) > 30 && strings.Contains(w.logged.String(), line) {
						t.Errorf("%s\nthe log holds %s", tc.reason, name)
					}
				}
			}
		})
		t.Run(name+"BeforeTheStart", func(t *testing.T) {
			w := newWorld(t)
			w.replica(w.options())
			w.damage(tc.damage)
			r := w.replica(w.options())
			secret := w.secret()
			if !w.sound(secret) || !bytes.Equal(r.Bundle(), secret.Data["ca.crt"]) {
				t.Errorf("%s\nthe Secret is not sound", tc.reason)
			}
			if err := verify(served(t, r), r.Bundle(), w.clock.Now()); err != nil {
				t.Errorf("%s\na client refuses what is served: %v", tc.reason, err)
			}
		})
	}
}

func (w *world) damage(how func(*corev1.Secret)) {
	w.t.Helper()
	s := w.secret()
	if how == nil {
		if err := w.c.Delete(w.t.Context(), s); err != nil {
			w.t.Fatal(err)
		}
		return
	}
	how(s)
	s.ResourceVersion = "" // Whatever was written meanwhile.
	if err := w.c.Update(w.t.Context(), s); err != nil {
		w.t.Fatal(err)
	}
}

// TestDeletionRotates: the deletion of the Secret ends in another CA alone, with no moment at which a client that follows
// the bundle refuses what is served.
func TestDeletionRotates(t *testing.T) {
	w := newWorld(t)
	r := w.replica(w.options())
	former := r.Bundle()
	w.run(r)
	w.damage(nil)
	poll(t, "two CAs in the bundle", func() bool { return len(blocks(r.Bundle())) == 2 })
	for range 20 {
		told := r.Bundle()
		w.clock.advance(time.Minute)
		w.rest(1)
		if err := verify(served(t, r), told, w.clock.Now()); err != nil {
			t.Fatalf("a client refuses what is served: %v", err)
		}
	}
	if now := r.Bundle(); len(blocks(now)) != 1 || bytes.Equal(now, former) {
		t.Errorf("the bundle holds %d CAs, want a new one alone", len(blocks(now)))
	}
}

// TestForeign: a Secret that cert-manager keeps is not written, and the error names the ways out.
func TestForeign(t *testing.T) {
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: secretKey.Namespace, Name: secretKey.Name,
		Annotations: map[string]string{"cert-manager.io/certificate-name": "serving-cert"},
	}}
	w := newWorld(t, theirs)
	before := w.secret()
	_, err := certs.NewRotator(w.ctx, w.c, w.options())
	if err == nil {
		t.Fatal("took what is somebody else's")
	}
	for _, part := range []string{secretKey.String(), "serving-cert", "--certificates=Files", "--certificate-secret"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not name %s", err, part)
		}
	}
	if diff := cmp.Diff(before, w.secret()); diff != "" {
		t.Errorf("the Secret was written: %s", diff)
	}
}

// TestForeignLater: a Secret that comes to be cert-manager's while the manager runs is not written any more. What was served is
// served, and it is said once.
func TestForeignLater(t *testing.T) {
	w := newWorld(t)
	r := w.replica(w.options())
	before := served(t, r)
	theirs := w.secret()
	theirs.Annotations = map[string]string{"cert-manager.io/certificate-name": "serving-cert"}
	if err := w.c.Update(w.ctx, theirs); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(25 * time.Minute)
	w.run(r)
	w.rest(2)
	if !bytes.Equal(served(t, r).Raw, before.Raw) {
		t.Error("another certificate is served")
	}
	if diff := cmp.Diff(theirs.Data, w.secret().Data); diff != "" {
		t.Errorf("the Secret was written: %s", diff)
	}
	if n := strings.Count(w.logged.String(), "serving-cert"); n != 1 {
		t.Errorf("it was told %d times that it is cert-manager's:\n%s", n, w.logged)
	}
}

// TestWatch: a change is seen at once, not at the next look.
func TestWatch(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Interval = time.Hour
	one, two := w.replica(o), w.replica(o)
	changes := one.Changes()
	w.run(one, two)
	poll(t, "the watches", func() bool { return w.watches.Load() == 2 })
	w.damage(nil)
	receive(t, changes)
	poll(t, "one bundle", func() bool { return bytes.Equal(one.Bundle(), two.Bundle()) && len(blocks(one.Bundle())) == 2 })
}

// TestAway: while the API server does not answer, what was there is served, and it is said once.
func TestAway(t *testing.T) {
	w := newWorld(t)
	r := w.replica(w.options())
	before := served(t, r)
	w.refuse.Store(true)
	w.run(r)
	w.clock.advance(25 * time.Minute)
	w.rest(1)
	if !bytes.Equal(served(t, r).Raw, before.Raw) {
		t.Error("another certificate is served")
	}
	if n := strings.Count(w.logged.String(), refused{}.Error()); n != 1 {
		t.Errorf("reported %d times, want once:\n%s", n, w.logged)
	}
	w.refuse.Store(false)
	poll(t, "the renewal", func() bool { return !bytes.Equal(served(t, r).Raw, before.Raw) })
}

// TestWatchRefused: a watch that is refused again and again is told of once, whatever becomes of the reads meanwhile.
func TestWatchRefused(t *testing.T) {
	w := newWorld(t)
	w.refuseWatch.Store(true)
	w.run(w.replica(w.options()))
	refusals := func() int { return strings.Count(w.logged.String(), "because it cannot be watched") }
	await := func(what string, watches int64) {
		t.Helper()
		until := w.watches.Load() + watches
		poll(t, what, func() bool { return w.watches.Load() >= until })
	}
	await("a watch that is tried again", 3)
	if n := refusals(); n != 1 {
		t.Errorf("it was told %d times that the watch is refused:\n%s", n, w.logged)
	}
	w.refuse.Store(true)
	poll(t, "the news that the Secret cannot be read", func() bool {
		return strings.Contains(w.logged.String(), "Kept the certificates that were there before")
	})
	w.refuse.Store(false)
	w.rest(1)
	await("a watch that is tried again", 2)
	if n := refusals(); n != 1 {
		t.Errorf("after the Secret could not be read it was told %d times that the watch is refused:\n%s", n, w.logged)
	}
}
