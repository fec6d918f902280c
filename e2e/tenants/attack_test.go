package tenants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cellfed/cellfed/e2e/framework"
)

// layer is what refuses a request.
type layer string

const (
	byRBAC      layer = "RBAC"
	byAdmission layer = "admission"
	bySchema    layer = "schema"
	byServer    layer = "API server"
	byFacade    layer = "façade"
)

// answer is what came back for a request.
type answer struct {
	code    int
	reason  string
	message string
	body    []byte
	layer   layer
}

func (a answer) succeeded() bool { return a.code >= 200 && a.code < 300 }

// fieldPath finds the first field that a denial names.
var fieldPath = regexp.MustCompile(`\b(?:spec|metadata)(?:\.[A-Za-z]+|\[[^\]]*\])+`)

// String is what the table says.
func (a answer) String() string {
	if a.succeeded() {
		return fmt.Sprintf("%d", a.code)
	}
	reason := a.reason
	if reason == "" {
		reason = http.StatusText(a.code)
	}
	text := fmt.Sprintf("%d %s, %s", a.code, reason, a.layer)
	if field := fieldPath.FindString(a.message); field != "" && (a.layer == byAdmission || a.layer == bySchema) {
		text += ": " + field
	}
	return text
}

// want is what must be answered: a refusal by one of the layers, or, if admitted is set, success, of which admitted tells
// in the table why it does no harm, and check proves it.
type want struct {
	layers []layer
	// text must be in the message of a refusal.
	text     string
	admitted string
	// check is called until it returns nil, once all tries of the group were made.
	check func(r *run1) error
	// either allows a refusal where admitted is set.
	either bool
}

func refused(layers ...layer) want { return want{layers: layers} }

func harmless(why string, check func(r *run1) error) want { return want{admitted: why, check: check} }

// try is one thing that the tenant tries.
type try struct {
	what string
	do   func(r *run1) answer
	want want
}

// run1 is one try, under one propagator.
type run1 struct {
	*testing.T
	ctx   context.Context
	world *world
	// as is the propagator under which the try is made; nil where it does not matter.
	as *propagation
	// name is good for one object and appears nowhere else.
	name   string
	answer answer
}

// group is a number of tries that belong together.
type group struct {
	name string
	// under are the propagators that each is tried under; empty where it does not matter.
	under []*propagation
	tries func(as *propagation) []try
}

// play makes the tries of a group, looks at what became of those that were admitted, and at everybody else's clusters.
func (g group) play(t *testing.T) {
	w := suite.world
	before, err := w.sentinel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	under := g.under
	if len(under) == 0 {
		under = []*propagation{nil}
	}
	first := len(suite.table.rows)
	for _, as := range under {
		for _, one := range g.tries(as) {
			r := &run1{T: t, ctx: t.Context(), world: w, as: as, name: w.nextName()}
			r.answer = one.do(r)
			row := suite.table.add(g.name, one.what, as, r)
			if message := one.want.differs(r.answer); message != "" {
				t.Errorf("%s (%s): %s: %s %q", one.what, as.title(), message, r.answer, r.answer.message)
				row.answer += " UNEXPECTED"
				continue
			}
			t.Logf("%s (%s): %s %s", one.what, as.title(), r.answer, r.answer.message)
			if one.want.admitted != "" && r.answer.succeeded() {
				row.want = one.want
			}
		}
	}
	g.settle(t, w)
	for _, row := range suite.table.rows[first:] {
		if row.want.check == nil {
			continue
		}
		err := framework.Poll(t.Context(), soon/4, row.try, func(context.Context) error { return row.want.check(row.run) })
		if err != nil {
			t.Errorf("%s (%s) was admitted: %v", row.try, row.run.as.title(), err)
			row.answer += " UNEXPECTED"
		}
	}
	w.reached(t, before)
	w.sweep(t)
}

// settle waits until both propagators have worked off what they were given.
func (g group) settle(t *testing.T, w *world) {
	for _, as := range both {
		if err := w.canary(t.Context(), as); err != nil {
			t.Errorf("after %s, what the tenant may do does not work under %s: %v", g.name, as.title(), err)
		}
	}
}

func (w want) differs(a answer) string {
	switch {
	case w.either && !a.succeeded() && slices.Contains(w.layers, a.layer):
		return ""
	case w.admitted != "" && !a.succeeded():
		return "it was refused, and should be admitted"
	case w.admitted != "":
		return ""
	case a.succeeded():
		return "it was not refused"
	case a.code < 400 || a.code > 499:
		return "that is no refusal"
	case !slices.Contains(w.layers, a.layer):
		return fmt.Sprintf("it was to be refused by %v", w.layers)
	case !strings.Contains(a.message, w.text):
		return fmt.Sprintf("the refusal does not say %q", w.text)
	}
	return ""
}

// layerOf tells from an API server's answer who refused.
func layerOf(code int, reason, message string) layer {
	switch {
	case strings.Contains(message, "admission webhook"):
		return byAdmission
	case code == http.StatusForbidden && strings.Contains(message, "cannot "):
		return byRBAC
	case reason == "Invalid":
		return bySchema
	default:
		return byServer
	}
}

// readAnswer makes an answer of a response.
func readAnswer(code int, body []byte, facade bool) answer {
	a := answer{code: code, body: body}
	var status struct {
		Kind, Reason, Message string
	}
	if err := json.Unmarshal(body, &status); err == nil && status.Kind == "Status" {
		a.reason, a.message = status.Reason, status.Message
	} else if !a.succeeded() {
		a.message = string(body)
	}
	a.layer = layerOf(code, a.reason, a.message)
	if facade {
		a.layer = byFacade
	}
	return a
}

// decode reads an object from the answer's body.
func (a answer) decode(into any) error {
	if err := json.Unmarshal(a.body, into); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// failed is an answer for a try whose preparation went wrong.
func (r *run1) failed(err error) answer {
	r.Helper()
	return answer{message: err.Error(), layer: "preparation"}
}

var errThere = errors.New("it is there")

// quickly bounds one request.
const quickly = 30 * time.Second
