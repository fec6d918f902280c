// Package certs follows the certificates that the manager serves with, and the CA bundle that its clients are told to
// trust, as their files change.
package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	certificateFile = "tls.crt"
	keyFile         = "tls.key"
	bundleFile      = "ca.crt"

	// DefaultInterval is how often the files are read, which is how long a change of ca.crt alone may go unseen.
	// A change of tls.crt or tls.key is seen at once, and ca.crt is then read too: a Secret that is mounted changes
	// all of its files in one step.
	DefaultInterval = 10 * time.Second
)

// Watcher holds what the files of one directory hold. It is a manager's Runnable that every replica runs.
type Watcher struct {
	pair     *certwatcher.CertWatcher
	path     string
	interval time.Duration

	mu          sync.Mutex
	bundle      []byte
	failure     string // of the last read, to report each one once
	subscribers []chan event.GenericEvent
}

// New reads tls.crt, tls.key and ca.crt in the directory. It is an error if one is not there or does not hold what it
// should. An interval of zero means DefaultInterval.
func New(dir string, interval time.Duration) (*Watcher, error) {
	if interval == 0 {
		interval = DefaultInterval
	}
	pair, err := certwatcher.New(filepath.Join(dir, certificateFile), filepath.Join(dir, keyFile))
	if err != nil {
		return nil, fmt.Errorf("reading the serving certificate %s and its key %s in %s: %w", certificateFile, keyFile, dir, err)
	}
	w := &Watcher{
		pair:     pair.WithWatchInterval(interval),
		path:     filepath.Join(dir, bundleFile),
		interval: interval,
	}
	if w.bundle, err = readBundle(w.path); err != nil {
		return nil, err
	}
	return w, nil
}

// GetCertificate returns the serving certificate, for a tls.Config.
func (w *Watcher) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return w.pair.GetCertificate(hello)
}

// Bundle returns the CA certificates that clients must trust, in PEM. It is the last one that could be read, and is not
// to be written to.
func (w *Watcher) Bundle() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bundle
}

// Changes returns a new channel that gets an event, without an object, after each change of the bundle. Changes that
// are not received in time become one. It is never closed. It must be called before the watcher is started.
func (w *Watcher) Changes() <-chan event.GenericEvent {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := make(chan event.GenericEvent, 1)
	w.subscribers = append(w.subscribers, c)
	return c
}

// Start follows the files until the context is done.
func (w *Watcher) Start(ctx context.Context) error {
	logger := log.FromContext(ctx).WithName("certs")
	// The callback runs once now and then after each change.
	w.pair.RegisterCallback(func(tls.Certificate) { w.refresh(logger) })

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return w.pair.Start(ctx) })
	group.Go(func() error {
		ticker := time.NewTicker(w.interval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
				w.refresh(logger)
			}
		}
	})
	return group.Wait()
}

// NeedLeaderElection says that every replica follows its own files.
func (w *Watcher) NeedLeaderElection() bool { return false }

// refresh reads the bundle and tells the subscribers if it is another one. A bundle that cannot be read leaves the one
// that was there.
func (w *Watcher) refresh(logger logr.Logger) {
	bundle, err := readBundle(w.path)

	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		if failure := err.Error(); failure != w.failure {
			w.failure = failure
			logger.Error(err, "Kept the CA bundle that was read before")
		}
		return
	}
	w.failure = ""
	if bytes.Equal(bundle, w.bundle) {
		return
	}
	w.bundle = bundle
	logger.Info("Read a new CA bundle", "file", w.path)
	for _, c := range w.subscribers {
		select {
		case c <- event.GenericEvent{}:
		default: // One is waiting already.
		}
	}
}

// readBundle returns the file if it holds certificates and nothing else.
func readBundle(path string) ([]byte, error) {
	bundle, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the CA bundle: %w", err)
	}
	if err := checkBundle(bundle); err != nil {
		return nil, fmt.Errorf("reading the CA bundle %s: %w", path, err)
	}
	return bundle, nil
}

func checkBundle(bundle []byte) error {
	count := 0
	for rest := bundle; ; count++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		// A private key in the bundle would be published with it.
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("it holds a %s: it must hold certificates and nothing else", block.Type)
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("certificate %d: %w", count+1, err)
		}
	}
	if count == 0 {
		return errors.New("it holds no certificate in PEM")
	}
	return nil
}
