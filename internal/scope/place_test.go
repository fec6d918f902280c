package scope

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/cellfed/cellfed/internal/federated"
)

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// read returns the federated object of a version and a spec in the namespace acme-prod.
func read(t fataler, version, spec string) *federated.Object {
	t.Helper()
	u := &unstructured.Unstructured{}
	object := `{"apiVersion":"types.kubefed.io/` + version + `","kind":"FederatedConfigMap","metadata":{"namespace":"acme-prod","name":"pay"},"spec":` + spec + `}`
	if err := utiljson.Unmarshal([]byte(object), &u.Object); err != nil {
		t.Fatalf("%s: %v", object, err)
	}
	o, err := federated.Decode(u)
	if err != nil {
		t.Fatalf("Decode(%s): %v", object, err)
	}
	return o
}

func candidates() []Topology {
	acme := func(more ...string) map[string]string {
		return owned("acme", "prod", append(more, "cellfed.io/namespace", "acme-prod", "cellfed.io/topology-type", "cell")...)
	}
	return Preselect("acme-prod", owned("acme", "prod"), []Topology{
		cell("acme-prod", "a", acme("city", "hz"), shared),
		cell("acme-prod", "b", acme("city", "sh"), shared),
		cell("other", "a", owned("acme", "prod", "city", "hz", "cellfed.io/namespace", "other", "cellfed.io/topology-type", "cell"), shared),
		physical("hz-a", owned("acme", "prod", "city", "hz")),
		physical("hz-evil", owned("evil", "prod", "city", "hz")),
	})
}

func TestPlace(t *testing.T) {
	const everywhere = `{"placement":{"clusterSelector":{}}}`
	cases := map[string]struct {
		reason        string
		object        *federated.Object
		fedNamespace  *federated.Object
		clusterScoped bool
		want          map[string]bool
	}{
		"Named": {
			reason:       "what both name is placed",
			object:       read(t, "v1beta1", `{"placement":{"clusters":[{"name":"acme-prod.a"},{"name":"hz-a"},{"name":"gone"}]}}`),
			fedNamespace: read(t, "v1beta1", `{"placement":{"clusters":[{"name":"acme-prod.a"},{"name":"acme-prod.b"}]}}`),
			want:         map[string]bool{"acme-prod.a": true},
		},
		"Cells": {
			reason:       "names of cells are those of the namespace's own",
			object:       read(t, "v2beta1", `{"topologyType":"cell","placement":{"topologies":[{"name":"b"},{"name":"cluster:hz-a"}]}}`),
			fedNamespace: read(t, "v1beta1", everywhere),
			want:         map[string]bool{"acme-prod.b": true, "hz-a": true},
		},
		"ForeignCell": {
			reason:       "naming another namespace's cell, in either version, leads nowhere",
			object:       read(t, "v1beta1", `{"topologyType":"cell","placement":{"clusters":[{"name":"other.a"},{"name":"acme-prod.a"}]}}`),
			fedNamespace: read(t, "v1beta1", everywhere),
			want:         map[string]bool{"acme-prod.a": true},
		},
		"ForeignCellInV2Beta1": {
			reason:       "naming another namespace's cell, in either version, leads nowhere",
			object:       read(t, "v2beta1", `{"topologyType":"cell","placement":{"topologies":[{"name":"cluster:other.a"},{"name":"other.a"}]}}`),
			fedNamespace: read(t, "v1beta1", everywhere),
			want:         map[string]bool{},
		},
		"ForeignCluster": {
			reason:       "naming another tenant's cluster leads nowhere",
			object:       read(t, "v1beta1", `{"placement":{"clusters":[{"name":"hz-evil"}]}}`),
			fedNamespace: read(t, "v1beta1", `{"placement":{"clusters":[{"name":"hz-evil"}]}}`),
			want:         map[string]bool{},
		},
		"ClusterTypeNamesCell": {
			reason:       "a cell's KubeFedCluster is a cluster too, by its own name",
			object:       read(t, "v2beta1", `{"placement":{"topologies":[{"name":"acme-prod.a"},{"name":"other.a"}]}}`),
			fedNamespace: read(t, "v1beta1", everywhere),
			want:         map[string]bool{"acme-prod.a": true},
		},
		"CellSelector": {
			reason:       "a selector of cells selects no physical cluster",
			object:       read(t, "v2beta1", `{"topologyType":"cell","placement":{"topologySelector":{"matchLabels":{"city":"hz"}}}}`),
			fedNamespace: read(t, "v1beta1", everywhere),
			want:         map[string]bool{"acme-prod.a": true},
		},
		"AllCells": {
			reason:       "an empty selector of cells selects all of the namespace's",
			object:       read(t, "v2beta1", `{"topologyType":"cell","placement":{"topologySelector":{}}}`),
			fedNamespace: read(t, "v1beta1", everywhere),
			want:         map[string]bool{"acme-prod.a": true, "acme-prod.b": true},
		},
		"ClusterSelector": {
			reason:       "a selector of clusters selects cells too, as with upstream",
			object:       read(t, "v1beta1", `{"placement":{"clusterSelector":{"matchLabels":{"city":"hz"}}}}`),
			fedNamespace: read(t, "v1beta1", everywhere),
			want:         map[string]bool{"acme-prod.a": true, "hz-a": true},
		},
		"EmptyList": {
			reason:       "an empty list places nothing, whatever the selector",
			object:       read(t, "v1beta1", `{"placement":{"clusters":[],"clusterSelector":{}}}`),
			fedNamespace: read(t, "v1beta1", everywhere),
			want:         map[string]bool{},
		},
		"NoPlacement": {
			reason:       "no selector selects nothing",
			object:       read(t, "v1beta1", `{}`),
			fedNamespace: read(t, "v1beta1", everywhere),
			want:         map[string]bool{},
		},
		"NamespaceNotFederated": {
			reason: "a namespaced object goes nowhere without its namespace",
			object: read(t, "v1beta1", everywhere),
			want:   map[string]bool{},
		},
		"NamespaceNowhere": {
			reason:       "a namespaced object goes nowhere that its namespace does not",
			object:       read(t, "v1beta1", everywhere),
			fedNamespace: read(t, "v1beta1", `{"placement":{"clusters":[]}}`),
			want:         map[string]bool{},
		},
		"ClusterScoped": {
			reason:        "a cluster-scoped target, such as the Namespace itself, depends on no other",
			object:        read(t, "v1beta1", `{"placement":{"clusters":[{"name":"acme-prod.a"}]}}`),
			clusterScoped: true,
			want:          map[string]bool{"acme-prod.a": true},
		},
		"NamespacesMask": {
			reason:       "the namespace's mask is about the namespace, and so are its overrides",
			object:       read(t, "v1beta1", `{"placement":{"clusters":[{"name":"acme-prod.a"}]}}`),
			fedNamespace: read(t, "v1beta1", `{"placement":{"clusters":[{"name":"acme-prod.a"}]},"placementMask":1,"overrides":1}`),
			want:         map[string]bool{"acme-prod.a": true},
		},
		"RefusedOverrides": {
			reason:       "what is refused to be rendered is placed all the same",
			object:       read(t, "v1beta1", `{"placement":{"clusters":[{"name":"acme-prod.a"}]},"overrides":[{"clusterName":"acme-prod.a","clusterOverrides":[{"path":"/kind"}]}]}`),
			fedNamespace: read(t, "v1beta1", everywhere),
			want:         map[string]bool{"acme-prod.a": true},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Place(tc.object, tc.fedNamespace, !tc.clusterScoped, candidates())
			if err != nil {
				t.Fatalf("%s: Place: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: Place: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestPlaceRefuses(t *testing.T) {
	good := read(t, "v1beta1", `{"placement":{"clusterSelector":{}}}`)
	byHand := &federated.Object{Placement: federated.Placement{Selector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Near"}}}}}
	cases := map[string]struct {
		reason               string
		object, fedNamespace *federated.Object
	}{
		"Placement":              {reason: "it cannot be read", object: read(t, "v1beta1", `{"placement":1}`), fedNamespace: good},
		"Selector":               {reason: "no such operator", object: read(t, "v2beta1", `{"placement":{"topologySelector":{"matchExpressions":[{"key":"a","operator":"Near"}]}}}`), fedNamespace: good},
		"NotFederated":           {reason: "what cannot be read is not placed nowhere, which would delete it", object: read(t, "v1beta1", `{"placement":1}`)},
		"NamespacesPlacement":    {reason: "the namespace's cannot be read", object: good, fedNamespace: read(t, "v1beta1", `{"placement":1}`)},
		"NeverDecodedSelector":   {reason: "a selector counts as refused also where nobody looked at it before", object: byHand, fedNamespace: good},
		"MaskAndPlacementAtOnce": {reason: "another complaint does not hide this one", object: read(t, "v1beta1", `{"placement":1,"placementMask":1}`), fedNamespace: good},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got, err := Place(tc.object, tc.fedNamespace, true, candidates()); !errors.Is(err, federated.ErrPlacement) {
				t.Errorf("%s: Place = %v, %v: want an ErrPlacement", tc.reason, got, err)
			}
		})
	}
}
