package options_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/cellfed/cellfed/internal/options"
)

func TestValidateCertificates(t *testing.T) {
	dir := certDir(t)
	cases := map[string]struct {
		reason string
		change func(*options.Options)
		want   []string // what the error must name
	}{
		"Defaults": {reason: "The manager makes its own and needs no files.", change: func(o *options.Options) { o.CertDir = "/nowhere" }},
		"Files": {reason: "Files need nothing of what is for the manager's own.",
			change: func(o *options.Options) {
				o.Certificates = options.CertificateOptions{Mode: options.CertificatesFiles}
				o.CertDir = dir
			}},
		"NoFiles": {reason: "A directory without certificates is named, and the other way.",
			change: func(o *options.Options) { o.Certificates.Mode, o.CertDir = options.CertificatesFiles, "/nowhere" },
			want:   []string{"--cert-dir", "/nowhere", "--certificates=SelfManaged"}},
		"Mode": {reason: "There are two ways.",
			change: func(o *options.Options) { o.Certificates.Mode = "files" }, want: []string{"--certificates", `"files"`, "Files", "SelfManaged"}},
		"Secret": {reason: "A Secret's name holds no slash.",
			change: func(o *options.Options) { o.Certificates.Secret = "a/b" }, want: []string{"--certificate-secret", "a/b"}},
		"Names": {reason: "A certificate is for a host, whatever the port.",
			change: func(o *options.Options) { o.Certificates.Names = []string{"a.b:443"} }, want: []string{"--certificate-names", "a.b:443"}},
		"NoNames": {reason: "What the URLs and the Service name is enough.",
			change: func(o *options.Options) { o.Certificates.Names = nil }},
		"Lifetime": {reason: "A certificate must live long enough to be renewed.",
			change: func(o *options.Options) { o.Certificates.Lifetime = time.Second }, want: []string{"--certificate-lifetime", "1s"}},
		"Authority": {reason: "A CA ends after what it issued.",
			change: func(o *options.Options) { o.Certificates.AuthorityLifetime = time.Hour }, want: []string{"--certificate-authority-lifetime", "1h0m0s", "2160h"}},
		"SettleLong": {reason: "A successor must have settled before the CA ends.",
			change: func(o *options.Options) { o.Certificates.SettlePeriod = 9000 * time.Hour }, want: []string{"--certificate-settle-period", "9000h0m0s", "2920h"}},
		"SettleNone": {reason: "A client needs a moment.",
			change: func(o *options.Options) { o.Certificates.SettlePeriod = 0 }, want: []string{"--certificate-settle-period", "0s"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := options.Default()
			o.Certificates = options.DefaultCertificates()
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

func TestCertificateNames(t *testing.T) {
	cases := map[string]struct {
		reason string
		args   []string
		want   []string
	}{
		"Defaults": {reason: "The three Services, with and without the cluster's domain.", want: []string{
			"cellfed-facade.kube-federation-system.svc", "cellfed-facade.kube-federation-system.svc.cluster.local",
			"cellfed-metrics.kube-federation-system.svc", "cellfed-metrics.kube-federation-system.svc.cluster.local",
			"cellfed-webhook.kube-federation-system.svc", "cellfed-webhook.kube-federation-system.svc.cluster.local",
		}},
		"URLs": {reason: "Clients come by what they were told.",
			args: []string{"--webhook-url=https://127.0.0.1:9443", "--facade-url=https://Gateway.acme:9444/x", "--certificate-names=::1,m.n.svc", "--webhook-service="},
			want: []string{"127.0.0.1", "::1", "gateway.acme", "m.n.svc", "m.n.svc.cluster.local"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := options.Default()
			fs := pflag.NewFlagSet("manager", pflag.ContinueOnError)
			o.AddFlags(fs)
			if err := fs.Parse(tc.args); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, o.CertificateNames()); diff != "" {
				t.Errorf("%s\n-want +got:\n%s", tc.reason, diff)
			}
		})
	}
}
