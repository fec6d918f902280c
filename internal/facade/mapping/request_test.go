package mapping

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

var testView = View{Namespace: "acme", Cell: "rz", TargetNamespace: "acme-rz"}

// route parses and routes a request as the façade does, with a fixed scope for kinds whose path does not tell it.
func route(v View, method, path, query string, scope Scope) (*Request, *Route, error) {
	q, err := ParseRequest(method, path, query)
	if err != nil {
		return nil, nil, err
	}
	if !q.NeedsScope() {
		scope = ScopeUnknown
	}
	r, err := v.Route(q, scope)
	return q, r, err
}

const (
	notForeign = "kubefed.io/managed!=true"
	ownLabels  = "cellfed.io/cell=rz,cellfed.io/managed=true,cellfed.io/namespace=acme"
)

func TestRoute(t *testing.T) {
	type want struct {
		Verb  Verb
		Path  string
		Query url.Values
		Mode  Mode
	}
	cases := map[string]struct {
		reason              string
		method, path, query string
		scope               Scope
		want                want
	}{
		"Get": {
			reason: "an object of the namespace is one of the target namespace",
			method: http.MethodGet, path: "/api/v1/namespaces/acme/configmaps/a", query: "pretty=true&resourceVersion=0",
			want: want{VerbGet, "/api/v1/namespaces/acme-rz/configmaps/a", url.Values{"resourceVersion": {"0"}}, Mapped},
		},
		"EscapedName": {
			reason: "names of RBAC objects have colons, which clients may escape",
			method: http.MethodGet, path: "/apis/rbac.authorization.k8s.io/v1/namespaces/acme/roles/system%3Ax",
			want: want{VerbGet, "/apis/rbac.authorization.k8s.io/v1/namespaces/acme-rz/roles/system:x", url.Values{}, Mapped},
		},
		"List": {
			reason: "a list leaves out what upstream manages, and keeps paging and versions",
			method: http.MethodGet, path: "/apis/apps/v1/namespaces/acme/deployments", query: "limit=5&continue=x&labelSelector=app%3Dweb&watch=0",
			want: want{VerbList, "/apis/apps/v1/namespaces/acme-rz/deployments",
				url.Values{"limit": {"5"}, "continue": {"x"}, "labelSelector": {"app=web," + notForeign}}, Mapped},
		},
		"ListAllNamespaces": {
			reason: "all namespaces are the one",
			method: http.MethodGet, path: "/apis/apps/v1/deployments", scope: ScopeNamespaced,
			query: "labelSelector=kubefed.io%2Fmanaged%3Dtrue&fieldSelector=metadata.namespace%3Dacme",
			want: want{VerbList, "/apis/apps/v1/namespaces/acme-rz/deployments", url.Values{
				"labelSelector": {ownLabels + "," + notForeign}, "fieldSelector": {"metadata.namespace=acme-rz"}}, Mapped},
		},
		"ListClusterScoped": {
			reason: "a cluster-scoped kind is asked for with a selector that nothing matches, so that its watch lives",
			method: http.MethodGet, path: "/api/v1/persistentvolumes", query: "labelSelector=a%3Db&watch=", scope: ScopeCluster,
			want: want{VerbWatch, "/api/v1/persistentvolumes", url.Values{
				"labelSelector": {"cellfed.io/never,!cellfed.io/never"}, "watch": {"true"}}, Empty},
		},
		"Watch": {
			reason: "an empty value is true to the API server",
			method: http.MethodGet, path: "/api/v1/namespaces/acme/pods", query: "watch&allowWatchBookmarks=true",
			want: want{VerbWatch, "/api/v1/namespaces/acme-rz/pods", url.Values{
				"watch": {"true"}, "allowWatchBookmarks": {"true"}, "labelSelector": {notForeign}}, Mapped},
		},
		"OldWatch": {
			reason: "watches of the old style become ones of the new",
			method: http.MethodGet, path: "/api/v1/watch/namespaces/acme/pods/p",
			want: want{VerbWatch, "/api/v1/namespaces/acme-rz/pods", url.Values{
				"watch": {"true"}, "labelSelector": {notForeign}, "fieldSelector": {"metadata.name=p"}}, Mapped},
		},
		"OldWatchAllNamespaces": {
			reason: "the scope of the kind counts there too",
			method: http.MethodGet, path: "/apis/apps/v1/watch/deployments", scope: ScopeNamespaced,
			want: want{VerbWatch, "/apis/apps/v1/namespaces/acme-rz/deployments", url.Values{
				"watch": {"true"}, "labelSelector": {notForeign}}, Mapped},
		},
		"OldWatchOfNamespace": {
			reason: "a watch of the Namespace is one of Namespaces by name",
			method: http.MethodGet, path: "/api/v1/watch/namespaces/acme",
			want: want{VerbWatch, "/api/v1/namespaces", url.Values{
				"watch": {"true"}, "fieldSelector": {"metadata.name=acme-rz"}}, Mapped},
		},
		"SecondValuesIgnored": {
			reason: "the API server reads the first value of a selector, so only that one is sent",
			method: http.MethodGet, path: "/api/v1/namespaces/acme/pods", query: "labelSelector=a&labelSelector=b&watch=false&watch=true",
			want: want{VerbList, "/api/v1/namespaces/acme-rz/pods", url.Values{"labelSelector": {"a," + notForeign}}, Mapped},
		},
		"Create": {
			reason: "creation goes to the target namespace, options pass",
			method: http.MethodPost, path: "/api/v1/namespaces/acme/pods", query: "dryRun=All&fieldManager=x",
			want: want{VerbCreate, "/api/v1/namespaces/acme-rz/pods", url.Values{"dryRun": {"All"}, "fieldManager": {"x"}}, Mapped},
		},
		"DeleteCollection": {
			reason: "a collection that is deleted holds the cell's own objects only",
			method: http.MethodDelete, path: "/api/v1/namespaces/acme/pods", query: "labelSelector=app%3Dweb",
			want: want{VerbDeleteCollection, "/api/v1/namespaces/acme-rz/pods", url.Values{
				"labelSelector": {"app=web," + ownLabels + "," + notForeign}}, Mapped},
		},
		"Scale": {
			reason: "scale is part of the view",
			method: http.MethodPut, path: "/apis/apps/v1/namespaces/acme/deployments/web/scale",
			want: want{VerbUpdate, "/apis/apps/v1/namespaces/acme-rz/deployments/web/scale", url.Values{}, Mapped},
		},
		"Log": {
			reason: "logs are text, and the kubelet's certificate is not the client's to wave through",
			method: http.MethodGet, path: "/api/v1/namespaces/acme/pods/p/log", query: "follow=true&insecureSkipTLSVerifyBackend=true",
			want: want{VerbGet, "/api/v1/namespaces/acme-rz/pods/p/log", url.Values{"follow": {"true"}}, AsIs},
		},
		"Namespace": {
			reason: "the Namespace goes by the target's name",
			method: http.MethodGet, path: "/api/v1/namespaces/acme",
			want: want{VerbGet, "/api/v1/namespaces/acme-rz", url.Values{}, Mapped},
		},
		"NamespaceStatus": {
			reason: "status behind a Namespace is its subresource and no kind",
			method: http.MethodGet, path: "/api/v1/namespaces/acme/status",
			want: want{VerbGet, "/api/v1/namespaces/acme-rz/status", url.Values{}, Mapped},
		},
		"Namespaces": {
			reason: "there is one Namespace, and whether it is foreign is seen in the answer",
			method: http.MethodGet, path: "/api/v1/namespaces", query: "fieldSelector=status.phase%3DActive",
			want: want{VerbList, "/api/v1/namespaces", url.Values{
				"fieldSelector": {"status.phase=Active,metadata.name=acme-rz"}}, Mapped},
		},
		"NamespacesManaged": {
			reason: "upstream's informer asks for what it manages",
			method: http.MethodGet, path: "/api/v1/namespaces", query: "labelSelector=kubefed.io%2Fmanaged%3Dtrue&watch=1",
			want: want{VerbWatch, "/api/v1/namespaces", url.Values{"watch": {"true"},
				"fieldSelector": {"metadata.name=acme-rz"}, "labelSelector": {ownLabels + "," + notForeign}}, Mapped},
		},
		"Nodes": {
			reason: "nodes are read as they are",
			method: http.MethodGet, path: "/api/v1/nodes", query: "labelSelector=a%3Db",
			want: want{VerbList, "/api/v1/nodes", url.Values{"labelSelector": {"a=b"}}, AsIs},
		},
		"Healthz": {
			reason: "what the server says of itself is as it is",
			method: http.MethodGet, path: "/healthz/etcd", query: "verbose",
			want: want{VerbGet, "/healthz/etcd", url.Values{"verbose": {""}}, AsIs},
		},
		"Discovery": {
			reason: "discovery is as it is",
			method: http.MethodGet, path: "/apis/apps/v1",
			want: want{VerbGet, "/apis/apps/v1", url.Values{}, AsIs},
		},
		"TableWithoutObjects": {
			reason: "rows without objects would not tell whose they are",
			method: http.MethodGet, path: "/api/v1/namespaces/acme/pods", query: "includeObject=None",
			want: want{VerbList, "/api/v1/namespaces/acme-rz/pods", url.Values{
				"includeObject": {"Metadata"}, "labelSelector": {notForeign}}, Mapped},
		},
		"EventsByNamespace": {
			reason: "kubectl describe selects events by the namespace of what they speak of",
			method: http.MethodGet, path: "/api/v1/namespaces/acme/events", query: "fieldSelector=involvedObject.namespace%3Dacme%2CinvolvedObject.name%3Dp",
			want: want{VerbList, "/api/v1/namespaces/acme-rz/events", url.Values{"labelSelector": {notForeign},
				"fieldSelector": {"involvedObject.name=p,involvedObject.namespace=acme-rz"}}, Mapped},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			q, r, err := route(testView, tc.method, tc.path, tc.query, tc.scope)
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			got := want{q.Verb, r.Path, r.Query, r.Mode}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
}

func TestRouteRefuses(t *testing.T) {
	cases := map[string]struct {
		reason              string
		method, path, query string
		scope               Scope
		is                  func(error) bool
	}{
		"OtherNamespace":       {"another namespace is not shown", "GET", "/api/v1/namespaces/other/pods", "", 0, apierrors.IsForbidden},
		"TargetNamespace":      {"the target namespace goes by the view's name alone", "GET", "/api/v1/namespaces/acme-rz/pods", "", 0, apierrors.IsForbidden},
		"OtherNamespaceObject": {"nor is another Namespace", "GET", "/api/v1/namespaces/other", "", 0, apierrors.IsForbidden},
		"NamespaceInNamespace": {"Namespaces are in no namespace", "GET", "/api/v1/namespaces/acme/namespaces", "", 0, apierrors.IsForbidden},
		"DeleteNamespaces":     {"Namespaces are not deleted as a collection", "DELETE", "/api/v1/namespaces", "", 0, apierrors.IsForbidden},
		"Finalize":             {"the Namespace's finalizers are the member's", "PUT", "/api/v1/namespaces/acme/finalize", "", 0, apierrors.IsForbidden},
		"ClusterScopedGet":     {"cluster-scoped objects are not read", "GET", "/api/v1/persistentvolumes/x", "", 0, apierrors.IsForbidden},
		"ClusterScopedCreate":  {"nor written", "POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", "", ScopeCluster, apierrors.IsForbidden},
		"ClusterScopedDelete":  {"nor deleted", "DELETE", "/apis/rbac.authorization.k8s.io/v1/clusterroles", "", ScopeCluster, apierrors.IsForbidden},
		"UnknownKind":          {"a kind that the member has not is not found", "GET", "/apis/x/v1/things", "", ScopeUnknown, apierrors.IsNotFound},
		"NodeWrite":            {"nodes are not written", "DELETE", "/api/v1/nodes/n", "", 0, apierrors.IsForbidden},
		"NodeProxy":            {"nor reached through", "GET", "/api/v1/nodes/n/proxy", "", 0, apierrors.IsForbidden},
		"Exec":                 {"nothing runs in pods", "GET", "/api/v1/namespaces/acme/pods/p/exec", "command=sh", 0, apierrors.IsForbidden},
		"ServiceProxy":         {"nothing is proxied", "GET", "/api/v1/namespaces/acme/services/s/proxy/a/b", "", 0, apierrors.IsForbidden},
		"OldProxy":             {"nor in the old style", "GET", "/api/v1/proxy/namespaces/acme/services/s", "", 0, apierrors.IsForbidden},
		"Token":                {"no tokens of the member are made", "POST", "/api/v1/namespaces/acme/serviceaccounts/default/token", "", 0, apierrors.IsForbidden},
		"Binding":              {"pods are bound by the scheduler", "POST", "/api/v1/namespaces/acme/bindings", "", 0, apierrors.IsForbidden},
		"Review":               {"a review would speak of cellfed's rights", "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "", 0, apierrors.IsForbidden},
		"LocalReview":          {"in a namespace too", "POST", "/apis/authorization.k8s.io/v1/namespaces/acme/localsubjectaccessreviews", "", 0, apierrors.IsForbidden},
		"LogCreate":            {"a log is read only", "POST", "/api/v1/namespaces/acme/pods/p/log", "", 0, apierrors.IsMethodNotSupported},
		"Metrics":              {"the server's own metrics are not the cell's", "GET", "/metrics", "", 0, apierrors.IsForbidden},
		"Root":                 {"the root is an empty segment", "GET", "/", "", 0, apierrors.IsBadRequest},
		"DotDot":               {"dots could lead elsewhere", "GET", "/api/v1/namespaces/acme/../other/pods", "", 0, apierrors.IsBadRequest},
		"Dot":                  {"a single one too", "GET", "/api/v1/./namespaces", "", 0, apierrors.IsBadRequest},
		"EncodedDots":          {"also when escaped", "GET", "/api/v1/namespaces/acme/%2e%2E/other", "", 0, apierrors.IsBadRequest},
		"EncodedSlash":         {"a slash in a name is no name", "GET", "/api/v1/namespaces/acme/pods/a%2f..%2fb", "", 0, apierrors.IsBadRequest},
		"EncodedTwice":         {"nor one that a second decoding would make", "GET", "/api/v1/namespaces/acme/pods/a%252fb", "", 0, apierrors.IsBadRequest},
		"Backslash":            {"nor a backslash", "GET", "/api/v1/namespaces/acme/pods/a%5cb", "", 0, apierrors.IsBadRequest},
		"Control":              {"nor a control character", "GET", "/api/v1/namespaces/acme/pods/a%00b", "", 0, apierrors.IsBadRequest},
		"DoubleSlash":          {"empty segments are dropped by some servers", "GET", "/api/v1//namespaces/other", "", 0, apierrors.IsBadRequest},
		"TrailingSlash":        {"also at the end", "GET", "/api/v1/namespaces/acme/pods/", "", 0, apierrors.IsBadRequest},
		"BadQuery":             {"a query of which servers differ in the reading", "GET", "/api/v1/namespaces/acme/pods", "a;b", 0, apierrors.IsBadRequest},
		"BadSelector":          {"a selector that cannot be parsed cannot be narrowed", "GET", "/api/v1/namespaces/acme/pods", "labelSelector=a%3D%3D%3Db", 0, apierrors.IsBadRequest},
		"BadFieldSelector":     {"a field selector neither", "GET", "/api/v1/namespaces/acme/pods", "fieldSelector=a", 0, apierrors.IsBadRequest},
		"Head":                 {"only the verbs of the API", "HEAD", "/api/v1/namespaces/acme/pods", "", 0, apierrors.IsMethodNotSupported},
		"PostDiscovery":        {"discovery is read", "POST", "/apis", "", 0, apierrors.IsMethodNotSupported},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, r, err := route(testView, tc.method, tc.path, tc.query, tc.scope)
			if err == nil {
				t.Fatalf("%s: got the route %+v", tc.reason, r)
			}
			if !tc.is(err) {
				t.Errorf("%s: got %v (%s)", tc.reason, err, apierrors.ReasonForError(err))
			}
		})
	}
}

func TestLabelSelector(t *testing.T) {
	own := ownLabels + "," + notForeign
	// Which of four objects match, and which of them the member is asked for.
	objects := map[string]State{
		"ours":  {Owner: Ours},
		"free":  {Owner: Free},
		"not":   {Owner: Free, HasKubeFed: true, KubeFedValue: "false"},
		"alien": {Owner: Foreign, HasKubeFed: true, KubeFedValue: "true"},
	}
	cases := map[string]struct {
		reason   string
		selector string
		ownOnly  bool
		want     string
		visible  string
	}{
		"Empty":     {"everything that is not foreign", "", false, notForeign, "free not ours"},
		"True":      {"the cell's own", "kubefed.io/managed=true", false, own, "free not ours"},
		"In":        {"the same in other words", "kubefed.io/managed in (true)", false, own, "free not ours"},
		"NotTrue":   {"free ones", "kubefed.io/managed!=true", false, "cellfed.io/managed!=true," + notForeign + "," + notForeign, "free not ours"},
		"Missing":   {"free ones without the label", "!kubefed.io/managed", false, "cellfed.io/managed!=true," + notForeign + ",!kubefed.io/managed", "free not ours"},
		"False":     {"explicitly unmanaged ones", "kubefed.io/managed=false", false, "cellfed.io/managed!=true," + notForeign + ",kubefed.io/managed=false", "free not ours"},
		"Exists":    {"own ones and unmanaged ones: no selector says so, a filter does", "kubefed.io/managed", false, notForeign, "not ours"},
		"Either":    {"likewise", "kubefed.io/managed in (true,false)", false, notForeign, "not ours"},
		"NotFalse":  {"likewise", "kubefed.io/managed!=false", false, notForeign, "free ours"},
		"OwnOnly":   {"a collection to be deleted", "a=b", true, "a=b," + own, "free not ours"},
		"CellLabel": {"no object of the view has it", "cellfed.io/cell=rz", false, "cellfed.io/never,!cellfed.io/never," + notForeign, "free not ours"},
		"NoCell":    {"and all objects lack it", "!cellfed.io/cell,a", false, "a," + notForeign, "free not ours"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := Resource{Version: "v1", Resource: "pods"}
			got, filter, err := testView.LabelSelector(r, tc.selector, tc.ownOnly)
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: selector (-want +got)\n%s", tc.reason, diff)
			}
			var visible []string
			for _, o := range []string{"alien", "free", "not", "ours"} {
				if filter.Visible(r, objects[o]) {
					visible = append(visible, o)
				}
			}
			if diff := cmp.Diff(tc.visible, strings.Join(visible, " ")); diff != "" {
				t.Errorf("%s: passes the filter (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
}

// FuzzRoute: whatever is asked, what the member is asked for is in the target namespace, or matches nothing, or is one of
// the things that are shown as they are.
func FuzzRoute(f *testing.F) {
	f.Add("GET", "/api/v1/namespaces/acme/pods/p", "watch=1", true)
	f.Add("POST", "/apis/apps/v1/namespaces/acme/deployments", "", true)
	f.Add("GET", "/api/v1/namespaces/acme/pods/%2e%2e", "labelSelector=a", false)
	f.Add("DELETE", "/api/v1/namespaces/acme%2f../x", "fieldSelector=metadata.namespace!=acme", false)
	f.Add("GET", "/api/v1/watch/namespaces/acme/pods", "labelSelector=kubefed.io/managed", false)
	f.Add("GET", "/api/v1/namespaces", "fieldSelector=metadata.name=other", false)
	f.Fuzz(func(t *testing.T, method, path, query string, namespaced bool) {
		scope := ScopeCluster
		if namespaced {
			scope = ScopeNamespaced
		}
		q, r, err := route(testView, method, path, query, scope)
		if err != nil {
			return
		}
		parsed, err := url.ParseRequestURI(r.Path)
		if err != nil {
			t.Fatalf("the path %q for the member is none: %v", r.Path, err)
		}
		for _, segment := range strings.Split(parsed.Path[1:], "/") {
			if segment == "" || segment == "." || segment == ".." {
				t.Fatalf("the path %q for the member has a segment %q", r.Path, segment)
			}
		}
		again, err := ParseRequest(method, r.Path, r.Query.Encode())
		if err != nil {
			t.Fatalf("the member reads another request in %q: %v", r.Path, err)
		}
		switch {
		case !q.IsResource():
			if again.IsResource() {
				t.Fatalf("%q became a request for a resource: %q", path, r.Path)
			}
		case again.Namespace == "acme-rz":
			if q.Verb == VerbDeleteCollection && !strings.Contains(r.Query.Get("labelSelector"), ownLabels) {
				t.Fatalf("a collection is deleted with the selector %q", r.Query.Get("labelSelector"))
			}
		case again.Resource.Resource == "namespaces" && (again.Name == "acme-rz" || again.Verb == VerbCreate):
		case again.Resource.Resource == "namespaces" && strings.Contains(r.Query.Get("fieldSelector"), "metadata.name=acme-rz"):
		case again.Resource.Resource == "nodes" && again.Resource.Subresource == "" && r.Mode == AsIs && method == "GET":
		case r.Mode == Empty && r.Query.Get("labelSelector") == neverSelector() && method == "GET":
		default:
			t.Fatalf("%s %q %q leads to %q %v", method, path, query, r.Path, r.Query)
		}
	})
}
