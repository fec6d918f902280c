package facade

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestUnauthorized: who holds no token of the cell cannot tell a cell that there is from one that there is not.
func TestUnauthorized(t *testing.T) {
	b := newBed(t, nil)
	b.cells.tokens["acme/empty"] = []string{""}
	b.cells.tokens["acme/ghost"] = []string{"ghost-s3cret"} // A Secret is left of a cell that is gone.
	resp, want := b.call("GET", "/api", "", "Authorization", "")
	if resp.StatusCode != http.StatusUnauthorized {
		t.Fatalf("without a token: %d %s", resp.StatusCode, want)
	}
	cases := map[string]struct {
		reason, path string
		headers      []string
	}{
		"Wrong":          {"a wrong token", "/cells/acme/rz/api", []string{"Bearer nonsense"}},
		"OtherCell":      {"the token of another cell", "/cells/acme/rz/api", []string{"Bearer " + otherToken}},
		"UnknownCell":    {"a cell that there is not", "/cells/acme/none/api", []string{"Bearer " + cellToken}},
		"UnknownNS":      {"a namespace that there is not", "/cells/none/rz/api", []string{"Bearer " + cellToken}},
		"Ghost":          {"a token that outlived its cell", "/cells/acme/ghost/api", []string{"Bearer ghost-s3cret"}},
		"EmptyToken":     {"an empty token is none, even where one is stored", "/cells/acme/empty/api", []string{"Bearer "}},
		"Basic":          {"another scheme", "/cells/acme/rz/api", []string{"Basic " + cellToken}},
		"Two":            {"two headers have two readings", "/cells/acme/rz/api", []string{"Bearer " + cellToken, "Bearer " + cellToken}},
		"Query":          {"a token in the query", "/cells/acme/rz/api?token=" + cellToken, nil},
		"NoCell":         {"a path without a cell", "/cells/acme", []string{"Bearer " + cellToken}},
		"Elsewhere":      {"another path", "/healthz", []string{"Bearer " + cellToken}},
		"Escaped":        {"a cell in other letters", "/cells/acme/r%7a/api", []string{"Bearer " + cellToken}},
		"DotsToCell":     {"a way around", "/cells/x/../acme/rz/api", []string{"Bearer " + cellToken}},
		"HealthzNoToken": {"health is not for everybody", "/cells/acme/rz/healthz", nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := b.request("GET", "/", "")
			u, err := r.URL.Parse(b.server.URL + "/")
			if err != nil {
				t.Fatal(err)
			}
			path, query, _ := strings.Cut(tc.path, "?")
			u.Opaque, u.RawQuery = path, query
			r.URL = u
			r.URL.Opaque = "//" + u.Host + path
			r.Header["Authorization"] = tc.headers
			resp, got := b.do(r)
			if resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: got %d", tc.reason, resp.StatusCode)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: the answer tells something: (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
	if seen := b.member.seen(); len(seen) > 0 {
		t.Errorf("the member was asked: %v", lines(seen))
	}
}

func TestBothTokensOpen(t *testing.T) {
	b := newBed(t, nil)
	b.member.on("GET /version", object(`{}`))
	for _, header := range []string{"Bearer " + cellToken, "bearer older-s3cret"} {
		if resp, _ := b.call("GET", "/version", "", "Authorization", header); resp.StatusCode != http.StatusOK {
			t.Errorf("while a token replaces another both are good: got %d for %q", resp.StatusCode, header)
		}
	}
}

func TestHeaders(t *testing.T) {
	b := newBed(t, nil)
	b.member.on("GET "+aPath, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "a=b")
		w.Header().Set("Warning", `299 - "old"`)
		w.Header().Set("Audit-Id", "x")
		object(configMap(""))(w, r)
	})
	resp, _ := b.call("GET", "/api/v1/namespaces/acme/configmaps/a", "", "User-Agent", "kubectl/v1", "Cookie", "c=d",
		"X-Forwarded-For", "1.2.3.4", "X-Remote-User", "root", "Accept-Encoding", "gzip",
		"Accept", "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io, application/json;q=0.5")
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("got %d", resp.StatusCode)
	}
	seen := b.member.seen()[0].header
	want := http.Header{
		"Authorization": {"Bearer " + memberToken}, "User-Agent": {"kubectl/v1"}, "Accept-Encoding": {"identity"},
		"Accept": {"application/json;as=Table;v=v1;g=meta.k8s.io,application/json"},
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("what the member sees: (-want +got)\n%s", diff)
	}
	if resp.Header.Get("Set-Cookie") != "" || resp.Header.Get("Warning") == "" || resp.Header.Get("Audit-Id") == "" {
		t.Errorf("what the client sees: %v", resp.Header)
	}
	for _, name := range []string{"Impersonate-User", "Impersonate-Group", "Impersonate-Extra-Scopes"} {
		resp, body := b.call("GET", "/version", "", name, "system:admin")
		if resp.StatusCode != http.StatusForbidden || !strings.Contains(body, name) {
			t.Errorf("%s: got %d %s", name, resp.StatusCode, body)
		}
	}
}

func TestResolveErrors(t *testing.T) {
	b := newBed(t, nil)
	cases := map[string]struct {
		reason string
		err    error
		code   int
		text   string
	}{
		"Unavailable": {"what is wrong is told", &UnavailableError{Message: "no cluster hz-a: register it"}, 503, "no cluster hz-a: register it"},
		"Internal":    {"what is not for clients is not", errors.New("secret s3cret"), 503, "host cluster"},
		"Unknown":     {"a cell that is gone", ErrUnknownCell, 401, "Unauthorized"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b.cells.mu.Lock()
			b.cells.err = tc.err
			b.cells.mu.Unlock()
			resp, body := b.call("GET", "/healthz", "")
			if resp.StatusCode != tc.code || !strings.Contains(body, tc.text) || strings.Contains(body, "s3cret") {
				t.Errorf("%s: got %d %s", tc.reason, resp.StatusCode, body)
			}
		})
	}
}

// TestRefusals: what mapping refuses does not reach the member, and the answer is a Status that says why.
func TestRefusals(t *testing.T) {
	b := newBed(t, nil)
	for path, code := range map[string]int{
		"/api/v1/namespaces/other/configmaps":          http.StatusForbidden,
		"/api/v1/namespaces/acme/pods/p/exec":          http.StatusForbidden,
		"/api/v1/namespaces/acme/pods/a%2f..%2fb":      http.StatusBadRequest,
		"/api/v1/namespaces/acme/%2e%2e/other/secrets": http.StatusBadRequest,
		"/metrics": http.StatusForbidden,
	} {
		resp, body := b.call("GET", path, "")
		if resp.StatusCode != code || !strings.Contains(body, `"kind":"Status"`) || !strings.Contains(body, `"message":"`) {
			t.Errorf("%s: got %d %s", path, resp.StatusCode, body)
		}
	}
	if seen := b.member.seen(); len(seen) > 0 {
		t.Errorf("the member was asked: %v", lines(seen))
	}
}

func TestMetricsAndLogs(t *testing.T) {
	b := newBed(t, nil)
	b.member.on("GET "+aPath, object(configMap("")))
	b.call("GET", "/api/v1/namespaces/acme/configmaps/a?labelSelector=q-s3cret", "")
	b.call("GET", "/version", "", "Authorization", "Bearer wrong-s3cret")
	b.call("POST", "/api/v1/namespaces/acme/secrets", `{"metadata":{},"data":{"x":"s3cret"}}`)
	want := `
# HELP cellfed_facade_requests_total Requests to façades of cells, by verb and status code.
# TYPE cellfed_facade_requests_total counter
cellfed_facade_requests_total{code="200",verb="get"} 1
cellfed_facade_requests_total{code="401",verb="none"} 1
cellfed_facade_requests_total{code="404",verb="create"} 1
`
	if err := testutil.GatherAndCompare(b.registry, strings.NewReader(want), "cellfed_facade_requests_total"); err != nil {
		t.Error(err)
	}
	if log := b.log.String(); strings.Contains(log, "s3cret") || !strings.Contains(log, "Served a request") {
		t.Errorf("the log tells a secret, or nothing:\n%s", log)
	}
}
