package admission

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"

	"github.com/cellfed/cellfed/internal/certs"
)

// readyTimeout is how long one check may take.
const readyTimeout = time.Second

// Trusted returns a readiness check that passes once API servers are told to trust what the manager serves: each webhook of the
// two configurations has the CA bundle. A configuration that is not there asks nobody. From then on it passes always, because
// a bundle that somebody overwrites is the leader's to restore, and no reason to take the façade and the conversion from those who
// reach them. reader is the cache of a manager as ByObject has it.
//
// Without it, who waits for the Deployment and then writes is refused until the leader's first reconciliation.
func Trusted(reader client.Reader, ca certs.CABundle) healthz.Checker {
	var passed atomic.Bool
	return func(req *http.Request) error {
		if passed.Load() {
			return nil
		}
		ctx, cancel := context.WithTimeout(req.Context(), readyTimeout)
		defer cancel()
		if err := trusted(ctx, reader, ca.Bundle()); err != nil {
			return err
		}
		passed.Store(true)
		return nil
	}
}

func trusted(ctx context.Context, reader client.Reader, bundle []byte) error {
	mutating, validating := &admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.ValidatingWebhookConfiguration{}
	for _, c := range []struct {
		object  client.Object
		name    string
		lacking func() bool
	}{
		{mutating, MutatingName, func() bool { return desiredMutating(mutating, bundle) != nil }},
		{validating, ValidatingName, func() bool { return desiredValidating(validating, bundle) != nil }},
	} {
		switch err := reader.Get(ctx, client.ObjectKey{Name: c.name}, c.object); {
		case apierrors.IsNotFound(err):
		case err != nil:
			return fmt.Errorf("get %T %q: %w", c.object, c.name, err)
		case c.lacking():
			return fmt.Errorf("%T %q does not have the CA bundle yet: the leader puts it there", c.object, c.name)
		}
	}
	return nil
}
