// Package certs holds the certificates that the manager serves with, and the CA bundle that its clients are told to trust:
// a Watcher follows files that somebody else renews, a Rotator makes and renews them itself.
//
// The Rotator is written on crypto/x509 because the libraries that keep a webhook's certificates (cert-controller's
// rotator, cert-manager's dynamic authority) replace the CA and the serving certificate in one step, so that every call
// fails until the clients have the new bundle, and none of them waits until the clients have been seen to hold it.
package certs

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
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

// Watcher is the Source of what the files of one directory hold. A bundle that cannot be read leaves the one before.
type Watcher struct {
	pair     *certwatcher.CertWatcher
	path     string
	interval time.Duration

	publisher

	mu      sync.Mutex
	failure string // of the last read, to report each one once
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
	bundle, err := readBundle(w.path)
	if err != nil {
		return nil, err
	}
	w.publish(bundle)
	return w, nil
}

// GetCertificate returns the serving certificate, for a tls.Config.
func (w *Watcher) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return w.pair.GetCertificate(hello)
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
	if w.publish(bundle) {
		logger.Info("Read a new CA bundle", "file", w.path)
	}
}

// readBundle returns the file if it holds certificates and nothing else.
func readBundle(path string) ([]byte, error) {
	bundle, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the CA bundle: %w", err)
	}
	// A private key in the bundle would be published with it.
	if _, err := parseCertificates(bundle); err != nil {
		return nil, fmt.Errorf("reading the CA bundle %s: %w", path, err)
	}
	return bundle, nil
}
