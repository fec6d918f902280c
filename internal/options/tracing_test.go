package options_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/cellfed/cellfed/internal/options"
)

func TestValidateTracing(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		reason string
		given  options.TracingOptions
		want   []string // the flag, its value and the way out
	}{
		"Off":        {reason: "without an endpoint the rest does not matter", given: options.TracingOptions{SamplingRate: 7, CAFile: "/nowhere"}},
		"On":         {reason: "an endpoint is enough", given: options.TracingOptions{Endpoint: "collector:4317", SamplingRate: 1}},
		"Nothing":    {reason: "a rate of 0 leaves it to the API server", given: options.TracingOptions{Endpoint: "collector:4317"}},
		"Scheme":     {reason: "it is not a URL", given: options.TracingOptions{Endpoint: "https://collector:4317"}, want: []string{"--tracing-endpoint", "https://collector:4317", "without a scheme"}},
		"NoPort":     {reason: "a port must be known", given: options.TracingOptions{Endpoint: "collector"}, want: []string{"--tracing-endpoint", "collector", "host:port"}},
		"NoHost":     {reason: "nothing collects here", given: options.TracingOptions{Endpoint: ":4317"}, want: []string{"--tracing-endpoint", ":4317", "host:port"}},
		"TooMuch":    {reason: "it is a share", given: options.TracingOptions{Endpoint: "collector:4317", SamplingRate: 100}, want: []string{"--tracing-sampling-rate", "100", "from 0 to 1"}},
		"Negative":   {reason: "it is a share", given: options.TracingOptions{Endpoint: "collector:4317", SamplingRate: -1}, want: []string{"--tracing-sampling-rate", "-1"}},
		"NotANumber": {reason: "flags can say so", given: options.TracingOptions{Endpoint: "collector:4317", SamplingRate: math.NaN()}, want: []string{"--tracing-sampling-rate", "NaN"}},
		"NoCA":       {reason: "the file is named", given: options.TracingOptions{Endpoint: "collector:4317", CAFile: "/nowhere"}, want: []string{"--tracing-ca-file", "/nowhere", "system's CAs"}},
		"EmptyCA":    {reason: "it would trust nobody", given: options.TracingOptions{Endpoint: "collector:4317", CAFile: empty}, want: []string{"--tracing-ca-file", empty, "no certificate"}},
		"Both":       {reason: "people would think that it is checked", given: options.TracingOptions{Endpoint: "collector:4317", CAFile: empty, Insecure: true}, want: []string{"--tracing-ca-file", empty, "--tracing-insecure"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := options.Default()
			o.CertDir, o.Tracing = certDir(t), tc.given
			errs := o.Validate()
			if (len(errs) > 0) != (len(tc.want) > 0) || len(errs) > 1 {
				t.Fatalf("%s\ngot errors %v", tc.reason, errs)
			}
			for _, part := range tc.want {
				if !strings.Contains(errs[0].Error(), part) {
					t.Errorf("%s\nerror %q does not name %q", tc.reason, errs[0], part)
				}
			}
		})
	}
}

func TestTracingFlags(t *testing.T) {
	o := options.Default()
	fs := pflag.NewFlagSet("manager", pflag.ContinueOnError)
	o.AddFlags(fs)
	if o.Tracing.Endpoint != "" {
		t.Errorf("traces go to %q without anybody having said so", o.Tracing.Endpoint)
	}
	if err := fs.Parse([]string{"--tracing-endpoint=c:4317", "--tracing-sampling-rate=0.25", "--tracing-insecure", "--tracing-ca-file=ca.crt"}); err != nil {
		t.Fatal(err)
	}
	want := options.TracingOptions{Endpoint: "c:4317", SamplingRate: 0.25, Insecure: true, CAFile: "ca.crt"}
	if diff := cmp.Diff(want, o.Tracing); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
