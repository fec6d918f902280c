package review_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/cellfed/cellfed/webhooks/internal/review"
)

const (
	object    = `{"kind":"FederatedConfigMap","metadata":{"name":"a","uid":"u1"},"spec":{"n":1.50,"ä":"\u00e4"}}`
	oldObject = `{ "kind" : "FederatedConfigMap" , "metadata" : { } }`
	user      = `"userInfo":{"username":"jane","groups":["devs"],"extra":{"scopes":["a","b"]}}`
	about     = `"kind":{"group":"types.kubefed.io","version":"v2beta1","kind":"FederatedConfigMap"},"resource":{"group":"types.kubefed.io","version":"v2beta1","resource":"federatedconfigmaps"},` +
		`"requestKind":{"group":"g","version":"v","kind":"k"},"name":"a","namespace":"shop","subResource":"x","operation":"UPDATE","dryRun":true,"options":{"kind":"UpdateOptions","fieldManager":"object"}`
)

func reviewOf(request string) string {
	return `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":` + request + `}`
}

var ordinary = reviewOf(`{"uid":"id-1",` + about + `,` + user + `,"object":` + object + `,"oldObject":` + oldObject + `}`)

// bodies are requests, ordinary and other ones.
var bodies = map[string]string{
	"Update":        ordinary,
	"Spaced":        strings.ReplaceAll(ordinary, `,"`, " ,\n\t\""),
	"ObjectsFirst":  reviewOf(`{"object":` + object + `,"oldObject":null,"uid":"id-2","operation":"CREATE",` + user + `}`),
	"Deletion":      reviewOf(`{"uid":"id-3","operation":"DELETE","object":null,"oldObject":` + oldObject + `}`),
	"NeitherObject": reviewOf(`{"uid":"id-4","operation":"CONNECT"}`),
	"RequestFirst":  `{"request":{"object":` + object + `,"uid":"id-5"},"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`,
	"Twice":         reviewOf(`{"uid":"id-6","object":{"a":1},"object":` + object + `}`),
	"InOptions":     reviewOf(`{"uid":"id-7","options":{"object":{"a":1},"oldObject":2},"userInfo":{"extra":{"object":["x"]}},"object":` + object + `}`),
	"TwoRequests":   `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"id-10","object":` + object + `},"request":{"oldObject":` + object + `}}`,
	"OtherCase":     strings.Replace(ordinary, `"request"`, `"Request"`, 1),
	"OtherCases":    reviewOf(`{"uid":"id-11","Object":` + object + `,"OPERATION":"UPDATE"}`),
	"NoKind":        `{"request":{"uid":"id-8","object":` + object + `}}`,
	"V1Beta1":       strings.Replace(ordinary, "admission.k8s.io/v1", "admission.k8s.io/v1beta1", 1),
	"OtherKind":     strings.Replace(ordinary, "AdmissionReview", "Thing", 1),
	"NoRequest":     `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}`,
	"NullRequest":   reviewOf(`null`),
	"NumberRequest": reviewOf(`5`),
	"WrongType":     reviewOf(`{"uid":5}`),
	"NoJSON":        `{"kind":`,
	"IllFormed":     reviewOf(`{"uid":"id-9","object":{"a":}}`),
	"Page":          `<html>`,
	"Array":         `[]`,
	"Nothing":       ``,
}

// telling answers with the request, so that two servers can be compared by their answers.
var telling = admission.HandlerFunc(func(ctx context.Context, request admission.Request) admission.Response {
	text, err := json.Marshal(struct {
		Context, Object, Old string
		Rest                 admissionv1.AdmissionRequest
	}{who(ctx), string(request.Object.Raw), string(request.OldObject.Raw), stripped(request.AdmissionRequest)})
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	return admission.Allowed(string(text)).WithWarnings("odd <&>")
})

func stripped(r admissionv1.AdmissionRequest) admissionv1.AdmissionRequest {
	r.Object.Raw, r.OldObject.Raw = nil, nil
	return r
}

type key struct{}

func who(ctx context.Context) string { text, _ := ctx.Value(key{}).(string); return text }

func webhook() *admission.Webhook {
	return &admission.Webhook{Handler: telling, WithContextFunc: func(ctx context.Context, r *http.Request) context.Context {
		return context.WithValue(ctx, key{}, r.URL.Path)
	}}
}

// answer returns the status and the body of an answer.
func answer(t *testing.T, handler http.Handler, contentType, body string) (int, string) {
	t.Helper()
	request := httptest.NewRequest(http.MethodPost, "/somewhere", strings.NewReader(body))
	request.Header.Set("Content-Type", contentType)
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder.Code, recorder.Body.String()
}

// TestLikeControllerRuntime has every request answered as controller-runtime's server answers it.
func TestLikeControllerRuntime(t *testing.T) {
	for name, body := range bodies {
		for _, contentType := range []string{"application/json", "text/plain"} {
			wantCode, want := answer(t, webhook(), contentType, body)
			code, got := answer(t, review.Server{Webhook: webhook()}, contentType, body)
			if code != wantCode {
				t.Errorf("%s: status %d, want %d", name, code, wantCode)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s as %s is answered in another way:\n%s", name, contentType, diff)
			}
		}
	}
	_, got := answer(t, review.Server{Webhook: webhook()}, "application/json", ordinary)
	for _, part := range []string{`"uid":"id-1"`, `\"Context\":\"/somewhere\"`, `jane`, `1.50`} {
		if !strings.Contains(got, part) {
			t.Errorf("The answer lacks %s: %s", part, got)
		}
	}
}

// TestParse: what API servers send is read here, and nothing else is.
func TestParse(t *testing.T) {
	for name, body := range bodies {
		_, err := review.Parse([]byte(body))
		switch name {
		case "Update", "Spaced", "ObjectsFirst", "Deletion", "NeitherObject", "RequestFirst", "InOptions":
			if err != nil {
				t.Errorf("%s is left to controller-runtime: %v", name, err)
			}
		case "OtherCases": // It says nothing that counts.
		default:
			if err == nil {
				t.Errorf("%s is not left to controller-runtime", name)
			}
		}
	}
}

func TestTooLarge(t *testing.T) {
	for _, size := range []int{review.MaxBytes - 1, review.MaxBytes, review.MaxBytes + 1} {
		body := ordinary + strings.Repeat(" ", size-len(ordinary))
		wantCode, want := answer(t, webhook(), "application/json", body)
		code, got := answer(t, review.Server{Webhook: webhook()}, "application/json", body)
		if code != wantCode || got != want {
			t.Errorf("%d bytes are answered with %d and %.200s, want %d and %.200s", size, code, got, wantCode, want)
		}
	}
}

// TestAnnounced: nobody has much room made by announcing much.
func TestAnnounced(t *testing.T) {
	request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
	request.ContentLength = review.MaxBytes
	body, err := review.Read(request)
	if err != nil || string(body) != "{}" {
		t.Errorf("%q is read, %v", body, err)
	}
	if cap(body) > 128<<10 {
		t.Errorf("Room for %d bytes is made for 2", cap(body))
	}
}

// broken is a body that ends too early.
type broken struct{ io.Reader }

func (broken) Close() error { return nil }

func TestBrokenBody(t *testing.T) {
	request := httptest.NewRequest(http.MethodPost, "/", broken{io.MultiReader(strings.NewReader(ordinary[:100]), failing{})})
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	review.Server{Webhook: webhook()}.ServeHTTP(recorder, request)
	if !strings.Contains(recorder.Body.String(), `"allowed":false`) || !strings.Contains(recorder.Body.String(), io.ErrUnexpectedEOF.Error()) {
		t.Errorf("A body that ends too early is answered with %s", recorder.Body)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// FuzzServer compares with controller-runtime's server whatever is sent.
func FuzzServer(f *testing.F) {
	for _, body := range bodies {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		wantCode, want := answer(t, webhook(), "application/json", body)
		code, got := answer(t, review.Server{Webhook: webhook()}, "application/json", body)
		if code != wantCode || got != want {
			t.Errorf("%q is answered with %d %s, want %d %s", body, code, got, wantCode, want)
		}
	})
}

// BenchmarkServer answers a request about an object of 4 KiB and the one that it was before.
func BenchmarkServer(b *testing.B) {
	large := `{"kind":"FederatedConfigMap","spec":{"template":{"data":{"a":"` + strings.Repeat("x", 2<<10) + `","b":[` + strings.Repeat(`{"c":1},`, 255) + `{}]}}}}`
	body := strings.NewReplacer(object, large, oldObject, large).Replace(ordinary)
	allow := &admission.Webhook{Handler: admission.HandlerFunc(func(context.Context, admission.Request) admission.Response { return admission.Allowed("") })}
	for name, handler := range map[string]http.Handler{"review": review.Server{Webhook: allow}, "controller-runtime": allow} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
				request.Header.Set("Content-Type", "application/json")
				handler.ServeHTTP(httptest.NewRecorder(), request)
			}
		})
	}
}
