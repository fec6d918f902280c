package member

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// ErrUnhealthy is returned at once, without a request, for what a member that is known not to answer is asked for.
var ErrUnhealthy = errors.New("the member cluster is not healthy")

// ErrUnknown is returned for a member that nobody registered.
var ErrUnknown = errors.New("there is no such member cluster")

// AnswerError says that what a member answered cannot be an answer to what it was asked.
type AnswerError struct {
	// Problem says what is wrong with it.
	Problem string
}

// Error tells the problem.
func (e *AnswerError) Error() string { return "the member's answer makes no sense: " + e.Problem }

// unhealthyError is ErrUnhealthy with its reason.
func unhealthyError(member, why string) error {
	return fmt.Errorf("member cluster %q: %w: %s", member, ErrUnhealthy, why)
}

// IsNoNamespace says whether a write failed because the namespace that it was to write to is not in the member.
func IsNoNamespace(err error) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || !apierrors.IsNotFound(err) {
		return false
	}
	details := status.Status().Details
	return details != nil && details.Kind == "namespaces" && details.Group == ""
}

// suspicious says whether an error makes one doubt that the member works at all.
func suspicious(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok {
		return true
	}
	code := status.Status().Code
	return code >= http.StatusInternalServerError || code == http.StatusUnauthorized
}

// redacted hides a token in an error: a member that repeats what it was sent must not bring it into a log or a status.
func redacted(err error, token string) error {
	if err == nil || token == "" || !strings.Contains(err.Error(), token) {
		return err
	}
	hide := func(s string) string { return strings.ReplaceAll(s, token, "[redacted]") }
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok {
		return errors.New(hide(err.Error()))
	}
	clean := &apierrors.StatusError{ErrStatus: *status.ErrStatus.DeepCopy()}
	clean.ErrStatus.Message = hide(clean.ErrStatus.Message)
	if details := clean.ErrStatus.Details; details != nil {
		details.Name, details.Kind, details.Group = hide(details.Name), hide(details.Kind), hide(details.Group)
		for n := range details.Causes {
			details.Causes[n].Message = hide(details.Causes[n].Message)
		}
	}
	return clean
}
