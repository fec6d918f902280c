// Package review serves admission webhooks. It reads a request once and leaves the objects in it as the bytes that they
// came in, where controller-runtime's own server reads it four times over.
package review

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
	admissionv1 "k8s.io/api/admission/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// MaxBytes is the largest request that is read: controller-runtime's bound, which two objects and what surrounds them fit in.
const MaxBytes = 7 << 20

// Server answers for a webhook. What is no ordinary AdmissionReview of admission.k8s.io/v1 it leaves to the webhook itself,
// which says what is wrong with it.
type Server struct{ Webhook *admission.Webhook }

// ServeHTTP implements http.Handler.
func (s Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body []byte
	request, err := admission.Request{}, errUnusual
	if r.Body != nil && r.Header.Get("Content-Type") == "application/json" {
		if body, err = read(r); err == nil {
			request.AdmissionRequest, err = Parse(body)
		}
		r.Body = &replayed{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
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
	if size := r.ContentLength; size > 0 && size <= MaxBytes {
		body.Grow(int(size) + bytes.MinRead)
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

// Parse reads a review. Its Object and OldObject are parts of body. It fails for everything but an AdmissionReview of
// admission.k8s.io/v1 with a request.
func Parse(body []byte) (admissionv1.AdmissionRequest, error) {
	var review admissionv1.AdmissionReview
	p := parser{body: body, decoder: jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))}
	if err := p.object(p.review); err != nil {
		return admissionv1.AdmissionRequest{}, err
	}
	if _, err := p.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return admissionv1.AdmissionRequest{}, errUnusual
	}
	p.slim = append(p.slim, body[p.from:]...)
	// As API servers and controller-runtime read it: a key in another case is another key.
	if err := utiljson.Unmarshal(p.slim, &review); err != nil {
		return admissionv1.AdmissionRequest{}, err
	}
	if review.APIVersion != admissionv1.SchemeGroupVersion.String() || review.Kind != "AdmissionReview" || review.Request == nil {
		return admissionv1.AdmissionRequest{}, errUnusual
	}
	review.Request.Object.Raw, review.Request.OldObject.Raw = p.raw["object"], p.raw["oldObject"]
	return *review.Request, nil
}

// parser takes the two objects out of a review.
type parser struct {
	body    []byte
	decoder *jsontext.Decoder
	// slim is the review with null for each of the objects, up to from.
	slim []byte
	from int
	raw  map[string][]byte
}

// object reads an object, and has each of its values read after its key.
func (p *parser) object(value func(key string) error) error {
	if p.decoder.PeekKind() != jsontext.KindBeginObject {
		return p.decoder.SkipValue()
	}
	if _, err := p.decoder.ReadToken(); err != nil {
		return err
	}
	for p.decoder.PeekKind() != jsontext.KindEndObject {
		key, err := p.decoder.ReadToken()
		if err != nil {
			return err
		}
		if err := value(key.String()); err != nil {
			return err
		}
	}
	_, err := p.decoder.ReadToken()
	return err
}

func (p *parser) review(key string) error {
	if key != "request" {
		return p.decoder.SkipValue()
	}
	if p.raw != nil {
		return errUnusual // Two of them would be one of both.
	}
	p.raw = map[string][]byte{}
	return p.object(p.request)
}

func (p *parser) request(key string) error {
	if key != "object" && key != "oldObject" {
		return p.decoder.SkipValue()
	}
	value, err := p.decoder.ReadValue()
	if err != nil {
		return err
	}
	end := int(p.decoder.InputOffset())
	start := end - len(value)
	p.slim = append(append(p.slim, p.body[p.from:start]...), "null"...)
	p.from = end
	p.raw[key] = nil
	if value.Kind() != jsontext.KindNull {
		p.raw[key] = p.body[start:end:end]
	}
	return nil
}
