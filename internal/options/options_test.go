package options_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/cellfed/cellfed/internal/defaulting"
	"github.com/cellfed/cellfed/internal/options"
	"github.com/cellfed/cellfed/internal/validation"
)

func certDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"tls.crt", "tls.key", "ca.crt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestValidate(t *testing.T) {
	dir := certDir(t)
	cases := map[string]struct {
		reason string
		change func(*options.Options)
		want   []string // the flag and the value that the error must name
	}{
		"Defaults": {reason: "The defaults are valid once certificates are there.", change: func(*options.Options) {}},
		"MetricsOff": {reason: "0 turns metrics off and is not an address.",
			change: func(o *options.Options) { o.MetricsAddress = "0" }},
		"BadAddress": {reason: "An address without a port cannot be served.",
			change: func(o *options.Options) { o.FacadeAddress = "localhost" }, want: []string{"--facade-bind-address", "localhost"}},
		"BadPort": {reason: "A port beyond 65535 does not exist.",
			change: func(o *options.Options) { o.WebhookAddress = ":70000" }, want: []string{"--webhook-bind-address", ":70000"}},
		"NoPort": {reason: "A port that nobody knows is of no use.",
			change: func(o *options.Options) { o.WebhookAddress = ":0" }, want: []string{"--webhook-bind-address", ":0"}},
		"LeaderNamespace": {reason: "A namespace holds no dot.",
			change: func(o *options.Options) { o.LeaderElectionNamespace = "a.b" }, want: []string{"--leader-election-namespace", "a.b"}},
		"PlainFacade": {reason: "A façade token must not travel in the clear.",
			change: func(o *options.Options) { o.FacadeURL = "http://a:1" }, want: []string{"--facade-url", "http://a:1"}},
		"PlainWebhook": {reason: "The API server refuses webhooks without TLS.",
			change: func(o *options.Options) { o.WebhookURL = "http://a:1" }, want: []string{"--webhook-url", "http://a:1"}},
		"NoService": {reason: "Without a URL the Service must be whole.",
			change: func(o *options.Options) { o.WebhookService = "webhook" }, want: []string{"--webhook-service", "webhook"}},
		"ServiceUnused": {reason: "With a URL the Service does not matter.",
			change: func(o *options.Options) { o.WebhookService = ""; o.WebhookURL = "https://127.0.0.1:1" }},
		"BadServicePort": {reason: "The port of a Service is a number.",
			change: func(o *options.Options) { o.WebhookService = "a/b:https" }, want: []string{"--webhook-service", "https"}},
		"NegativeLifetime": {reason: "A token that never lives is of no use.",
			change: func(o *options.Options) { o.FacadeTokenLifetime = -time.Second }, want: []string{"--facade-token-lifetime", "-1s"}},
		"Namespace": {reason: "A namespace holds no dot.",
			change: func(o *options.Options) { o.KubeFedNamespace = "a.b" }, want: []string{"--kubefed-namespace", "a.b"}},
		"DefaultMask": {reason: "A namespace can leave the mask to the manager, which must know what to do.",
			change: func(o *options.Options) { o.DefaultPlacementMask = "None" }, want: []string{"--default-placement-mask", "None", "keep"}},
		"TenantChange": {reason: "What becomes of a change of tenants is one of two things.",
			change: func(o *options.Options) { o.TenantChange = "warn" }, want: []string{"--tenant-change", "warn", "Refuse"}},
		"NoCertificates": {reason: "A directory without certificates is named.",
			change: func(o *options.Options) { o.Certificates.Mode, o.CertDir = options.CertificatesFiles, "/nowhere" }, want: []string{"--cert-dir", "/nowhere"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := options.Default()
			o.CertDir = dir
			tc.change(&o)
			err := o.Validate().ToAggregate()
			if (err != nil) != (len(tc.want) > 0) {
				t.Fatalf("%s\ngot error %v", tc.reason, err)
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%s\nerror %q does not name %q", tc.reason, err, part)
				}
			}
		})
	}
}

func TestFlags(t *testing.T) {
	o := options.Default()
	fs := pflag.NewFlagSet("manager", pflag.ContinueOnError)
	o.AddFlags(fs)
	if err := fs.Parse([]string{"--webhook-service=ns/name:8443", "--facade-token-grace=1m", "--leader-elect",
		"--default-placement-mask=none", "--tenant-change=Warn"}); err != nil {
		t.Fatal(err)
	}
	service, err := o.Service()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(options.Service{Namespace: "ns", Name: "name", Port: 8443}, service); diff != "" {
		t.Errorf("--webhook-service: -want +got:\n%s", diff)
	}
	if o.FacadeTokenGrace != time.Minute || !o.LeaderElect ||
		o.DefaultPlacementMask != defaulting.MaskNone || o.TenantChange != validation.WarnTenantChange {
		t.Errorf("flags were not taken: %+v", o)
	}
}
