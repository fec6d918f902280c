package helmlife

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/e2e/framework"
)

// beat is the name of the objects by which the test finds out that changes propagate, and the label that changes. They
// are no part of what must stay as it is.
const beat = "beat"

// homes are the namespaces of the cells by their members and names.
var homes = map[string]client.ObjectKey{
	"rz00a": {Namespace: hangzhou, Name: "acme-prod-rz00a"},
	"rz00b": {Namespace: hangzhou, Name: "acme-prod-rz00b"},
	"rz01a": {Namespace: shanghai, Name: "acme-prod"},
}

// snapshot is what the cells hold, as the members have stored it, by its names.
type snapshot map[string]string

func (s *story) snapshot() snapshot {
	s.Helper()
	all := snapshot{}
	for cell, home := range homes {
		for _, object := range []client.Object{&corev1.Namespace{}, &corev1.ConfigMap{}, &appsv1.Deployment{}} {
			key := client.ObjectKey{Namespace: home.Name, Name: "pay"}
			if _, ok := object.(*corev1.Namespace); ok {
				key = client.ObjectKey{Name: home.Name}
			}
			s.must(s.members[home.Namespace].Client.Get(s.Context(), key, object))
			text, err := json.Marshal(object)
			s.must(err)
			all[fmt.Sprintf("%T of %s", object, cell)] = string(text)
		}
	}
	return all
}

// uid returns the UID of an object, or nothing.
func (s snapshot) uid(name string) string {
	_, after, _ := strings.Cut(s[name], `"uid":"`)
	uid, _, _ := strings.Cut(after, `"`)
	return uid
}

// state is what a part of the test must leave as it is.
type state struct {
	members snapshot
	marks   map[string]framework.AuditMark
	host    map[string]string
}

// remember returns what the members hold and the host says.
func (s *story) remember() state {
	s.Helper()
	before := state{members: s.snapshot(), marks: map[string]framework.AuditMark{}, host: s.said()}
	for name, member := range s.members {
		var err error
		before.marks[name], err = member.Mark()
		s.must(err)
	}
	return before
}

// said returns what the host says about releases, the stored version of each object: the specs of federated objects with
// their masks, of Cells, and of types. What a controller may write is left out, and so is what the test changes.
func (s *story) said() map[string]string {
	s.Helper()
	all := map[string]string{}
	for _, kind := range []string{
		"federatedconfigmaps.v1beta1.types.kubefed.io", "federateddeployments.v2beta1.types.kubefed.io", "federatednamespaces.v1beta1.types.kubefed.io",
		"cells", "federatedtypeconfigs", "federatedtypepolicies", "kubefedclusters",
	} {
		for line := range strings.Lines(s.run("", "get "+kind+" -A -o", `jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {.metadata.uid} {.spec}{"\n"}{end}`)) {
			name, rest, _ := strings.Cut(line, " ")
			if !strings.HasSuffix(name, "/"+beat) {
				all[kind+" "+name] = rest
			}
		}
	}
	return all
}

// same checks that the members' objects are, to the resource version, as they were, and that nobody tried to write them.
func (s *story) same(before state, what string) {
	s.Helper()
	if diff := cmp.Diff(before.members, s.snapshot()); diff != "" {
		s.Errorf("%s changed what is in the members (-before +after):\n%s", what, diff)
	}
	for name, member := range s.members {
		writes, err := member.Writes(before.marks[name], func(w framework.Write) bool {
			return strings.HasSuffix(w.User, ":"+memberAccount) && w.Name != beat
		})
		s.must(err)
		for _, write := range writes {
			s.Errorf("%s led to a write in %s: %s", what, name, write)
		}
	}
}

// survived checks that what the host says is as it was.
func (s *story) survived(before state, what string) {
	s.Helper()
	if diff := cmp.Diff(before.host, s.said()); diff != "" {
		s.Errorf("%s changed what is said in the host (-before +after):\n%s", what, diff)
	}
}

// quiet has a change propagate by each of the propagators, which has each of them look at all that it propagates, and then
// watches that all else stays as it was.
func (s *story) quiet(before state, what string) {
	s.Helper()
	s.propagates()
	framework.Always(s, calm, "the peace of the members after "+what, func(context.Context) error { return s.pods.err() })
	s.same(before, what)
	s.survived(before, what)
}

// propagates changes an object of each type and waits for it in each cell.
func (s *story) propagates() {
	s.Helper()
	s.beats++
	value := fmt.Sprint(s.beats)
	for _, kind := range []string{"federatedconfigmap", "federateddeployment"} {
		s.run("", "-n acme-prod patch "+kind+" "+beat+" --type=merge -p", `{"spec":{"template":{"metadata":{"labels":{"`+beat+`":"`+value+`"}}}}}`)
	}
	for cell, home := range homes {
		for _, object := range []client.Object{&corev1.ConfigMap{}, &appsv1.Deployment{}} {
			framework.Eventually(s, patience, fmt.Sprintf("a %T in %s", object, cell), func(ctx context.Context) error {
				if err := s.members[home.Namespace].Client.Get(ctx, client.ObjectKey{Namespace: home.Name, Name: beat}, object); err != nil {
					return err
				}
				if got := object.GetLabels()[beat]; got != value {
					return fmt.Errorf("it is at %s, want %s", got, value)
				}
				return nil
			})
		}
	}
}

// waitImages waits until the cells have the images.
func (s *story) waitImages(want map[string]string) {
	s.Helper()
	for cell, home := range homes {
		framework.Eventually(s, patience, "the image of "+cell, func(ctx context.Context) error {
			deployment := &appsv1.Deployment{}
			if err := s.members[home.Namespace].Client.Get(ctx, client.ObjectKey{Namespace: home.Name, Name: "pay"}, deployment); err != nil {
				return err
			}
			if got := deployment.Spec.Template.Spec.Containers[0].Image; got != want[cell] {
				return fmt.Errorf("it is %s, want %s", got, want[cell])
			}
			return nil
		})
	}
}
