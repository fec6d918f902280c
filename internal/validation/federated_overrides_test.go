package validation

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// one is an object of one override.
func one(operation string) string {
	return `{template: {metadata: {labels: {a: b}}, spec: {replicas: 1, list: [x]}}, overrides: [{topologyName: hz-a, topologyOverrides: [` + operation + `]}]}`
}

func TestFederatedOverrides(t *testing.T) {
	const at = "spec.overrides[0].topologyOverrides"
	runRules(t, map[string]ruleCase{
		"Good":          {reason: "what people write", spec: one(`{path: /spec/replicas, value: 2}, {op: add, path: /metadata/labels/x~1y, value: z}, {op: remove, path: /spec/list/0}`), facts: ofTenant(upstream)},
		"NotPlaced":     {reason: "overrides may wait for their topology", spec: `{placement: {topologies: []}, overrides: [{topologyName: hz-a}]}`, facts: ofTenant(upstream)},
		"Mistyped":      {reason: "another one is left without its overrides", spec: `{topologyType: cell, placement: {topologies: [{name: rz00a}]}, overrides: [{topologyName: rz0a}]}`, facts: ofTenant(pushes), warnings: []string{"spec.overrides[0].topologyName"}},
		"EntryTwice":    {reason: "upstream refuses it", spec: `{overrides: [{topologyName: a}, {topologyName: a}]}`, want: []string{"spec.overrides[1].topologyName FieldValueDuplicate a"}},
		"EntryTwiceV1":  {reason: "in the words of v1beta1", version: v1, spec: `{overrides: [{clusterName: a}, {clusterName: a}]}`, want: []string{"spec.overrides[1].clusterName FieldValueDuplicate a"}},
		"EntryNoName":   {reason: "they are nobody's", version: v1, spec: `{overrides: [{clusterOverrides: []}]}`, want: []string{"spec.overrides[0].clusterName FieldValueRequired"}},
		"EntryOther":    {reason: "the other version's words", version: v1, spec: `{overrides: [{clusterName: a, topologyOverrides: []}]}`, want: []string{"spec.overrides[0].topologyOverrides FieldValueInvalid"}},
		"NoList":        {reason: "overrides are a list", spec: `{overrides: {}}`, want: []string{"spec.overrides FieldValueInvalid"}},
		"PathTwice":     {reason: "upstream refuses it", spec: one(`{path: /spec/replicas, value: 2}, {path: /spec/replicas, value: 3}`), want: []string{at + "[1].path FieldValueDuplicate /spec/replicas"}},
		"NoPath":        {reason: "an override is of something", spec: one(`{op: remove}`), want: []string{at + "[0].path FieldValueRequired"}},
		"NoValue":       {reason: "replace by what?", spec: one(`{path: /spec/replicas}`), want: []string{at + "[0].value FieldValueRequired"}},
		"NullValue":     {reason: "null is a value", spec: one(`{path: /spec/replicas, value: null}`)},
		"RemoveValue":   {reason: "remove has none", spec: one(`{op: remove, path: /spec/replicas, value: 1}`), warnings: []string{at + "[0].value"}},
		"UnknownOp":     {reason: "upstream knows three", spec: one(`{op: test, path: /spec/replicas, value: 1}`), want: []string{at + "[0].op FieldValueNotSupported test"}},
		"OddKey":        {reason: "upstream reads it, whatever its case", spec: one(`{path: /spec/replicas, Path: /metadata/namespace, value: x}`), want: []string{at + "[0].Path FieldValueInvalid /metadata/namespace"}},
		"NoPointer":     {reason: "upstream's list of refused paths does not know it, its JSON patch takes it", spec: one(`{path: x/metadata/namespace, value: y}`), want: []string{at + "[0].path FieldValueInvalid x/metadata/namespace"}},
		"BadEscape":     {reason: "there is no ~2", spec: one(`{path: /spec/~2, value: y}`), want: []string{at + "[0].path FieldValueInvalid /spec/~2"}},
		"Namespace":     {reason: "another namespace", spec: one(`{path: /metadata/namespace, value: kube-system}`), want: []string{at + "[0].path FieldValueInvalid /metadata/namespace"}},
		"Name":          {reason: "another name", spec: one(`{path: /metadata/name, value: x}`), want: []string{at + "[0].path FieldValueInvalid /metadata/name"}},
		"GenerateName":  {reason: "many names", spec: one(`{op: add, path: /metadata/generateName, value: x}`), want: []string{at + "[0].path FieldValueInvalid /metadata/generateName"}},
		"Kind":          {reason: "another kind", spec: one(`{path: /kind, value: ClusterRole}`), want: []string{at + "[0].path FieldValueInvalid /kind"}},
		"Metadata":      {reason: "upstream lets a namespace pass in it", spec: one(`{path: /metadata, value: {namespace: kube-system}}`), want: []string{at + "[0].path FieldValueInvalid /metadata"}},
		"Whole":         {reason: "and in this", spec: one(`{path: "", value: {kind: ClusterRole}}`), want: []string{at + "[0].path FieldValueInvalid"}},
		"APIVersion":    {reason: "another group's kind", spec: one(`{path: /apiVersion, value: rbac.authorization.k8s.io/v1}`), facts: ofTenant(upstream), want: []string{at + "[0].value FieldValueInvalid rbac.authorization.k8s.io/v1"}},
		"APIVersionOld": {reason: "what upstream's users do for Ingresses", spec: one(`{path: /apiVersion, value: extensions/v1beta1}`), facts: ofNobody(upstream), warnings: []string{at + "[0].value", "spec.overrides[0].topologyName"}},
		"APIVersionNo":  {reason: "cellfed applies in the type's version", spec: one(`{path: /apiVersion, value: apps/v1beta1}`), facts: ofNobody(pushes), want: []string{at + "[0].value FieldValueInvalid apps/v1beta1"}},
		"ForgedLabel":   {reason: "another cell's", spec: one(`{op: add, path: /metadata/labels/cellfed.io~1cell, value: x}`), want: []string{at + "[0].path FieldValueInvalid /metadata/labels/cellfed.io~1cell"}},
		"ForgedLabels":  {reason: "another cell's, among others", spec: one(`{path: /metadata/labels, value: {kubefed.io/managed: "false", cellfed.io/cell: x, a: b}}`), want: []string{at + "[0].value[cellfed.io/cell] FieldValueInvalid x", at + "[0].value[kubefed.io/managed] FieldValueInvalid false"}},
		"ForgedAnn":     {reason: "annotations are obeyed, too", spec: one(`{op: add, path: /metadata/annotations/kubefed.io~1orphan, value: "true"}`), want: []string{at + "[0].path FieldValueInvalid /metadata/annotations/kubefed.io~1orphan"}},
		"Annotation":    {reason: "cellfed finds a collection there", spec: one(`{op: add, path: /metadata/annotations/a, value: b}`), facts: ofTenant(pushes)},
		"AnnotationUp":  {reason: "KubeFed does not", spec: one(`{op: add, path: /metadata/annotations/a, value: b}`), facts: ofTenant(upstream), want: []string{at + "[0].path FieldValueInvalid /metadata/annotations/a"}},
		"Annotations":   {reason: "the whole works with both", spec: one(`{op: add, path: /metadata/annotations, value: {a: b}}, {op: add, path: /metadata/annotations/c, value: d}`), facts: ofTenant(upstream)},
		"Finalizers":    {reason: "upstream allows them by overrides", spec: one(`{op: add, path: /metadata/finalizers, value: [a]}`), facts: ofTenant(upstream)},
		"Owner":         {reason: "the garbage collector may delete it", spec: one(`{op: add, path: /metadata/ownerReferences, value: [{uid: x}]}`), warnings: []string{at + "[0].path"}},
		"OwnerBlocks":   {reason: "nobody holds up what is another's", spec: one(`{op: add, path: /metadata/ownerReferences, value: [{uid: x, blockOwnerDeletion: true}]}`), want: []string{at + "[0].value FieldValueInvalid"}, warnings: []string{at + "[0].path"}},
		"Status":        {reason: "the status is the member's", spec: one(`{op: add, path: /status, value: {}}`), facts: ofTenant(pushes), warnings: []string{at + "[0].path"}},
		"NothingThere":  {reason: "there is no such parent", spec: one(`{op: add, path: /spec/absent/x, value: 1}`), want: []string{at + " FieldValueInvalid hz-a"}},
		"NoSuchIndex":   {reason: "there is no such item", spec: one(`{op: replace, path: /spec/list/7, value: 1}`), want: []string{at + " FieldValueInvalid hz-a"}},
		"LabelNotText":  {reason: "an API server refuses it", spec: one(`{path: /metadata/labels/a, value: 1}`), want: []string{at + " FieldValueInvalid hz-a"}},
	})
}

// largeObject has as many topologies as told, whose names end in suffix, each with an override that is wrong, and a mask for
// half of them.
func largeObject(topologies int, suffix string) *unstructured.Unstructured {
	names, entries := []any{}, []any{}
	for i := range topologies {
		name := fmt.Sprintf("c%s%d%s", strings.Repeat("x", i%7), i, suffix)
		names = append(names, map[string]any{"name": name})
		entries = append(entries, map[string]any{"topologyName": name, "topologyOverrides": []any{map[string]any{"path": "/spec/absent/x", "value": int64(i)}}})
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v2, "metadata": map[string]any{"namespace": "acme-prod", "name": "pay"},
		"spec": map[string]any{
			"topologyType": "cell", "placement": map[string]any{"topologies": names}, "placementMask": map[string]any{"topologies": names[:topologies/2]},
			"overrides": entries, "template": map[string]any{"data": strings.Repeat("x", 200000)},
		},
	}}
}

// What is wrong with an object as large as an API server takes is told up to a limit, and what is allocated to find out does
// not grow with the square of its size.
func TestFederatedLargeObjects(t *testing.T) {
	for name, c := range map[string]struct {
		reason, suffix string
		errors         int
	}{
		"NoCells": {reason: "no cell can have such a name", suffix: "_", errors: mostTold + 1},
		"Cells":   {reason: "overrides are tried as long as the template is small enough for that, and the mask is wrong", errors: trialBytes/200000 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			allocations := func(topologies int) float64 {
				u := largeObject(topologies, c.suffix)
				return testing.AllocsPerRun(1, func() {
					r := Federated(u, nil, ofTenant(upstream))
					if diff := cmp.Diff([]int{c.errors, mostTold + 1}, []int{len(r.Errors), len(r.Warnings)}); diff != "" {
						t.Errorf("%s: errors and warnings of %d topologies: -want +got:\n%s", c.reason, topologies, diff)
					}
				})
			}
			if few, many := allocations(2000), allocations(20000); many > 15*few {
				t.Errorf("%v allocations for 20,000 topologies, %v for 2,000", many, few)
			}
		})
	}
}

// BenchmarkFederatedLarge looks at large objects: ten times the topologies are to take some ten times as long.
func BenchmarkFederatedLarge(b *testing.B) {
	for _, suffix := range []string{"", "_"} {
		for _, topologies := range []int{2000, 20000} {
			b.Run(fmt.Sprintf("%d%s", topologies, suffix), func(b *testing.B) {
				u := largeObject(topologies, suffix)
				for b.Loop() {
					Federated(u, nil, ofTenant(upstream))
				}
			})
		}
	}
}
