package datastore

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

func TestSQLite(t *testing.T) {
	cases := map[string]struct {
		reason string
		dir    string
	}{
		"Plain":    {"The usual directory", "d"},
		"Odd":      {"A path with everything that a URI gives a meaning to", "a b%20?x=#&ü"},
		"TooLong":  {"A path too long for a unix socket", strings.Repeat("long/", 30)},
		"JustFits": {"A path of about the limit", strings.Repeat("x", 60)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			// Short, so that a socket fits in it.
			tmp, err := os.MkdirTemp("", "s")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(tmp) })
			dir := filepath.Join(t.TempDir(), tc.dir)
			t.Setenv("TMPDIR", tmp)
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "datastore", "state.db")
			cfg := Config{Socket: filepath.Join(dir, "kine.sock"), Timeout: 20 * time.Second}
			if cfg.Endpoint, err = ParseEndpoint("", file); err != nil {
				t.Fatal(err)
			}
			store := start(t, cfg)
			put(t, store, "/registry/a", "kept")
			store.Close()
			if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
				t.Errorf("%s: left behind: %v (%v)", tc.reason, left, err)
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: the database: %v, %v, want mode 0600", tc.reason, info, err)
			}

			store = start(t, cfg)
			defer store.Close()
			if got := get(t, store, "/registry/a"); got != "kept" {
				t.Errorf("%s: after a restart got %q, want what was written", tc.reason, got)
			}
		})
	}
}

func TestEtcd(t *testing.T) {
	endpoint := startEtcdServer(t)
	e, err := ParseEndpoint(endpoint, "")
	if err != nil {
		t.Fatal(err)
	}
	store := start(t, Config{Endpoint: e, Timeout: 20 * time.Second})
	put(t, store, "/registry/a", "kept")
	store.Close()
	store = start(t, Config{Endpoint: e, Timeout: 20 * time.Second})
	defer store.Close()
	if got := get(t, store, "/registry/a"); got != "kept" {
		t.Errorf("got %q, want what was written: Close must leave an etcd alone", got)
	}
}

func TestStartFails(t *testing.T) {
	notEtcd := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(notEtcd.Close)
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("surely no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	closed := closedAddress(t)
	cases := map[string]struct {
		reason string
		raw    string
		want   []string
	}{
		"EtcdAway":     {"Nobody listens", "http://" + closed, []string{"is away", "connection refused", "--datastore-timeout"}},
		"NotEtcd":      {"Somebody else listens", notEtcd.URL, []string{"is away", "no etcd"}},
		"MySQLAway":    {"A driver that fails at once is tried again until time is up", "mysql://u:secret@tcp(" + closed + ")/x", []string{"is away", "connection refused", "--datastore-timeout"}},
		"PostgresAway": {"A driver that tries for minutes is not waited for", "postgres://u:secret@" + closed + "/x", []string{"is away", "connection refused", "--datastore-timeout"}},
		"NATSAway":     {"A message bus", "nats://" + closed, []string{"is away", "--datastore-timeout"}},
		"NoDatabase":   {"A file of something else is found before any try", "sqlite://" + text, []string{"is not a SQLite database", text}},
		"BelowFile":    {"A directory that cannot be made", "sqlite://" + text + "/x.db", []string{"directory of the database"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			e, err := ParseEndpoint(tc.raw, "")
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			store, err := Start(t.Context(), Config{Endpoint: e, Socket: filepath.Join(t.TempDir(), "s"), Timeout: time.Second})
			if err == nil {
				store.Close()
				t.Fatalf("%s: got no error", tc.reason)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("%s: it took %s", tc.reason, took)
			}
			for _, part := range append(tc.want, FlagEndpoint, e.String()) {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%s: error %q does not say %q", tc.reason, err, part)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("error %q tells the password", err)
			}
		})
	}
}

// A stop that is asked for while a datastore is waited for is obeyed at once.
func TestStartStopped(t *testing.T) {
	e, err := ParseEndpoint("postgres://u@"+closedAddress(t)+"/x", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Start(ctx, Config{Endpoint: e, Socket: filepath.Join(t.TempDir(), "s"), Timeout: time.Hour})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func start(t *testing.T, cfg Config) *Datastore {
	t.Helper()
	store, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func etcd(t *testing.T, store *Datastore) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: store.Servers, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// put creates a key as the API server does; kine takes no other form.
func put(t *testing.T, store *Datastore, key, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	resp, err := etcd(t, store).Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, value)).Commit()
	if err != nil || !resp.Succeeded {
		t.Fatalf("creating %s: %v, %v", key, resp, err)
	}
}

func get(t *testing.T, store *Datastore, key string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	resp, err := etcd(t, store).Get(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	if len(resp.Kvs) == 0 {
		return ""
	}
	return string(resp.Kvs[0].Value)
}

func startEtcdServer(t *testing.T) string {
	t.Helper()
	local := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	cfg := embed.NewConfig()
	cfg.Dir = t.TempDir()
	cfg.LogLevel = "fatal"
	cfg.ListenClientUrls, cfg.ListenPeerUrls = []url.URL{local}, []url.URL{local}
	server, err := embed.StartEtcd(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	select {
	case <-server.Server.ReadyNotify():
	case err := <-server.Err():
		t.Fatal(err)
	}
	return "http://" + server.Clients[0].Addr().String()
}

// closedAddress is a local address on which nobody listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
