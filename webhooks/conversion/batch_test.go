package conversion

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/cellfed/cellfed/internal/federated"
)

func TestSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var objects []string
		for range rapid.IntRange(0, 50).Draw(t, "objects") {
			objects = append(objects, strings.Repeat("x", rapid.SampledFrom([]int{1, 100, 40_000, 300_000}).Draw(t, "size")))
		}
		cores := rapid.IntRange(1, 8).Draw(t, "cores")
		var joined []string
		for _, c := range split(objects, cores) {
			size := 0
			for _, o := range c.objects {
				size += len(o)
			}
			if c.first != len(joined) || c.bytes != size {
				t.Fatalf("a chunk says it begins at %d with %d bytes, want %d and %d", c.first, c.bytes, len(joined), size)
			}
			joined = append(joined, c.objects...)
		}
		if diff := cmp.Diff(len(objects), len(joined)); diff != "" {
			t.Fatalf("objects: -want +got:\n%s", diff)
		}
		for i := range joined {
			if len(joined[i]) != len(objects[i]) {
				t.Fatalf("object %d is another one", i)
			}
		}
	})
}

func TestSplitUsesTheCores(t *testing.T) {
	objects := make([]string, 1000)
	for i := range objects {
		objects[i] = strings.Repeat("x", 4<<10)
	}
	if got := len(split(objects, 4)); got < 12 || got > 17 {
		t.Errorf("4 MB for 4 cores: %d chunks, want about 16", got)
	}
	if got := len(split(objects[:8], 4)); got != 1 {
		t.Errorf("32 KiB for 4 cores: %d chunks, want 1", got)
	}
	if got := len(split(objects, 1)); got != 1 {
		t.Errorf("4 MB for 1 core: %d chunks, want 1", got)
	}
}

func TestBatchOfTenThousand(t *testing.T) {
	var objects, want []string
	for i := range 10_000 {
		objects = append(objects, deployment(federated.V1Beta1, fmt.Sprint("pay-", i), i%200))
		want = append(want, deployment(federated.V2Beta1, fmt.Sprint("pay-", i), i%200))
	}
	h := NewHandler(Options{})
	assertConverted(t, post(h, reviewOf(t, "", federated.APIVersionV2Beta1, objects...)), "u", want)

	objects[7_777] = `{"apiVersion":"a/v1","kind":"A","metadata":{"name":"first-bad-one"}}`
	objects[9_999] = `{"apiVersion":"a/v1","kind":"A","metadata":{"name":"last-bad-one"}}`
	response := decode(t, post(h, reviewOf(t, "", federated.APIVersionV2Beta1, objects...)))
	if response.Result.Status != metav1.StatusFailure || !strings.Contains(response.Result.Message, "request.objects[7777] (A first-bad-one)") || len(response.ConvertedObjects) != 0 {
		t.Errorf("result %v with %d objects: want a failure that names the first bad object", response.Result, len(response.ConvertedObjects))
	}
}

func TestHundredMebibytes(t *testing.T) {
	const size = 100 << 20
	object, want := deployment(federated.V2Beta1, "large", size), deployment(federated.V1Beta1, "large", size)
	body := []byte(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview","request":{"uid":"u","desiredAPIVersion":"types.kubefed.io/v1beta1","objects":[` + object + `]}}`)
	w := post(NewHandler(Options{}), body)
	if w.Code != http.StatusOK || !bytes.Contains(w.Body.Bytes(), []byte(want)) {
		t.Errorf("status %d, %d bytes: want the object converted", w.Code, w.Body.Len())
	}

	tooLarge := httptest.NewRequest(http.MethodPost, Path, neverRead{t})
	tooLarge.ContentLength = DefaultMaxRequestBytes + 1
	tooLarge.Header.Set("Content-Type", "application/json")
	w = httptest.NewRecorder()
	NewHandler(Options{}).ServeHTTP(w, tooLarge)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a body that is announced as too large: status %d, want 413", w.Code)
	}
}

type neverRead struct{ t *testing.T }

func (r neverRead) Read([]byte) (int, error) {
	r.t.Error("a body that is too large was read")
	return 0, io.EOF
}

func TestConcurrentReviews(t *testing.T) {
	server := httptest.NewServer(NewHandler(Options{}))
	defer server.Close()
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for round := range 20 {
				// Large and small, so that buffers are used again by others.
				count, uid := 1+round%3*200, fmt.Sprintf("u-%d-%d", worker, round)
				var objects, want []string
				for i := range count {
					name := fmt.Sprintf("%s-%d", uid, i)
					objects = append(objects, deployment(federated.V1Beta1, name, worker*100))
					want = append(want, deployment(federated.V2Beta1, name, worker*100))
				}
				resp, err := http.Post(server.URL, "application/json", bytes.NewReader(reviewOf(t, `"`+uid+`"`, federated.APIVersionV2Beta1, objects...)))
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if expected := `"uid":"` + uid + `","convertedObjects":[` + strings.Join(want, ",") + `],`; err != nil || !strings.Contains(string(body), expected) {
					t.Errorf("worker %d, round %d: %v: not what was asked for", worker, round, err)
					return
				}
			}
		})
	}
	group.Wait()
}

func TestPanicFailsTheReview(t *testing.T) {
	h := NewHandler(Options{})
	h.convert = func(dst []byte, src, to string) ([]byte, error) {
		if strings.Contains(src, `"pay-1"`) {
			panic("boom")
		}
		return federated.AppendConvertChecked(dst, src, to)
	}
	for name, size := range map[string]int{"OneCore": 10, "AllCores": 200_000} {
		t.Run(name, func(t *testing.T) {
			objects := []string{deployment(federated.V1Beta1, "pay-0", size), deployment(federated.V1Beta1, "pay-1", size)}
			response := decode(t, post(h, reviewOf(t, "", federated.APIVersionV2Beta1, objects...)))
			if response.Result.Status != metav1.StatusFailure || response.Result.Reason != metav1.StatusReasonInternalError ||
				!strings.Contains(response.Result.Message, "request.objects[1] (FederatedDeployment acme/pay-1)") {
				t.Errorf("result %v: want a failure that names the object", response.Result)
			}
			assertConverted(t, post(h, reviewOf(t, "", federated.APIVersionV2Beta1, objects[0])), "u", []string{deployment(federated.V2Beta1, "pay-0", size)})
		})
	}
}

// gate is a body that says when it is first read, and goes on when it is let.
type gate struct {
	io.Reader
	reading chan struct{}
	open    chan struct{}
	once    sync.Once
}

func (g *gate) Read(p []byte) (int, error) {
	g.once.Do(func() { close(g.reading); <-g.open })
	return g.Reader.Read(p)
}

func TestRequestsInFlightAreBounded(t *testing.T) {
	body := reviewOf(t, "", federated.APIVersionV2Beta1, deployment(federated.V1Beta1, "pay", 1000))
	h := NewHandler(Options{MaxRequestBytes: int64(len(body)), MaxInFlightBytes: int64(len(body))})
	slow := &gate{Reader: bytes.NewReader(body), reading: make(chan struct{}), open: make(chan struct{})}
	request := func(r io.Reader) *http.Request {
		req := httptest.NewRequest(http.MethodPost, Path, r)
		req.ContentLength = int64(len(body))
		req.Header.Set("Content-Type", "application/json")
		return req
	}
	done := make(chan *httptest.ResponseRecorder)
	go func() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request(slow))
		done <- w
	}()
	<-slow.reading

	for _, length := range []int64{int64(len(body)), -1} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		req := request(neverRead{t}).WithContext(ctx)
		req.ContentLength = length
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		cancel()
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("a request of length %d that there was no room for: status %d, want 503", length, w.Code)
		}
	}

	close(slow.open)
	want := []string{deployment(federated.V2Beta1, "pay", 1000)}
	assertConverted(t, <-done, "u", want)
	assertConverted(t, post(h, body), "u", want)
}

// A caller who does not read the answer does not keep the room that it takes.
func TestCallerThatDoesNotRead(t *testing.T) {
	h := NewHandler(Options{MaxRequestBytes: 32 << 20, MaxInFlightBytes: 32 << 20})
	h.timeout = 2 * time.Second
	server := httptest.NewServer(h)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	body := reviewOf(t, `"u"`, federated.APIVersionV2Beta1, deployment(federated.V1Beta1, "large", 31<<20))
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", Path, len(body))
	if _, err := conn.Write(body); err != nil {
		t.Fatal(err)
	}
	// The body is too large for the buffers of a connection: who has sent all of it has been let in.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := h.inFlight.Acquire(ctx, 32<<20); err != nil {
		t.Errorf("the room is still taken: %v", err)
	}
}

// Many values that are no objects must not take many times the memory of the request.
func TestReadingEndsAtTheFirstBadObject(t *testing.T) {
	good := deployment(federated.V1Beta1, "pay", 0)
	body := reviewOf(t, "", federated.APIVersionV2Beta1, append([]string{good, good}, slices.Repeat([]string{"{}"}, 1000)...)...)
	r, err := parseReview(string(body))
	if err != nil || len(r.objects) > 3 {
		t.Errorf("%v, %d objects read, want the bad one to be the last", err, len(r.objects))
	}
}

func TestCallerThatGaveUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	h := NewHandler(Options{})
	cancel()
	if _, err := convertAll(ctx, nil, review{uid: `"u"`, to: federated.V2Beta1, objects: []string{deployment(federated.V1Beta1, "pay", 0)}}, h.convert); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that the caller is gone", err)
	}
}

func TestMetrics(t *testing.T) {
	h := NewHandler(Options{})
	good := deployment(federated.V1Beta1, "pay", 0)
	cases := map[string]struct {
		reason string
		body   []byte
		metric prometheus.Counter
		by     float64
	}{
		"Requests": {reason: "a success counts", body: reviewOf(t, "", federated.APIVersionV2Beta1, good), metric: requestsTotal.WithLabelValues("v2beta1", "success"), by: 1},
		"Objects":  {reason: "each object counts", body: reviewOf(t, "", federated.APIVersionV2Beta1, good, good, good), metric: objectsTotal.WithLabelValues("v2beta1"), by: 3},
		"Failures": {reason: "a failure counts", body: reviewOf(t, "", federated.APIVersionV1Beta1, `{}`), metric: requestsTotal.WithLabelValues("v1beta1", "failure"), by: 1},
		"Reasons":  {reason: "and why", body: reviewOf(t, "", federated.APIVersionV1Beta1, `{}`), metric: failuresTotal.WithLabelValues("object"), by: 1},
		"NoObject": {reason: "the objects of a failure do not", body: reviewOf(t, "", federated.APIVersionV1Beta1, good, `{}`), metric: objectsTotal.WithLabelValues("v1beta1"), by: 0},
		"Rejected": {reason: "what is no review counts under no version that it names", body: []byte("x"), metric: requestsTotal.WithLabelValues("unknown", "rejected"), by: 1},
		"Version":  {reason: "a version that there is not is no label", body: reviewOf(t, "", "types.kubefed.io/v9"), metric: requestsTotal.WithLabelValues("unknown", "failure"), by: 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before := testutil.ToFloat64(tc.metric)
			post(h, tc.body)
			if got := testutil.ToFloat64(tc.metric) - before; got != tc.by {
				t.Errorf("%s: went up by %v, want %v", tc.reason, got, tc.by)
			}
		})
	}
	if got := testutil.CollectAndCount(durationSeconds); got == 0 {
		t.Error("no duration was measured")
	}
}

func TestSetupWithServer(t *testing.T) {
	mux := http.NewServeMux()
	SetupWithServer(webhook.NewServer(webhook.Options{WebhookMux: mux}), Options{})
	assertConverted(t, post(mux, reviewOf(t, "", federated.APIVersionV2Beta1, deployment(federated.V1Beta1, "pay", 0))), "u",
		[]string{deployment(federated.V2Beta1, "pay", 0)})
}
