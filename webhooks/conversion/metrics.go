package conversion

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// result is how a request ended, for the metrics.
type result string

const (
	// resultSuccess is a review whose objects were all converted.
	resultSuccess result = "success"
	// resultFailure is a review that was answered as failed.
	resultFailure result = "failure"
	// resultRejected is a request that was no review that could be answered.
	resultRejected result = "rejected"
)

// reason is why a request failed or was rejected, for the metrics.
type reason string

// Reasons to reject a request.
const (
	reasonMethod      reason = "method"
	reasonContentType reason = "content_type"
	reasonTooLarge    reason = "too_large"
	reasonBusy        reason = "busy"
	reasonBody        reason = "body"
	reasonNotJSON     reason = "not_json"
	reasonNotReview   reason = "not_a_review"
	reasonNoRequest   reason = "no_request"
	reasonNoUID       reason = "no_uid"
)

// Reasons to answer a review as failed.
const (
	reasonVersion  reason = "desired_version"
	reasonObjects  reason = "objects"
	reasonObject   reason = "object"
	reasonPanic    reason = "panic"
	reasonCanceled reason = "canceled"
)

// unknownVersion stands, in the metrics, for every version that there is not.
const unknownVersion = "unknown"

var (
	requestsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cellfed_conversion_requests_total",
		Help: "Conversion requests, by the version asked for and the result: success, failure (a review answered as failed) or rejected (no review that could be answered).",
	}, []string{"to", "result"})

	objectsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cellfed_conversion_objects_total",
		Help: "Objects in conversion requests that succeeded, by the version asked for.",
	}, []string{"to"})

	failuresTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cellfed_conversion_failures_total",
		Help: "Conversion requests that failed or were rejected, by reason.",
	}, []string{"reason"})

	durationSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:                            "cellfed_conversion_duration_seconds",
		Help:                            "How long conversion requests took, from the first byte of the body to the last of the answer, by the version asked for.",
		Buckets:                         []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30},
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  100,
		NativeHistogramMinResetDuration: time.Hour,
	}, []string{"to"})
)

func init() {
	metrics.Registry.MustRegister(requestsTotal, objectsTotal, failuresTotal, durationSeconds)
}
