package conversion

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/cellfed/cellfed/internal/federated"
)

// deployment returns a federated object of type cell, with a template of about so many bytes.
func deployment(version, name string, size int) string {
	list, item, rest := "clusters", "acme.a", ""
	if version == federated.V2Beta1 {
		list, item = "topologies", "a"
	}
	if size > 0 {
		rest = strings.Repeat("x", size)
	}
	return fmt.Sprintf(`{"apiVersion":"types.kubefed.io/%s","kind":"FederatedDeployment","metadata":{"name":%q,"namespace":"acme"},"spec":{"placement":{%q:[{"name":%q}]},"template":{"x":%q},"topologyType":"cell"}}`,
		version, name, list, item, rest)
}

// reviewOf makes a review as an API server does.
func reviewOf(t testing.TB, uid, desired string, objects ...string) []byte {
	t.Helper()
	request := &apiextensionsv1.ConversionRequest{UID: "u", DesiredAPIVersion: desired}
	if uid != "" {
		if err := json.Unmarshal([]byte(uid), &request.UID); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range objects {
		request.Objects = append(request.Objects, runtime.RawExtension{Raw: []byte(o)})
	}
	body, err := json.Marshal(apiextensionsv1.ConversionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "apiextensions.k8s.io/v1", Kind: "ConversionReview"},
		Request:  request,
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func post(h http.Handler, body []byte) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, Path, bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

// decode reads an answer as strictly as can be.
func decode(t testing.TB, w *httptest.ResponseRecorder) *apiextensionsv1.ConversionResponse {
	t.Helper()
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("status %d, content type %q: %.500s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	if got := w.Header().Get("Content-Length"); got != fmt.Sprint(w.Body.Len()) {
		t.Errorf("Content-Length is %s, the body has %d bytes", got, w.Body.Len())
	}
	d := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	d.DisallowUnknownFields()
	answer := apiextensionsv1.ConversionReview{}
	if err := d.Decode(&answer); err != nil {
		t.Fatalf("the answer is no ConversionReview: %v: %.500s", err, w.Body)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		t.Fatalf("something follows the answer: %v", err)
	}
	if answer.APIVersion != "apiextensions.k8s.io/v1" || answer.Kind != "ConversionReview" || answer.Request != nil || answer.Response == nil {
		t.Fatalf("not an answer: %.500s", w.Body)
	}
	return answer.Response
}

// assertConverted demands a success with these objects.
func assertConverted(t testing.TB, w *httptest.ResponseRecorder, uid string, want []string) {
	t.Helper()
	response := decode(t, w)
	if string(response.UID) != uid || response.Result.Status != metav1.StatusSuccess {
		t.Fatalf("uid %q, result %v: want a success for %q", response.UID, response.Result, uid)
	}
	if len(response.ConvertedObjects) != len(want) {
		t.Fatalf("%d objects, want %d", len(response.ConvertedObjects), len(want))
	}
	for i, o := range response.ConvertedObjects {
		if string(o.Raw) != want[i] {
			t.Fatalf("object %d: -want +got:\n%s", i, cmp.Diff(want[i], string(o.Raw)))
		}
	}
}

func TestConverts(t *testing.T) {
	v1 := func(i int) string { return deployment(federated.V1Beta1, fmt.Sprint("pay-", i), 10) }
	v2 := func(i int) string { return deployment(federated.V2Beta1, fmt.Sprint("pay-", i), 10) }
	cases := map[string]struct {
		reason  string
		uid     string
		desired string
		objects []string
		want    []string
	}{
		"ToV2Beta1":    {reason: "one object", uid: "u-1", desired: federated.APIVersionV2Beta1, objects: []string{v1(0)}, want: []string{v2(0)}},
		"ToV1Beta1":    {reason: "and the other way", uid: "u-1", desired: federated.APIVersionV1Beta1, objects: []string{v2(0)}, want: []string{v1(0)}},
		"Batch":        {reason: "in order", uid: "u-1", desired: federated.APIVersionV2Beta1, objects: []string{v1(2), v1(0), v1(1)}, want: []string{v2(2), v2(0), v2(1)}},
		"AlreadyThere": {reason: "an object in that version already is returned as it is", uid: "u-1", desired: federated.APIVersionV2Beta1, objects: []string{v1(0), v2(1)}, want: []string{v2(0), v2(1)}},
		"NoObjects":    {reason: "nothing to convert is no failure", uid: "u-1", desired: federated.APIVersionV2Beta1},
		"OddUID":       {reason: "a uid is carried whatever is in it", uid: "\"\\é<>\u2028", desired: federated.APIVersionV2Beta1, objects: []string{v1(0)}, want: []string{v2(0)}},
	}
	h := NewHandler(Options{})
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			uid, err := json.Marshal(tc.uid)
			if err != nil {
				t.Fatal(err)
			}
			assertConverted(t, post(h, reviewOf(t, string(uid), tc.desired, tc.objects...)), tc.uid, tc.want)
		})
	}
}

func TestFailsReview(t *testing.T) {
	good := deployment(federated.V1Beta1, "pay", 0)
	cases := map[string]struct {
		reason string
		body   []byte
		// want are parts of the message.
		want []string
	}{
		"NoDesiredVersion":    {reason: "nobody can tell what is wanted", body: reviewOf(t, "", "", good), want: []string{"desiredAPIVersion", "v2beta1"}},
		"OtherDesiredVersion": {reason: "there are two versions", body: reviewOf(t, "", "types.kubefed.io/v3", good), want: []string{"desiredAPIVersion", `"types.kubefed.io/v3"`, "types.kubefed.io/v2beta1"}},
		"OtherDesiredGroup":   {reason: "there is one group", body: reviewOf(t, "", "core.kubefed.io/v1beta1", good), want: []string{"core.kubefed.io/v1beta1"}},
		"BadObjectLast": {
			reason: "one bad object fails the review, and is named",
			body:   reviewOf(t, "", federated.APIVersionV2Beta1, good, good, `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"namespace":"acme","name":"bad"}}`),
			want:   []string{"request.objects[2]", "Deployment acme/bad", `"apps/v1"`},
		},
		"FirstOfTwoBadObjects": {
			reason: "of two bad objects the first is named",
			body:   reviewOf(t, "", federated.APIVersionV2Beta1, good, `{"apiVersion":"a/v1","kind":"A","metadata":{"name":"first"}}`, `{"apiVersion":"b/v1","kind":"B"}`),
			want:   []string{"request.objects[1]", "A first"},
		},
		"ObjectIsNone":     {reason: "an object is an object", body: reviewOf(t, "", federated.APIVersionV2Beta1, `[]`), want: []string{"request.objects[0]", "not a JSON object"}},
		"ObjectIsNull":     {reason: "null is no object", body: reviewOf(t, "", federated.APIVersionV2Beta1, good, `null`), want: []string{"request.objects[1]", "not a JSON object"}},
		"ObjectsMissing":   {reason: "a review has objects", body: []byte(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview","request":{"uid":"u","desiredAPIVersion":"types.kubefed.io/v2beta1"}}`), want: []string{"request.objects"}},
		"ObjectsAreNoList": {reason: "objects are a list", body: []byte(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview","request":{"uid":"u","desiredAPIVersion":"types.kubefed.io/v2beta1","objects":{}}}`), want: []string{"request.objects", "list"}},
		"ManyTinyValues":   {reason: "what is too short to be an object ends the reading", body: []byte(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview","request":{"uid":"u","desiredAPIVersion":"types.kubefed.io/v2beta1","objects":[` + strings.Repeat("{},", 100_000) + `{}]}}`), want: []string{"request.objects[0]"}},
	}
	h := NewHandler(Options{})
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			response := decode(t, post(h, tc.body))
			if response.UID != "u" || response.Result.Status != metav1.StatusFailure || len(response.ConvertedObjects) != 0 {
				t.Errorf("%s: uid %q, result %v, %d objects: want a failure without objects", tc.reason, response.UID, response.Result, len(response.ConvertedObjects))
			}
			for _, want := range tc.want {
				if !strings.Contains(response.Result.Message, want) {
					t.Errorf("%s: the message %q does not say %q", tc.reason, response.Result.Message, want)
				}
			}
		})
	}
}

func TestRejectsRequest(t *testing.T) {
	good := reviewOf(t, "", federated.APIVersionV2Beta1, deployment(federated.V1Beta1, "pay", 0))
	replace := func(old, with string) []byte { return bytes.Replace(good, []byte(old), []byte(with), 1) }
	cases := map[string]struct {
		reason   string
		method   string
		typ      string
		encoding string
		body     []byte
		status   int
		want     string
	}{
		"Get":            {reason: "reviews are posted", method: http.MethodGet, status: http.StatusMethodNotAllowed, want: "POST"},
		"Put":            {reason: "reviews are posted", method: http.MethodPut, status: http.StatusMethodNotAllowed, want: "POST"},
		"YAML":           {reason: "reviews are JSON", typ: "application/yaml", status: http.StatusUnsupportedMediaType, want: "application/json"},
		"NoContentType":  {reason: "reviews are JSON and say so", typ: "-", status: http.StatusUnsupportedMediaType, want: "application/json"},
		"Compressed":     {reason: "what is compressed has no known size", encoding: "gzip", status: http.StatusUnsupportedMediaType, want: "gzip"},
		"NoBody":         {reason: "nothing is no review", body: []byte{}, status: http.StatusBadRequest, want: "not valid JSON"},
		"NotJSON":        {reason: "reviews are JSON", body: good[:len(good)-1], status: http.StatusBadRequest, want: "not valid JSON"},
		"TooDeep":        {reason: "the stack is not without end", body: bytes.Repeat([]byte("["), 1<<20), status: http.StatusBadRequest, want: "nested deeper"},
		"NoObject":       {reason: "a list is no review", body: []byte("[]"), status: http.StatusBadRequest, want: "not an object"},
		"OldReview":      {reason: "the beta of the review is not spoken", body: replace("apiextensions.k8s.io/v1", "apiextensions.k8s.io/v1beta1"), status: http.StatusBadRequest, want: "apiextensions.k8s.io/v1beta1"},
		"OtherKind":      {reason: "an admission review is no conversion review", body: replace(`"ConversionReview"`, `"AdmissionReview"`), status: http.StatusBadRequest, want: "AdmissionReview"},
		"NoRequest":      {reason: "a review asks something", body: replace(`"request"`, `"response"`), status: http.StatusBadRequest, want: "request is missing"},
		"RequestNull":    {reason: "a review asks something", body: []byte(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview","request":null}`), status: http.StatusBadRequest, want: "request is missing"},
		"NoUID":          {reason: "an answer needs a uid", body: replace(`"uid":"u"`, `"x":"u"`), status: http.StatusBadRequest, want: "request.uid"},
		"EmptyUID":       {reason: "an empty uid is none", body: replace(`"uid":"u"`, `"uid":""`), status: http.StatusBadRequest, want: "request.uid"},
		"NumericUID":     {reason: "a number is no uid", body: replace(`"uid":"u"`, `"uid":1`), status: http.StatusBadRequest, want: "request.uid"},
		"TooLarge":       {reason: "a request has a bound", body: bytes.Repeat([]byte(" "), 2<<20+1), status: http.StatusRequestEntityTooLarge, want: "2097152"},
		"LargestAllowed": {reason: "the bound itself is within it", body: bytes.Repeat([]byte(" "), 2<<20), status: http.StatusBadRequest, want: "not valid JSON"},
	}
	h := NewHandler(Options{MaxRequestBytes: 2 << 20})
	for name, tc := range cases {
		for _, length := range []string{"Known", "Unknown"} {
			t.Run(name+length, func(t *testing.T) {
				method, body := http.MethodPost, good
				if tc.method != "" {
					method = tc.method
				}
				if tc.body != nil {
					body = tc.body
				}
				req := httptest.NewRequest(method, Path, bytes.NewReader(body))
				if length == "Unknown" {
					req.ContentLength = -1
				}
				switch tc.typ {
				case "":
					req.Header.Set("Content-Type", "application/json; charset=utf-8")
				case "-":
				default:
					req.Header.Set("Content-Type", tc.typ)
				}
				if tc.encoding != "" {
					req.Header.Set("Content-Encoding", tc.encoding)
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, req)
				if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.want) || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
					t.Errorf("%s: %d %q, want %d and %q as text", tc.reason, w.Code, w.Body, tc.status, tc.want)
				}
			})
		}
	}
}

func TestBodyThatBreaksOff(t *testing.T) {
	req := httptest.NewRequest(http.MethodPost, Path, io.MultiReader(strings.NewReader("{"), errReader{}))
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	NewHandler(Options{}).ServeHTTP(w, req)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "did not arrive") {
		t.Errorf("%d %q, want a complaint about the body", w.Code, w.Body)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
