package framework

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"k8s.io/client-go/rest"
)

// Sample is one line of metrics in Prometheus' text format.
type Sample struct {
	Name   string
	Labels map[string]string
	Value  float64
}

// Metrics are the samples that a process shows at one moment.
type Metrics []Sample

// Sum adds up the samples of a name that carry all of the labels.
func (m Metrics) Sum(name string, labels map[string]string) float64 {
	sum := 0.0
next:
	for _, sample := range m {
		if sample.Name != name {
			continue
		}
		for key, value := range labels {
			if sample.Labels[key] != value {
				continue next
			}
		}
		sum += sample.Value
	}
	return sum
}

// parseMetrics reads Prometheus' text format.
func parseMetrics(data []byte) (Metrics, error) {
	var all Metrics
	scanner := bufio.NewScanner(bytes.NewReader(data))
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		line := scanner.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		sample, err := parseSample(line)
		if err != nil {
			return nil, fmt.Errorf("parse the metric %q: %w", line, err)
		}
		all = append(all, sample)
	}
	return all, scanner.Err()
}

func parseSample(line string) (Sample, error) {
	end := strings.IndexAny(line, "{ ")
	if end < 0 {
		return Sample{}, fmt.Errorf("it has no value")
	}
	sample, rest := Sample{Name: line[:end], Labels: map[string]string{}}, line[end:]
	if rest[0] == '{' {
		rest = rest[1:]
		for !strings.HasPrefix(rest, "}") {
			key, after, ok := strings.Cut(rest, "=")
			if !ok {
				return sample, fmt.Errorf("a label has no value")
			}
			quoted, err := strconv.QuotedPrefix(after)
			if err != nil {
				return sample, fmt.Errorf("the label %s: %w", key, err)
			}
			if sample.Labels[key], err = strconv.Unquote(quoted); err != nil {
				return sample, fmt.Errorf("the label %s: %w", key, err)
			}
			rest = strings.TrimPrefix(after[len(quoted):], ",")
		}
		rest = rest[1:]
	}
	// A time may follow the value.
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return sample, fmt.Errorf("it has no value")
	}
	var err error
	sample.Value, err = strconv.ParseFloat(fields[0], 64)
	return sample, err
}

// Metrics reads the API server's metrics.
func (c *ControlPlane) Metrics(ctx context.Context) (Metrics, error) {
	config, err := c.Config()
	if err != nil {
		return nil, err
	}
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make a client of %s: %w", c.Name, err)
	}
	defer httpClient.CloseIdleConnections()
	return readMetrics(ctx, httpClient, config.Host+"/metrics")
}

// ServeMetrics lets the manager serve its metrics without TLS, from its next start on.
func (c *Cellfed) ServeMetrics() error {
	if c.metrics != "" {
		return nil
	}
	port, err := FreePort()
	if err != nil {
		return err
	}
	c.metrics = fmt.Sprintf("127.0.0.1:%d", port)
	return nil
}

// Metrics reads the manager's metrics, which ServeMetrics must have asked for.
func (c *Cellfed) Metrics(ctx context.Context) (Metrics, error) {
	if c.metrics == "" {
		return nil, fmt.Errorf("read the manager's metrics: they are not served: call ServeMetrics before Start")
	}
	return readMetrics(ctx, http.DefaultClient, "http://"+c.metrics+"/metrics")
}

// Conversions returns how often the API server has had objects of a CRD converted by its webhook since its start.
func (c *ControlPlane) Conversions(ctx context.Context, crd string) (int, error) {
	metrics, err := c.Metrics(ctx)
	return int(metrics.Sum("apiserver_crd_conversion_webhook_duration_seconds_count", map[string]string{"crd_name": crd})), err
}

func readMetrics(ctx context.Context, httpClient *http.Client, url string) (Metrics, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := httpClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read the metrics of %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read the metrics of %s: %s: %.500s", url, response.Status, data)
	}
	return parseMetrics(data)
}
