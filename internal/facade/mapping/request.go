package mapping

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Verb is what a request does, in the API server's words.
type Verb string

// The verbs.
const (
	VerbGet              Verb = "get"
	VerbList             Verb = "list"
	VerbWatch            Verb = "watch"
	VerbCreate           Verb = "create"
	VerbUpdate           Verb = "update"
	VerbPatch            Verb = "patch"
	VerbDelete           Verb = "delete"
	VerbDeleteCollection Verb = "deletecollection"
)

// Request is what a client asks for, as its method, path and query say.
type Request struct {
	Verb Verb
	// Resource is empty for a path that names no resource: health, version and discovery.
	Resource Resource
	// Namespace is empty for a path without one, which is all namespaces or a cluster-scoped kind. For the
	// Namespace itself it is empty and Name is the namespace's.
	Namespace string
	// Name is empty for lists, creations and deletions of collections. A watch with a name is one of the old style.
	Name string
	// Query is the query, decoded.
	Query url.Values

	segments []string
}

// GroupResource returns the group and resource, for messages.
func (q *Request) GroupResource() schema.GroupResource {
	return schema.GroupResource{Group: q.Resource.Group, Resource: q.Resource.Resource}
}

// IsResource says whether the request names a resource.
func (q *Request) IsResource() bool { return q.Resource.Resource != "" }

// Root returns the first segment of the path.
func (q *Request) Root() string { return q.segments[0] }

// ParseRequest reads a request. escapedPath is the path behind the façade's prefix, as it came over the wire. It follows
// the API server's own reading (k8s.io/apiserver/pkg/endpoints/request, RequestInfo) and refuses every spelling of which
// there could be two readings. Errors are apierrors with a message for the client.
func ParseRequest(method, escapedPath, rawQuery string) (*Request, error) {
	segments, err := splitPath(escapedPath)
	if err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, apierrors.NewBadRequest("the query of the request cannot be read: send it as name=value pairs joined by '&'")
	}
	q := &Request{Query: query, segments: segments}
	switch method {
	case http.MethodGet:
		q.Verb = VerbGet
	case http.MethodPost:
		q.Verb = VerbCreate
	case http.MethodPut:
		q.Verb = VerbUpdate
	case http.MethodPatch:
		q.Verb = VerbPatch
	case http.MethodDelete:
		q.Verb = VerbDelete
	}
	if err := q.parseResource(segments); err != nil {
		return nil, err
	}
	if q.Verb == "" || !q.IsResource() && q.Verb != VerbGet {
		return nil, apierrors.NewGenericServerResponse(http.StatusMethodNotAllowed, strings.ToLower(method),
			q.GroupResource(), q.Name, "", 0, true)
	}
	return q, nil
}

// splitPath splits an escaped path. A path that another server could clean, decode again or split elsewhere is refused.
func splitPath(escaped string) ([]string, error) {
	if !strings.HasPrefix(escaped, "/") {
		return nil, badPath("it must begin with a slash")
	}
	segments := strings.Split(escaped[1:], "/")
	for i, raw := range segments {
		s, err := url.PathUnescape(raw)
		switch {
		case err != nil:
			return nil, badPath("it is not escaped correctly")
		case s == "":
			return nil, badPath("it has an empty segment")
		case s == "." || s == "..":
			return nil, badPath("it has a segment of dots")
		case strings.ContainsAny(s, `/\%?#;`):
			return nil, badPath("it has an escaped slash, backslash, percent sign, question mark, number sign or semicolon")
		case strings.ContainsFunc(s, func(c rune) bool { return unicode.IsControl(c) || c == unicode.ReplacementChar }):
			return nil, badPath("it has a control character, or is not UTF-8")
		}
		segments[i] = s
	}
	return segments, nil
}

func badPath(why string) error {
	return apierrors.NewBadRequest("the path of the request is refused: " + why)
}

// parseResource reads the segments of a path as the API server does.
func (q *Request) parseResource(s []string) error {
	switch {
	case len(s) > 2 && s[0] == "api":
		q.Resource.Version, s = s[1], s[2:]
	case len(s) > 3 && s[0] == "apis":
		q.Resource.Group, q.Resource.Version, s = s[1], s[2], s[3:]
	default:
		return nil
	}
	q.Resource.Resource = s[0]
	oldWatch := false
	switch s[0] {
	case "watch":
		if q.Verb != VerbGet || len(s) < 2 {
			return apierrors.NewBadRequest("a path with /watch/ is for GET, and names a resource")
		}
		oldWatch, s = true, s[1:]
	case "proxy":
		return apierrors.NewForbidden(q.GroupResource(), "", fmt.Errorf("proxying into a member is not part of a cell's view"))
	}
	if s[0] == "namespaces" && len(s) > 2 && s[2] != "status" && s[2] != "finalize" {
		q.Namespace, s = s[1], s[2:]
	}
	q.Resource.Resource = s[0]
	if len(s) > 1 {
		q.Name = s[1]
	}
	if len(s) > 2 {
		q.Resource.Subresource = strings.Join(s[2:], "/")
	}
	if q.Resource.Resource == "namespaces" && q.Resource.Group != "" {
		return apierrors.NewForbidden(q.GroupResource(), q.Name, fmt.Errorf("only Namespaces of the core group have this path"))
	}
	q.refineVerb(oldWatch)
	return nil
}

// refineVerb tells lists and watches from gets, and collections from single objects.
func (q *Request) refineVerb(oldWatch bool) {
	switch {
	case oldWatch:
		q.Verb = VerbWatch
	case q.Verb == VerbGet && q.Name == "":
		q.Verb = VerbList
		if boolParam(q.Query, "watch") {
			q.Verb = VerbWatch
		}
	case q.Verb == VerbDelete && q.Name == "":
		q.Verb = VerbDeleteCollection
	}
}

// boolParam reads a boolean parameter as the API server does: everything but "false" and "0" is true, an empty value
// too (k8s.io/apimachinery/pkg/runtime, Convert_Slice_string_To_bool).
func boolParam(q url.Values, name string) bool {
	values, ok := q[name]
	if !ok || len(values) == 0 {
		return false
	}
	return values[0] != "0" && !strings.EqualFold(values[0], "false")
}

// Follows says whether the request is for a log that goes on.
func (q *Request) Follows() bool {
	return q.Resource.Subresource == "log" && boolParam(q.Query, "follow")
}
