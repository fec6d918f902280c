package member

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// migrate gives cellfed's apply what those own who wrote the managed label by an update. It returns the object's version
// afterwards. With pin it does so only while the object is as live says.
func (r *request) migrate(live *Object, pin bool) (version string, err error) {
	u, err := r.read(live.GetNamespace(), live.GetName())
	if err != nil {
		return "", err
	}
	if err := r.same(u, live); err != nil {
		return "", err
	}
	if pin && u.GetResourceVersion() != live.GetResourceVersion() {
		return "", apierrors.NewConflict(r.target.Resource.GroupResource(), live.GetName(),
			errors.New("it changed meanwhile"))
	}
	managers, err := labelWriters(u)
	if err != nil {
		return "", err
	}
	patch, err := csaupgrade.UpgradeManagedFieldsPatch(u, managers, v1alpha1.FieldManager)
	if err != nil {
		return "", fmt.Errorf("take over the managedFields: %w", err)
	}
	if patch == nil {
		return u.GetResourceVersion(), nil
	}
	o, err := r.patch(types.JSONPatchType, u, patch)
	if err != nil {
		return "", err
	}
	return o.GetResourceVersion(), nil
}

// labelWriters returns the managers that own the managed label by an update.
func labelWriters(u *unstructured.Unstructured) (sets.Set[string], error) {
	managers := sets.New[string]()
	for _, entry := range u.GetManagedFields() {
		if entry.Operation != metav1.ManagedFieldsOperationUpdate || entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		var fields map[string]any
		if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields); err != nil {
			return nil, &AnswerError{Problem: "its managedFields are no JSON"}
		}
		if ownsManagedLabel(fields) {
			managers.Insert(entry.Manager)
		}
	}
	return managers, nil
}

// releasePatch returns the JSON patch that takes labels and cellfed's own entries in managedFields away, if the object is
// still as it is.
func releasePatch(u *unstructured.Unstructured, labels []string) []byte {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value,omitempty"`
	}
	var operations []operation
	there := u.GetLabels()
	for _, label := range labels {
		if _, ok := there[label]; ok {
			escaped := strings.NewReplacer("~", "~0", "/", "~1").Replace(label)
			operations = append(operations, operation{Op: "remove", Path: "/metadata/labels/" + escaped})
		}
	}
	kept := []metav1.ManagedFieldsEntry{}
	for _, entry := range u.GetManagedFields() {
		if entry.Manager != v1alpha1.FieldManager || entry.Operation != metav1.ManagedFieldsOperationApply || entry.Subresource != "" {
			kept = append(kept, entry)
		}
	}
	switch n := len(u.GetManagedFields()); {
	case n == len(kept):
	case len(kept) == 0:
		// An empty list would be taken for one that the server is to fill in; a list with an empty entry clears it.
		operations = append(operations, operation{Op: "replace", Path: "/metadata/managedFields", Value: []any{map[string]any{}}})
	default:
		operations = append(operations, operation{Op: "replace", Path: "/metadata/managedFields", Value: kept})
	}
	operations = append(operations, operation{Op: "replace", Path: "/metadata/resourceVersion", Value: u.GetResourceVersion()})
	raw, err := json.Marshal(operations)
	if err != nil {
		panic(err) // Strings and what came as JSON marshal.
	}
	return raw
}
