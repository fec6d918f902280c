package federatedtype

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/federated"
)

// answering returns a webhook that converts as it should, except for what edit does to its answer.
func answering(t *testing.T, edit func(*apiextensionsv1.ConversionResponse)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var review apiextensionsv1.ConversionReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			t.Errorf("the probe is no ConversionReview: %v", err)
			return
		}
		converted, err := federated.Convert(review.Request.Objects[0].Raw, federated.V2Beta1)
		if err != nil {
			t.Errorf("the probe cannot be converted: %v", err)
			return
		}
		review.Response = &apiextensionsv1.ConversionResponse{
			UID:              review.Request.UID,
			ConvertedObjects: []runtime.RawExtension{{Raw: converted}},
			Result:           metav1.Status{Status: metav1.StatusSuccess},
		}
		review.Request = nil
		edit(review.Response)
		if err := json.NewEncoder(w).Encode(review); err != nil {
			t.Error(err)
		}
	}
}

func TestHTTPSProber(t *testing.T) {
	theirs, err := framework.NewCertificates(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		reason  string
		handler http.HandlerFunc
		config  func(*apiextensionsv1.WebhookClientConfig)
		want    string // what the error says; "" for none
	}{
		"Good": {
			reason:  "A webhook that converts is good.",
			handler: answering(t, func(*apiextensionsv1.ConversionResponse) {}),
		},
		"Down": {
			reason: "Nobody listens.",
			config: func(c *apiextensionsv1.WebhookClientConfig) { c.URL = new("https://127.0.0.1:1/convert") },
			want:   "https://127.0.0.1:1/convert did not answer as it should: connection refused",
		},
		"OtherCA": {
			reason:  "The API server would not trust it.",
			handler: answering(t, func(*apiextensionsv1.ConversionResponse) {}),
			config:  func(c *apiextensionsv1.WebhookClientConfig) { c.CABundle = theirs.CA() },
			want:    "not signed by the CA bundle",
		},
		"OtherHost": {
			reason:  "The certificate must be for the name that the API server uses.",
			handler: answering(t, func(*apiextensionsv1.ConversionResponse) {}),
			config: func(c *apiextensionsv1.WebhookClientConfig) {
				c.URL = new(strings.Replace(*c.URL, "127.0.0.1", "127.0.0.2", 1))
			},
			want: "127.0.0.2",
		},
		"NoHost": {
			reason: "A Service that does not exist has no name in the DNS.",
			config: func(c *apiextensionsv1.WebhookClientConfig) {
				c.URL, c.Service = nil, &apiextensionsv1.ServiceReference{Namespace: "nowhere", Name: "nothing"}
			},
			want: "the host nothing.nowhere.svc cannot be resolved",
		},
		"NoCA": {
			reason: "Without a CA bundle the API server would trust whom its host trusts.",
			config: func(c *apiextensionsv1.WebhookClientConfig) { c.CABundle = nil },
			want:   "holds no certificate",
		},
		"NotFound": {
			reason:  "Something else listens there.",
			handler: http.NotFound,
			want:    "status 404",
		},
		"Redirect": {
			reason: "The API server follows no redirects.",
			handler: func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
			},
			want: "status 307",
		},
		"NotAReview": {
			reason:  "Something else listens there and is polite.",
			handler: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) },
			want:    "something else than a ConversionReview",
		},
		"OtherUID": {
			reason:  "The API server refuses the answer to another request.",
			handler: answering(t, func(r *apiextensionsv1.ConversionResponse) { r.UID = "other" }),
			want:    "another request",
		},
		"Failure": {
			reason: "It says itself that it fails.",
			handler: answering(t, func(r *apiextensionsv1.ConversionResponse) {
				r.Result = metav1.Status{Status: metav1.StatusFailure, Message: "no such version"}
			}),
			want: "no such version",
		},
		"NothingConverted": {
			reason:  "An object must not be lost.",
			handler: answering(t, func(r *apiextensionsv1.ConversionResponse) { r.ConvertedObjects = nil }),
			want:    "one object into 0",
		},
		"NotConverted": {
			reason: "The API server refuses an object of the wrong version.",
			handler: answering(t, func(r *apiextensionsv1.ConversionResponse) {
				r.ConvertedObjects[0].Raw = []byte(`{"apiVersion":"types.kubefed.io/v1beta1"}`)
			}),
			want: "types.kubefed.io/v1beta1",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			ours, err := framework.NewCertificates(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			config := apiextensionsv1.WebhookClientConfig{CABundle: ours.CA()}
			if tc.handler != nil {
				config.URL = new(serve(t, ours, tc.handler).URL + "/convert")
			}
			if tc.config != nil {
				if config.URL == nil {
					config.URL = new("https://127.0.0.1:1/convert")
				}
				tc.config(&config)
			}
			first := HTTPSProber{}.Probe(t.Context(), config, "FederatedOdd")
			if tc.want == "" {
				if first != nil {
					t.Errorf("%s\ngot error %v", tc.reason, first)
				}
				return
			}
			if first == nil || !strings.Contains(first.Error(), tc.want) {
				t.Fatalf("%s\ngot error %v, want one that says %q", tc.reason, first, tc.want)
			}
			if second := (HTTPSProber{}).Probe(t.Context(), config, "FederatedOdd"); second == nil || second.Error() != first.Error() {
				t.Errorf("the condition would be written again and again: first %v, then %v", first, second)
			}
		})
	}
}

// serve runs the handler with the certificate.
func serve(t *testing.T, certificates *framework.Certificates, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	startTLS(server, certificates)
	t.Cleanup(server.Close)
	return server
}

// startTLS serves with the certificate, which may be replaced while it does.
func startTLS(server *httptest.Server, certificates *framework.Certificates) {
	server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pair, err := tls.LoadX509KeyPair(filepath.Join(certificates.Dir, "tls.crt"), filepath.Join(certificates.Dir, "tls.key"))
		if err != nil {
			return nil, err
		}
		return &tls.Config{Certificates: []tls.Certificate{pair}}, nil
	}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
}
