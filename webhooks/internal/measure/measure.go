// Package measure tells how long admission takes.
package measure

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

var durationSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
	Name:                            "cellfed_admission_duration_seconds",
	Help:                            "How long it took to decide about a write, from the request as it was read to the answer, by webhook, operation and whether the write was allowed.",
	Buckets:                         []float64{0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
	NativeHistogramBucketFactor:     1.1,
	NativeHistogramMaxBucketNumber:  100,
	NativeHistogramMinResetDuration: time.Hour,
}, []string{"webhook", "operation", "allowed"})

func init() { metrics.Registry.MustRegister(durationSeconds) }

// Handler measures a handler. The webhook is told by the path that it is served at.
func Handler(path string, handler admission.Handler) admission.Handler {
	webhook := strings.TrimPrefix(path, "/")
	return admission.HandlerFunc(func(ctx context.Context, request admission.Request) (response admission.Response) {
		start := time.Now()
		defer func() {
			durationSeconds.WithLabelValues(webhook, string(request.Operation), strconv.FormatBool(response.Allowed)).
				Observe(time.Since(start).Seconds())
		}()
		return handler.Handle(ctx, request)
	})
}
