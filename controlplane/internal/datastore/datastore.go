package datastore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/k3s-io/kine/pkg/drivers/generic"
	"github.com/k3s-io/kine/pkg/endpoint"
	kinetls "github.com/k3s-io/kine/pkg/tls"
	"github.com/sirupsen/logrus"
	"k8s.io/klog/v2"
)

// maxSocketPath is the longest path of a unix socket that every supported system takes: 104 bytes on
// macOS and the BSDs, 108 on Linux, with the zero at the end.
const maxSocketPath = 103

// stopTimeout bounds how long Close waits for kine. Its own drain takes 2 s at most.
const stopTimeout = 5 * time.Second

// retryInterval is the time between two tries to reach a datastore that is away.
const retryInterval = 500 * time.Millisecond

// Config says where the datastore is and how to reach it.
type Config struct {
	// Endpoint is where objects are stored.
	Endpoint *Endpoint
	// CAFile, CertFile and KeyFile are the trust and the client certificate for a datastore that speaks
	// TLS. Empty means the system's trust and no client certificate.
	CAFile, CertFile, KeyFile string
	// Socket is where the embedded datastore shall listen. A path that is too long for a unix socket, or
	// that the etcd client would misread, is replaced by one in a temporary directory of this process.
	Socket string
	// Timeout bounds how long Start waits for a datastore that is away.
	Timeout time.Duration
}

// Datastore is a datastore that answers.
type Datastore struct {
	// Servers are the endpoints for an etcd client.
	Servers []string
	// CAFile, CertFile and KeyFile are for the etcd client. Empty means none.
	CAFile, CertFile, KeyFile string

	cancel  context.CancelFunc
	wg      *sync.WaitGroup
	cleanup func()
}

// Start starts the embedded datastore, or looks for the etcd that Endpoint names, and returns when it
// answers. It fails when that takes longer than Timeout; the process is then expected to end, because
// a database driver that still tries to connect cannot be stopped.
func Start(ctx context.Context, cfg Config) (*Datastore, error) {
	if cfg.Endpoint.Etcd != nil {
		return startEtcd(ctx, cfg)
	}
	return startKine(ctx, cfg)
}

// Close stops the embedded datastore and waits until its database is closed. An etcd is left alone.
func (d *Datastore) Close() {
	defer d.cleanup()
	d.cancel()
	done := make(chan struct{})
	go func() {
		d.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(stopTimeout):
		klog.InfoS("The embedded datastore did not stop in time", "timeout", stopTimeout)
	}
}

func startKine(ctx context.Context, cfg Config) (*Datastore, error) {
	lastError := routeLogs()
	if err := prepareSQLite(cfg.Endpoint); err != nil {
		return nil, err
	}
	listener, cleanup, err := listenerAddress(cfg.Socket)
	if err != nil {
		return nil, err
	}
	// kine runs on after ctx ends: the API server drains first.
	kineCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d := &Datastore{cancel: cancel, wg: &sync.WaitGroup{}, cleanup: cleanup}
	config := kineConfig(cfg, listener, d.wg)
	started := make(chan []string, 1)
	go func() {
		if servers := listen(kineCtx, config); servers != nil {
			started <- servers
		}
	}()
	timeout := time.NewTimer(cfg.Timeout)
	defer timeout.Stop()
	select {
	case d.Servers = <-started:
		return d, nil
	case <-timeout.C:
		err = awayError(cfg, lastError())
	case <-ctx.Done():
		err = ctx.Err()
	}
	cancel()
	cleanup()
	return nil, err
}

// listen starts kine and returns its endpoints, or nil when ctx ends first. Some of kine's drivers wait
// for a database that is away, others fail at once and are started again.
func listen(ctx context.Context, config endpoint.Config) []string {
	for {
		etcd, err := endpoint.Listen(ctx, config)
		if err == nil {
			return etcd.Endpoints
		}
		logrus.Error(err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryInterval):
		}
	}
}

// kineConfig repeats kine's own defaults, which live in its command line and not in its library. A
// zero poll interval would fail at the first watch. No compaction interval: the API server compacts.
func kineConfig(cfg Config, listener string, wg *sync.WaitGroup) endpoint.Config {
	return endpoint.Config{
		WaitGroup:            wg,
		Listener:             listener,
		Endpoint:             cfg.Endpoint.Raw,
		BackendTLSConfig:     kinetls.Config{CAFile: cfg.CAFile, CertFile: cfg.CertFile, KeyFile: cfg.KeyFile},
		ConnectionPoolConfig: generic.ConnectionPoolConfig{MaxIdle: 20, MaxIdleTime: 2 * time.Minute},
		NotifyInterval:       5 * time.Second,
		EmulatedETCDVersion:  "3.6.11",
		CompactTimeout:       5 * time.Second,
		CompactMinRetain:     1000,
		CompactBatchSize:     1000,
		PollBatchSize:        500,
		PollInterval:         time.Second,
	}
}

// listenerAddress returns the address for the embedded datastore to listen on, and what removes what
// was made for it.
func listenerAddress(socket string) (address string, cleanup func(), err error) {
	if usableSocket(socket) {
		return "unix://" + socket, func() { _ = os.Remove(socket) }, nil
	}
	dir, err := os.MkdirTemp("", "cellfed-kine-")
	if err != nil {
		return "", nil, fmt.Errorf("directory for the datastore's socket: %w", err)
	}
	cleanup = func() { _ = os.RemoveAll(dir) }
	short := filepath.Join(dir, "kine.sock")
	if !usableSocket(short) {
		cleanup()
		return "", nil, fmt.Errorf("neither %q nor %q can be the path of a unix socket (%d bytes at most, letters, digits and /._- only): use another --data-dir or TMPDIR",
			socket, short, maxSocketPath)
	}
	return "unix://" + short, cleanup, nil
}

// socketCharacters are those that the etcd client, to which the path is part of a URL, leaves alone.
var socketCharacters = regexp.MustCompile(`^[A-Za-z0-9/._-]+$`)

func usableSocket(path string) bool {
	return len(path) <= maxSocketPath && socketCharacters.MatchString(path)
}
