package kube

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/cellfed/cellfed/internal/cli/printing"
)

// Transient reports whether a failure may pass by itself: the host cluster, or the way to it, is not well. What it refuses
// it refuses again, and what is not there does not come by asking.
func Transient(err error) bool {
	if err == nil {
		return false
	}
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		code := status.Status().Code
		return code == http.StatusTooManyRequests || code >= http.StatusInternalServerError ||
			apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || apierrors.IsInternalError(err) || apierrors.IsServiceUnavailable(err) ||
			// A list of many pages took too long, and is begun anew.
			apierrors.IsResourceExpired(err)
	}
	if _, distrusted := errors.AsType[*tls.CertificateVerificationError](err); distrusted {
		return false
	}
	if _, broken := errors.AsType[net.Error](err); broken {
		return true
	}
	return errors.Is(err, io.ErrUnexpectedEOF) || utilnet.IsProbableEOF(err) || utilnet.IsHTTP2ConnectionLost(err)
}

// outage tells once that the host cluster does not answer, until it has answered again.
type outage struct {
	out  io.Writer
	told bool
}

func (o *outage) tell(err error) {
	if !o.told {
		fmt.Fprintf(o.out, "%snote: the host cluster does not answer as it should, and is asked again: %v\n", printing.Clear(o.out), err)
	}
	o.told = true
}

func (o *outage) over() { o.told = false }
