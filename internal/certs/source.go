package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/event"
)

// CABundle is what the manager's clients are to trust.
type CABundle interface {
	// Bundle returns the CA certificates that clients must trust, in PEM. It is never empty, and not to be written to.
	Bundle() []byte
	// Changes returns a new channel that gets an event, without an object, after each change of the bundle. Changes
	// that are not received in time become one. It is never closed. It must be called before the source is started.
	Changes() <-chan event.GenericEvent
}

// Source is where the manager's certificates come from. It is a manager's Runnable that every replica runs, and it can
// be asked before it is started. A Watcher and a Rotator are sources.
type Source interface {
	// GetCertificate returns the serving certificate, for a tls.Config.
	GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error)
	CABundle
	// Start follows the certificates until the context is done.
	Start(ctx context.Context) error
	// NeedLeaderElection says that every replica follows them.
	NeedLeaderElection() bool
}

var (
	_ Source = &Watcher{}
	_ Source = &Rotator{}
)

// publisher holds the bundle and tells of its changes.
type publisher struct {
	mu          sync.Mutex
	bundle      []byte
	subscribers []chan event.GenericEvent
}

// Bundle returns the CA certificates that clients must trust, in PEM. It is not to be written to.
func (p *publisher) Bundle() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bundle
}

// Changes returns a new channel that gets an event, without an object, after each change of the bundle. Changes that
// are not received in time become one. It is never closed. It must be called before the source is started.
func (p *publisher) Changes() <-chan event.GenericEvent {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := make(chan event.GenericEvent, 1)
	p.subscribers = append(p.subscribers, c)
	return c
}

// publish returns whether the bundle is another one, and tells the subscribers if it is.
func (p *publisher) publish(bundle []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if bytes.Equal(bundle, p.bundle) {
		return false
	}
	p.bundle = bundle
	for _, c := range p.subscribers {
		select {
		case c <- event.GenericEvent{}:
		default: // One is waiting already.
		}
	}
	return true
}
