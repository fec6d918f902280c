package scope

import (
	"encoding/json"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cellfed/cellfed/internal/federated"
)

// ErrDeleteOptions means that nobody can tell how a federated object is to be deleted in its members. Nothing is deleted
// then.
var ErrDeleteOptions = errors.New("the options for the deletion cannot be used")

// DeleteOptions returns with which options an object is deleted in the members: those of its annotation if the federated
// object itself is being deleted, and the API server's defaults if it merely does not belong there. Of the options
// upstream knows gracePeriodSeconds, propagationPolicy and preconditions; the others are ignored.
func DeleteOptions(o *federated.Object) (metav1.DeleteOptions, error) {
	value, ok := o.Annotations[federated.DeleteOptionsAnnotation]
	if !ok || !o.Deleting {
		return metav1.DeleteOptions{}, nil
	}
	var options metav1.DeleteOptions
	if err := json.Unmarshal([]byte(value), &options); err != nil {
		return metav1.DeleteOptions{}, fmt.Errorf("%w: metadata.annotations[%s] %q: %w: give DeleteOptions as JSON, such as {\"propagationPolicy\":\"Orphan\"}, or remove the annotation",
			ErrDeleteOptions, federated.DeleteOptionsAnnotation, value, err)
	}
	return metav1.DeleteOptions{
		GracePeriodSeconds: options.GracePeriodSeconds,
		PropagationPolicy:  options.PropagationPolicy,
		Preconditions:      options.Preconditions,
	}, nil
}
