package scope

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cellfed/cellfed/internal/federated"
)

func TestDeleteOptions(t *testing.T) {
	cases := map[string]struct {
		reason      string
		annotations map[string]string
		alive       bool
		want        metav1.DeleteOptions
		err         error
	}{
		"None": {reason: "without the annotation the API server decides"},
		"All": {
			reason:      "what upstream passes on is passed on",
			annotations: map[string]string{federated.DeleteOptionsAnnotation: `{"gracePeriodSeconds":5,"propagationPolicy":"Orphan","preconditions":{"uid":"u"}}`},
			want:        metav1.DeleteOptions{GracePeriodSeconds: new(int64(5)), PropagationPolicy: new(metav1.DeletePropagationOrphan), Preconditions: &metav1.Preconditions{UID: new(types.UID("u"))}},
		},
		"Others": {
			reason:      "what upstream ignores is ignored: a deletion that is tried only would never end",
			annotations: map[string]string{federated.DeleteOptionsAnnotation: `{"dryRun":["All"],"x":1,"gracePeriodSeconds":0}`},
			want:        metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))},
		},
		"NotDeleting": {
			reason:      "the options are for the deletion of the federated object",
			annotations: map[string]string{federated.DeleteOptionsAnnotation: `{"propagationPolicy":"Orphan"}`},
			alive:       true,
		},
		"NotDeletingInvalid": {reason: "nor are they looked at before", annotations: map[string]string{federated.DeleteOptionsAnnotation: `{`}, alive: true},
		"Invalid":            {reason: "it cannot be read", annotations: map[string]string{federated.DeleteOptionsAnnotation: `{`}, err: ErrDeleteOptions},
		"Empty":              {reason: "upstream cannot read it either", annotations: map[string]string{federated.DeleteOptionsAnnotation: ``}, err: ErrDeleteOptions},
		"Type":               {reason: "it cannot be read", annotations: map[string]string{federated.DeleteOptionsAnnotation: `{"gracePeriodSeconds":"5"}`}, err: ErrDeleteOptions},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := DeleteOptions(&federated.Object{Annotations: tc.annotations, Deleting: !tc.alive})
			if !errors.Is(err, tc.err) {
				t.Fatalf("%s: DeleteOptions: %v, want %v", tc.reason, err, tc.err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: DeleteOptions: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}
