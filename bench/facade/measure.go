package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tidwall/gjson"
	"golang.org/x/sync/errgroup"
)

// options are what is measured, and with what.
type options struct {
	controlplane                            string
	objects, size, requests, lists, watches int
}

// run measures and prints a table.
func run(ctx context.Context, o options) error {
	progress("booting an API server")
	b, err := newBed(ctx, o.controlplane)
	if err != nil {
		b.Close()
		return err
	}
	defer b.Close()
	progress(fmt.Sprintf("creating %d objects", o.objects))
	if err := populate(ctx, b, o); err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	row := func(what, direct, through, ratio string) {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", what, direct, through, ratio)
	}
	row("", "direct", "through the façade", "ratio")
	for _, m := range []struct {
		name string
		do   func(context.Context, *way, int) error
	}{{"get", getOne}, {fmt.Sprintf("update, %d bytes", o.size), o.updateOne}} {
		progress("measuring " + m.name)
		direct, through, err := latencies(ctx, b, o.requests, m.do)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		for _, q := range []struct {
			name string
			at   float64
		}{{"p50", 0.5}, {"p99", 0.99}} {
			d, t := quantile(direct, q.at), quantile(through, q.at)
			row(m.name+", "+q.name, millis(d), millis(t), fmt.Sprintf("%.2f", t.Seconds()/d.Seconds()))
		}
	}
	progress("measuring lists")
	direct, through, err := throughputs(ctx, b, o.lists)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	row(fmt.Sprintf("list of %d", o.objects), fmt.Sprintf("%.0f MB/s", direct), fmt.Sprintf("%.0f MB/s", through), fmt.Sprintf("%.2f", through/direct))
	progress("measuring watches")
	each, err := idleWatches(ctx, b, o.watches)
	if err != nil {
		return fmt.Errorf("watches: %w", err)
	}
	row(fmt.Sprintf("%d idle watches", o.watches), "", fmt.Sprintf("%.1f MB, %.0f kB each", each*float64(o.watches)/1e6, each/1e3), "")
	return table.Flush()
}

func progress(what string) { fmt.Fprintln(os.Stderr, what) }

func millis(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1e3) }

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(int(float64(len(sorted))*q), len(sorted)-1)]
}

func objectsPath(w *way) string { return "/api/v1/namespaces/" + w.namespace + "/configmaps" }

func object(w *way, name, labels, version, data string) string {
	return fmt.Sprintf(`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":%q,"namespace":%q,"labels":{%s}%s},"data":{"value":%q}}`,
		name, w.namespace, labels, version, data)
}

// populate creates the objects through the façade, so that they are the cell's.
func populate(ctx context.Context, b *bed, o options) error {
	if _, err := b.facade.read(ctx, http.MethodPost, "/api/v1/namespaces",
		fmt.Sprintf(`{"metadata":{"name":%q}}`, namespace)); err != nil {
		return err
	}
	data := strings.Repeat("x", o.size)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i := range o.objects {
		group.Go(func() error {
			_, err := b.facade.read(ctx, http.MethodPost, objectsPath(b.facade), object(b.facade, fmt.Sprint("object-", i), `"app":"bench"`, "", data))
			return err
		})
	}
	return group.Wait()
}

func getOne(ctx context.Context, w *way, _ int) error {
	_, err := w.read(ctx, http.MethodGet, objectsPath(w)+"/object-0", "")
	return err
}

// versions are the resourceVersions of the objects that are updated, by way.
var versions = map[string]string{}

// updateOne updates an object, which is another on either way, at the version that is known, as controllers do.
func (o options) updateOne(ctx context.Context, w *way, i int) error {
	name, labels := "object-1", `"kubefed.io/managed":"true"`
	if w.name == "direct" {
		name, labels = "object-2", `"cellfed.io/managed":"true","cellfed.io/namespace":"`+namespace+`","cellfed.io/cell":"`+cell+`"`
	}
	version := ""
	if known := versions[w.name]; known != "" {
		version = fmt.Sprintf(`,"resourceVersion":%q`, known)
	}
	answer, err := w.read(ctx, http.MethodPut, objectsPath(w)+"/"+name,
		object(w, name, labels, version, fmt.Sprintf("%0*d", o.size, i)))
	versions[w.name] = gjson.GetBytes(answer, "metadata.resourceVersion").Str
	return err
}

// latencies measures on both ways in turn, after a tenth of it to warm up. The results are sorted.
func latencies(ctx context.Context, b *bed, n int, do func(context.Context, *way, int) error) (direct, through []time.Duration, err error) {
	for i := range n + n/10 {
		for _, w := range []*way{b.direct, b.facade} {
			start := time.Now()
			if err := do(ctx, w, i); err != nil {
				return nil, nil, err
			}
			took := time.Since(start)
			switch {
			case i < n/10:
			case w == b.direct:
				direct = append(direct, took)
			default:
				through = append(through, took)
			}
		}
	}
	slices.Sort(direct)
	slices.Sort(through)
	return direct, through, nil
}

// throughputs returns the median MB/s of lists of all objects on both ways.
func throughputs(ctx context.Context, b *bed, n int) (direct, through float64, err error) {
	results := map[*way][]float64{}
	for i := range n + 1 {
		for _, w := range []*way{b.direct, b.facade} {
			start := time.Now()
			resp, err := w.do(ctx, http.MethodGet, objectsPath(w), "")
			if err != nil {
				return 0, 0, err
			}
			size, err := io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if err != nil {
				return 0, 0, fmt.Errorf("%s: %w", w.name, err)
			}
			if resp.StatusCode != http.StatusOK {
				return 0, 0, fmt.Errorf("%s: status %d", w.name, resp.StatusCode)
			}
			if i > 0 {
				results[w] = append(results[w], float64(size)/1e6/time.Since(start).Seconds())
			}
		}
	}
	for _, r := range results {
		slices.Sort(r)
	}
	return results[b.direct][n/2], results[b.facade][n/2], nil
}

// idleWatches returns the bytes that the façade takes for each of n watches in which nothing happens.
func idleWatches(ctx context.Context, b *bed, n int) (float64, error) {
	before, err := b.memory()
	if err != nil {
		return 0, err
	}
	version := versions[b.facade.name]
	for range n {
		resp, err := b.facade.do(ctx, http.MethodGet, objectsPath(b.facade)+
			"?watch=1&labelSelector=kubefed.io%2Fmanaged%3Dtrue&resourceVersion="+version, "")
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close() //nolint:errcheck // Nothing comes.
		if resp.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("status %d", resp.StatusCode)
		}
	}
	after, err := b.memory()
	return float64(int64(after)-int64(before)) / float64(n), err
}
