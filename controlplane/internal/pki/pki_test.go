package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

var (
	now      = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	sans     = []string{"127.0.0.1", "localhost", "kubernetes.default.svc"}
	allNames = []string{"ca", "front-proxy-ca", "apiserver", "admin", "controller-manager", "scheduler", "front-proxy-client", "sa"}
	allLeafs = []string{"apiserver", "admin", "controller-manager", "scheduler", "front-proxy-client"}
)

func TestEnsure(t *testing.T) {
	cases := map[string]struct {
		reason string
		// change happens to the directory between two calls.
		change func(t *testing.T, dir string)
		second Config
		want   []string
	}{
		"Reuse": {
			reason: "What is good is used again",
			second: Config{SANs: sans, Now: now.Add(24 * time.Hour)},
		},
		"SANsInAnotherOrder": {
			reason: "The order of the names says nothing",
			second: Config{SANs: []string{"kubernetes.default.svc", "localhost", "127.0.0.1", "localhost"}, Now: now},
		},
		"SANAdded": {
			reason: "Only the serving certificate holds the names",
			second: Config{SANs: append([]string{"10.0.0.1"}, sans...), Now: now},
			want:   []string{"apiserver"},
		},
		"SANRemoved": {
			reason: "A name that is no longer wanted is not vouched for",
			second: Config{SANs: sans[:2], Now: now},
			want:   []string{"apiserver"},
		},
		"LeavesNearTheirEnd": {
			reason: "Certificates are renewed before they end, authorities and the service-account key stay",
			second: Config{SANs: sans, Now: now.Add(leafLifetime - leafRenew + time.Hour)},
			want:   allLeafs,
		},
		"LeavesExpired": {
			reason: "A server that was off for long starts with new certificates",
			second: Config{SANs: sans, Now: now.Add(leafLifetime + time.Hour)},
			want:   allLeafs,
		},
		"AuthoritiesNearTheirEnd": {
			reason: "Authorities are renewed long before they end",
			second: Config{SANs: sans, Now: now.Add(caLifetime - caRenew + time.Hour)},
			want:   append([]string{"ca", "front-proxy-ca"}, allLeafs...),
		},
		"ClockSetBack": {
			reason: "A certificate from the future is good for nobody",
			second: Config{SANs: sans, Now: now.Add(-time.Hour)},
			want:   append([]string{"ca", "front-proxy-ca"}, allLeafs...),
		},
		"LeafKeyMissing": {
			reason: "A certificate without its key is made anew",
			change: func(t *testing.T, dir string) { remove(t, dir, "admin.key") },
			second: Config{SANs: sans, Now: now},
			want:   []string{"admin"},
		},
		"LeafBroken": {
			reason: "A certificate that cannot be read is made anew",
			change: func(t *testing.T, dir string) { write(t, dir, "scheduler.crt", "nonsense") },
			second: Config{SANs: sans, Now: now},
			want:   []string{"scheduler"},
		},
		"LeafOfAnotherClient": {
			reason: "A certificate that says somebody else is made anew",
			change: func(t *testing.T, dir string) {
				for _, ext := range []string{".crt", ".key"} {
					write(t, dir, "scheduler"+ext, read(t, dir, "admin"+ext))
				}
			},
			second: Config{SANs: sans, Now: now},
			want:   []string{"scheduler"},
		},
		"AuthorityReplaced": {
			reason: "What another authority signed is made anew",
			change: func(t *testing.T, dir string) { remove(t, dir, "ca.crt"); remove(t, dir, "ca.key") },
			second: Config{SANs: sans, Now: now},
			want:   []string{"ca", "apiserver", "admin", "controller-manager", "scheduler"},
		},
		"AuthorityCertificateLost": {
			reason: "The key is what counts: its certificate is signed anew and the others stay good",
			change: func(t *testing.T, dir string) { remove(t, dir, "ca.crt") },
			second: Config{SANs: sans, Now: now},
			want:   []string{"ca"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			first, err := Ensure(Config{Dir: dir, SANs: sans, Now: now})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(allNames, first.Renewed, sorted); diff != "" {
				t.Fatalf("first call made (-want +got):\n%s", diff)
			}
			saKey := read(t, dir, "sa.key")
			if tc.change != nil {
				tc.change(t, dir)
			}
			tc.second.Dir = dir
			second, err := Ensure(tc.second)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, second.Renewed, sorted, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: second call made (-want +got):\n%s", tc.reason, diff)
			}
			if read(t, dir, "sa.key") != saKey {
				t.Error("the service-account key changed: every token ends with it")
			}
			checkFiles(t, second, tc.second)
		})
	}
}

// checkFiles asserts that every certificate is signed by its authority and in force, and that every
// file is for its owner only.
func checkFiles(t *testing.T, f *Files, cfg Config) {
	t.Helper()
	authorities := map[string]string{"front-proxy-client": f.FrontProxyCACert()}
	for _, name := range allLeafs {
		ca := f.CACert()
		if other, ok := authorities[name]; ok {
			ca = other
		}
		if err := verify(f.path(name, "crt"), ca, cfg.Now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	entries, err := os.ReadDir(f.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := 2 * len(allNames); len(entries) != want {
		t.Errorf("got %d files, want %d", len(entries), want)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s, want 0600", entry.Name(), info.Mode())
		}
	}
}

func verify(certFile, caFile string, at time.Time) error {
	cert, err := readCert(certFile)
	if err != nil {
		return err
	}
	ca, err := readCert(caFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	_, err = cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err
}

// A kubeconfig that somebody copied away goes on working when the authority is renewed.
func TestRenewedAuthorityKeepsTrust(t *testing.T) {
	dir := t.TempDir()
	if _, err := Ensure(Config{Dir: dir, SANs: sans, Now: now}); err != nil {
		t.Fatal(err)
	}
	oldCA := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(oldCA, []byte(read(t, dir, "ca.crt")), 0o600); err != nil {
		t.Fatal(err)
	}
	later := now.Add(caLifetime - caRenew + time.Hour)
	files, err := Ensure(Config{Dir: dir, SANs: sans, Now: later})
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(files.ServingCert(), oldCA, later); err != nil {
		t.Errorf("the new serving certificate is not trusted by a client of before: %v", err)
	}
}

func TestEnsureRefuses(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(t *testing.T, dir string)
	}{
		"AuthorityKeyMissing":   {"A new authority would shut out all clients", func(t *testing.T, dir string) { remove(t, dir, "ca.key") }},
		"AuthorityKeyBroken":    {"A broken key is not replaced behind the owner's back", func(t *testing.T, dir string) { write(t, dir, "ca.key", "nonsense") }},
		"AuthorityCertBroken":   {"A broken certificate is not replaced behind the owner's back", func(t *testing.T, dir string) { write(t, dir, "front-proxy-ca.crt", "nonsense") }},
		"AuthorityMismatch":     {"A key that does not belong to the certificate signs nothing that is trusted", func(t *testing.T, dir string) { write(t, dir, "ca.key", read(t, dir, "front-proxy-ca.key")) }},
		"ServiceAccountKeyLost": {"A broken key is not replaced: all tokens would end", func(t *testing.T, dir string) { write(t, dir, "sa.key", "nonsense") }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := Ensure(Config{Dir: dir, SANs: sans, Now: now}); err != nil {
				t.Fatal(err)
			}
			tc.change(t, dir)
			before := snapshot(t, dir)
			if _, err := Ensure(Config{Dir: dir, SANs: sans, Now: now}); err == nil {
				t.Fatalf("%s: got no error", tc.reason)
			}
			if diff := cmp.Diff(before, snapshot(t, dir)); diff != "" {
				t.Errorf("%s: files changed (-before +after):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestKubeconfig(t *testing.T) {
	for _, embed := range []bool{true, false} {
		dir := t.TempDir()
		files, err := Ensure(Config{Dir: dir, SANs: sans, Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		server := clientCertServer(t, files)
		path := filepath.Join(t.TempDir(), "kubeconfig")
		if err := files.WriteKubeconfig(path, ControllerManager, server, embed); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("kubeconfig: got %v, %v, want mode 0600", info.Mode(), err)
		}
		if embed {
			// Nothing of the directory is needed by who copied the file away.
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
		config, err := clientcmd.BuildConfigFromFlags("", path)
		if err != nil {
			t.Fatal(err)
		}
		client, err := rest.HTTPClientFor(config)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Get(config.Host)
		if err != nil {
			t.Fatalf("embed %t: %v", embed, err)
		}
		user, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if got, want := string(user), "system:kube-controller-manager"; got != want {
			t.Errorf("embed %t: the server sees user %q, want %q", embed, got, want)
		}
	}
}

// clientCertServer serves with the serving certificate and answers with the client's name.
func clientCertServer(t *testing.T, files *Files) string {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(files.ServingCert(), files.ServingKey())
	if err != nil {
		t.Fatal(err)
	}
	ca, err := readCert(files.CACert())
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AddCert(ca)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

var sorted = cmpopts.SortSlices(func(a, b string) bool { return a < b })

func read(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, dir, name, data string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, entry := range entries {
		files[entry.Name()] = read(t, dir, entry.Name())
	}
	return files
}
