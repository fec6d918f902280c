package kube_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/kube/kubetest"
)

var (
	cells   = schema.GroupResource{Group: "cellfed.io", Resource: "cells"}
	refused = &url.Error{Op: "Get", URL: "https://host", Err: &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}}
)

func TestTransient(t *testing.T) {
	status := func(code int32, reason metav1.StatusReason) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Code: code, Reason: reason}}
	}
	cases := map[string]struct {
		reason string
		err    error
		want   bool
	}{
		"None":          {reason: "nothing failed"},
		"Refused":       {reason: "the API server starts anew", err: fmt.Errorf("read: %w", refused), want: true},
		"TimedOut":      {reason: "nobody answers", err: &url.Error{Err: context.DeadlineExceeded}, want: true},
		"Server":        {reason: "the API server says so itself", err: apierrors.NewServerTimeout(cells, "list", 1), want: true},
		"TooMany":       {reason: "it has too much to do", err: apierrors.NewTooManyRequests("later", 1), want: true},
		"Internal":      {reason: "a webhook that converts does not answer", err: apierrors.NewInternalError(errors.New("no")), want: true},
		"Unavailable":   {reason: "it is not ready", err: apierrors.NewServiceUnavailable("etcd"), want: true},
		"Gateway":       {reason: "what stands before it is not well", err: status(502, metav1.StatusReasonUnknown), want: true},
		"Expired":       {reason: "the pages of a list took too long", err: apierrors.NewResourceExpired("old"), want: true},
		"Forbidden":     {reason: "a right is missing", err: apierrors.NewForbidden(cells, "", nil)},
		"Unauthorized":  {reason: "so are credentials", err: apierrors.NewUnauthorized("no")},
		"NotFound":      {reason: "it is not there", err: apierrors.NewNotFound(cells, "rz00a")},
		"Certificate":   {reason: "somebody else answers", err: &url.Error{Err: &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}}},
		"SomethingElse": {reason: "what was read makes no sense", err: errors.New("no")},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := kube.Transient(tc.err); got != tc.want {
				t.Errorf("%s: %v: got %t", tc.reason, tc.err, got)
			}
		})
	}
}

// TestFollowOutage: what may pass is told once and waited out, and everything else ends it.
func TestFollowOutage(t *testing.T) {
	forbidden := apierrors.NewForbidden(cells, "", errors.New("no"))
	cases := map[string]struct {
		reason string
		watch  error
		looks  []error
		told   int
		want   error
	}{
		"Well":      {reason: "nothing is told", looks: []error{nil}},
		"Outage":    {reason: "one line tells of several failures", looks: []error{refused, refused, nil}, told: 1},
		"Watch":     {reason: "a watch that cannot begin yet begins later", watch: refused, looks: []error{nil}, told: 1},
		"Forbidden": {reason: "it is refused again", looks: []error{forbidden}, want: forbidden},
		"NoWatch":   {reason: "so is a watch", watch: forbidden, want: forbidden},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := kubetest.New(t, "acme", interceptor.Funcs{
				Watch: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) (watch.Interface, error) {
					if err := tc.watch; err != nil {
						return nil, err
					}
					return c.Watch(ctx, list, opts...)
				},
			})
			looks := 0
			err := h.Follow(t.Context(), []kube.Watched{{List: &v1alpha1.CellList{}}}, func(context.Context) (bool, error) {
				looks++
				return looks == len(tc.looks), tc.looks[looks-1]
			})
			if !errors.Is(err, tc.want) {
				t.Errorf("%s: got %v, want %v", tc.reason, err, tc.want)
			}
			if told := strings.Count(h.Stderr.String(), "the host cluster does not answer as it should, and is asked again: "); told != tc.told || looks != len(tc.looks) {
				t.Errorf("%s: after %d looks of %d it was told %d times, want %d: %s", tc.reason, looks, len(tc.looks), told, tc.told, h.Stderr)
			}
		})
	}
}

// TestFollowGap: what goes while there is no watch is seen.
func TestFollowGap(t *testing.T) {
	ended := watch.NewFake()
	begun := 0
	h := kubetest.New(t, "acme", interceptor.Funcs{
		Watch: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
			if begun++; begun == 1 {
				return ended, nil
			}
			return watch.NewFake(), nil
		},
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	looks := 0
	err := h.Follow(ctx, []kube.Watched{{List: &v1alpha1.CellList{}}}, func(context.Context) (bool, error) {
		if looks++; looks == 1 {
			ended.Stop()
		}
		// The end of the watch makes one look, its new beginning the other.
		return looks == 3, nil
	})
	if err != nil || begun != 2 || looks != 3 {
		t.Errorf("after %d looks and %d watches: %v", looks, begun, err)
	}
}
