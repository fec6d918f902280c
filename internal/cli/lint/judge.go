package lint

import (
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/manifest"
	"github.com/cellfed/cellfed/internal/cli/manifest/facts"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/topology"
	"github.com/cellfed/cellfed/internal/validation"
)

// place is an object and where it is written.
type place struct {
	at     *manifest.Document
	object *unstructured.Unstructured
	// unreadable says why the object is no fact.
	unreadable error
}

// gather adds what the documents hold to what is known, and returns the objects. What cannot be read is a finding.
func gather(report *Report, known *facts.Known, documents []manifest.Document, namespace string) []place {
	var places []place
	for i := range documents {
		if documents[i].Empty() {
			continue
		}
		if err := documents[i].Err; err != nil {
			report.Findings = append(report.Findings, Finding{
				File: documents[i].File, Document: documents[i].Index, Line: documents[i].Line, Severity: Error, Message: err.Error(),
			})
			continue
		}
		items := documents[i].Items()
		for j := range items {
			object, err := items[j].Object()
			if err != nil && meant(&items[j]) {
				report.Findings = append(report.Findings, Finding{
					File: items[j].File, Document: items[j].Index, Line: items[j].Line, Severity: Error, Message: err.Error() + ": write both",
				})
				continue
			}
			if err != nil {
				// Values of charts and the like have neither apiVersion nor kind.
				report.Skipped++
				continue
			}
			facts.InNamespace(object, namespace)
			places = append(places, place{at: &items[j], object: object, unreadable: known.Add(object)})
		}
	}
	return places
}

// meant reports whether a document that is no object was to be one that there are rules for: of what has a word of the two
// that name a kind, the other was forgotten.
func meant(d *manifest.Document) bool {
	var about struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := json.Unmarshal(d.JSON, &about); err != nil {
		return false
	}
	group, _, _ := strings.Cut(about.APIVersion, "/")
	forgotten := about.APIVersion == "" || about.Kind == ""
	return forgotten && (group == federated.Group || group == v1alpha1.GroupVersion.Group || about.APIVersion == "" && strings.HasPrefix(about.Kind, "Federated"))
}

// judge adds what is wrong with an object.
func judge(report *Report, known *facts.Known, p place) {
	result, ok := judged(known, p)
	if !ok {
		report.Skipped++
		return
	}
	report.Checked++
	finding := func(severity Severity, field, message string) {
		report.Findings = append(report.Findings, Finding{
			File: p.at.File, Document: p.at.Index, Line: p.at.LineOf(field), Severity: severity, Field: field, Message: message,
			Kind: p.object.GetKind(), Namespace: p.object.GetNamespace(), Name: p.object.GetName(),
		})
	}
	if p.unreadable != nil {
		finding(Error, "", p.unreadable.Error())
		return
	}
	for _, err := range result.Errors {
		finding(Error, err.Field, err.Error())
	}
	for _, warning := range result.Warnings {
		finding(Warning, manifest.FieldOf(warning), warning)
	}
}

// judged applies the rules of the object's kind. It reports false where there are none.
func judged(known *facts.Known, p place) (result validation.Result, ok bool) {
	u := p.object
	switch {
	case u.GroupVersionKind().Group == federated.Group:
		return judgedFederated(known, u), true
	case facts.Is(u, facts.Cell):
		if p.unreadable != nil {
			return result, true
		}
		cell := &v1alpha1.Cell{}
		_ = runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, cell) // It was read before.
		return validation.Cell(cell, nil, known.ForCell(cell)), true
	case facts.Is(u, facts.FederatedTypePolicy):
		if p.unreadable != nil {
			return result, true
		}
		policy := &v1alpha1.FederatedTypePolicy{}
		_ = runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, policy) // It was read before.
		return validation.Policy(policy, nil, known.ForPolicy(policy.Name)), true
	case facts.Is(u, facts.Namespace):
		metadata := validation.Metadata{Name: u.GetName(), Labels: u.GetLabels(), Annotations: u.GetAnnotations()}
		return validation.Namespace(metadata, nil, known.ForNamespace(u.GetName())), true
	}
	// What cannot be read is told of, though there are no rules for it: it would have been a fact.
	return result, p.unreadable != nil
}

func judgedFederated(known *facts.Known, u *unstructured.Unstructured) validation.Result {
	result := validation.Federated(u, nil, known.ForFederated(u))
	topologyType, _, _ := unstructured.NestedString(u.Object, "spec", "topologyType")
	if u.GetNamespace() == "" && topologyType == topology.Cell {
		result.Warnings = append(result.Warnings, fmt.Sprintf(
			"metadata.namespace: is missing, so that nobody can tell which cells are meant: write it, or give --namespace, with which %s is judged", u.GetKind()))
	}
	return result
}
