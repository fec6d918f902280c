package status

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/matrix"
	"github.com/cellfed/cellfed/internal/cli/printing"
)

// wait waits until all that is released is there and works.
func (o *Options) wait(ctx context.Context, t kube.Type, object *unstructured.Unstructured, watched []kube.Watched) error {
	waiting, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	if o.Timeout == 0 {
		m, err := o.matrix(ctx, t, object)
		if err != nil {
			return err
		}
		return o.answer(t, &m)
	}
	progress := printing.NewProgress(o.kube.ErrOut)
	defer progress.End()
	// The object as it was read is what there is to tell if the first look comes too late.
	last, err := o.matrix(ctx, t, object)
	if err != nil {
		return err
	}
	err = o.kube.Follow(waiting, watched, func(ctx context.Context) (bool, error) {
		m, err := o.look(ctx, t, object)
		if err != nil {
			return false, err
		}
		last = m
		settled, why := m.Settled()
		if !settled {
			progress.Tell(headline(&m) + "; " + why)
		}
		return settled, nil
	})
	progress.End()
	switch {
	case err != nil && !errors.Is(err, context.DeadlineExceeded):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return o.answer(t, &last)
}

// answer prints the object, and fails if it has not settled.
func (o *Options) answer(t kube.Type, m *matrix.Matrix) error {
	if err := o.printOne(t, m); err != nil {
		return err
	}
	settled, why := m.Settled()
	switch {
	case settled:
		return nil
	case o.Timeout == 0:
		return exit.NotSof("%s/%s: %s", m.Type, m.Name, why)
	default:
		return exit.NotSof("%s/%s: not in sync and available within %s: %s", m.Type, m.Name, o.Timeout, why)
	}
}
