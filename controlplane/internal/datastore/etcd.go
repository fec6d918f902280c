package datastore

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// startEtcd waits until an etcd answers a linearizable read.
func startEtcd(ctx context.Context, cfg Config) (*Datastore, error) {
	client, err := etcdClient(cfg)
	if err != nil {
		return nil, fmt.Errorf("%s %q cannot be used: %w", FlagEndpoint, cfg.Endpoint, err)
	}
	defer func() { _ = client.Close() }()
	readCtx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	if _, err := client.Get(readCtx, "/", clientv3.WithCountOnly()); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, awayError(cfg, cause(cfg.Endpoint.Etcd, err))
	}
	return &Datastore{
		Servers:  cfg.Endpoint.Etcd,
		CAFile:   cfg.CAFile,
		CertFile: cfg.CertFile,
		KeyFile:  cfg.KeyFile,
		cancel:   func() {},
		wg:       &sync.WaitGroup{},
		cleanup:  func() {},
	}, nil
}

func etcdClient(cfg Config) (*clientv3.Client, error) {
	config := clientv3.Config{
		Endpoints: cfg.Endpoint.Etcd,
		Logger:    zap.NewNop(),
		// The default backoff grows to two minutes: an etcd that comes up within Timeout would be missed.
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.5, MaxDelay: time.Second},
			MinConnectTimeout: 2 * time.Second,
		})},
	}
	if strings.HasPrefix(cfg.Endpoint.Raw, "https://") || cfg.CAFile != "" || cfg.CertFile != "" {
		info := transport.TLSInfo{TrustedCAFile: cfg.CAFile, CertFile: cfg.CertFile, KeyFile: cfg.KeyFile}
		tlsConfig, err := info.ClientConfig()
		if err != nil {
			return nil, err
		}
		config.TLS = tlsConfig
	}
	return clientv3.New(config)
}

// cause tells why an etcd did not answer. The etcd client itself only reports that time is up.
func cause(urls []string, err error) string {
	for _, one := range urls {
		u, parseErr := url.Parse(one)
		if parseErr != nil {
			continue
		}
		conn, dialErr := net.DialTimeout("tcp", u.Host, 2*time.Second)
		if dialErr != nil {
			return dialErr.Error()
		}
		_ = conn.Close()
	}
	return "connections are accepted, and what answers is no etcd that this client can speak to: " + err.Error()
}

func awayError(cfg Config, cause string) error {
	if cause == "" {
		cause = "no answer"
	}
	return fmt.Errorf("%s %q is away: not usable within %s (last error: %s): start the datastore or correct the flag; --datastore-timeout waits longer",
		FlagEndpoint, cfg.Endpoint, cfg.Timeout, cause)
}
