package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const widgets = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {size: {type: integer}}}}
`

const widget = `
apiVersion: example.com/v1
kind: Widget
metadata: {name: w, namespace: default}
size: 3
`

// What was written is there after a restart, under the same authority, and nobody else gets at the
// directory or the port meanwhile.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s := startServer(t, dir, "--port", "0")
	checkPermissions(t, dir)
	s.kubectl(t, "create", "configmap", "c", "--from-literal=k=v")
	s.apply(t, widgets)
	s.kubectl(t, "wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=30s")
	s.apply(t, widget)
	if got := s.kubectl(t, "version"); strings.Count(got, "v1.37.2") != 2 {
		t.Errorf("kubectl version says %q, want v1.37.2 for client and server", got)
	}

	t.Run("SecondServer", func(t *testing.T) {
		_, errOut, code := run(t, "controlplane", "apiserver", "--data-dir", dir, "--port", "0")
		wantFailure(t, code, errOut, "--data-dir", dir, "in use", fmt.Sprintf("process %d", s.Process.Pid))
	})
	t.Run("PortTaken", func(t *testing.T) {
		_, port, err := net.SplitHostPort(strings.TrimPrefix(s.url, "https://"))
		if err != nil {
			t.Fatal(err)
		}
		other := filepath.Join(t.TempDir(), "data")
		_, errOut, code := run(t, "controlplane", "apiserver", "--data-dir", other, "--port", port)
		wantFailure(t, code, errOut, "--port "+port, "taken", "--port 0")
		if _, err := os.Stat(filepath.Join(other, "pki")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("certificates were made for a server that cannot start (%v)", err)
		}
	})
	t.Run("Kubectl", func(t *testing.T) { checkKubectl(t, s) })

	ca := read(t, filepath.Join(dir, "pki", "ca.crt"))
	s.stop(t)
	s = startServer(t, dir, "--port", "0")
	if got := s.kubectl(t, "get", "configmap", "c", "-o", "jsonpath={.data.k}"); got != "v" {
		t.Errorf("after the restart the ConfigMap holds %q, want v", got)
	}
	if got := s.kubectl(t, "get", "widget", "w", "-o", "jsonpath={.size}"); got != "3" {
		t.Errorf("after the restart the Widget's size is %q, want 3", got)
	}
	if read(t, filepath.Join(dir, "pki", "ca.crt")) != ca {
		t.Error("the restart replaced the authority: every client loses trust")
	}
	s.stop(t)
	if got := s.err.String(); got != "" {
		t.Errorf("a start and a stop with nothing wrong wrote to standard error:\n%s", got)
	}
}

// checkKubectl checks exit codes, which scripts rely on.
func checkKubectl(t *testing.T, s *server) {
	if _, errOut, code := s.tryKubectl(t, "get", "configmap", "nope"); code != 1 || !strings.Contains(errOut, "NotFound") {
		t.Errorf("kubectl get of nothing: code %d, %q, want 1 and NotFound", code, errOut)
	}
	if _, errOut, code := s.tryKubectl(t, "frobnicate"); code != 1 || !strings.Contains(errOut, "unknown command") {
		t.Errorf("kubectl frobnicate: code %d, %q, want 1 and unknown command", code, errOut)
	}
	kubeconfig := filepath.Join(s.dir, "kubeconfig")
	out, errOut, code := run(t, "controlplane", "kubectl", "--kubeconfig", kubeconfig, "get", "namespace", "default", "-o", "name")
	if code != 0 || out != "namespace/default\n" {
		t.Errorf("controlplane kubectl: code %d, %q, %q, want the namespace", code, out, errOut)
	}
}

// The first 200 of /readyz, to a client without credentials, finds everything that a client may need.
func TestReadinessMeansReady(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, "controlplane", "apiserver", "--data-dir", dir, "--port", "0")
	var client *kubernetes.Clientset
	eventually(t, startTimeout, "kubeconfig", func() (err error) {
		client, err = clientFor(filepath.Join(dir, "kubeconfig"), false)
		return err
	})
	anonymous, err := clientFor(filepath.Join(dir, "kubeconfig"), true)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, startTimeout, "/readyz", func() error {
		return anonymous.Discovery().RESTClient().Get().AbsPath("/readyz").Do(t.Context()).Error()
	})
	ctx := t.Context()
	for _, name := range []string{"default", "kube-system", "kube-public"} {
		if _, err := client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{}); err != nil {
			t.Errorf("namespace %s: %v", name, err)
		}
	}
	for _, name := range []string{"cluster-admin", "view", "system:kube-controller-manager", "system:kube-scheduler"} {
		if _, err := client.RbacV1().ClusterRoles().Get(ctx, name, metav1.GetOptions{}); err != nil {
			t.Errorf("cluster role %s: %v", name, err)
		}
		if strings.HasPrefix(name, "system:") {
			if _, err := client.RbacV1().ClusterRoleBindings().Get(ctx, name, metav1.GetOptions{}); err != nil {
				t.Errorf("cluster role binding %s: %v", name, err)
			}
		}
	}
	if _, err := client.Discovery().ServerResourcesForGroupVersion("apiextensions.k8s.io/v1"); err != nil {
		t.Errorf("custom resource definitions are not in discovery: %v", err)
	}
	// Access is by role: nobody may do what no role lets him.
	if _, err := anonymous.CoreV1().Secrets("kube-system").List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("listing Secrets without credentials: got %v, want forbidden", err)
	}
	(&server{process: p}).stop(t)
}

// A signal during the start is a stop like any other.
func TestStopWhileStarting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, "controlplane", "apiserver", "--data-dir", dir, "--port", "0")
	eventually(t, startTimeout, "datastore", func() error {
		_, err := os.Stat(filepath.Join(dir, "kine.sock"))
		return err
	})
	p.stop(t)
	if got := p.out.String(); strings.Contains(got, "ready") {
		t.Errorf("a server that stops said that it is ready:\n%s", got)
	}
}

// A stop does not wait for clients that watch.
func TestStopWithWatch(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), "--port", "0")
	client, err := clientFor(filepath.Join(s.dir, "kubeconfig"), false)
	if err != nil {
		t.Fatal(err)
	}
	watch, err := client.CoreV1().ConfigMaps("").Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	began := time.Now()
	s.stop(t)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the stop took %s beside one watch, want some seconds", took)
	}
	for range watch.ResultChan() {
		// Drained: a client sees the end of its watch.
	}
}

// A request that does not end holds up the stop for --stop-timeout, or until a second signal.
func TestStopBounded(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason  string
		timeout string
		signals int
		want    string
	}{
		"Timeout":      {"The bound that the user gave, and what it is called", "3s", 1, "--stop-timeout"},
		"SecondSignal": {"A user who insists is not kept waiting", "1h", 2, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, t.TempDir(), "--port", "0", "--stop-timeout", tc.timeout)
			hangingRequest(t, s)
			for i := range tc.signals {
				if err := s.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				if i == 0 {
					eventually(t, stopTimeout, "the stop begins", func() error {
						if !strings.Contains(s.out.String(), "API server stopping") {
							return errors.New("nothing said yet")
						}
						return nil
					})
				}
			}
			select {
			case <-s.done:
			case <-time.After(stopTimeout):
				t.Fatalf("%s: the server still runs after %s", tc.reason, stopTimeout)
			}
			if code := s.ProcessState.ExitCode(); code != 1 {
				t.Errorf("%s: exit code %d, want 1", tc.reason, code)
			}
			if got := s.err.String(); !strings.Contains(got, tc.want) {
				t.Errorf("%s: the error does not say %q:\n%s", tc.reason, tc.want, got)
			}
		})
	}
}

// hangingRequest leaves a request in the server whose body never comes.
func hangingRequest(t *testing.T, s *server) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(s.dir, "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{})
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(asked) }})
	body, writer := io.Pipe()
	t.Cleanup(func() { _ = writer.Close() })
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/api/v1/namespaces/default/configmaps", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Expect", "100-continue")
	go func() {
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	select {
	case <-asked:
	case <-time.After(startTimeout):
		t.Fatal("the server did not ask for the body")
	}
}

// Workloads move, deleted things go, and Pods find their node.
func TestControllersAndScheduler(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// Both are started first: they wait for the server.
	controllers := start(t, "controlplane", "controller-manager", "--data-dir", dir)
	scheduler := start(t, "controlplane", "scheduler", "--data-dir", dir)
	s := startServer(t, dir, "--port", "0")
	s.apply(t, `
apiVersion: v1
kind: Node
metadata: {name: node-1}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: default, namespace: default}
---
apiVersion: v1
kind: Pod
metadata: {name: alone, namespace: default}
spec: {containers: [{name: c, image: none}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    # Pods on a node are deleted by its kubelet, of which there is none.
    spec: {schedulerName: nobody, containers: [{name: c, image: none}]}
`)
	// No kubelet reports, so that what keeps Pods away from a new node stays: take it off by hand.
	s.kubectl(t, "taint", "node", "node-1", "node.kubernetes.io/not-ready-")
	s.kubectl(t, "patch", "node", "node-1", "--subresource=status", "--type=merge",
		"-p", `{"status":{"allocatable":{"cpu":"4","memory":"8Gi","pods":"10"}}}`)
	eventually(t, startTimeout, "Pods of the Deployment", func() error {
		return wantOutput(t, s, "2", "get", "replicasets", "-l", "app=web", "-o", "jsonpath={.items[*].status.replicas}")
	})
	eventually(t, startTimeout, "Pod on the node", func() error {
		return wantOutput(t, s, "node-1", "get", "pod", "alone", "-o", "jsonpath={.spec.nodeName}")
	})
	s.kubectl(t, "delete", "deployment", "web", "--cascade=foreground", "--timeout=60s")
	if err := wantOutput(t, s, "", "get", "replicasets,pods", "-l", "app=web", "-o", "name"); err != nil {
		t.Errorf("after a foreground deletion: %v", err)
	}
	s.kubectl(t, "create", "namespace", "gone")
	eventually(t, startTimeout, "service account", func() error {
		return wantOutput(t, s, "serviceaccount/default\n", "get", "-n", "gone", "serviceaccount", "default", "-o", "name", "--ignore-not-found")
	})
	if token := s.kubectl(t, "create", "token", "default", "-n", "gone"); strings.Count(token, ".") != 2 {
		t.Errorf("a service account's token is %q, want a JWT", token)
	}
	s.kubectl(t, "delete", "namespace", "gone", "--timeout=60s")
	scheduler.stop(t)
	controllers.stop(t)
	s.stop(t)
}

// kube-apiserver's own flags arrive.
func TestExtraFlags(t *testing.T) {
	t.Parallel()
	tokens := filepath.Join(t.TempDir(), "tokens.csv")
	if err := os.WriteFile(tokens, []byte("t0ken,someone,1,system:masters\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, t.TempDir(), "--port", "0", "--tls-san", "api.example.com", "--", "--token-auth-file="+tokens)
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(s.dir, "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	config.CertData, config.KeyData, config.BearerToken = nil, nil, "t0ken"
	config.ServerName = "api.example.com"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().Secrets("").List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("with the token, under the extra name: %v", err)
	}
	s.stop(t)
}

func TestErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const dir = "DIR" // stands for a directory of the row's own
	server := func(args ...string) []string {
		return append([]string{"apiserver", "--data-dir", dir, "--port", "0"}, args...)
	}
	cases := map[string]struct {
		reason string
		args   []string
		want   []string
	}{
		"NoDataDir":         {"The data directory has no default", []string{"apiserver"}, []string{"--data-dir"}},
		"DataDirIsFile":     {"A file is no directory", []string{"apiserver", "--data-dir", file}, []string{"--data-dir", file}},
		"Port":              {"A number that is no port", server("--port", "70000"), []string{"--port 70000", "65535"}},
		"BindAddress":       {"A name is no address", server("--bind-address", "localhost"), []string{"--bind-address", "localhost", "127.0.0.1"}},
		"ForeignAddress":    {"An address of another machine (TEST-NET-1)", server("--bind-address", "192.0.2.1"), []string{"--bind-address", "192.0.2.1"}},
		"SAN":               {"A URL is no name", server("--tls-san", "https://a:1"), []string{"--tls-san", "https://a:1"}},
		"ServiceRange":      {"An address is no range", server("--service-cluster-ip-range", "10.0.0.1"), []string{"--service-cluster-ip-range", "10.0.0.1"}},
		"SmallServiceRange": {"Too few addresses", server("--service-cluster-ip-range", "10.0.0.0/30"), []string{"--service-cluster-ip-range", "10.0.0.0/30"}},
		"Endpoint":          {"Not an endpoint", server("--datastore-endpoint", "etcd:2379"), []string{"--datastore-endpoint", "etcd:2379", "sqlite://"}},
		"EndpointAway":      {"A datastore that is away", server("--datastore-timeout", "1s", "--datastore-endpoint", "http://"+closedAddress(t)), []string{"--datastore-endpoint", "is away", "--datastore-timeout"}},
		"HalfCertificate":   {"A certificate needs its key", server("--datastore-cert-file", "x"), []string{"--datastore-cert-file", "--datastore-key-file"}},
		"Timeout":           {"No bound", server("--stop-timeout", "0"), []string{"--stop-timeout"}},
		"Argument":          {"An argument without the dashes before it", server("--", "x"), []string{"x", "--name=value"}},
		"ArgumentBefore":    {"An argument that nobody asked for", server("x"), []string{"x", "--"}},
		"UnknownExtra":      {"A flag that kube-apiserver does not have", server("--", "--nope"), []string{"--nope", "kube-apiserver"}},
		"OwnedExtra":        {"A flag that would contradict another", server("--", "--etcd-servers=http://a:1"), []string{"--etcd-servers", "--datastore-endpoint"}},
		"Controllers":       {"A controller that does not exist", []string{"controller-manager", "--data-dir", dir, "--controllers", "default,nope"}, []string{"--controllers", "nope", "deployment-controller"}},
		"NoServer":          {"Nobody started a server", []string{"controller-manager", "--data-dir", dir, "--wait-timeout", "1s"}, []string{"--data-dir", "--wait-timeout", "controlplane apiserver"}},
		"NoServerSchedule":  {"Nobody started a server", []string{"scheduler", "--data-dir", dir, "--wait-timeout", "1s"}, []string{"--data-dir", "--wait-timeout", "controlplane apiserver"}},
		"Command":           {"No such command", []string{"frobnicate"}, []string{"frobnicate"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{"controlplane"}
			for _, arg := range tc.args {
				if arg == dir {
					arg = t.TempDir()
				}
				args = append(args, arg)
			}
			_, errOut, code := run(t, args...)
			wantFailure(t, code, errOut, tc.want...)
		})
	}
}

func TestVersion(t *testing.T) {
	out, errOut, code := run(t, "controlplane", "version")
	if code != 0 || !strings.HasPrefix(out, "Kubernetes v1.37.2\nkine v") {
		t.Errorf("version: code %d, %q, %q", code, out, errOut)
	}
}

func wantFailure(t *testing.T, code int, stderr string, parts ...string) {
	t.Helper()
	if code != 1 {
		t.Errorf("exit code is %d, want 1", code)
	}
	for _, part := range append(parts, "Error: ") {
		if !strings.Contains(stderr, part) {
			t.Errorf("the error does not say %q:\n%s", part, stderr)
		}
	}
}

func wantOutput(t *testing.T, s *server, want string, args ...string) error {
	t.Helper()
	if out, errOut, code := s.tryKubectl(t, args...); code != 0 || out != want {
		return fmt.Errorf("kubectl %s: code %d, %q, %q, want %q", strings.Join(args, " "), code, out, errOut, want)
	}
	return nil
}

// checkPermissions asserts that nobody but the owner reads what is in the data directory.
func checkPermissions(t *testing.T, dir string) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s: others get at it", path, info.Mode())
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// clientFor returns a client of a kubeconfig, without its credentials if anonymous.
func clientFor(kubeconfig string, anonymous bool) (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	if anonymous {
		config.CertData, config.KeyData = nil, nil
	}
	return kubernetes.NewForConfig(config)
}

// closedAddress is a local address on which nobody listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
