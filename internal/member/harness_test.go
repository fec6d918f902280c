package member

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

// patience bounds what a test waits for, on a machine that is busy with others.
const patience = time.Minute

var (
	configMaps  = target("", "v1", "configmaps", "ConfigMap", true)
	secrets     = target("", "v1", "secrets", "Secret", true)
	namespaces  = target("", "v1", "namespaces", "Namespace", false)
	deployments = target("apps", "v1", "deployments", "Deployment", true)
	widgets     = target("test.cellfed.io", "v1", "widgets", "Widget", true)
)

func target(group, version, resource, kind string, namespaced bool) Target {
	gv := schema.GroupVersion{Group: group, Version: version}
	return Target{Resource: gv.WithResource(resource), Kind: gv.WithKind(kind), Namespaced: namespaced}
}

// event is a call of one of the functions in Options.
type event struct {
	what, member, object string
	now, before          *Object
}

// fleet is Clusters under test, with what they tell.
type fleet struct {
	*Clusters
	t      *testing.T
	events chan event
}

func newFleet(t *testing.T, change func(*Options)) *fleet {
	t.Helper()
	events := make(chan event, 10_000)
	o := Options{
		OnEvent: func(m string, _ Target, now, before *Object, deleted bool) {
			e := event{what: "changed", member: m, now: now, before: before}
			switch {
			case deleted:
				e.what, e.object = "deleted", before.GetName()
			case before == nil:
				e.what, e.object = "added", now.GetName()
			default:
				e.object = now.GetName()
			}
			events <- e
		},
		OnHealthy:  func(m string) { events <- event{what: "healthy", member: m} },
		OnSynced:   func(m string, t *Target) { events <- event{what: "synced", member: m, object: t.Resource.Resource} },
		probeFirst: 20 * time.Millisecond, probeMost: 100 * time.Millisecond, probeTimeout: 5 * time.Second,
		retryFirst: 20 * time.Millisecond, retryMost: 100 * time.Millisecond,
	}
	if change != nil {
		change(&o)
	}
	pool := newPool(t)
	f := &fleet{Clusters: NewClusters(pool, o), t: t, events: events}
	t.Cleanup(func() {
		f.Close()
		// Tests that run beside each other see each other's: the one that they are parts of looks at the end.
		if !strings.HasPrefix(t.Name(), "TestTrouble/") {
			noGoroutines(t)
		}
	})
	return f
}

// expect waits for an event. Others that come before it are passed over.
func (f *fleet) expect(what, object string) event {
	f.t.Helper()
	timeout := time.After(patience)
	var seen []string
	for {
		select {
		case e := <-f.events:
			if e.what == what && e.object == object {
				return e
			}
			seen = append(seen, e.what+" "+e.object)
		case <-timeout:
			f.t.Fatalf("%q of %q does not come, after %q", what, object, seen)
		}
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	framework.Eventually(t, patience, what, func(context.Context) error {
		if holds() {
			return nil
		}
		return fmt.Errorf("not yet")
	})
}

// noGoroutines fails when watches or members go on after their end.
func noGoroutines(t *testing.T) {
	t.Helper()
	var left string
	err := framework.Poll(context.Background(), patience, "the goroutines to end", func(context.Context) error {
		buf := make([]byte, 4<<20)
		left = ""
		for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(stack, "client-go/tools/cache.") || strings.Contains(stack, "member.(*cluster)") || strings.Contains(stack, "member.(*watching)") {
				left += stack + "\n\n"
			}
		}
		if left != "" {
			return fmt.Errorf("some are left")
		}
		return nil
	})
	if err != nil {
		t.Errorf("%v:\n%s", err, left)
	}
}

// realMember is a real API server.
type realMember struct {
	*framework.ControlPlane
	client dynamic.Interface
	ca     []byte
}

func runMember(t *testing.T, o framework.Options) *realMember {
	t.Helper()
	tokens := filepath.Join(t.TempDir(), "tokens.csv")
	lines := testToken + ",admin,admin,system:masters\nnext,admin,admin,system:masters\npoor,poor,poor\n"
	must(t, os.WriteFile(tokens, []byte(lines), 0o600))
	o.ExtraArgs = append(o.ExtraArgs, "--token-auth-file="+tokens)
	m := &realMember{ControlPlane: framework.RunControlPlane(t, o)}
	config, err := m.Config()
	must(t, err)
	m.ca = config.CAData
	m.client, err = dynamic.NewForConfig(config)
	must(t, err)
	return m
}

// registration returns what registers the member.
func (m *realMember) registration() (*fedv1b1.KubeFedCluster, *corev1.Secret) {
	return newCluster(m.URL(), m.ca)
}

func (m *realMember) of(t Target, namespace string) dynamic.ResourceInterface {
	if !t.Namespaced {
		return m.client.Resource(t.Resource)
	}
	return m.client.Resource(t.Resource).Namespace(namespace)
}

// put creates an object as somebody who is not cellfed.
func (m *realMember) put(t *testing.T, target Target, u *unstructured.Unstructured, manager string) *unstructured.Unstructured {
	t.Helper()
	made, err := m.of(target, u.GetNamespace()).Create(t.Context(), u, metav1.CreateOptions{FieldManager: manager})
	must(t, err)
	return made
}

func (m *realMember) get(t *testing.T, target Target, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	u, err := m.of(target, namespace).Get(t.Context(), name, metav1.GetOptions{})
	must(t, err)
	return u
}

func (m *realMember) patch(t *testing.T, target Target, namespace, name, patch string) *unstructured.Unstructured {
	t.Helper()
	u, err := m.of(target, namespace).Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"})
	must(t, err)
	return u
}

// object returns an object of a target with the label of a cell's objects.
func object(t Target, namespace, name string, content map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	for k, v := range content {
		u.Object[k] = v
	}
	u.SetGroupVersionKind(t.Kind)
	u.SetNamespace(namespace)
	u.SetName(name)
	u.SetLabels(map[string]string{v1alpha1.ManagedLabel: "true"})
	return u
}

func configMap(name string, data map[string]any) *unstructured.Unstructured {
	return object(configMaps, "app", name, map[string]any{"data": data})
}

func labeled(u *unstructured.Unstructured, labels map[string]string) *unstructured.Unstructured {
	u.SetLabels(labels)
	return u
}

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	must(t, u.UnmarshalJSON([]byte(text)))
	return u
}

func isUnhealthy(err error) bool { return errors.Is(err, ErrUnhealthy) }
