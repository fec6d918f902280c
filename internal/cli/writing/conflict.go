package writing

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// Conflict is a field that is another manager's.
type Conflict struct {
	// Field is its path, as spec.placementMask. Manager is who has set it.
	Field, Manager string
}

// Conflicts returns whose fields an error of a server-side apply speaks of. Without any it is another error.
func Conflicts(err error) []Conflict {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var found []Conflict
	for _, cause := range status.Status().Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		// The message is `conflict with "NAME" using GROUP/VERSION`.
		manager := cause.Message
		if _, rest, ok := strings.Cut(cause.Message, `"`); ok {
			manager, _, _ = strings.Cut(rest, `"`)
		}
		found = append(found, Conflict{Field: strings.TrimPrefix(cause.Field, "."), Manager: manager})
	}
	return found
}

// Owners returns who beside the manager has set a field of the object, or something below it, as the object's managed
// fields tell. Server-side apply removes nothing that another has set: who removes a field has to ask himself.
func Owners(object client.Object, manager string, path ...string) []Conflict {
	elements := make([]any, 0, len(path))
	for _, name := range path {
		elements = append(elements, name)
	}
	wanted, err := fieldpath.MakePath(elements...)
	if err != nil {
		return nil
	}
	var found []Conflict
	for _, entry := range object.GetManagedFields() {
		if entry.Manager == manager || entry.FieldsV1 == nil || entry.Subresource != "" {
			continue
		}
		set := &fieldpath.Set{}
		if err := set.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
			continue
		}
		below := false
		set.Iterate(func(p fieldpath.Path) {
			below = below || len(p) >= len(wanted) && p[:len(wanted)].Equals(wanted)
		})
		if c := (Conflict{Field: strings.Join(path, "."), Manager: entry.Manager}); below && !slices.Contains(found, c) {
			found = append(found, c)
		}
	}
	return found
}

// Refused says whose fields stand in the way, and the two ways out.
func Refused(what string, conflicts []Conflict) error {
	each := make([]string, 0, len(conflicts))
	for _, c := range conflicts {
		each = append(each, fmt.Sprintf("%s is set by %q", c.Field, c.Manager))
	}
	return fmt.Errorf("%s: %s: change it where that manager takes it from, such as the git repository of Argo CD or the values of Helm, "+
		"or take it over with --force-conflicts", what, strings.Join(slices.Compact(each), ", "))
}

// IsOvertaken reports whether an object changed between the look at it and the write.
func IsOvertaken(err error) bool { return apierrors.IsConflict(err) && len(Conflicts(err)) == 0 }
