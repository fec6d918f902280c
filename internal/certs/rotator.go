package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// The markers below grant what the Rotator asks for in the KubeFed namespace.
// +kubebuilder:rbac:groups="",namespace=kube-federation-system,resources=secrets,verbs=get;list;watch;create;patch

const (
	// DefaultRotatorInterval is how often a Rotator reads its Secret when nothing tells it of a change.
	DefaultRotatorInterval = time.Minute

	// foreignAnnotation is on the Secrets that cert-manager keeps.
	foreignAnnotation = "cert-manager.io/certificate-name"
	// injectionPrefix begins the annotations by which cert-manager's CA injector keeps a CA bundle.
	injectionPrefix = "cert-manager.io/inject-"

	// attempts is how often a Rotator looks again at once, after another replica's write or its own.
	attempts = 10
	// rewatch is how long a Rotator waits before it watches again.
	rewatch = time.Second
)

// RotatorOptions are what a Rotator needs to know.
type RotatorOptions struct {
	// Secret is where the certificates and their keys are.
	Secret types.NamespacedName
	// Names are the DNS names and IPs that clients reach the manager by.
	Names []string
	// Lifetimes say how long certificates are good for. None may be zero.
	Lifetimes Lifetimes
	// Clients says who does not trust a CA yet. Nil means that everybody does once it is in the Secret.
	Clients Clients
	// Interval is how often the Secret and the clients are looked at. Zero means DefaultRotatorInterval, or less where
	// the lifetimes are so short that it would be too late.
	Interval time.Duration
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

// Rotator is the Source of certificates that the manager makes for itself and keeps in a Secret. All replicas serve what
// the Secret holds, and each of them renews it: of several that write at once, one wins and the others take what it wrote.
type Rotator struct {
	publisher

	client  client.WithWatch
	options RotatorOptions
	serving atomic.Pointer[tls.Certificate]

	mu sync.Mutex
	// known is the last state that was good, of what was seen and written.
	known state
	// trusted is since when all clients have been seen to trust the successor.
	successor *x509.Certificate
	trusted   time.Time
	lacking   string // who did not at the last look, to report each one once
}

// NewRotator reads the Secret and makes or renews what is to be made or renewed, so that there is something to serve and
// to trust once it returns. The client must not read from a cache.
func NewRotator(ctx context.Context, c client.WithWatch, o RotatorOptions) (*Rotator, error) {
	l := o.Lifetimes
	if o.Secret.Name == "" || o.Secret.Namespace == "" || len(o.Names) == 0 || l.Serving <= 0 || l.Authority <= 0 || l.Settle <= 0 {
		return nil, errors.New("set up the rotation of certificates: Secret, Names and all Lifetimes must be set")
	}
	if o.Interval == 0 {
		o.Interval = min(DefaultRotatorInterval, l.Settle/4, l.Serving/12)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Rotator{client: c, options: o}
	if err := r.ensure(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// GetCertificate returns the serving certificate, for a tls.Config.
func (r *Rotator) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return r.serving.Load(), nil
}

// NeedLeaderElection says that every replica serves what the Secret holds, and renews it.
func (r *Rotator) NeedLeaderElection() bool { return false }

// Start follows the Secret and renews what is to be renewed until the context is done. While the API server does not
// answer, what was served before is served.
func (r *Rotator) Start(ctx context.Context) error {
	changes := make(chan struct{}, 1)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		r.watch(ctx, changes)
		return nil
	})
	group.Go(func() error {
		var failed failure
		ticker := time.NewTicker(r.options.Interval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
			case <-changes:
			}
			if err := r.ensure(ctx); failed.news(ctx, err) {
				logger(ctx).Error(err, "Kept the certificates that were there before", "secret", r.options.Secret)
			}
		}
	})
	return group.Wait()
}

// watch says when the Secret may have changed.
func (r *Rotator) watch(ctx context.Context, changes chan<- struct{}) {
	var failed failure
	secret := r.options.Secret
	for ctx.Err() == nil {
		w, err := r.client.Watch(ctx, &corev1.SecretList{}, client.InNamespace(secret.Namespace), client.MatchingFields{metav1.ObjectNameField: secret.Name})
		if failed.news(ctx, err) {
			logger(ctx).Error(err, "Looking at the Secret now and then, because it cannot be watched", "secret", secret, "interval", r.options.Interval)
		}
		if err == nil {
			forward(ctx, w.ResultChan(), changes)
			w.Stop()
		}
		select {
		case <-ctx.Done():
		case <-time.After(rewatch):
		}
	}
}

// forward makes any number of events one, until there are no more.
func forward(ctx context.Context, events <-chan watch.Event, changes chan<- struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-events:
			if !ok {
				return
			}
			select {
			case changes <- struct{}{}:
			default: // One is waiting already.
			}
		}
	}
}

// failure is the last error of something that is tried again and again, so that each is told once.
type failure string

// news reports whether the error is another one than that of the last try. What fails because the context ends is none.
func (f *failure) news(ctx context.Context, err error) bool {
	before := *f
	if err == nil {
		*f = ""
		return false
	}
	if ctx.Err() != nil {
		return false
	}
	*f = failure(err.Error())
	return *f != before
}

// InjectedBy returns the annotation, "" if there is none, by which cert-manager's CA injector keeps a CA bundle in an object with
// these annotations: the manager, which keeps its own there, and the injector would undo each other's writes.
func InjectedBy(annotations map[string]string) string {
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		if strings.HasPrefix(key, injectionPrefix) {
			return key
		}
	}
	return ""
}

func logger(ctx context.Context) logr.Logger { return log.FromContext(ctx).WithName("certs") }

// ensure takes one step after another until there is nothing to do.
func (r *Rotator) ensure(ctx context.Context) error {
	var err error
	for range attempts {
		var done bool
		if done, err = r.step(ctx); done {
			return nil
		}
		if err != nil && !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) && !apierrors.IsNotFound(err) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("keep the certificates in the Secret %s: %w", r.options.Secret, err)
	}
	return nil // What is left is done at the next look.
}

// step reads the Secret, serves what it holds if that is good, and takes the next step. It is done if there was none.
func (r *Rotator) step(ctx context.Context) (done bool, err error) {
	secret := &corev1.Secret{}
	if err := r.client.Get(ctx, r.options.Secret, secret); apierrors.IsNotFound(err) {
		secret = nil
	} else if err != nil {
		return false, err
	} else if owner, ok := secret.Annotations[foreignAnnotation]; ok {
		return false, fmt.Errorf("it belongs to cert-manager's Certificate %q: run with --certificates=Files, or give another --certificate-secret, or delete that Certificate and then the Secret", owner)
	}
	now, names, lifetimes := r.options.Now(), r.options.Names, r.options.Lifetimes

	s, known := state{}, r.remembered()
	mended := "" // why the Secret is to be written though no step is to be taken
	switch {
	case secret == nil && known.servable(now) == nil:
		// Whoever deletes the Secret wants new keys. What is served stays until clients trust the new CA.
		s = known.sealed()
	case secret != nil:
		if s = parse(secret.Data); !s.sound(now) && known.sound(now) {
			s, mended = known, "the Secret was damaged"
		} else if s.servable(now) == nil {
			r.adopt(s)
		}
	}
	d := decision{stepRewrite, mended}
	if mended == "" {
		d = decide(s, names, r.trustedSince(ctx, s.next, now), now, lifetimes)
	}
	if d.step == stepWait {
		return true, nil
	}
	if s, err = s.take(d, names, now, lifetimes); err != nil {
		return false, err
	}
	if err := r.write(ctx, secret, s); err != nil {
		return false, err
	}
	r.adopt(s)
	logger(ctx).Info("Renewed the certificates", "step", d.step, "reason", d.reason, "secret", r.options.Secret,
		"servingEnds", s.serving.cert.NotAfter, "authorities", len(s.trusted))
	return false, nil
}

// write creates the Secret or changes the one that was read; it is a conflict if somebody did in between.
func (r *Rotator) write(ctx context.Context, secret *corev1.Secret, s state) error {
	data, err := s.encode()
	if err != nil {
		return err
	}
	if secret == nil {
		maps.DeleteFunc(data, func(_ string, value []byte) bool { return value == nil })
		return r.client.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: r.options.Secret.Namespace, Name: r.options.Secret.Name,
				Labels: map[string]string{"app.kubernetes.io/name": "cellfed", "app.kubernetes.io/managed-by": "cellfed"},
			},
			Type: corev1.SecretTypeTLS,
			Data: data,
		})
	}
	changed := secret.DeepCopy()
	if changed.Data == nil {
		changed.Data = map[string][]byte{}
	}
	maps.Copy(changed.Data, data)
	maps.DeleteFunc(changed.Data, func(_ string, value []byte) bool { return value == nil })
	return r.client.Patch(ctx, changed, client.MergeFromWithOptions(secret, client.MergeFromWithOptimisticLock{}))
}

func (r *Rotator) remembered() state {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known
}

// adopt serves the state and tells clients to trust it.
func (r *Rotator) adopt(s state) {
	r.mu.Lock()
	r.known = s
	r.mu.Unlock()
	if now := r.serving.Load(); now == nil || !s.serving.is(now.Leaf) {
		r.serving.Store(&tls.Certificate{Certificate: [][]byte{s.serving.cert.Raw}, PrivateKey: s.serving.key, Leaf: s.serving.cert})
	}
	r.publish(s.bundle())
}

// trustedSince returns since when all clients have been seen to trust the successor; zero if they do not, or if that is
// not known.
func (r *Rotator) trustedSince(ctx context.Context, successor *pair, now time.Time) time.Time {
	if successor == nil {
		return time.Time{}
	}
	if r.options.Clients == nil {
		return begin(successor.cert)
	}
	who, err := r.options.Clients.Lacking(ctx, successor.cert)
	if err != nil {
		who = "somebody, perhaps: " + err.Error()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !successor.is(r.successor) {
		r.successor, r.trusted = successor.cert, time.Time{}
	}
	switch {
	case who != "":
		r.trusted = time.Time{}
	case r.trusted.IsZero():
		r.trusted = now
	}
	if who != "" && who != r.lacking {
		logger(ctx).Info("Waiting until a client trusts the new CA", "client", who)
	}
	r.lacking = who
	return r.trusted
}
