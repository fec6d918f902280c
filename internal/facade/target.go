// Package facade serves cells as clusters: a reverse proxy that shows, for each cell, its part of a member cluster and
// nothing else. What a request or an answer becomes is decided in the package mapping; here it is carried.
package facade

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cellfed/cellfed/internal/facade/mapping"
)

// ErrUnknownCell is what a Resolver returns for a cell that there is not.
var ErrUnknownCell = errors.New("no such cell")

// UnavailableError is what a Resolver returns for a cell that there is and that cannot be served now.
type UnavailableError struct {
	// Message is for the client. It names what is wrong and the way out, and no secret.
	Message string
}

// Error returns the message.
func (e *UnavailableError) Error() string { return e.Message }

// Resolver knows the cells. It is asked for every request.
type Resolver interface {
	// Tokens returns the tokens that open a cell's façade, none when there is no such cell.
	Tokens(ctx context.Context, namespace, cell string) ([]string, error)
	// Resolve returns where a cell is. The error is ErrUnknownCell, an *UnavailableError, or something that is not
	// for clients to read.
	Resolve(ctx context.Context, namespace, cell string) (*Target, error)
}

// Target is the member cluster behind a cell, and the part of it that the cell shows.
type Target struct {
	// View is the cell's part of the member.
	View mapping.View
	// Cluster is the name of the physical KubeFedCluster.
	Cluster string
	// BaseURL is the URL of the member's API server. It may have a path.
	BaseURL *url.URL
	// Transport sends requests with the member's credentials.
	Transport http.RoundTripper
	// Scopes knows the member's kinds.
	Scopes Scopes
	// Membership ends when Transport must not be used any longer; watches end with it.
	Membership context.Context
}

// Scopes tells cluster-scoped kinds from those that are in namespaces.
type Scopes interface {
	// Namespaced says whether the objects of a kind are in namespaces. known is false when there is no such kind.
	Namespaced(ctx context.Context, r schema.GroupVersionResource) (namespaced, known bool, err error)
}
