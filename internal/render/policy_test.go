package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestGlobs(t *testing.T) {
	cases := map[string]struct {
		reason string
		glob   string
		yes    []string
		no     []string
	}{
		"Exact":  {reason: "a key stands for itself, and a dot for a dot", glob: "x.io/a", yes: []string{"x.io/a"}, no: []string{"xxio/a", "x.io/ab", "ax.io/a"}},
		"Star":   {reason: "a star does not cross the slash", glob: "*", yes: []string{"a", ""}, no: []string{"x.io/a"}},
		"Prefix": {reason: "the prefix may vary", glob: "*.x.io/*", yes: []string{"a.x.io/b", "a.b.x.io/c.d"}, no: []string{"x.io/b", "a.x.io", "a/x.io/b"}},
		"Stars":  {reason: "two stars cross it", glob: "x.io**", yes: []string{"x.io/a", "x.io", "x.io.y/z"}, no: []string{"ax.io/a"}},
		"Any":    {reason: "two stars alone are everything", glob: "**", yes: []string{"", "a", "x.io/a"}},
		"One":    {reason: "a question mark is one character, but not the slash", glob: "a?b", yes: []string{"axb", "a.b"}, no: []string{"ab", "a/b", "axxb"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p := policy(t, []string{tc.glob}, nil)
			for _, key := range tc.yes {
				if !p.Propagates(key) {
					t.Errorf("%s: %q does not match %q", tc.reason, tc.glob, key)
				}
			}
			for _, key := range tc.no {
				if p.Propagates(key) {
					t.Errorf("%s: %q matches %q", tc.reason, tc.glob, key)
				}
			}
		})
	}
	if (*Policy)(nil).Propagates("a") {
		t.Error("without a policy no annotation is propagated")
	}
}

func TestCompilePolicy(t *testing.T) {
	p, errs := CompilePolicy(
		[]string{"ok/*", "", "a b", "a/b/c", "***", "/a", "a/", "[a]", "{a,b}", "a\\b", "ü"},
		[]string{".spec.replicas", "", ".", "$", ".a.", ".a[0]", ".a[*]", "[*].a", ".a..b", ".a[?(@.b)]", ".a['b", ".a['']", ".a b",
			".kind", ".apiVersion", ".metadata", ".metadata.name", ".metadata.namespace", ".metadata.labels", ".metadata.labels['kubefed.io/managed']",
			".metadata.labels['cellfed.io/cell']", ".status.x", ".metadata.labels.mine", `$["spec"].x[*]['b.c']`, "data"})
	type problem struct {
		Type  field.ErrorType
		Field string
	}
	var got []problem
	for _, err := range errs {
		got = append(got, problem{err.Type, err.Field})
	}
	var want []problem
	for i := 1; i <= 10; i++ {
		want = append(want, problem{field.ErrorTypeInvalid, field.NewPath("spec", "propagatingAnnotations").Index(i).String()})
	}
	for i := 1; i <= 12; i++ {
		want = append(want, problem{field.ErrorTypeInvalid, field.NewPath("spec", "retain").Index(i).String()})
	}
	for i := 13; i <= 21; i++ {
		want = append(want, problem{field.ErrorTypeForbidden, field.NewPath("spec", "retain").Index(i).String()})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s\n%v", diff, errs.ToAggregate())
	}
	var kept []string
	for _, path := range p.Retain {
		kept = append(kept, path.String())
	}
	if diff := cmp.Diff([]string{".spec.replicas", ".metadata.labels.mine", ".spec.x[*]['b.c']", ".data"}, kept); diff != "" {
		t.Errorf("what can be used is kept, -want +got:\n%s", diff)
	}
	if len(p.Annotations) != 1 || p.Annotations[0].String() != "ok/*" {
		t.Errorf("the globs are %v, want the one that can be used", p.Annotations)
	}
}

func TestProject(t *testing.T) {
	status := content(t, "{ready: 1, z: null, lb: {ingress: [{ip: a, host: b}, {host: c}], x: y}, list: [1, 2]}")
	cases := map[string]struct {
		reason string
		paths  []string
		want   string
	}{
		"Fields": {reason: "what is named is there, and nothing else", paths: []string{".ready", ".absent.x"}, want: "{ready: 1}"},
		"Items":  {reason: "items stay apart", paths: []string{".lb.ingress[*].ip"}, want: "{lb: {ingress: [{ip: a}, {}]}}"},
		"Merged": {reason: "paths come together", paths: []string{".lb.ingress[*].ip", ".lb.ingress[*].host", ".lb.x"}, want: "{lb: {ingress: [{ip: a, host: b}, {host: c}], x: y}}"},
		"Above":  {reason: "a path above another prevails", paths: []string{".lb.x", ".lb", ".list"}, want: "{lb: {ingress: [{ip: a, host: b}, {host: c}], x: y}, list: [1, 2]}"},
		"Null":   {reason: "a null is a value", paths: []string{".z"}, want: "{z: null}"},
		"None":   {reason: "nothing there, nothing reported", paths: []string{".absent", ".ready.x", ".ready[*].y"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var paths []Path
			for _, text := range tc.paths {
				paths = append(paths, mustPath(text))
			}
			if diff := cmp.Diff(content(t, tc.want), Project(status, paths)); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}
