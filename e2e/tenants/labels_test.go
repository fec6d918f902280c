package tenants

import (
	"encoding/json"
	"fmt"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

// verb is a way to change an object that is there.
type verb struct {
	name string
	// change sends what the object is to become, or the patch that makes it so.
	change func(r *run1, path string, object *unstructured.Unstructured, merge string) answer
}

// verbs are all ways that an API server has.
var verbs = []verb{
	{"update", updated},
	{"merge patch", func(r *run1, path string, _ *unstructured.Unstructured, merge string) answer {
		return r.world.host.patch(r.ctx, path, mergePatch, merge)
	}},
	{"JSON patch", func(r *run1, path string, _ *unstructured.Unstructured, merge string) answer {
		var patch map[string]any
		if err := json.Unmarshal([]byte(merge), &patch); err != nil {
			return r.failed(err)
		}
		data, err := json.Marshal(operations(nil, "", patch))
		if err != nil {
			return r.failed(err)
		}
		return r.world.host.patch(r.ctx, path, jsonPatch, string(data))
	}},
	{"apply", func(r *run1, path string, object *unstructured.Unstructured, merge string) answer {
		var patch map[string]any
		if err := json.Unmarshal([]byte(merge), &patch); err != nil {
			return r.failed(err)
		}
		applied := merged(object.DeepCopy().Object, patch)
		data, err := json.Marshal(applied)
		if err != nil {
			return r.failed(err)
		}
		return r.world.host.patch(r.ctx, path, applyPatch, string(data))
	}},
}

// updated reads the object and writes it whole, again where somebody else has written it in between.
func updated(r *run1, path string, _ *unstructured.Unstructured, merge string) answer {
	for {
		current := r.world.host.get(r.ctx, path)
		var now, patch map[string]any
		if err := current.decode(&now); err != nil || !current.succeeded() {
			return r.failed(fmt.Errorf("%w: %s", err, current.message))
		}
		if err := json.Unmarshal([]byte(merge), &patch); err != nil {
			return r.failed(err)
		}
		got := r.world.host.send(r.ctx, http.MethodPut, path, merged(now, patch))
		if got.code != http.StatusConflict || r.ctx.Err() != nil {
			return got
		}
	}
}

// merged applies a JSON merge patch.
func merged(object, patch map[string]any) map[string]any {
	for key, value := range patch {
		content, isObject := value.(map[string]any)
		old, _ := object[key].(map[string]any)
		switch {
		case value == nil:
			delete(object, key)
		case isObject && old != nil:
			object[key] = merged(old, content)
		case isObject:
			object[key] = merged(map[string]any{}, content)
		default:
			object[key] = value
		}
	}
	return object
}

// operations makes a JSON patch of a merge patch. Objects in spec and labels are there already.
func operations(all []any, at string, patch map[string]any) []any {
	for key, value := range patch {
		path := at + "/" + pointerEscape.Replace(key)
		content, isObject := value.(map[string]any)
		if isObject && (path == "/spec" || path == "/metadata" || path == "/metadata/labels") {
			all = operations(all, path, content)
			continue
		}
		op := map[string]any{"op": "add", "path": path, "value": value}
		if value == nil {
			op = map[string]any{"op": "remove", "path": path}
		}
		all = append(all, op)
	}
	return all
}

const (
	forgedLabels  = `{"metadata":{"labels":{"cellfed.io/tenant":"globex","cellfed.io/workspace-group":"prod"}}}`
	removedLabels = `{"metadata":{"labels":{"cellfed.io/tenant":null,"cellfed.io/workspace-group":null}}}`
)

// plain is an object of the type that the tenant may write.
func (r *run1) plain(version string) *unstructured.Unstructured {
	return framework.Federated{
		Version: version, Kind: r.as.kind, Namespace: acmeProd, Name: r.name, Cells: true,
		Placement: cellNames(version, "a1"), Template: r.as.template(r.name),
	}.Object()
}

// cellNames are the tenant's own cells in a version's words.
func cellNames(version string, cells ...string) []string {
	var names []string
	for _, cell := range cells {
		if version == v1beta1 {
			cell = acmeProd + "." + cell
		}
		names = append(names, cell)
	}
	return names
}

// changed creates an object that is allowed, and changes it.
func changed(v verb, version, merge string) func(*run1) answer {
	return func(r *run1) answer {
		object := r.plain(version)
		// An object that has labels can lose them, and one has to be there for a patch to add another.
		object.SetLabels(map[string]string{"app": "pay"})
		if made := r.world.host.create(r.ctx, object); !made.succeeded() {
			return made
		}
		return v.change(r, r.as.path(version, r.name), object, merge)
	}
}

// ownLabels is what becomes of forged labels: they are the Namespace's.
var ownLabels = harmless("the labels are acme's", func(r *run1) error { return hasOwner(r.answer, "acme", "prod") })

func hasOwner(got answer, tenant, group string) error {
	object := &metav1.PartialObjectMetadata{}
	if err := got.decode(object); err != nil {
		return err
	}
	labels := object.Labels
	if labels[cellfedv1alpha1.TenantLabel] != tenant || labels[cellfedv1alpha1.WorkspaceGroupLabel] != group {
		return fmt.Errorf("it has the labels %v", labels)
	}
	return nil
}

// forgedOnFederated are tries to make a federated object look like another tenant's.
func forgedOnFederated(*propagation) []try {
	var all []try
	for _, version := range []string{v1beta1, v2beta1} {
		all = append(all, try{
			"federated object, create, " + version,
			func(r *run1) answer {
				object := r.plain(version)
				object.SetLabels(map[string]string{
					cellfedv1alpha1.TenantLabel: "globex", cellfedv1alpha1.WorkspaceGroupLabel: "prod",
				})
				return r.world.host.create(r.ctx, object)
			}, ownLabels,
		})
		for _, v := range verbs {
			all = append(all, try{"federated object, " + v.name + ", " + version, changed(v, version, forgedLabels), ownLabels})
		}
		all = append(all, try{"federated object, labels taken away, " + version, changed(verbs[1], version, removedLabels), ownLabels})
		for _, sub := range []struct {
			name string
			want want
		}{{"status", refused(byRBAC)}, {"scale", refused(byRBAC)}, {"finalizers", refused(byRBAC)}, {"eviction", refused(byRBAC)}} {
			all = append(all, try{"federated object, " + sub.name + " subresource, " + version, func(r *run1) answer {
				if made := r.world.host.create(r.ctx, r.plain(version)); !made.succeeded() {
					return made
				}
				return r.world.host.patch(r.ctx, r.as.path(version, r.name)+"/"+sub.name, mergePatch, forgedLabels)
			}, sub.want})
		}
	}
	return all
}

// forgedElsewhere are tries to make Cells, or the Namespace itself, look like another tenant's.
func forgedElsewhere(*propagation) []try {
	cell := func(r *run1) *unstructured.Unstructured {
		return asUnstructured(newCell(acmeProd, r.name, acmeMember, "acme-prod-"+r.name))
	}
	labels := map[string]string{
		cellfedv1alpha1.TenantLabel: "globex", cellfedv1alpha1.WorkspaceGroupLabel: "prod",
		cellfedv1alpha1.NamespaceLabel: globexProd, cellfedv1alpha1.CellLabel: "g1", cellfedv1alpha1.ClusterLabel: globexMember,
		cellfedv1alpha1.SharedLabel: "true", cellfedv1alpha1.TopologyTypeLabel: "cluster", cellfedv1alpha1.GeneratedLabel: "false",
	}
	generated := harmless("what is generated carries acme's", func(r *run1) error { return r.world.generatedIsAcmes(r.ctx, r.name) })
	all := []try{{"Cell, create, with every label of cellfed's", func(r *run1) answer {
		object := cell(r)
		object.SetLabels(labels)
		return r.world.host.create(r.ctx, object)
	}, generated}}
	for _, v := range verbs {
		all = append(all, try{"Cell, " + v.name, func(r *run1) answer {
			object := cell(r)
			object.SetLabels(map[string]string{"app": "pay"})
			if made := r.world.host.create(r.ctx, object); !made.succeeded() {
				return made
			}
			return v.change(r, pathOf(object), object, forgedLabels)
		}, ownLabels})
	}
	all = append(all, try{"Cell, status subresource", func(r *run1) answer {
		return r.world.host.patch(r.ctx, "/apis/cellfed.io/v1alpha1/namespaces/acme-prod/cells/a1/status", mergePatch, `{"status":{"tenant":"globex"}}`)
	}, refused(byRBAC)})
	const path = "/api/v1/namespaces/" + acmeProd
	own := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": acmeProd}}}
	for _, v := range verbs {
		all = append(all, try{"own Namespace, " + v.name, func(r *run1) answer { return v.change(r, path, own, forgedLabels) }, refused(byRBAC)})
	}
	return append(all,
		try{"own Namespace, labels taken away", func(r *run1) answer { return r.world.host.patch(r.ctx, path, mergePatch, removedLabels) }, refused(byRBAC)},
		try{"own Namespace, status subresource", func(r *run1) answer { return r.world.host.patch(r.ctx, path+"/status", mergePatch, forgedLabels) }, refused(byRBAC)},
		try{"own Namespace, finalize subresource", func(r *run1) answer { return r.world.host.send(r.ctx, http.MethodPut, path+"/finalize", own) }, refused(byRBAC)},
		try{"own Namespace, delete", func(r *run1) answer { return r.world.host.call(r.ctx, http.MethodDelete, path, "", nil) }, refused(byRBAC)},
		try{"another Namespace, create, of tenant globex", func(r *run1) answer {
			object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "acme-globex"}}}
			object.SetLabels(map[string]string{cellfedv1alpha1.TenantLabel: "globex"})
			return r.world.host.send(r.ctx, http.MethodPost, "/api/v1/namespaces", object)
		}, refused(byRBAC)},
	)
}

func asUnstructured(object any) *unstructured.Unstructured {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		panic(err)
	}
	u := &unstructured.Unstructured{Object: content}
	unstructured.RemoveNestedField(u.Object, "status")
	unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	return u
}
