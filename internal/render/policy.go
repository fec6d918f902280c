package render

import (
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Policy is what of a FederatedTypePolicy decides what members hold. A nil one propagates no annotation, and retains
// nothing but what always is.
type Policy struct {
	// Annotations say which of the template's annotations are propagated.
	Annotations []Glob
	// Retain are the fields that the members own.
	Retain []Path
}

// CompilePolicy reads the propagatingAnnotations and the retain of a FederatedTypePolicy. The policy holds what can be
// used; the errors, with the fields below spec, are for the rest.
func CompilePolicy(annotations, retain []string) (*Policy, field.ErrorList) {
	p := &Policy{}
	var errs field.ErrorList
	for i, text := range annotations {
		glob, problem := compileGlob(text)
		if problem != "" {
			errs = append(errs, field.Invalid(field.NewPath("spec", "propagatingAnnotations").Index(i), text, problem))
			continue
		}
		p.Annotations = append(p.Annotations, glob)
	}
	for i, text := range retain {
		at := field.NewPath("spec", "retain").Index(i)
		path, err := ParsePath(text)
		if err != nil {
			errs = append(errs, field.Invalid(at, text, err.Error()))
			continue
		}
		if problem := path.refused(); problem != "" {
			errs = append(errs, field.Forbidden(at, problem))
			continue
		}
		p.Retain = append(p.Retain, path)
	}
	return p, errs
}

// Propagates says whether an annotation of the template reaches the members.
func (p *Policy) Propagates(key string) bool {
	return p != nil && slices.ContainsFunc(p.Annotations, func(g Glob) bool { return g.Matches(key) })
}

// strip takes out of a template's metadata what is not propagated and returns what it was.
func (p *Policy) strip(metadata map[string]any) []string {
	for _, key := range serverOwned {
		delete(metadata, key)
	}
	var dropped []string
	annotations, _ := metadata["annotations"].(map[string]any)
	for key := range annotations {
		if !p.Propagates(key) {
			dropped = append(dropped, key)
			delete(annotations, key)
		}
	}
	if len(annotations) == 0 {
		delete(metadata, "annotations")
	}
	// A finalizer would keep the object in the member when it is to go, and an owner has another UID in every cluster:
	// the garbage collector would delete the object for want of it.
	for _, key := range []string{"finalizers", "ownerReferences"} {
		if !isEmpty(metadata[key]) {
			dropped = append(dropped, key)
		}
		delete(metadata, key)
	}
	slices.Sort(dropped)
	return dropped
}

// Glob is a pattern for the keys of annotations.
type Glob struct {
	text    string
	pattern *regexp.Regexp
}

// Matches says whether a key is one that the glob stands for.
func (g Glob) Matches(key string) bool { return g.pattern.MatchString(key) }

// String returns the glob as it was written.
func (g Glob) String() string { return g.text }

var globText = regexp.MustCompile(`^[A-Za-z0-9*?._/-]+$`)

// compileGlob reads a glob, or says what is wrong with it.
func compileGlob(text string) (Glob, string) {
	switch {
	case !globText.MatchString(text):
		return Glob{}, "must be made of the letters, digits, '-', '_', '.' and '/' of an annotation's key, and '*', '**' and '?'"
	case strings.Count(text, "/") > 1:
		return Glob{}, "can match nothing: the key of an annotation has one '/' at most"
	case strings.HasPrefix(text, "/") || strings.HasSuffix(text, "/"):
		return Glob{}, "can match nothing: there is something on both sides of the '/' in the key of an annotation"
	case strings.Contains(text, "***"):
		return Glob{}, "must not have more than two '*' in a row: write '*' for anything but '/', or '**' for anything"
	}
	var expression strings.Builder
	expression.WriteString("^")
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case strings.HasPrefix(text[i:], "**"):
			expression.WriteString(".*")
			i++
		case c == '*':
			expression.WriteString("[^/]*")
		case c == '?':
			expression.WriteString("[^/]")
		default:
			expression.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	expression.WriteString("$")
	return Glob{text: text, pattern: regexp.MustCompile("(?s)" + expression.String())}, ""
}
