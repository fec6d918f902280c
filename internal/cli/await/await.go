// Package await waits for something in the host cluster, and tells what it waits for.
package await

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/printing"
)

const (
	// Question ends what cellfed's manager is waited for to do. It is left out as long as it has had no time to do so.
	Question = ": does it run?"
	// grace is the time that it has, and how often it is looked though nothing has changed.
	grace = 10 * time.Second
)

// Look looks once: it is done, or tells in a few words what it waits for.
type Look func(ctx context.Context) (done bool, waitingFor string, err error)

// Until looks whenever something of what is watched may have changed, and every so often, until the look is done or the time
// is over. It returns what was waited for last. That the time is over is no error, nor is a look that fails for a moment.
func Until(ctx context.Context, k *kube.Kube, timeout time.Duration, watched []kube.Watched, look Look) (done bool, waitingFor string, err error) {
	return until(ctx, k, timeout, grace, watched, look)
}

func until(ctx context.Context, k *kube.Kube, timeout, grace time.Duration, watched []kube.Watched, look Look) (done bool, waitingFor string, err error) {
	waiting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	progress := printing.NewProgress(k.ErrOut)
	defer progress.End()
	waitingFor = "nothing was reported"
	began := time.Now()
	err = k.Ask(waiting, grace, watched, func(ctx context.Context) (bool, error) {
		now, what, err := look(ctx)
		if err != nil {
			if ctx.Err() == nil && kube.Transient(err) {
				waitingFor = fmt.Sprintf("the host cluster does not answer: %v", err)
			}
			return false, err
		}
		if done, waitingFor = now, what; !done {
			if time.Since(began) < grace {
				what = strings.TrimSuffix(what, Question)
			}
			progress.Tell(what)
		}
		return done, nil
	})
	switch {
	case ctx.Err() != nil:
		return false, waitingFor, ctx.Err()
	case err != nil && waiting.Err() != nil && errors.Is(err, context.DeadlineExceeded):
		return false, waitingFor, nil
	}
	return done, waitingFor, err
}

// One is what to watch of one object.
func One(list client.ObjectList, namespace, name string) kube.Watched {
	w := kube.Watched{List: list, Options: []client.ListOption{client.MatchingFields{"metadata.name": name}}}
	if namespace != "" {
		w.Options = append(w.Options, client.InNamespace(namespace))
	}
	return w
}
