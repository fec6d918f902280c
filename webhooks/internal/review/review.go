// Package review serves admission webhooks. It reads a request once, where controller-runtime's own server does so several times over.
package review

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	jsonv2 "github.com/go-json-experiment/json"
	admissionv1 "k8s.io/api/admission/v1"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// MaxBytes is the largest request that is read: controller-runtime's bound, which two objects and what surrounds them fit in.
const MaxBytes = 7 << 20

// usualBytes is more than most requests have.
const usualBytes = 64 << 10

// Server answers for a webhook. What is no ordinary AdmissionReview of admission.k8s.io/v1 it leaves to the webhook itself,
// which says what is wrong with it.
type Server struct{ Webhook *admission.Webhook }

// ServeHTTP implements http.Handler.
func (s Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body []byte
	request, err := admission.Request{}, errUnusual
	if r.Body != nil && r.Header.Get("Content-Type") == "application/json" {
		if body, err = read(r); err == nil {
			request.AdmissionRequest, err = parse(body)
		}
		if len(body) > 0 {
			r.Body = &replayed{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
		}
	}
	if err != nil {
		s.Webhook.ServeHTTP(w, r)
		return
	}
	ctx := r.Context()
	if s.Webhook.WithContextFunc != nil {
		ctx = s.Webhook.WithContextFunc(ctx, r)
	}
	response := s.Webhook.Handle(ctx, request)
	answer := admissionv1.AdmissionReview{Response: &response.AdmissionResponse}
	answer.SetGroupVersionKind(admissionv1.SchemeGroupVersion.WithKind("AdmissionReview"))
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		logf.FromContext(ctx).V(1).Info("An admission review is not answered: who asked is gone", "reason", err.Error())
	}
}

// errUnusual means that a request is not one that this package reads.
var errUnusual = errors.New("the request is no AdmissionReview of admission.k8s.io/v1")

// read reads a body, or as much of it as there may be.
func read(r *http.Request) ([]byte, error) {
	var body bytes.Buffer
	// No more room is made for what is announced than for what most requests are: nobody has said who it is yet.
	if size := r.ContentLength; size > 0 {
		body.Grow(int(min(size, usualBytes)) + bytes.MinRead)
	}
	_, err := body.ReadFrom(io.LimitReader(r.Body, MaxBytes))
	if err == nil && body.Len() == MaxBytes {
		err = errUnusual
	}
	return body.Bytes(), err
}

// replayed is a body from its beginning, of which a part was read.
type replayed struct {
	io.Reader
	io.Closer
}

// parse reads a review. It fails for everything but an AdmissionReview of admission.k8s.io/v1 with a request, and for keys
// that come twice.
func parse(body []byte) (admissionv1.AdmissionRequest, error) {
	var review admissionv1.AdmissionReview
	if err := jsonv2.Unmarshal(body, &review); err != nil {
		return admissionv1.AdmissionRequest{}, err
	}
	if review.APIVersion != admissionv1.SchemeGroupVersion.String() || review.Kind != "AdmissionReview" || review.Request == nil {
		return admissionv1.AdmissionRequest{}, errUnusual
	}
	return *review.Request, nil
}
