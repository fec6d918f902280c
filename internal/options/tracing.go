package options

import (
	"crypto/x509"
	"os"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// TracingOptions are the flags about traces.
type TracingOptions struct {
	// Endpoint is the host:port of the collector, which speaks OTLP over gRPC. Empty turns tracing off.
	Endpoint string
	// SamplingRate is the share of traces that is recorded.
	SamplingRate float64
	// Insecure sends traces without TLS.
	Insecure bool
	// CAFile holds the CAs that the collector's certificate is checked against. Empty means the system's.
	CAFile string
}

// DefaultTracing returns the options that hold when no flag is given.
func DefaultTracing() TracingOptions { return TracingOptions{SamplingRate: 1} }

func (o *Options) addTracingFlags(fs *pflag.FlagSet) {
	t := &o.Tracing
	fs.StringVar(&t.Endpoint, "tracing-endpoint", t.Endpoint, "The host:port of an OpenTelemetry collector that traces are sent to by OTLP over gRPC; nothing turns traces off.")
	fs.Float64Var(&t.SamplingRate, "tracing-sampling-rate", t.SamplingRate, "The share of writes that is traced, from 0 to 1. Every replica chooses the same writes. What belongs to a request that an API server traces follows the API server instead.")
	fs.BoolVar(&t.Insecure, "tracing-insecure", t.Insecure, "Send traces without TLS.")
	fs.StringVar(&t.CAFile, "tracing-ca-file", t.CAFile, "A file, in PEM, with the CAs of the collector's certificate, read at the start (default the system's CAs).")
}

// validateTracing returns what is wrong with where traces go. Nothing else is looked at where they go nowhere.
func (o *Options) validateTracing(flag func(name string) *field.Path) field.ErrorList {
	t := &o.Tracing
	if t.Endpoint == "" {
		return nil
	}
	var errs field.ErrorList
	if host, port, err := SplitHostPort(t.Endpoint); err != nil || host == "" || port == 0 {
		errs = append(errs, field.Invalid(flag("tracing-endpoint"), t.Endpoint, "give host:port without a scheme, such as otel-collector.monitoring.svc:4317, or nothing for no traces"))
	}
	if !(t.SamplingRate >= 0 && t.SamplingRate <= 1) { // NaN is neither.
		errs = append(errs, field.Invalid(flag("tracing-sampling-rate"), t.SamplingRate, "give a number from 0 to 1, such as 0.1 for a tenth"))
	}
	if t.CAFile == "" {
		return errs
	}
	data, err := os.ReadFile(t.CAFile)
	switch {
	case t.Insecure:
		errs = append(errs, field.Invalid(flag("tracing-ca-file"), t.CAFile, "nothing is checked without TLS: leave it out, or leave out --tracing-insecure"))
	case err != nil:
		errs = append(errs, field.Invalid(flag("tracing-ca-file"), t.CAFile, err.Error()+": give a readable file, or nothing for the system's CAs"))
	case !x509.NewCertPool().AppendCertsFromPEM(data):
		errs = append(errs, field.Invalid(flag("tracing-ca-file"), t.CAFile, "it holds no certificate in PEM: give one that does, or nothing for the system's CAs"))
	}
	return errs
}
