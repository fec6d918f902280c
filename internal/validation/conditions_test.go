package validation

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
	utilversion "k8s.io/apimachinery/pkg/util/version"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/webhook"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/cel/environment"
	"pgregory.net/rapid"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// oldestServer is the oldest Kubernetes that the shipped conditions are for.
const oldestServer = "1.30"

// conditions decide, on an API server, about which updates of federated objects the validating webhook is asked.
type conditions struct{ matcher matchconditions.Matcher }

// shippedConditions returns those of config/webhook.
func shippedConditions(t testing.TB) conditions {
	t.Helper()
	content, err := os.ReadFile("../../config/webhook/manifests.yaml")
	if err != nil {
		t.Fatal(err)
	}
	compiler := cel.NewConditionCompiler(environment.MustBaseEnvSet(utilversion.MustParseGeneric(oldestServer)))
	for decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), len(content)); ; {
		config := &admissionregistrationv1.ValidatingWebhookConfiguration{}
		if err := decoder.Decode(config); err != nil {
			t.Fatalf("find the webhook: %v", err)
		}
		if config.Kind != "ValidatingWebhookConfiguration" {
			continue
		}
		for i := range config.Webhooks {
			if w := &config.Webhooks[i]; w.Name == "federated.validating.cellfed.io" {
				return conditions{webhook.NewValidatingWebhookAccessor("uid", config.Name, w).GetCompiledMatcher(compiler)}
			}
		}
	}
}

// ask reports whether the webhook is asked about an update. An error refuses the update, whatever it is.
func (c conditions) ask(t testing.TB, object, old *unstructured.Unstructured) (bool, error) {
	kind := object.GroupVersionKind()
	result := c.matcher.Match(t.Context(), &admission.VersionedAttributes{
		Attributes: admission.NewAttributesRecord(object, old, kind, object.GetNamespace(), object.GetName(),
			kind.GroupVersion().WithResource("federateddeployments"), "", admission.Update, nil, false, nil),
		VersionedObject: admission.NewLazyObject(object), VersionedOldObject: admission.NewLazyObject(old), VersionedKind: kind,
	}, nil, nil)
	return result.Matches, result.Error
}

func TestConditions(t *testing.T) {
	shipped := shippedConditions(t)
	const template = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: pay, labels: {version: "1", tier: web}, annotations: {a: b}}, spec: {replicas: 1}}`
	const placement = `placement: {topologies: [{name: rz00a}]}`
	spec := func(template string) string { return "{" + placement + ", template: " + template + "}" }
	many := func(count int, value string) string {
		var list []string
		for i := range count {
			list = append(list, fmt.Sprintf("k%d: %q", i, value))
		}
		return "{" + strings.Join(list, ", ") + "}"
	}
	labels := func(count int, value string) string { return spec("{metadata: {labels: " + many(count, value) + "}}") }
	metadata := func(count int, value string) string {
		return spec("{metadata: {labels: {a: " + value + "}, " + strings.TrimPrefix(many(count-1, "x"), "{") + "}")
	}
	cases := map[string]struct {
		reason      string
		before, now string
		asked       bool
	}{
		"LabelsMany":    {reason: "as many as people have", before: labels(64, "a"), now: labels(64, "b")},
		"LabelsTooMany": {reason: "the API server would take long to look at them", before: labels(65, "a"), now: labels(65, "b"), asked: true},
		"MetadataMany":  {reason: "as much as there is", before: metadata(32, "a"), now: metadata(32, "b")},
		"MetadataLarge": {reason: "the API server would take long to look at it", before: metadata(33, "a"), now: metadata(33, "b"), asked: true},
		"SpecMany":      {reason: "more than there is", before: many(32, "a"), now: many(32, "a")},
		"SpecLarge":     {reason: "the API server would take long to look at it", before: many(33, "a"), now: many(33, "a"), asked: true},
		"SpecWasList":   {reason: "nobody knows what it said", before: `[]`, now: `{}`, asked: true},
		"TemplateWas":   {reason: "there was none", before: `{template: x}`, now: `{template: {}}`, asked: true},
		"LabelsGone":    {reason: "none are there", before: spec(`{metadata: {annotations: {a: b}, labels: {a: b}}}`), now: spec(`{metadata: {annotations: {a: b}}}`), asked: true},
		"Same":          {reason: "nothing is another", before: spec(template), now: spec(template)},
		"Content":       {reason: "a release", before: spec(template), now: spec(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: pay, labels: {version: "2", tier: web}, annotations: {a: b}}, spec: {replicas: 2, paused: true}, more: 1}`)},
		"ContentGone":   {reason: "it is the members' API servers that know what must be there", before: spec(template), now: spec(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: pay, labels: {version: "1", tier: web}, annotations: {a: b}}}`)},
		"LabelGone":     {reason: "no rule asks for a label", before: spec(`{metadata: {labels: {a: b, c: d}}}`), now: spec(`{metadata: {labels: {a: b}}}`)},
		"NoOverrides":   {reason: "an empty list is none", before: `{overrides: [], template: {a: 1}}`, now: `{overrides: [], template: {a: 2}}`},
		"NoSpec":        {reason: "nothing is another", before: `null`, now: `null`},
		"Spec":          {reason: "all of it is new", before: `null`, now: `{}`, asked: true},
		"SpecOdd":       {reason: "nobody knows what it says", before: `{}`, now: `[]`, asked: true},
		"SpecWasOdd":    {reason: "nobody knows what it said", before: `x`, now: `{}`, asked: true},
		"Placement":     {reason: "where it goes is judged", before: spec(template), now: `{placement: {topologies: []}, template: ` + template + `}`, asked: true},
		"Mask":          {reason: "what may change is judged", before: spec(template), now: `{` + placement + `, placementMask: {topologies: []}, template: ` + template + `}`, asked: true},
		"MaskForOther":  {reason: "as many fields, but not the same", before: `{placement: {topologies: []}}`, now: `{placementMask: {topologies: []}}`, asked: true},
		"Overrides":     {reason: "they may not apply to it any more", before: `{overrides: [{topologyName: a}], template: {a: 1}}`, now: `{overrides: [{topologyName: a}], template: {a: 2}}`, asked: true},
		"OverridesSame": {reason: "nothing is another", before: `{overrides: [{topologyName: a}], template: {a: 1}}`, now: `{overrides: [{topologyName: a}], template: {a: 1}}`},
		"OverridesOdd":  {reason: "nobody knows what they say", before: `{overrides: null, template: {a: 1}}`, now: `{overrides: null, template: {a: 2}}`, asked: true},
		"Template":      {reason: "there was none", before: `{}`, now: `{template: {}}`, asked: true},
		"TemplateGone":  {reason: "there is none", before: `{template: {}}`, now: `{}`, asked: true},
		"TemplateOdd":   {reason: "it is none", before: `{template: {}}`, now: `{template: x}`, asked: true},
		"Kind":          {reason: "another kind is refused", before: spec(`{kind: Deployment}`), now: spec(`{kind: Pod}`), asked: true},
		"KindAdded":     {reason: "another kind is refused", before: spec(`{}`), now: spec(`{kind: Pod}`), asked: true},
		"APIVersion":    {reason: "another group is refused", before: spec(`{apiVersion: apps/v1}`), now: spec(`{apiVersion: apps/v2}`), asked: true},
		"Status":        {reason: "the writer is told that it goes nowhere", before: spec(`{}`), now: spec(`{status: {}}`), asked: true},
		"Metadata":      {reason: "all of it is new", before: spec(`{}`), now: spec(`{metadata: {labels: {a: b}}}`), asked: true},
		"MetadataOdd":   {reason: "it is none", before: spec(`{metadata: {}}`), now: spec(`{metadata: x}`), asked: true},
		"Annotation":    {reason: "upstream drops them", before: spec(`{metadata: {annotations: {a: b}}}`), now: spec(`{metadata: {annotations: {a: c}}}`), asked: true},
		"Finalizers":    {reason: "they would keep the object", before: spec(`{metadata: {a: b}}`), now: spec(`{metadata: {finalizers: [a/b]}}`), asked: true},
		"Labels":        {reason: "all of them are new", before: spec(`{metadata: {a: b}}`), now: spec(`{metadata: {labels: {a: b}}}`), asked: true},
		"Label":         {reason: "which labels there are is judged", before: spec(`{metadata: {labels: {a: b}}}`), now: spec(`{metadata: {labels: {c: d}}}`), asked: true},
		"LabelForged":   {reason: "what was forged before is not forged anew", before: spec(`{metadata: {labels: {cellfed.io/cell: a}}}`), now: spec(`{metadata: {labels: {cellfed.io/cell: b}}}`), asked: true},
		"LabelNumber":   {reason: "no API server would take it", before: spec(`{metadata: {labels: {a: "1"}}}`), now: spec(`{metadata: {labels: {a: 2}}}`), asked: true},
		"LabelsNull":    {reason: "nobody knows what was meant", before: spec(`{metadata: {labels: null}}`), now: spec(`{metadata: {labels: {a: b}}}`), asked: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before, now := object(t, v2, tc.before), object(t, v2, tc.now)
			for _, o := range []*unstructured.Unstructured{before, now} {
				if o.Object["spec"] == nil {
					delete(o.Object, "spec")
				}
			}
			got, err := shipped.ask(t, now, before)
			if err != nil || got != tc.asked {
				t.Errorf("%s: got %t and the error %v, want %t", tc.reason, got, err, tc.asked)
			}
			if now.SetLabels(map[string]string{"a": "b"}); !must(t)(shipped.ask(t, now, before)) {
				t.Errorf("labels: not asked")
			}
		})
	}
}

func must(t testing.TB) func(bool, error) bool {
	return func(asked bool, err error) bool {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return asked
	}
}

// changed returns an object that differs from another in some way, in its template above all.
func changed(t *rapid.T, old *unstructured.Unstructured, w words) *unstructured.Unstructured {
	now := old.DeepCopy()
	spec, ok := now.Object["spec"].(map[string]any)
	if !ok {
		return now
	}
	if some1(t, "another spec", 4) {
		other := read(t, anyObject(t, w, now.GetAPIVersion()))
		from, _ := other.Object["spec"].(map[string]any)
		for key := range from {
			if some1(t, key, 2) {
				spec[key] = from[key]
			}
		}
		for _, key := range []string{"overrides", "placementMask", "template"} {
			if some1(t, "no "+key, 6) {
				delete(spec, key)
			}
		}
	}
	template, ok := spec["template"].(map[string]any)
	if !ok {
		return now
	}
	for range rapid.IntRange(1, 3).Draw(t, "changes") {
		metadata, _ := template["metadata"].(map[string]any)
		if metadata == nil && some1(t, "metadata", 2) {
			metadata = map[string]any{}
			template["metadata"] = metadata
		}
		switch rapid.IntRange(1, 6).Draw(t, "change") {
		case 1:
			template["kind"] = rapid.SampledFrom([]any{"Deployment", "Pod", "", nil}).Draw(t, "kind")
		case 2:
			if metadata != nil {
				key := rapid.SampledFrom([]string{"annotations", "labels"}).Draw(t, "metadata")
				metadata[key] = rapid.SampledFrom([]any{
					nil, "x", map[string]any{"a": "b"}, map[string]any{"a": "c"}, map[string]any{"a": int64(1)}, map[string]any{"cellfed.io/cell": "x"}, map[string]any{"kubefed.io/managed": "x"},
				}).Draw(t, key)
			}
		case 3:
			delete(template, rapid.SampledFrom([]string{"spec", "metadata", "apiVersion"}).Draw(t, "without"))
		default:
			template["spec"] = map[string]any{"replicas": rapid.Int64Range(1, 9).Draw(t, "replicas")}
		}
	}
	return now
}

// What nobody is asked about is nothing that would be refused, also while a type is being handed back.
func TestConditionsLeaveNothingOut(t *testing.T) {
	shipped := shippedConditions(t)
	left := 0
	rapid.Check(t, func(r *rapid.T) {
		w, apiVersion := v1Words, v1
		if rapid.Bool().Draw(r, "v2beta1") {
			w, apiVersion = v2Words, v2
		}
		old := changed(r, read(r, anyObject(r, w, apiVersion)), w)
		if spec, ok := old.Object["spec"].(map[string]any); ok && some1(r, "sound overrides", 3) {
			spec["overrides"] = []any{map[string]any{w.overrideName: "hz-a", w.overrideList: []any{map[string]any{"path": "/spec/replicas", "value": int64(7)}}}}
		}
		now := changed(r, old, w)
		asked, err := shipped.ask(t, now, old)
		if err != nil {
			r.Fatalf("%v\n%v\n%v", old, now, err)
		}
		if asked {
			return
		}
		if !reflect.DeepEqual(now.Object["spec"], old.Object["spec"]) {
			left++
		}
		facts := anyFacts(r)
		if facts.Type != nil && rapid.Bool().Draw(r, "handing back") {
			t := *facts.Type
			t.HandingBack, t.Propagator = true, v1alpha1.PropagatorCellfed
			facts.Type = &t
		}
		// Of a template that cannot be used one reason is told at a time.
		unusable := func(err *field.Error) bool { return err.Field == "spec.template" }
		if slices.ContainsFunc(Federated(old, nil, facts).Errors, unusable) {
			return
		}
		if result := Federated(now, old, facts); len(result.Errors) > 0 {
			r.Fatalf("%v\n%v\nnobody is asked, and yet it is refused: %v", old, now, result.Errors)
		}
	})
	if left == 0 {
		t.Error("every change was asked about: nothing was tested")
	}
}
