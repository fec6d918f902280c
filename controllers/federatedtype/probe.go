package federatedtype

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/federatedcrd"
)

const (
	// probeTimeout is how long a webhook may take to convert one small object.
	probeTimeout = 10 * time.Second
	// maxAnswer is more than the answer to a probe can have, in bytes.
	maxAnswer = 1 << 20
)

// Prober tries a conversion webhook.
type Prober interface {
	// Probe returns nil if an API server that is given the configuration can convert objects of the kind. The
	// error says what did not work in the same words each time.
	Probe(ctx context.Context, config apiextensionsv1.WebhookClientConfig, kind string) error
}

// HTTPSProber makes the request that an API server would make: a ConversionReview, to the very address, trusting nothing
// but the very CA bundle.
type HTTPSProber struct{}

// Probe has one object converted from v1beta1 to v2beta1.
func (HTTPSProber) Probe(ctx context.Context, config apiextensionsv1.WebhookClientConfig, kind string) error {
	url, err := federatedcrd.URL(config)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(config.CABundle) {
		return fmt.Errorf("the CA bundle for the conversion webhook %s holds no certificate: give one in PEM", url)
	}
	review, err := newReview(kind)
	if err != nil {
		return fmt.Errorf("trying the conversion webhook: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	answer, err := post(ctx, url, roots, review)
	if err == nil {
		err = checkReview(review.Request.UID, answer)
	}
	if err != nil {
		if whole := errors.Unwrap(err); whole != nil {
			log.FromContext(ctx).V(1).Info("Tried a conversion webhook in vain", "url", url, "cause", whole.Error())
		}
		return fmt.Errorf("the conversion webhook %s did not answer as it should: %w", url, err)
	}
	return nil
}

func newReview(kind string) (*apiextensionsv1.ConversionReview, error) {
	object, err := json.Marshal(map[string]any{
		"apiVersion": federated.APIVersionV1Beta1,
		"kind":       kind,
		"metadata":   map[string]any{"name": "probe", "namespace": "probe", "uid": "00000000-0000-0000-0000-000000000000"},
		"spec":       map[string]any{"placement": map[string]any{"clusters": []any{}}},
	})
	if err != nil {
		return nil, err
	}
	return &apiextensionsv1.ConversionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: apiextensionsv1.SchemeGroupVersion.String(), Kind: "ConversionReview"},
		Request: &apiextensionsv1.ConversionRequest{
			UID:               uuid.NewUUID(),
			DesiredAPIVersion: federated.APIVersionV2Beta1,
			Objects:           []runtime.RawExtension{{Raw: object}},
		},
	}, nil
}

// post sends the review over a connection of its own, because one that is kept would not be verified again.
func post(ctx context.Context, url string, roots *x509.CertPool, review *apiextensionsv1.ConversionReview) ([]byte, error) {
	body, err := json.Marshal(review)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	client := &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			DisableKeepAlives: true,
			ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, steady(err)
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return nil, steady(err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered with status %d: it must answer with 200", response.StatusCode)
	}
	return answer, nil
}

func checkReview(uid types.UID, answer []byte) error {
	var review apiextensionsv1.ConversionReview
	if err := json.Unmarshal(answer, &review); err != nil || review.Response == nil {
		return errors.New("it answered with something else than a ConversionReview")
	}
	response := review.Response
	if response.UID != uid {
		return errors.New("it answered another request")
	}
	if response.Result.Status != metav1.StatusSuccess {
		return fmt.Errorf("it failed with %q", response.Result.Message)
	}
	if len(response.ConvertedObjects) != 1 {
		return fmt.Errorf("it converted one object into %d", len(response.ConvertedObjects))
	}
	var object metav1.TypeMeta
	if err := json.Unmarshal(response.ConvertedObjects[0].Raw, &object); err != nil || object.APIVersion != federated.APIVersionV2Beta1 {
		return fmt.Errorf("it converted to apiVersion %q instead of %q", object.APIVersion, federated.APIVersionV2Beta1)
	}
	return nil
}

// steady says what went wrong without what differs from one attempt to the next, such as a port or the time: the
// condition that it goes into is written whenever it changes.
func steady(err error) error {
	var (
		unknownCA x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		notFound  *net.DNSError
		errno     syscall.Errno
		timeout   interface{ Timeout() bool }
	)
	text := "the connection broke"
	switch {
	case errors.As(err, &unknownCA):
		text = "its certificate is not signed by the CA bundle"
	case errors.As(err, &host):
		text = "its certificate is for another host: " + host.Error()
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		text = "its certificate has expired or is not valid yet"
	case errors.As(err, &invalid):
		text = "its certificate is not valid: " + invalid.Error()
	case errors.As(err, &notFound):
		text = fmt.Sprintf("the host %s cannot be resolved", notFound.Name)
	case errors.As(err, &timeout) && timeout.Timeout():
		text = "it took too long"
	case errors.As(err, &errno):
		text = errno.Error()
	}
	return &probeError{text: text, cause: err}
}

// probeError has the text of steady, and the whole error for whoever unwraps it.
type probeError struct {
	text  string
	cause error
}

func (e *probeError) Error() string { return e.text }
func (e *probeError) Unwrap() error { return e.cause }
