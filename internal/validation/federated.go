package validation

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/scope"
	"github.com/cellfed/cellfed/internal/topology"
)

// Federated returns what is wrong with a federated object, and what is odd about it. old is what is stored, in the version
// that object is written in, and nil for an object that is created.
//
// What was wrong with old already does not forbid a change of something else, and a change that leaves the spec alone is
// not held up by what the spec says.
func Federated(object, old *unstructured.Unstructured, facts Facts) Result {
	now, err := readFederated(object, facts)
	if err != nil {
		return Result{Errors: field.ErrorList{field.Invalid(field.NewPath("apiVersion"), object.GetAPIVersion(), err.Error())}}
	}
	var before *checker
	if old != nil {
		// What cannot be read cannot tell what was wrong before.
		before, _ = readFederated(old, facts)
	}
	now.check(before)
	var more []violation
	if now.delaysHandBack(before) {
		more = delays(object, old, facts, now.violations)
	}
	if before != nil && len(now.violations) > 0 {
		before.check(nil)
		now.forgive(before.violations)
	}
	if before != nil {
		now.retyped(before)
	}
	now.violations = append(now.violations, more...)
	return now.result()
}

// words are a version's own names of fields.
type words struct {
	list, selector, overrideName, overrideList string
	// thing is what a name is the name of.
	thing string
}

var (
	v1Words = words{list: "clusters", selector: "clusterSelector", overrideName: "clusterName", overrideList: "clusterOverrides", thing: "cluster"}
	v2Words = words{list: "topologies", selector: "topologySelector", overrideName: "topologyName", overrideList: "topologyOverrides", thing: "topology"}
)

// checker looks at one federated object. Names are those of KubeFedClusters wherever they are compared, and those that
// were written wherever they are shown.
type checker struct {
	words
	v2    bool
	facts Facts
	o     *federated.Object
	spec  map[string]any
	// typ is what the names speak of. It has no name where the object's type is none that there is.
	typ topology.Type
	// unusable says that nothing can be made of the template.
	unusable bool
	// handingBack says that the object is judged for a KubeFed that does not have its type yet; admitting, that it is not stored yet.
	handingBack, admitting bool

	violations []violation
	warnings   []string

	// topologies are byName's.
	topologies map[string]scope.Topology
}

// violation is an error, and what it is found again by in the same object at another time.
type violation struct {
	err *field.Error
	id  string
}

// at is a place in an object. An item of a list has an index for people, which changes with its neighbors, and a name by
// which it is found again.
type at struct {
	path *field.Path
	id   string
}

func in(names ...string) at {
	a := at{}
	for _, name := range names {
		a = a.child(name)
	}
	return a
}

func (a at) child(name string) at {
	if a.path == nil {
		return at{path: field.NewPath(name), id: name}
	}
	return at{path: a.path.Child(name), id: a.id + "." + name}
}

func (a at) item(index int, name string) at {
	return at{path: a.path.Index(index), id: fmt.Sprintf("%s[%q]", a.id, name)}
}

func (a at) key(name string) at {
	return at{path: a.path.Key(name), id: fmt.Sprintf("%s[%q]", a.id, name)}
}

func readFederated(u *unstructured.Unstructured, facts Facts) (*checker, error) {
	o, err := federated.Decode(u)
	if err != nil {
		return nil, err
	}
	c := &checker{words: v1Words, facts: facts, o: o}
	if c.v2 = u.GetAPIVersion() == federated.APIVersionV2Beta1; c.v2 {
		c.words = v2Words
	}
	c.spec, _ = u.Object["spec"].(map[string]any)
	name := topology.Default
	if value, ok := c.spec["topologyType"]; ok {
		name, _ = value.(string)
	}
	c.typ, _ = topology.Lookup(name)
	if o.Placement.TopologyType == "" && c.spec == nil && u.Object["spec"] != nil {
		c.invalid(in("spec"), u.Object["spec"], "must be an object")
	}
	return c, nil
}

func (c *checker) check(before *checker) {
	c.ownership()
	if before != nil && reflect.DeepEqual(c.spec, before.spec) {
		return
	}
	c.federatedName()
	c.topologyType()
	c.placement()
	c.mask(before)
	c.template()
	c.overrides(before)
}

// forgive drops what was wrong before.
func (c *checker) forgive(before []violation) {
	had := make(map[string]int, len(before))
	for _, v := range before {
		had[v.id]++
	}
	c.violations = slices.DeleteFunc(c.violations, func(v violation) bool {
		had[v.id]--
		return had[v.id] >= 0
	})
}

func (c *checker) result() Result {
	r := Result{Warnings: c.warnings}
	if more := len(r.Warnings) - mostTold; more > 0 {
		r.Warnings = append(r.Warnings[:mostTold:mostTold], fmt.Sprintf("and %d more warnings", more))
	}
	for i, v := range c.violations {
		if i == mostTold {
			r.Errors = append(r.Errors, field.TooMany(field.NewPath("spec"), len(c.violations), mostTold))
			r.Errors[i].Detail = "this many things are wrong, only the first are listed: correct them first"
			break
		}
		r.Errors = append(r.Errors, v.err)
	}
	return r
}

// mostTold is how many errors, and how many warnings, are listed.
const mostTold = 50

// add adds what is wrong. more is what else must be the same for it to be the same thing at another time.
func (c *checker) add(a at, err *field.Error, more ...any) {
	id := fmt.Sprintf("%s %s %s", a.id, err.Type, full(err.BadValue))
	for _, each := range more {
		id += " " + full(each)
	}
	err.BadValue = shown(err.BadValue)
	c.violations = append(c.violations, violation{err: err, id: id})
}

func (c *checker) invalid(a at, value any, format string, args ...any) {
	c.add(a, field.Invalid(a.path, value, fmt.Sprintf(format, args...)))
}

func (c *checker) required(a at, format string, args ...any) {
	c.add(a, field.Required(a.path, fmt.Sprintf(format, args...)))
}

func (c *checker) unsupported(a at, value any, known []string) {
	c.add(a, field.NotSupported(a.path, value, known))
}

func (c *checker) duplicate(a at, value any, format string, args ...any) {
	err := field.Duplicate(a.path, value)
	err.Detail = fmt.Sprintf(format, args...)
	c.add(a, err)
}

func (c *checker) warn(a at, format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf("%s: ", a.path)+fmt.Sprintf(format, args...))
}

func (c *checker) version() string {
	if c.v2 {
		return federated.V2Beta1
	}
	return federated.V1Beta1
}

// propagates reports whether p propagates the object. What nobody federates is KubeFed's in a tenant's namespace: it is from
// the moment that the kind has a FederatedTypeConfig, and nobody judges again then what is stored.
func (c *checker) propagates(p v1alpha1.Propagator) bool {
	if c.facts.Type != nil {
		return c.facts.Type.Propagator == p
	}
	owner, known := c.owner()
	return p == v1alpha1.PropagatorKubeFed && known && hasOwner(owner)
}

// kubeFed is how errors name KubeFed where it propagates the object, or would.
func (c *checker) kubeFed() string {
	switch {
	case c.admitting:
		return "KubeFed"
	case c.handingBack:
		return "KubeFed, which the type is to be handed back to,"
	case c.facts.Type == nil:
		return "KubeFed, which propagates the type once it has a FederatedTypeConfig,"
	}
	return "KubeFed, which propagates this type,"
}

// orCellfed is the way out that is left where KubeFed cannot do what is asked.
func (c *checker) orCellfed() string {
	switch {
	case c.admitting && c.facts.Type.PolicyDeleted:
		return fmt.Sprintf("or wait until the FederatedTypePolicy %q, which is being deleted, is gone, and hand the type over to cellfed again", c.facts.Type.Name)
	case c.admitting:
		return fmt.Sprintf("or set spec.propagator of the FederatedTypePolicy %q to Cellfed", c.facts.Type.Name)
	case c.handingBack:
		return "or leave the type to cellfed"
	}
	return "or hand the type over to cellfed (a FederatedTypePolicy)"
}

// clusterScoped reports whether what is propagated is known to be in no namespace.
func (c *checker) clusterScoped() bool {
	t := c.facts.Type
	return t != nil && (!t.Namespaced || !t.Target.Namespaced && !t.Target.IsNamespace())
}

// owner returns the labels of the object's Namespace, none for an object that is in none.
func (c *checker) owner() (labels map[string]string, known bool) {
	if c.o.Namespace == "" {
		return nil, c.facts.Type != nil && !c.facts.Type.Namespaced
	}
	return c.facts.NamespaceLabels, c.facts.NamespaceKnown
}

// cells reports whether the names are those of cells of a namespace that is known.
func (c *checker) cells() bool { return c.typ.Name == topology.Cell && c.o.Namespace != "" }

// cluster returns the KubeFedCluster that a written name stands for, and name the inverse.
func (c *checker) cluster(name string) string {
	if c.v2 {
		return c.typ.ToCluster(c.o.Namespace, name)
	}
	return name
}

func (c *checker) name(cluster string) string {
	if c.v2 {
		return c.typ.FromCluster(c.o.Namespace, cluster)
	}
	return cluster
}

func (c *checker) names(clusters []string) []string {
	names := make([]string, 0, len(clusters))
	for _, cluster := range clusters {
		names = append(names, c.name(cluster))
	}
	return names
}

// because returns why a part of an object cannot be used, nil where it can: the error that was wrapped together with kind.
func because(err, kind error) error {
	if err == nil || !errors.Is(err, kind) {
		return nil
	}
	var all []error
	switch err := err.(type) { //nolint:errorlint // The tree itself is walked.
	case interface{ Unwrap() []error }:
		all = err.Unwrap()
	case interface{ Unwrap() error }:
		all = []error{err.Unwrap()}
	}
	if len(all) == 2 && all[0] == kind { //nolint:errorlint // Only the pair itself has the reason beside the kind.
		return all[1]
	}
	for _, e := range all {
		if why := because(e, kind); why != nil {
			return why
		}
	}
	return err
}

// mostShown is how much of a value an error shows.
const mostShown = 120

// shown returns a value as an error shows it: strings as they are, everything else as JSON, what is long cut off.
func shown(value any) any {
	text, isString := value.(string)
	if !isString {
		text = full(value)
	}
	if len(text) > mostShown {
		text = strings.ToValidUTF8(text[:mostShown], "") + "..."
	}
	return text
}

// full returns all of a value.
func full(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprintf("%#v", value)
	}
	return string(text)
}
