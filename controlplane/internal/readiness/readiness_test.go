package readiness

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/cellfed/cellfed/controlplane/internal/datadir"
)

// The kubeconfig appears, the server answers that it is not ready, and then that it is.
func TestWaitDataDir(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(server.Close)
	dir := datadir.Dir(t.TempDir())
	done := make(chan error, 1)
	go func() { done <- WaitDataDir(t.Context(), dir, 30*time.Second) }()
	writeKubeconfig(t, dir, server)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := asked.Load(); got != 3 {
		t.Errorf("the server was asked %d times, want 3: a 500 is not ready, a 200 is", got)
	}
}

func TestWaitDataDirFails(t *testing.T) {
	never := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
	}))
	t.Cleanup(never.Close)
	cases := map[string]struct {
		reason string
		server *httptest.Server
		// timeout is long enough for one answer.
		timeout time.Duration
		want    string
	}{
		"NoKubeconfig": {"No API server was ever started there", nil, 100 * time.Millisecond, "no such file"},
		"NotReady":     {"The server answers and is not ready", never, 3 * time.Second, "an error on the server"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := datadir.Dir(t.TempDir())
			if tc.server != nil {
				writeKubeconfig(t, dir, tc.server)
			}
			err := WaitDataDir(t.Context(), dir, tc.timeout)
			if err == nil {
				t.Fatalf("%s: got no error", tc.reason)
			}
			for _, part := range []string{"--data-dir", string(dir), "--wait-timeout", "controlplane apiserver", tc.want} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%s: error %q does not say %q", tc.reason, err, part)
				}
			}
		})
	}
}

func TestWaitDataDirStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := WaitDataDir(ctx, datadir.Dir(t.TempDir()), time.Hour); err != nil {
		t.Errorf("a stop that was asked for is no error, got %v", err)
	}
}

func writeKubeconfig(t *testing.T, dir datadir.Dir, server *httptest.Server) {
	t.Helper()
	config := clientcmdapi.NewConfig()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	config.Clusters["c"] = &clientcmdapi.Cluster{Server: server.URL, CertificateAuthorityData: ca}
	config.Contexts["c"] = &clientcmdapi.Context{Cluster: "c"}
	config.CurrentContext = "c"
	data, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(string(dir), "tmp")
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, dir.AdminKubeconfig()); err != nil {
		t.Fatal(err)
	}
}
