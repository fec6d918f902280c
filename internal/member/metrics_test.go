package member

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestVerbOf(t *testing.T) {
	cases := map[string]struct{ method, url string }{
		"probe":  {http.MethodGet, "/readyz"},
		"get":    {http.MethodGet, "/api/v1/namespaces/a/configmaps/x"},
		"list":   {http.MethodGet, "/api/v1/configmaps?labelSelector=a%3Db"},
		"watch":  {http.MethodGet, "/api/v1/configmaps?labelSelector=a%3Db&watch=true"},
		"create": {http.MethodPost, "/api/v1/namespaces"},
		"update": {http.MethodPut, "/api/v1/namespaces/a"},
		"patch":  {http.MethodPatch, "/api/v1/namespaces/a/configmaps/x?fieldManager=m&force=true"},
		"delete": {http.MethodDelete, "/api/v1/namespaces/a/configmaps/x"},
		"other":  {http.MethodOptions, "/"},
	}
	for want, tc := range cases {
		if got := verbOf(httptest.NewRequest(tc.method, tc.url, nil)); got != want {
			t.Errorf("%s %s is %q, want %q", tc.method, tc.url, got, want)
		}
	}
	page := httptest.NewRequest(http.MethodGet, "/api/v1/namespaces/a/configmaps?limit=10", nil)
	if got := verbOf(page); got != "list" {
		t.Errorf("a page is %q", got)
	}
}

func TestRequestMetrics(t *testing.T) {
	m := newMetrics()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m.requests, m.duration)
	ask := func(name string, code int) {
		var resp *http.Response
		if code != 0 {
			resp = &http.Response{StatusCode: code}
		}
		m.answered(name, httptest.NewRequest(http.MethodDelete, "/api/v1/namespaces/a", nil), resp, time.Now())
	}
	m.join("hz-a")
	m.join("hz-b")
	for _, code := range []int{200, 202, 409, 503, 0} {
		ask("hz-a", code)
	}
	ask("hz-b", 200)
	ask("hz-c", 200) // Nobody has registered it.
	m.forget("hz-b")
	ask("hz-b", 200) // An answer that comes late.
	want := `
# HELP cellfed_member_requests_total Requests that the manager's controllers sent to members, by physical cluster, verb (get, list, watch, create, update, patch, delete or probe) and class of the status code: 2xx to 5xx, or none where no answer came. Requests through façades are not among them.
# TYPE cellfed_member_requests_total counter
cellfed_member_requests_total{cluster="hz-a",code="2xx",verb="delete"} 2
cellfed_member_requests_total{cluster="hz-a",code="4xx",verb="delete"} 1
cellfed_member_requests_total{cluster="hz-a",code="5xx",verb="delete"} 1
cellfed_member_requests_total{cluster="hz-a",code="none",verb="delete"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "cellfed_member_requests_total"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(registry, "cellfed_member_request_duration_seconds"); n != 1 || err != nil {
		t.Errorf("%d series of durations, %v", n, err)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

// TestCollector: what the members' health is, and that what is gone has no series.
func TestCollector(t *testing.T) {
	f := &Clusters{metrics: newMetrics(), members: map[string]*cluster{}}
	unread, known := &watching{store: newStore(nil, nil)}, &watching{store: newStore(nil, nil)}
	for i := range known.store.flavors {
		known.store.flavors[i].listed = 1
	}
	f.members["hz-a"] = &cluster{name: "hz-a", watching: map[Target]*watching{configMaps: unread, secrets: known}}
	f.members["hz-b"] = &cluster{name: "hz-b", sick: NotAsked}
	want := `
# HELP cellfed_member_healthy Whether a member can be used, as the manager's own connection to it has it: 1 or 0, by physical cluster. The leader alone has it.
# TYPE cellfed_member_healthy gauge
cellfed_member_healthy{cluster="hz-a"} 1
cellfed_member_healthy{cluster="hz-b"} 0
# HELP cellfed_member_unread_types Types of which it is not known what a member holds, because its objects were not listed yet or cannot be, by physical cluster. The leader alone has it.
# TYPE cellfed_member_unread_types gauge
cellfed_member_unread_types{cluster="hz-a"} 1
cellfed_member_unread_types{cluster="hz-b"} 0
`
	if err := testutil.CollectAndCompare(f.Collector(), strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	delete(f.members, "hz-a")
	delete(f.members, "hz-b")
	if n := testutil.CollectAndCount(f.Collector()); n != 0 {
		t.Errorf("%d series of members that are gone", n)
	}
}

// TestCounted: every request of a connection is counted, with what came of it.
func TestCounted(t *testing.T) {
	answers := map[string]func(w http.ResponseWriter){
		"/readyz": func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
		"/api":    func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) },
		"/apis":   func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	}
	s, ca := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answers[r.URL.Path](w) }), nil)
	to, err := newPool(t).Get(newCluster(s.URL, ca))
	if err != nil {
		t.Fatal(err)
	}
	m := newMetrics()
	conn, err := newConnection(to, time.Minute, m)
	if err != nil {
		t.Fatal(err)
	}
	m.join(to.Name())
	for path := range answers {
		_, _ = conn.rest.Get().AbsPath(path).MaxRetries(0).DoRaw(context.WithoutCancel(t.Context()))
	}
	got := map[string]float64{}
	for _, verb := range []string{"probe", "get"} {
		for _, code := range []string{"2xx", "4xx", "none"} {
			if n := testutil.ToFloat64(m.requests.WithLabelValues(to.Name(), verb, code)); n > 0 {
				got[verb+" "+code] = n
			}
		}
	}
	if diff := cmp.Diff(map[string]float64{"probe 2xx": 1, "get 4xx": 1, "get none": 1}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
