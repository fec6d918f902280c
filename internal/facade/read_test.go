package facade

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestGet(t *testing.T) {
	cases := map[string]struct {
		reason, labels string
		code           int
		want           string
	}{
		"Ours":    {"the cell's own object, mapped", ownLabels, 200, strings.ReplaceAll(configMap(`"kubefed.io/managed":"true"`), "acme-rz", "acme")},
		"Free":    {"one that nobody manages", "", 200, strings.ReplaceAll(configMap(""), "acme-rz", "acme")},
		"Foreign": {"one that upstream manages is not there", foreignLabels, 404, ""},
		"Other":   {"nor one of another cell", strings.ReplaceAll(ownLabels, `"rz"`, `"x"`), 404, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, nil)
			b.member.on("GET "+aPath, object(configMap(tc.labels)))
			resp, got := b.call("GET", "/api/v1/namespaces/acme/configmaps/a?pretty=true", "")
			want := tc.want
			if tc.code == 404 {
				missing := apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, "a").ErrStatus
				missing.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
				raw, err := json.Marshal(missing)
				if err != nil {
					t.Fatal(err)
				}
				want = string(raw)
			}
			if diff := cmp.Diff(fmt.Sprint(tc.code, want), fmt.Sprint(resp.StatusCode, got)); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
}

// TestListStreams: the first items are with the client while the member still writes.
func TestListStreams(t *testing.T) {
	b := newBed(t, nil)
	more := make(chan struct{})
	b.member.on("GET "+listPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"kind":"ConfigMapList","items":[`)
		for range 2000 {
			_, _ = io.WriteString(w, configMap(ownLabels)+","+configMap(foreignLabels)+",")
		}
		_ = http.NewResponseController(w).Flush()
		<-more
		_, _ = io.WriteString(w, configMap("")+"]}")
	})
	resp, err := b.client.Do(b.request("GET", "/api/v1/configmaps", ""))
	if err != nil {
		t.Fatal(err)
	}
	// The scope of the kind is not known yet, and the member does not know the kind either.
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Fatalf("got %d for a kind that the member does not have", resp.StatusCode)
	}
	resp, err = b.client.Do(b.request("GET", "/api/v1/namespaces/acme/configmaps", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // The test reads it.
	first := make([]byte, 128<<10)
	if _, err := io.ReadFull(resp.Body, first); err != nil {
		t.Fatal(err)
	}
	close(more)
	rest, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Items []metav1.PartialObjectMetadata
	}
	if err := json.Unmarshal(append(first, rest...), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 2001 {
		t.Errorf("%d items", len(list.Items))
	}
	for _, i := range list.Items {
		if i.Namespace != "acme" {
			t.Fatalf("an item of namespace %q", i.Namespace)
		}
	}
}

// TestListBroken: a list that the member breaks off never looks like a whole one.
func TestListBroken(t *testing.T) {
	b := newBed(t, nil)
	b.member.on("GET "+listPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"items":[`)
		for range 2000 {
			_, _ = io.WriteString(w, configMap(ownLabels)+",")
		}
		panic(http.ErrAbortHandler)
	})
	resp, err := b.client.Do(b.request("GET", "/api/v1/namespaces/acme/configmaps", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // The test reads it.
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("the list ends as if it were whole")
	}
	// A short one fails before anything is sent.
	b.member.on("GET "+listPath, object(`{"items":[`))
	if resp, body := b.call("GET", "/api/v1/namespaces/acme/configmaps", ""); resp.StatusCode != http.StatusBadGateway {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
}

// watcher is a watch whose events a test sends one by one.
type watcher struct {
	events chan string
	gone   chan struct{}
}

func (w *watcher) serve(rw http.ResponseWriter, r *http.Request) {
	defer close(w.gone)
	rw.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(rw).Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case e, ok := <-w.events:
			if !ok {
				return
			}
			_, _ = io.WriteString(rw, e)
			_ = http.NewResponseController(rw).Flush()
		}
	}
}

// startWatch opens a watch through the façade, and returns its lines.
func startWatch(b *bed, path string) (*watcher, *http.Response, *bufio.Reader) {
	b.t.Helper()
	w := &watcher{events: make(chan string), gone: make(chan struct{})}
	b.member.on("GET "+path, w.serve)
	resp, err := b.client.Do(b.request("GET", "/api/v1/namespaces/acme/configmaps?watch=1&timeoutSeconds=60", ""))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		b.t.Fatalf("the watch is answered with %d", resp.StatusCode)
	}
	return w, resp, bufio.NewReader(resp.Body)
}

func TestWatch(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Timeout = time.Second })
	b.member.on("GET /version", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	w, resp, lines := startWatch(b, listPath)
	want := strings.ReplaceAll(configMap(`"kubefed.io/managed":"true"`), "acme-rz", "acme")
	// Each event is with the client before the member sends the next, also long after the bound for other requests.
	for i := range 2 {
		w.events <- `{"type":"ADDED","object":` + configMap(ownLabels) + `}` + "\n"
		got, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(`{"type":"ADDED","object":`+want+"}\n", got); diff != "" {
			t.Errorf("event %d: (-want +got)\n%s", i, diff)
		}
		// By then another request has waited for as long as it may.
		if resp, _ := b.call("GET", "/version", ""); resp.StatusCode != http.StatusGatewayTimeout {
			t.Fatalf("a request that hangs is answered with %d", resp.StatusCode)
		}
	}
	if n, err := testutil.GatherAndCount(b.registry, "cellfed_facade_watches"); n != 1 || err != nil {
		t.Errorf("%d series of open watches, %v", n, err)
	}
	// An event that is cut is not sent, and the watch ends as one that is over.
	w.events <- `{"type":"ADDED","object":{"metadata":`
	close(w.events)
	rest, err := io.ReadAll(lines)
	if err != nil || len(rest) > 0 {
		t.Errorf("behind the last whole event: %q, %v", rest, err)
	}
	_ = resp.Body.Close()
	if got := b.member.seen()[0].query; got != "labelSelector=kubefed.io%2Fmanaged%21%3Dtrue&timeoutSeconds=60&watch=true" {
		t.Errorf("the member is asked for %s", got)
	}
}

// TestWatchEnds: a watch ends when it must, and the member's with it.
func TestWatchEnds(t *testing.T) {
	cases := map[string]struct {
		reason string
		end    func(*bed, *http.Response)
		read   bool
	}{
		"Client":  {"the client goes", func(_ *bed, r *http.Response) { _ = r.Body.Close() }, false},
		"Drain":   {"the replica stops", func(b *bed, _ *http.Response) { b.handler.Drain() }, true},
		"Retired": {"the member's credentials were replaced", func(b *bed, _ *http.Response) { b.pool.Forget("uid-1") }, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, nil)
			w, resp, lines := startWatch(b, listPath)
			tc.end(b, resp)
			select {
			case <-w.gone:
			case <-time.After(10 * time.Second):
				t.Fatalf("%s: the member's watch goes on", tc.reason)
			}
			if tc.read {
				if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
					t.Errorf("%s: the client reads %q, %v", tc.reason, rest, err)
				}
			}
		})
	}
}

// TestWatchEndsWithRight: who may not begin a watch any more does not go on with one. What it shows may be another
// tenant's by then.
func TestWatchEndsWithRight(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*cells)
		ends   bool
	}{
		"Revoked": {"the token was revoked", func(c *cells) { c.tokens["acme/rz"] = []string{"newer-s3cret"} }, true},
		"Deleted": {"the Cell is gone", func(c *cells) { delete(c.targets, "acme/rz") }, true},
		"Unavailable": {"an older Cell has the namespace", func(c *cells) {
			c.err = &UnavailableError{Message: "an older Cell claims it"}
		}, true},
		"Moved": {"the Cell is on another member", func(c *cells) { c.targets["acme/rz"] = c.targets["acme/other"] }, true},
		"Elsewhere": {"a Cell of the same name has another namespace", func(c *cells) {
			moved := *c.targets["acme/rz"]
			moved.View.TargetNamespace = "acme-new"
			c.targets["acme/rz"] = &moved
		}, true},
		"Rotated": {"another token was replaced", func(c *cells) { c.tokens["acme/rz"] = []string{cellToken, "newer-s3cret"} }, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, nil)
			b.handler.recheck = 10 * time.Millisecond
			w, _, lines := startWatch(b, listPath)
			b.cells.mu.Lock()
			tc.change(b.cells)
			b.cells.mu.Unlock()
			if !tc.ends {
				asked := b.cells.resolved()
				poll(t, func() bool { return b.cells.resolved() > asked+2 })
				w.events <- `{"type":"ADDED","object":` + configMap(ownLabels) + "}\n"
				if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, "ADDED") {
					t.Errorf("%s: the client reads %q, %v", tc.reason, line, err)
				}
				return
			}
			select {
			case <-w.gone:
			case <-time.After(10 * time.Second):
				t.Fatalf("%s: the member's watch goes on", tc.reason)
			}
			if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
				t.Errorf("%s: the client reads %q, %v", tc.reason, rest, err)
			}
		})
	}
}

func TestDrainRefusesWatches(t *testing.T) {
	b := newBed(t, nil)
	b.member.on("GET "+aPath, object(configMap("")))
	b.handler.Drain()
	if resp, body := b.call("GET", "/api/v1/namespaces/acme/configmaps?watch=1", ""); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a new watch: %d %s", resp.StatusCode, body)
	}
	if resp, body := b.call("GET", "/api/v1/namespaces/acme/configmaps/a", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("another request: %d %s", resp.StatusCode, body)
	}
}

// TestSlowMember: a member that accepts requests and never answers costs its own cell a bounded time, and others nothing.
func TestSlowMember(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Timeout, o.HealthTimeout = 2*time.Second, time.Second })
	// The question for the kinds of a group may be waited for by several requests, and outlives each of them.
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	hang := func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-over:
		}
	}
	for _, what := range []string{"GET /healthz", "GET " + aPath, "GET " + listPath, "PUT " + aPath, "GET /api/v1"} {
		b.member.on(what, hang)
	}
	b.other.on("GET /healthz", answer(200, "text/plain", "ok"))
	requests := map[string]*http.Request{
		"health": b.request("GET", "/healthz", ""),
		"get":    b.request("GET", "/api/v1/namespaces/acme/configmaps/a", ""),
		"list":   b.request("GET", "/api/v1/namespaces/acme/configmaps", ""),
		"watch":  b.request("GET", "/api/v1/namespaces/acme/configmaps?watch=1", ""),
		"update": b.request("PUT", "/api/v1/namespaces/acme/configmaps/a", `{}`),
		"scope":  b.request("GET", "/api/v1/things", ""),
	}
	type result struct {
		name string
		code int
		took time.Duration
		body string
	}
	results := make(chan result, len(requests))
	start := time.Now()
	for name, r := range requests {
		go func() {
			resp, err := b.client.Do(r)
			if err != nil {
				results <- result{name: name}
				return
			}
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			results <- result{name, resp.StatusCode, time.Since(start), string(body)}
		}()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	other := b.request("GET", "/healthz", "", "Authorization", "Bearer "+otherToken).WithContext(ctx)
	other.URL.Path = "/cells/acme/other/healthz"
	if resp, body := b.do(other); resp.StatusCode != http.StatusOK || body != "ok" {
		t.Errorf("the other cell: %d %s", resp.StatusCode, body)
	}
	for range requests {
		r := <-results
		if r.code != http.StatusGatewayTimeout || r.took > 10*time.Second {
			t.Errorf("%s: %d after %s", r.name, r.code, r.took)
		}
		if r.name == "health" && !strings.Contains(r.body, "within 1s") {
			t.Errorf("health has another bound: %s", r.body)
		}
	}
}

// TestSlowBody: a member that begins an answer and does not go on is broken off too.
func TestSlowBody(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Timeout = 100 * time.Millisecond })
	b.member.on("GET "+aPath, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"metadata":`)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	if resp, body := b.call("GET", "/api/v1/namespaces/acme/configmaps/a", ""); resp.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
}

// TestGarbageMember: what no API server answers with is not passed on.
func TestGarbageMember(t *testing.T) {
	gzipped := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		object(`{}`)(w, r)
	}
	cases := map[string]struct {
		reason  string
		handler http.HandlerFunc
		code    int
	}{
		"HTML":       {"a page", answer(200, "text/html", "<html>"), 502},
		"BrokenJSON": {"JSON that is none", object(`{"metadata":{`), 502},
		"Array":      {"JSON that is no object", object(`[]`), 502},
		"Redirect": {"a way elsewhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere/", http.StatusFound)
		}, 502},
		"Compressed":   {"an encoding that was not asked for", gzipped, 502},
		"Unauthorized": {"the member's token is wrong, not the client's", status(401, "Unauthorized", "Unauthorized"), 503},
		"TextError":    {"an error of something in between", answer(500, "text/plain", "goroutine 1 s3cret"), 500},
		"Status":       {"an error of the member", status(403, "Forbidden", "no"), 403},
		"Abort":        {"a connection that breaks", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 503},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, nil)
			b.member.on("GET "+aPath, tc.handler)
			resp, body := b.call("GET", "/api/v1/namespaces/acme/configmaps/a", "")
			if resp.StatusCode != tc.code || !strings.Contains(body, `"kind":"Status"`) || strings.Contains(body, "s3cret") {
				t.Errorf("%s: got %d %s", tc.reason, resp.StatusCode, body)
			}
			if name != "Redirect" {
				return
			}
			b.member.on("GET /version", tc.handler)
			if resp, body := b.call("GET", "/version", ""); resp.StatusCode != tc.code {
				t.Errorf("%s: got %d %s", tc.reason, resp.StatusCode, body)
			}
		})
	}
}

// TestSharedConnection: cells on one member share one HTTP/2 connection to it.
func TestSharedConnection(t *testing.T) {
	b := newBed(t, nil)
	b.cells.mu.Lock()
	shared := *b.cells.targets["acme/rz"]
	shared.View.Cell, shared.View.TargetNamespace = "other", "acme-other"
	b.cells.targets["acme/other"] = &shared
	b.cells.mu.Unlock()
	b.member.on("GET /version", object(`{}`))
	for range 3 {
		b.call("GET", "/version", "")
		r := b.request("GET", "/version", "", "Authorization", "Bearer "+otherToken)
		r.URL.Path = "/cells/acme/other/version"
		if resp, body := b.do(r); resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
			t.Fatalf("got %d by %s: %s", resp.StatusCode, resp.Proto, body)
		}
	}
	for _, r := range b.member.seen() {
		if r.protocol != "HTTP/2.0" {
			t.Errorf("the member is spoken to by %s", r.protocol)
		}
	}
	if n := b.member.connections.Load(); n != 1 {
		t.Errorf("%d connections to the member", n)
	}
}

// TestClusterScoped: a kind's scope comes from the member's discovery; a cluster-scoped one is listed with a selector that
// nothing matches.
func TestClusterScoped(t *testing.T) {
	b := newBed(t, nil)
	b.member.on("GET /api/v1", object(`{"resources":[{"name":"persistentvolumes"},{"name":"configmaps","namespaced":true}]}`))
	b.member.on("GET /api/v1/persistentvolumes", object(`{"metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"leak"}}]}`))
	b.member.on("GET "+listPath, object(`{"items":[]}`))
	if resp, body := b.call("GET", "/api/v1/persistentvolumes", ""); resp.StatusCode != http.StatusOK || body != `{"metadata":{"resourceVersion":"5"},"items":[]}` {
		t.Errorf("a cluster-scoped kind: %d %s", resp.StatusCode, body)
	}
	if resp, body := b.call("GET", "/api/v1/configmaps", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("all namespaces: %d %s", resp.StatusCode, body)
	}
	want := []string{
		"GET /api/v1",
		"GET /api/v1/persistentvolumes?labelSelector=cellfed.io%2Fnever%2C%21cellfed.io%2Fnever",
		"GET " + listPath + "?labelSelector=kubefed.io%2Fmanaged%21%3Dtrue",
	}
	if diff := cmp.Diff(want, lines(b.member.seen())); diff != "" {
		t.Errorf("what the member is asked: (-want +got)\n%s", diff)
	}
}

// TestEndpointWithPath: a member's endpoint may be a URL with a path.
func TestEndpointWithPath(t *testing.T) {
	b := newBed(t, nil)
	b.cells.mu.Lock()
	target := b.cells.targets["acme/rz"]
	target.BaseURL = target.BaseURL.JoinPath("a%2Fb", "c/")
	b.cells.mu.Unlock()
	b.call("GET", "/api/v1/namespaces/acme/configmaps/a:b?x=y", "")
	if diff := cmp.Diff([]string{"GET /a%2Fb/c/api/v1/namespaces/acme-rz/configmaps/a:b?x=y"}, lines(b.member.seen())); diff != "" {
		t.Error(diff)
	}
}

// TestPassThrough: what the server says of itself is passed on byte for byte, in the client's encoding.
func TestPassThrough(t *testing.T) {
	b := newBed(t, nil)
	b.member.on("GET /openapi/v2", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", "x")
		answer(200, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf", "\x00\x01acme-rz")(w, r)
	})
	resp, body := b.call("GET", "/openapi/v2?hash=a", "", "Accept", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf", "If-None-Match", "y")
	if resp.StatusCode != http.StatusOK || body != "\x00\x01acme-rz" || resp.Header.Get("Etag") != "x" {
		t.Errorf("got %d %q %v", resp.StatusCode, body, resp.Header)
	}
	seen := b.member.seen()[0]
	if seen.line() != "GET /openapi/v2?hash=a" || seen.header.Get("If-None-Match") != "y" ||
		seen.header.Get("Accept") != "application/com.github.proto-openapi.spec.v2@v1.0+protobuf" {
		t.Errorf("the member is asked %s with %v", seen.line(), seen.header)
	}
	b.member.on("GET /healthz", answer(500, "text/plain", "etcd failed"))
	if resp, body := b.call("GET", "/healthz", ""); resp.StatusCode != http.StatusInternalServerError || body != "etcd failed" {
		t.Errorf("a member that is not well: %d %s", resp.StatusCode, body)
	}
}

func TestLog(t *testing.T) {
	b := newBed(t, nil)
	pod := "/api/v1/namespaces/acme-rz/pods/a"
	b.member.on("GET "+pod, object(configMap("")))
	b.member.on("GET "+pod+"/log", answer(200, "text/plain", "hello from acme-rz"))
	if resp, body := b.call("GET", "/api/v1/namespaces/acme/pods/a/log?container=c", ""); resp.StatusCode != http.StatusOK || body != "hello from acme-rz" {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	b.member.on("GET "+pod, object(configMap(foreignLabels)))
	b.member.seen()
	if resp, body := b.call("GET", "/api/v1/namespaces/acme/pods/a/log", ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("the log of a foreign pod: %d %s", resp.StatusCode, body)
	}
	if diff := cmp.Diff([]string{"GET " + pod}, lines(b.member.seen())); diff != "" {
		t.Error(diff)
	}
}
