package member

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	healthyDesc = prometheus.NewDesc("cellfed_member_healthy",
		"Whether a member can be used, as the manager's own connection to it has it: 1 or 0, by physical cluster. The leader alone has it.",
		[]string{"cluster"}, nil)
	unreadDesc = prometheus.NewDesc("cellfed_member_unread_types",
		"Types of which it is not known what a member holds, because its objects were not listed yet or cannot be, by physical cluster. The leader alone has it.",
		[]string{"cluster"}, nil)
)

// metrics count requests to members. Those of a member that is gone are gone with it.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec

	// mu keeps an answer that comes after its member was forgotten from bringing its series back.
	mu    sync.RWMutex
	known map[string]bool
}

func newMetrics() *metrics {
	return &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cellfed_member_requests_total",
			Help: "Requests that the manager's controllers sent to members, by physical cluster, verb (get, list, watch, create, update, patch, delete or probe) and class of the status code: 2xx to 5xx, or none where no answer came. Requests through façades are not among them.",
		}, []string{"cluster", "verb", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            "cellfed_member_request_duration_seconds",
			Help:                            "How long members take until they begin to answer a request of the manager's controllers, or until it is given up, by physical cluster and verb.",
			Buckets:                         []float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"cluster", "verb"}),
		known: map[string]bool{},
	}
}

// join lets the requests to a member be counted, and forget ends that.
func (m *metrics) join(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[name] = true
}

func (m *metrics) forget(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, name)
	m.requests.DeletePartialMatch(prometheus.Labels{"cluster": name})
	m.duration.DeletePartialMatch(prometheus.Labels{"cluster": name})
}

// answered counts a request that began then.
func (m *metrics) answered(name string, req *http.Request, resp *http.Response, began time.Time) {
	code := "none"
	if resp != nil {
		code = strconv.Itoa(resp.StatusCode/100) + "xx"
	}
	verb := verbOf(req)
	m.mu.RLock()
	defer m.mu.RUnlock()
	if !m.known[name] {
		return
	}
	m.requests.WithLabelValues(name, verb, code).Inc()
	m.duration.WithLabelValues(name, verb).Observe(time.Since(began).Seconds())
}

// verbOf names a request as an API server's authorization would.
func verbOf(req *http.Request) string {
	switch path := req.URL.Path; {
	case path == "/readyz" || path == "/healthz":
		return "probe"
	case req.URL.Query().Get("watch") != "":
		return "watch"
	case req.Method == http.MethodGet && (req.URL.Query().Has("labelSelector") || req.URL.Query().Has("limit")):
		return "list"
	}
	switch req.Method {
	case http.MethodGet:
		return "get"
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		return "delete"
	}
	return "other"
}

// counted counts what goes through a connection.
type counted struct {
	*connection
	metrics *metrics
}

// RoundTrip implements http.RoundTripper.
func (c counted) RoundTrip(req *http.Request) (*http.Response, error) {
	began := time.Now()
	resp, err := c.connection.RoundTrip(req)
	c.metrics.answered(c.member.Name(), req, resp, began)
	return resp, err
}

// Collector returns the metrics of the members that are registered.
func (c *Clusters) Collector() prometheus.Collector { return collector{c} }

type collector struct{ clusters *Clusters }

// Describe implements prometheus.Collector.
func (c collector) Describe(descs chan<- *prometheus.Desc) {
	c.clusters.metrics.requests.Describe(descs)
	c.clusters.metrics.duration.Describe(descs)
	descs <- healthyDesc
	descs <- unreadDesc
}

// Collect implements prometheus.Collector.
func (c collector) Collect(samples chan<- prometheus.Metric) {
	c.clusters.metrics.requests.Collect(samples)
	c.clusters.metrics.duration.Collect(samples)
	for _, name := range c.clusters.Members() {
		m := c.clusters.member(name)
		if m == nil {
			continue // It has just gone.
		}
		usable := 0.0
		if ok, _ := m.healthy(); ok {
			usable = 1
		}
		samples <- prometheus.MustNewConstMetric(healthyDesc, prometheus.GaugeValue, usable, name)
		samples <- prometheus.MustNewConstMetric(unreadDesc, prometheus.GaugeValue, float64(m.unread()), name)
	}
}

// unread counts the targets whose objects are not known.
func (c *cluster) unread() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	n := 0
	for _, w := range c.watching {
		if !w.store.known() {
			n++
		}
	}
	return n
}
