package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	// namespace is the tenant's in the host.
	namespace = "release"
	// objectCount is how many federated objects are released.
	objectCount = 20
	finalizer   = "kubefed.io/sync-controller"
)

// cell is a cell of the fleet.
type cell struct {
	name, member, target string
}

// fleet is an application, a number of ConfigMaps, in six cells on three members, and what each of them must have.
type fleet struct {
	env     *framework.Environment
	cells   []cell
	objects []string
	// revision is the last that was released.
	revision int
	// has is the revision that each cell must have.
	has map[string]int
	// received is the generation of each object that each cell received last.
	received map[string]map[string]int64
}

func newFleet(env *framework.Environment) *fleet {
	f := &fleet{env: env, has: map[string]int{}, received: map[string]map[string]int64{}}
	for _, member := range []string{east, west, north} {
		for _, letter := range []string{"a", "b"} {
			name := member + letter
			f.cells = append(f.cells, cell{name: name, member: member, target: namespace + "-" + name})
			f.received[name] = map[string]int64{}
		}
	}
	for i := range objectCount {
		f.objects = append(f.objects, fmt.Sprintf("app-%02d", i))
	}
	return f
}

func (f *fleet) names() []string {
	var names []string
	for _, c := range f.cells {
		names = append(names, c.name)
	}
	return names
}

// boot makes the cells and the objects, and waits until all is there.
func (f *fleet) boot(ctx context.Context) error {
	labels := map[string]string{cellfedv1alpha1.TenantLabel: "acme", cellfedv1alpha1.WorkspaceGroupLabel: namespace}
	if err := f.env.Host.CreateNamespace(ctx, namespace, labels); err != nil {
		return err
	}
	for _, c := range f.cells {
		object := &cellfedv1alpha1.Cell{
			ObjectMeta: metav1.ObjectMeta{Name: c.name, Namespace: namespace},
			Spec:       cellfedv1alpha1.CellSpec{ClusterName: c.member, TargetNamespace: c.target},
		}
		if err := f.env.Host.Client.Create(ctx, object); err != nil {
			return err
		}
	}
	for _, name := range f.objects {
		object := framework.Federated{
			Version: "v2beta1", Kind: "FederatedConfigMap", Namespace: namespace, Name: name, Cells: true,
			Placement: f.names(), Mask: f.names(), Template: map[string]any{"data": map[string]any{"revision": "0"}},
		}.Object()
		if err := f.env.Host.Client.Create(ctx, object); err != nil {
			return err
		}
	}
	for _, c := range f.cells {
		f.has[c.name] = 0
	}
	return f.settled(ctx, soon, f.names())
}

func federatedConfigMap(name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: framework.FederatedGroup, Version: "v2beta1", Kind: "FederatedConfigMap"})
	object.SetNamespace(namespace)
	object.SetName(name)
	return object
}

// release releases the next revision to the cells. The others are held.
func (f *fleet) release(ctx context.Context, scope []string) error {
	f.revision++
	topologies := []map[string]string{}
	for _, name := range scope {
		f.has[name] = f.revision
		topologies = append(topologies, map[string]string{"name": name})
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{
		"placementMask": map[string]any{"topologies": topologies},
		"template":      map[string]any{"data": map[string]any{"revision": strconv.Itoa(f.revision)}},
	}})
	if err != nil {
		return err
	}
	for _, name := range f.objects {
		// The host may be away for a while.
		err := framework.Poll(ctx, soon, "a write of "+name, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			return f.env.Host.Client.Patch(ctx, federatedConfigMap(name), client.RawPatch("application/merge-patch+json", patch))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// settled waits until every object is right in the cells that are in scope, and reported so, and checks that nothing is
// there that should not be.
func (f *fleet) settled(ctx context.Context, timeout time.Duration, scope []string) error {
	if err := f.arrived(ctx, timeout, scope); err != nil {
		return err
	}
	err := framework.Poll(ctx, timeout, "the status of all objects", func(ctx context.Context) error {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(federatedConfigMap("").GroupVersionKind().GroupVersion().WithKind("FederatedConfigMapList"))
		if err := f.env.Host.Client.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return err
		}
		if len(list.Items) != len(f.objects) {
			return framework.Final(fmt.Errorf("there are %d federated objects, want %d", len(list.Items), len(f.objects)))
		}
		for i := range list.Items {
			if err := f.reported(&list.Items[i], scope); err != nil {
				return fmt.Errorf("%s: %w", list.Items[i].GetName(), err)
			}
		}
		return nil
	})
	return errors.Join(err, f.nothingElse(ctx))
}

// arrived waits until the cells have what they must have.
func (f *fleet) arrived(ctx context.Context, timeout time.Duration, cells []string) error {
	for _, c := range f.cells {
		if !slices.Contains(cells, c.name) {
			continue
		}
		want := strconv.Itoa(f.has[c.name])
		err := framework.Poll(ctx, timeout, "revision "+want+" in "+c.name, func(ctx context.Context) error {
			got, err := f.read(ctx, c)
			if err != nil {
				return err
			}
			for _, name := range f.objects {
				if got[name] == nil {
					return fmt.Errorf("%s is not there", name)
				}
				if got[name].Data["revision"] != want {
					return fmt.Errorf("%s has revision %s", name, got[name].Data["revision"])
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// read returns the objects in a cell's namespace of its member.
func (f *fleet) read(ctx context.Context, c cell) (map[string]*corev1.ConfigMap, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	list := &corev1.ConfigMapList{}
	if err := f.env.Member(c.member).Client.List(ctx, list, client.InNamespace(c.target)); err != nil {
		return nil, err
	}
	all := map[string]*corev1.ConfigMap{}
	for i := range list.Items {
		if name := list.Items[i].Name; name != "kube-root-ca.crt" {
			all[name] = &list.Items[i]
		}
	}
	return all, nil
}

// reported says what is wrong with the status of a federated object, and remembers what the cells in scope received.
func (f *fleet) reported(object *unstructured.Unstructured, scope []string) error {
	if got := object.GetFinalizers(); !slices.Equal(got, []string{finalizer}) {
		return framework.Final(fmt.Errorf("its finalizers are %v", got))
	}
	observed, _, _ := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	if observed != object.GetGeneration() {
		return fmt.Errorf("its status speaks of generation %d, not of %d", observed, object.GetGeneration())
	}
	summary, _, _ := unstructured.NestedMap(object.Object, "status", "summary")
	held := int64(len(f.cells) - len(scope))
	for key, want := range map[string]int64{"placed": int64(len(f.cells)), "held": held, "inSync": int64(len(scope)), "failed": 0} {
		if summary[key] != want {
			return fmt.Errorf("its summary is %v, want %s %d", summary, key, want)
		}
	}
	list, _, err := unstructured.NestedSlice(object.Object, "status", "topologies")
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, item := range list {
		entry, _ := item.(map[string]any)
		name, _ := entry["name"].(string)
		if seen[name] || f.received[name] == nil {
			return fmt.Errorf("its status lists %q, once too often", name)
		}
		seen[name] = true
		word, _ := entry["status"].(string)
		want, generation := "Held", f.received[name][object.GetName()]
		if slices.Contains(scope, name) {
			want, generation = "", object.GetGeneration()
		}
		if got, _ := entry["generation"].(int64); word != want || got != generation {
			return fmt.Errorf("its status says of %s %q at generation %d, want %q at %d", name, word, got, want, generation)
		}
	}
	if len(seen) != len(f.cells) {
		return fmt.Errorf("its status lists %v", slices.Sorted(maps.Keys(seen)))
	}
	for _, name := range scope {
		f.received[name][object.GetName()] = object.GetGeneration()
	}
	return nil
}

// nothingElse says what is in the members that should not be there.
func (f *fleet) nothingElse(ctx context.Context) error {
	var errs []error
	for name, member := range f.env.Members {
		want := map[string]bool{}
		for _, c := range f.cells {
			for _, object := range f.objects {
				if c.member == name {
					want[c.target+"/"+object] = true
				}
			}
		}
		list := &corev1.ConfigMapList{}
		if err := member.Client.List(ctx, list, client.HasLabels{cellfedv1alpha1.ManagedLabel}); err != nil {
			return err
		}
		for i := range list.Items {
			key := list.Items[i].Namespace + "/" + list.Items[i].Name
			if !want[key] {
				errs = append(errs, fmt.Errorf("%s has %s, which is nobody's", name, key))
			}
			delete(want, key)
		}
		for key := range want {
			errs = append(errs, fmt.Errorf("%s has lost %s", name, key))
		}
		upstreams := &corev1.ConfigMapList{}
		if err := member.Client.List(ctx, upstreams, client.HasLabels{cellfedv1alpha1.KubeFedManagedLabel}); err != nil {
			return err
		}
		if n := meta.LenList(upstreams); n > 0 {
			errs = append(errs, fmt.Errorf("%s has %d objects with upstream's label", name, n))
		}
	}
	return errors.Join(errs...)
}

// bytes returns every object in the cells, as JSON with its version, without what says who wrote it.
func (f *fleet) bytes(ctx context.Context, cells ...string) (map[string]string, error) {
	all := map[string]string{}
	for _, c := range f.cells {
		if !slices.Contains(cells, c.name) {
			continue
		}
		objects, err := f.read(ctx, c)
		if err != nil {
			return nil, err
		}
		for name, object := range objects {
			object.ManagedFields = nil
			data, err := json.Marshal(object)
			if err != nil {
				return nil, err
			}
			all[c.name+"/"+name] = string(data)
		}
	}
	return all, nil
}

// marks are points in the logs of the members' writes.
func (f *fleet) marks() (map[string]framework.AuditMark, error) {
	all := map[string]framework.AuditMark{}
	for name, member := range f.env.Members {
		mark, err := member.Mark()
		if err != nil {
			return nil, err
		}
		all[name] = mark
	}
	return all, nil
}

// touched returns the writes to the cells since the marks.
func (f *fleet) touched(since map[string]framework.AuditMark, cells ...string) ([]framework.Write, error) {
	var all []framework.Write
	for _, c := range f.cells {
		if !slices.Contains(cells, c.name) {
			continue
		}
		writes, err := f.env.Member(c.member).Writes(since[c.member], func(w framework.Write) bool {
			return w.User == framework.MemberUser && w.Namespace == c.target
		})
		if err != nil {
			return nil, err
		}
		all = append(all, writes...)
	}
	return all, nil
}
