// Command list measures what a list of federated objects costs through a real API server in the stored version and
// in the version that is converted, in one run: go run ./bench/list
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/e2e/framework"
)

const namespace = "bench"

func main() {
	count := flag.Int("objects", 5000, "how many federated ConfigMaps are listed")
	rounds := flag.Int("rounds", 9, "how often each list is measured; the median is reported")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *count, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench/list:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, count, rounds int) (err error) {
	dir, err := os.MkdirTemp("", "cellfed-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	fmt.Println("starting an API server and cellfed's manager")
	host, err := framework.StartCluster(ctx, framework.Options{
		Name: "host", Dir: dir, Controllers: framework.MemberControllers,
		// So that a list of an exact version is read from the datastore, as every list is before the watch cache is filled.
		ExtraArgs: []string{"--feature-gates=ListFromCacheSnapshot=false"},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Stop(context.Background())) }()
	if _, err := framework.InstallKubeFed(ctx, host); err != nil {
		return err
	}
	cellfed, err := framework.InstallCellfed(ctx, host)
	if err != nil {
		return err
	}
	if err := cellfed.Start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cellfed.Stop(context.Background())) }()
	if err := cellfed.WaitForVersions(ctx, time.Minute, true); err != nil {
		return err
	}
	if err := host.CreateNamespace(ctx, namespace, nil); err != nil {
		return err
	}
	fmt.Printf("creating %d federated ConfigMaps that place three cells\n", count)
	if err := create(ctx, host, count); err != nil {
		return err
	}
	return measure(ctx, host, count, rounds)
}

func create(ctx context.Context, host *framework.Cluster, count int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i := range count {
		group.Go(func() error { return host.Client.Create(ctx, object(i)) })
	}
	return group.Wait()
}

func object(i int) *unstructured.Unstructured {
	cells := []any{}
	for _, cell := range []string{"rz00a", "rz00b", "rz01a"} {
		cells = append(cells, map[string]any{"name": namespace + "." + cell})
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "types.kubefed.io/v1beta1",
		"kind":       "FederatedConfigMap",
		"metadata":   map[string]any{"name": fmt.Sprintf("object-%05d", i), "namespace": namespace},
		"spec": map[string]any{
			"topologyType": "cell",
			"placement":    map[string]any{"clusters": cells},
			"template":     map[string]any{"data": map[string]any{"key": strings.Repeat("x", 1024)}},
			"overrides": []any{map[string]any{
				"clusterName":      namespace + ".rz01a",
				"clusterOverrides": []any{map[string]any{"path": "/data/key", "value": "y"}},
			}},
		},
	}}
}

func measure(ctx context.Context, host *framework.Cluster, count, rounds int) error {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "LIST OF %d\tV1BETA1 (STORED)\tV2BETA1 (CONVERTED)\tRATIO\tMB V1BETA1\tMB V2BETA1\n", count)
	now := &metav1.PartialObjectMetadataList{}
	now.SetGroupVersionKind(schema.GroupVersionKind{Group: "types.kubefed.io", Version: "v1beta1", Kind: "FederatedConfigMapList"})
	if err := host.Client.List(ctx, now, client.InNamespace(namespace), client.Limit(1)); err != nil {
		return err
	}
	// By what the request says of the version of the data that it wants.
	for _, kind := range []struct{ name, query string }{
		{"cold, from the datastore", "?resourceVersionMatch=Exact&resourceVersion=" + now.ResourceVersion},
		{"from the watch cache", "?resourceVersion=0"},
	} {
		stored, converted, bytes, err := pair(ctx, host, kind.query, rounds)
		if err != nil {
			return err
		}
		row(out, kind.name, stored, converted, bytes)
	}
	return out.Flush()
}

// pair measures both versions in turn, so that noise of the machine meets both, and returns the medians.
func pair(ctx context.Context, host *framework.Cluster, query string, rounds int) (stored, converted time.Duration, bytes [2]int64, err error) {
	var times [2][]time.Duration
	for range rounds {
		for i, version := range []string{"v1beta1", "v2beta1"} {
			took, n, err := list(ctx, host, version, query)
			if err != nil {
				return 0, 0, bytes, err
			}
			times[i], bytes[i] = append(times[i], took), n
		}
	}
	for i := range times {
		slices.Sort(times[i])
	}
	return times[0][rounds/2], times[1][rounds/2], bytes, nil
}

func row(out io.Writer, name string, stored, converted time.Duration, bytes [2]int64) {
	fmt.Fprintf(out, "%s\t%d ms\t%d ms\t%.2f\t%.1f\t%.1f\n", name, stored.Milliseconds(), converted.Milliseconds(),
		float64(converted)/float64(stored), float64(bytes[0])/1e6, float64(bytes[1])/1e6)
}

// list reads a whole list without decoding it.
func list(ctx context.Context, host *framework.Cluster, version, query string) (time.Duration, int64, error) {
	config, err := host.Config()
	if err != nil {
		return 0, 0, err
	}
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return 0, 0, err
	}
	defer httpClient.CloseIdleConnections()
	url := fmt.Sprintf("%s/apis/types.kubefed.io/%s/namespaces/%s/federatedconfigmaps%s", config.Host, version, namespace, query)
	start := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, 0, err
	}
	request.Header.Set("Accept", "application/json")
	// Compression would cost both the same and hide what differs.
	request.Header.Set("Accept-Encoding", "identity")
	response, err := httpClient.Do(request)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = response.Body.Close() }()
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil {
		return 0, 0, err
	}
	if response.StatusCode != http.StatusOK {
		return 0, 0, fmt.Errorf("list %s: %s", url, response.Status)
	}
	return time.Since(start), n, nil
}
