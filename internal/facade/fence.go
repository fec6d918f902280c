package facade

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/cellfed/cellfed/internal/facade/mapping"
)

// checkFence refuses a write to a resource that is fenced, of the whole or of a subresource. Reads go on: upstream keeps
// the informers of a type that it does not propagate any more.
func (x *exchange) checkFence(ctx context.Context) error {
	if x.handler.fence == nil || !x.request.IsResource() || !writes(x.request.Verb) {
		return nil
	}
	reason := x.handler.fence(ctx, x.request.Resource.Group, x.request.Resource.Resource)
	if reason == "" {
		return nil
	}
	return apierrors.NewForbidden(x.request.GroupResource(), x.request.Name, errors.New(reason))
}

func writes(verb mapping.Verb) bool {
	switch verb {
	case mapping.VerbGet, mapping.VerbList, mapping.VerbWatch:
		return false
	default:
		return true
	}
}
