package facade

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the façade. Their labels are verbs, status codes and physical clusters.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	watches  *prometheus.GaugeVec

	mu   sync.Mutex
	open map[string]int
}

func newMetrics() *metrics {
	return &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cellfed_facade_requests_total",
			Help: "Requests to façades of cells, by verb and status code.",
		}, []string{"verb", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            "cellfed_facade_request_duration_seconds",
			Help:                            "How long requests to façades of cells took, watches excepted.",
			Buckets:                         []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"verb"}),
		watches: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cellfed_facade_watches",
			Help: "Watches and other streams that are open through façades of cells, by physical cluster.",
		}, []string{"cluster"}),
		open: map[string]int{},
	}
}

func (m *metrics) register(r prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.watches} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

func (m *metrics) observe(verb string, code int, took time.Duration) {
	m.requests.WithLabelValues(verb, strconv.Itoa(code)).Inc()
	if verb != "watch" {
		m.duration.WithLabelValues(verb).Observe(took.Seconds())
	}
}

// watching counts a watch as open until the function that it returns is called. A cluster without watches has no series.
func (m *metrics) watching(cluster string) func() {
	m.count(cluster, 1)
	return sync.OnceFunc(func() { m.count(cluster, -1) })
}

func (m *metrics) count(cluster string, change int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open[cluster] += change
	if m.open[cluster] == 0 {
		delete(m.open, cluster)
		m.watches.DeleteLabelValues(cluster)
		return
	}
	m.watches.WithLabelValues(cluster).Set(float64(m.open[cluster]))
}
