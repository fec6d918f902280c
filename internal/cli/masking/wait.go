package masking

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/internal/cli/await"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
)

// wait waits until all that is released is in sync and works. An object that is being deleted may go instead.
func (c *Change) wait(ctx context.Context, t kube.Type, object *unstructured.Unstructured) error {
	host, err := c.kube.Client()
	if err != nil {
		return err
	}
	watched := []kube.Watched{await.One(t.List(), object.GetNamespace(), object.GetName())}
	done, why, err := await.Until(ctx, c.kube, c.Timeout, watched, func(ctx context.Context) (bool, string, error) {
		current := &unstructured.Unstructured{}
		current.SetGroupVersionKind(t.Federated)
		err := host.Get(ctx, client.ObjectKeyFromObject(object), current)
		if apierrors.IsNotFound(err) && object.GetDeletionTimestamp() != nil {
			return true, "", nil
		}
		if err != nil {
			return false, "", err
		}
		s, err := Read(ctx, c.kube, t, current)
		if err != nil {
			return false, "", err
		}
		m := s.Matrix()
		settled, why := m.Settled()
		return settled, why, nil
	})
	if err == nil && !done {
		return exit.NotSof("%s/%s: not in sync and available within %s: %s", t.Name, object.GetName(), c.Timeout, why)
	}
	return err
}
