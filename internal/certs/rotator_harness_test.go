package certs_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cellfed/cellfed/internal/certs"
)

const host = "webhook.kubefed.svc"

var (
	secretKey = types.NamespacedName{Namespace: "kubefed", Name: "serving"}
	lifetimes = certs.Lifetimes{Serving: 30 * time.Minute, Authority: 3 * time.Hour, Settle: 5 * time.Minute}
)

// clock is one that a test moves.
type clock struct{ since atomic.Int64 }

func (c *clock) Now() time.Time {
	return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(c.since.Load()))
}

func (c *clock) advance(by time.Duration) { c.since.Add(int64(by)) }

// world is an API server's Secret with the replicas that share it.
type world struct {
	t     *testing.T
	clock *clock
	c     client.WithWatch
	// refuse makes every request fail.
	refuse atomic.Bool
	// looks counts the reads of the Secret.
	looks atomic.Int64
	// watches counts the watches that were asked for, and refuseWatch makes them fail.
	watches     atomic.Int64
	refuseWatch atomic.Bool
	logged      *syncBuffer
	ctx         context.Context
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) add(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b.WriteString(line + "\n")
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

type refused struct{}

func (refused) Error() string { return "the API server is away" }

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{}, logged: &syncBuffer{}}
	logger := funcr.New(func(_, args string) { w.logged.add(args) }, funcr.Options{Verbosity: 5})
	w.ctx = log.IntoContext(t.Context(), logr.New(logger.GetSink()))
	w.c = fake.NewClientBuilder().WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			w.looks.Add(1)
			if w.refuse.Load() {
				return refused{}
			}
			return c.Get(ctx, key, obj, opts...)
		},
		Watch: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) (watch.Interface, error) {
			defer w.watches.Add(1)
			if w.refuseWatch.Load() {
				return nil, refused{}
			}
			return c.Watch(ctx, list, opts...)
		},
	}).Build()
	return w
}

func (w *world) options() certs.RotatorOptions {
	return certs.RotatorOptions{
		Secret: secretKey, Names: []string{host}, Lifetimes: lifetimes, Interval: time.Millisecond, Now: w.clock.Now,
	}
}

// replica returns one that is not started.
func (w *world) replica(o certs.RotatorOptions) *certs.Rotator {
	w.t.Helper()
	r, err := certs.NewRotator(w.ctx, w.c, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// run starts replicas and stops them when the test ends.
func (w *world) run(replicas ...*certs.Rotator) {
	ctx, cancel := context.WithCancel(w.ctx)
	var group sync.WaitGroup
	for _, r := range replicas {
		group.Go(func() {
			if err := r.Start(ctx); err != nil {
				w.t.Errorf("Start returned %v", err)
			}
		})
	}
	w.t.Cleanup(func() {
		cancel()
		group.Wait()
	})
}

// rest waits until every replica has looked again, whatever the others had done before.
func (w *world) rest(replicas int) {
	w.t.Helper()
	until := w.looks.Load() + int64(4*replicas)
	poll(w.t, "the replicas' look", func() bool { return w.looks.Load() >= until })
}

func (w *world) secret() *corev1.Secret {
	w.t.Helper()
	s := &corev1.Secret{}
	if err := w.c.Get(context.Background(), secretKey, s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// sound returns whether a client that trusts ca.crt trusts what is to be served, and a CA can issue more.
func (w *world) sound(s *corev1.Secret) bool {
	pair, err := tls.X509KeyPair(s.Data["tls.crt"], s.Data["tls.key"])
	if err != nil || verify(pair.Leaf, s.Data["ca.crt"], w.clock.Now()) != nil {
		return false
	}
	for _, name := range []string{"ca.key", "next-ca.key"} {
		for _, ca := range blocks(s.Data["ca.crt"]) {
			if _, err := tls.X509KeyPair(ca, s.Data[name]); err == nil {
				return true
			}
		}
	}
	return false
}

func verify(leaf *x509.Certificate, bundle []byte, now time.Time) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	_, err := leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, CurrentTime: now})
	return err
}

// blocks splits a PEM file.
func blocks(file []byte) [][]byte {
	var out [][]byte
	for {
		var block *pem.Block
		if block, file = pem.Decode(file); block == nil {
			return out
		}
		out = append(out, pem.EncodeToMemory(block))
	}
}

func served(t *testing.T, r *certs.Rotator) *x509.Certificate {
	t.Helper()
	cert, err := r.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf
}
