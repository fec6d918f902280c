package mapping

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Scope says whether a kind is in namespaces.
type Scope int

const (
	// ScopeUnknown is for requests whose path tells, and for kinds that the member does not have.
	ScopeUnknown Scope = iota
	// ScopeNamespaced kinds have a namespace.
	ScopeNamespaced
	// ScopeCluster kinds have none.
	ScopeCluster
)

// Mode says what is done with the member's answer.
type Mode int

const (
	// Mapped answers are shown as the view shows them.
	Mapped Mode = iota
	// AsIs answers are passed on byte for byte.
	AsIs
	// Empty answers are lists and watches of which nothing is shown, and which live.
	Empty
)

// Route is what is asked of the member for a request.
type Route struct {
	// Path is the path in the member, escaped. It begins with a slash.
	Path string
	// Query is the query for the member.
	Query url.Values
	// Mode says what is done with the answer.
	Mode Mode
	// Filter is for the objects of lists and watches.
	Filter Filter
	// BareRows says that the rows of a Table are to be sent without their objects: the client asked for none, and the
	// member was asked for them because they tell whose a row is.
	BareRows bool
}

// readOnlyPaths are the first segments of paths that name no resource and show nothing but the server itself.
var readOnlyPaths = map[string]bool{
	"api": true, "apis": true, "openapi": true, "version": true, "healthz": true, "livez": true, "readyz": true,
}

// subresources are those that are part of a view, with the verbs that they have.
var subresources = map[string][]Verb{
	"status":        {VerbGet, VerbUpdate, VerbPatch},
	"scale":         {VerbGet, VerbUpdate, VerbPatch},
	"pods/resize":   {VerbGet, VerbUpdate, VerbPatch},
	"pods/log":      {VerbGet},
	"pods/eviction": {VerbCreate},
}

// NeedsScope says whether Route must be told the scope of the request's kind. A list over all namespaces and one of a
// cluster-scoped kind have the same path.
func (q *Request) NeedsScope() bool {
	return q.IsResource() && q.Namespace == "" && !q.Resource.isNamespace() && !q.isNode() &&
		(q.Verb == VerbList || q.Verb == VerbWatch)
}

func (q *Request) isNode() bool {
	return q.Resource.Group == "" && q.Resource.Resource == "nodes" && q.Namespace == ""
}

// Route returns what to ask of the member for a request. It never leads outside the view's target namespace, other than
// to lists that match nothing, to nodes and to what the server says of itself. Errors are apierrors with a message for the
// client.
func (v View) Route(q *Request, scope Scope) (*Route, error) {
	if !q.IsResource() {
		if !readOnlyPaths[q.segments[0]] {
			return nil, apierrors.NewForbidden(q.GroupResource(), "", fmt.Errorf(
				"the path %q is not part of a cell's view", "/"+strings.Join(q.segments, "/")))
		}
		return &Route{Path: joinPath(q.segments...), Query: q.Query, Mode: AsIs}, nil
	}
	if err := v.refuse(q); err != nil {
		return nil, err
	}
	switch {
	case q.isNode():
		return v.routeNode(q)
	case q.Resource.isNamespace() && q.Namespace == "":
		return v.routeNamespace(q)
	case q.Namespace == v.Namespace:
		return v.routeNamespaced(q)
	case q.Namespace != "":
		return nil, v.otherNamespace(q.Resource, q.Namespace)
	}
	switch {
	case q.Verb != VerbList && q.Verb != VerbWatch:
		return nil, v.clusterScoped(q)
	case scope == ScopeNamespaced:
		return v.routeNamespaced(q)
	case scope == ScopeCluster:
		return v.routeEmpty(q)
	default:
		return nil, apierrors.NewGenericServerResponse(http.StatusNotFound, string(q.Verb), q.GroupResource(), q.Name, "", 0, true)
	}
}

// refuse returns an error for what is never part of a view.
func (v View) refuse(q *Request) error {
	r := q.Resource
	switch {
	case r.Group == "authorization.k8s.io", r.Group == "authentication.k8s.io":
		return apierrors.NewForbidden(q.GroupResource(), q.Name, fmt.Errorf(
			"a review would speak of the rights that cellfed has in the member, not of yours: try the request itself"))
	case r.Group == "" && r.Resource == "bindings", r.Resource == "pods" && r.Subresource == "binding":
		return apierrors.NewForbidden(q.GroupResource(), q.Name, fmt.Errorf("only a member's own scheduler binds pods"))
	case r.isNamespace() && q.Namespace != "":
		return v.otherNamespace(r, q.Namespace)
	case r.Subresource == "":
		return nil
	case q.isNode():
		return v.clusterScoped(q)
	}
	verbs, ok := subresources[r.Subresource]
	if r.Group == "" && !ok {
		verbs, ok = subresources[r.Resource+"/"+r.Subresource]
	}
	if !ok {
		return apierrors.NewForbidden(q.GroupResource(), q.Name, fmt.Errorf(
			"the subresource %q is not part of a cell's view, which has status, scale, and of pods log, eviction and resize",
			r.Subresource))
	}
	for _, verb := range verbs {
		if verb == q.Verb {
			return nil
		}
	}
	return apierrors.NewMethodNotSupported(q.GroupResource(), string(q.Verb))
}

func (v View) clusterScoped(q *Request) error {
	return apierrors.NewForbidden(q.GroupResource(), q.Name, fmt.Errorf(
		"cell %q shows the namespace %q of a member and nothing of its cluster-scoped objects", v.Cell, v.Namespace))
}

// routeNode passes reads of nodes.
func (v View) routeNode(q *Request) (*Route, error) {
	query := clone(q.Query)
	segments := []string{"api", q.Resource.Version, "nodes"}
	switch q.Verb {
	case VerbGet:
		segments = append(segments, q.Name)
	case VerbList:
	case VerbWatch:
		query.Set("watch", "true")
		if q.Name != "" {
			var err error
			if query, err = v.selectors(q, false, nil); err != nil {
				return nil, err
			}
			query["labelSelector"] = q.Query["labelSelector"]
		}
	default:
		return nil, v.clusterScoped(q)
	}
	return &Route{Path: joinPath(segments...), Query: query, Mode: AsIs}, nil
}

// routeNamespace leads requests for Namespaces to the one that the view has.
func (v View) routeNamespace(q *Request) (*Route, error) {
	if q.Name != "" && q.Name != v.Namespace {
		return nil, v.otherNamespace(q.Resource, q.Name)
	}
	if q.Resource.Subresource == "finalize" {
		return nil, v.clusterScoped(q)
	}
	segments := []string{"api", q.Resource.Version, "namespaces"}
	switch q.Verb {
	case VerbDeleteCollection:
		return nil, v.clusterScoped(q)
	case VerbList, VerbWatch:
		route := &Route{Path: joinPath(segments...)}
		var err error
		if route.Query, err = v.selectors(q, false, &route.Filter, v.Namespace); err != nil {
			return nil, err
		}
		route.BareRows = bareRows(route.Query)
		return route, nil
	case VerbCreate:
	default:
		segments = append(segments, v.TargetNamespace)
		if q.Resource.Subresource != "" {
			segments = append(segments, q.Resource.Subresource)
		}
	}
	route := &Route{Path: joinPath(segments...), Query: clone(q.Query)}
	route.BareRows = bareRows(route.Query)
	return route, nil
}

// routeNamespaced leads a request to the target namespace.
func (v View) routeNamespaced(q *Request) (*Route, error) {
	segments := append(v.prefix(q.Resource), "namespaces", v.TargetNamespace, q.Resource.Resource)
	route := &Route{Query: clone(q.Query)}
	switch q.Verb {
	case VerbList, VerbWatch, VerbDeleteCollection:
		var err error
		if route.Query, err = v.selectors(q, q.Verb == VerbDeleteCollection, &route.Filter); err != nil {
			return nil, err
		}
	default:
		if q.Name != "" {
			segments = append(segments, q.Name)
		}
		if q.Resource.Subresource != "" {
			segments = append(segments, q.Resource.Subresource)
		}
		if q.Resource.Subresource == "log" {
			route.Mode = AsIs
		}
	}
	route.Query.Del("insecureSkipTLSVerifyBackend")
	route.BareRows = bareRows(route.Query)
	route.Path = joinPath(segments...)
	return route, nil
}

// routeEmpty leads a list or a watch to all objects of a kind with a selector that none matches.
func (v View) routeEmpty(q *Request) (*Route, error) {
	route := &Route{
		Path: joinPath(append(v.prefix(q.Resource), q.Resource.Resource)...),
		Mode: Empty, Filter: Filter{nothing: true},
	}
	var err error
	if route.Query, err = v.selectors(q, false, nil); err != nil {
		return nil, err
	}
	route.Query.Set("labelSelector", neverSelector())
	return route, nil
}

// selectors returns the query of a list, a watch or a deletion of a collection, with selectors for the member. names
// are values that metadata.name must have.
func (v View) selectors(q *Request, ownOnly bool, filter *Filter, names ...string) (url.Values, error) {
	query := clone(q.Query)
	selector, rest, err := v.LabelSelector(q.Resource, q.Query.Get("labelSelector"), ownOnly)
	if err != nil {
		return nil, err
	}
	if filter != nil {
		*filter = rest
	}
	set(query, "labelSelector", selector)
	if q.Verb == VerbWatch && q.Name != "" && !q.Resource.isNamespace() {
		names = append(names, q.Name)
	}
	selector, err = v.fieldSelector(q.Resource, q.Query.Get("fieldSelector"), names...)
	if err != nil {
		return nil, err
	}
	set(query, "fieldSelector", selector)
	query.Del("watch")
	if q.Verb == VerbWatch {
		query.Set("watch", "true")
	}
	return query, nil
}

// bareRows replaces includeObject=None, which would leave Tables without the metadata that tells whose a row is.
func bareRows(query url.Values) bool {
	if query.Get("includeObject") != "None" {
		return false
	}
	query.Set("includeObject", "Metadata")
	return true
}

func (v View) prefix(r Resource) []string {
	if r.Group == "" {
		return []string{"api", r.Version}
	}
	return []string{"apis", r.Group, r.Version}
}

// Object returns the path of the object that a request for it, or for one of its subresources, speaks of.
func (v View) Object(q *Request) string {
	if q.Resource.isNamespace() && q.Namespace == "" {
		return joinPath("api", q.Resource.Version, "namespaces", v.TargetNamespace)
	}
	return joinPath(append(v.prefix(q.Resource), "namespaces", v.TargetNamespace, q.Resource.Resource, q.Name)...)
}

func joinPath(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}

// clone copies a query without what only costs: indentation.
func clone(q url.Values) url.Values {
	out := make(url.Values, len(q))
	for k, v := range q {
		if k != "pretty" {
			out[k] = append([]string(nil), v...)
		}
	}
	return out
}

func set(q url.Values, name, value string) {
	q.Del(name)
	if value != "" {
		q.Set(name, value)
	}
}
