package framework

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func clientTrusting(t *testing.T, ca []byte) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("no certificate in the authority's PEM")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

func TestParseUsage(t *testing.T) {
	stat := []byte("42 (a )b) c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 7 7 20 0 9 0 100 1000 200\n")
	status := "Name:\ta\nVmHWM:\t   2048 kB\nVmRSS:\t   1024 kB\n"
	got, err := parseUsage(stat, status)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Usage{CPU: 3 * time.Second, Memory: 1 << 20, Peak: 2 << 20}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := parseUsage([]byte("42 (a) S 1"), status); err == nil {
		t.Error("a stat that is cut short is no error")
	}
}

func TestUsageOfAProcess(t *testing.T) {
	process, err := Start(Program{Name: "sleep", Path: "/bin/sleep", Args: []string{"60"}, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	usage, err := process.Usage()
	if err != nil || usage.Memory == 0 || usage.Peak < usage.Memory {
		t.Errorf("got %+v, %v; pid %d of %d", usage, err, process.PID(), os.Getpid())
	}
	if err := process.Kill(); err != nil {
		t.Error(err)
	}
}

func TestParseMetrics(t *testing.T) {
	metrics, err := parseMetrics([]byte(`# HELP a_total A.
a_total{verb="GET",path="a\"b,c}"} 3
a_total{verb="LIST",path=""} 4.5 1700000000
b 1e+06
`))
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		reason string
		name   string
		labels map[string]string
		want   float64
	}{
		"All":   {reason: "Without labels all samples of the name count.", name: "a_total", want: 7.5},
		"Label": {reason: "A label chooses, and escapes are undone.", name: "a_total", labels: map[string]string{"path": `a"b,c}`}, want: 3},
		"Plain": {reason: "A sample needs no labels.", name: "b", want: 1e6},
		"None":  {reason: "What is not there is nothing.", name: "c"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := metrics.Sum(tc.name, tc.labels); got != tc.want {
				t.Errorf("%s: got %v, want %v", tc.reason, got, tc.want)
			}
		})
	}
	for _, bad := range []string{"a", `a{b="c`, "a x"} {
		if _, err := parseMetrics([]byte(bad)); err == nil {
			t.Errorf("%q is no error", bad)
		}
	}
}

func TestFederatedObject(t *testing.T) {
	f := Federated{
		Version: "v1beta1", Kind: "FederatedConfigMap", Namespace: "acme", Name: "pay", Placement: []string{"a"}, Mask: []string{},
		Template:  map[string]any{"data": map[string]any{"k": "v"}},
		Overrides: map[string][]any{"a": {map[string]any{"path": "/data/k", "value": "w"}}},
	}
	spec := func(list, override, patches string) map[string]any {
		return map[string]any{
			"placement":     map[string]any{list: []any{map[string]any{"name": "a"}}},
			"placementMask": map[string]any{list: []any{}},
			"template":      map[string]any{"data": map[string]any{"k": "v"}},
			"overrides":     []any{map[string]any{override: "a", patches: f.Overrides["a"]}},
		}
	}
	if diff := cmp.Diff(spec("clusters", "clusterName", "clusterOverrides"), f.Object().Object["spec"]); diff != "" {
		t.Errorf("v1beta1 names clusters (-want +got)\n%s", diff)
	}
	f.Version, f.Cells = "v2beta1", true
	want := spec("topologies", "topologyName", "topologyOverrides")
	want["topologyType"] = "cell"
	if diff := cmp.Diff(want, f.Object().Object["spec"]); diff != "" {
		t.Errorf("v2beta1 names topologies (-want +got)\n%s", diff)
	}
}

func TestObserver(t *testing.T) {
	cp := RunControlPlane(t, Options{})
	cluster := &Cluster{ControlPlane: cp}
	var err error
	if cluster.Client, err = cluster.newClient(); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	observer, err := cluster.Observe(ctx, corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	if err != nil {
		t.Fatal(err)
	}
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Namespace: "default", Name: "pay", Labels: map[string]string{RevisionLabel: "1"},
	}}
	sight := func(revision string) Sight { return Sight{Namespace: "default", Name: "pay", Revision: revision} }
	for _, step := range []struct {
		revision string
		do       func() error
	}{
		{"1", func() error { return cluster.Client.Create(ctx, object) }},
		{"2", func() error { object.Labels[RevisionLabel] = "2"; return cluster.Client.Update(ctx, object) }},
		{"", func() error { return cluster.Client.Delete(ctx, object) }},
	} {
		before := time.Now()
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		seen, err := observer.Wait(ctx, sight(step.revision), sight("1"))
		if err != nil {
			t.Fatal(err)
		}
		if at := seen[sight(step.revision)]; at.Before(before) {
			t.Errorf("revision %q was seen at %s, before it was written at %s", step.revision, at, before)
		}
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := observer.Wait(short, sight("3")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a wait for what never comes: got %v, want its deadline", err)
	}
	observer.Close()
	if _, err := observer.Wait(ctx, sight("3")); err == nil {
		t.Error("a wait on an observer that was closed is no error")
	}
}
