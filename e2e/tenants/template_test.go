package tenants

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

func sortTries(all []try) {
	slices.SortStableFunc(all, func(a, b try) int { return strings.Compare(a.what, b.what) })
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

// asItShould is for what was admitted: the object is in the tenant's cell, and it is the cell's.
func asItShould(why string) want {
	return harmless(why, func(r *run1) error {
		object, err := r.world.read(r.ctx, r.as, place{commonMember, "acme-prod-c1", r.name})
		if err != nil {
			return err
		}
		return errors.Join(r.world.onlyAcmes(r), isTheCells(object))
	})
}

// isTheCells returns nil if an object in a member carries what the propagators write, and nothing that was forged.
func isTheCells(object *unstructured.Unstructured) error {
	for key, want := range map[string]string{
		cellfedv1alpha1.ManagedLabel: "true", cellfedv1alpha1.NamespaceLabel: acmeProd, cellfedv1alpha1.CellLabel: "c1", cellfedv1alpha1.KubeFedManagedLabel: "",
	} {
		if got := object.GetLabels()[key]; got != want {
			return fmt.Errorf("it has the label %s=%q, want %q", key, got, want)
		}
	}
	for key := range object.GetAnnotations() {
		if strings.Contains(key, "cellfed.io/") || strings.Contains(key, "kubefed.io/") {
			return fmt.Errorf("it has the annotation %s", key)
		}
	}
	if owners, finalizers := object.GetOwnerReferences(), object.GetFinalizers(); len(owners)+len(finalizers) > 0 {
		return fmt.Errorf("it has the owners %v and the finalizers %v", owners, finalizers)
	}
	return nil
}

// nearMisses are paths that look like another, and are of fields that no object has.
var nearMisses = map[string]bool{
	"/": true, "/metadata/name%73pace": true, "/metadata~1namespace": true, "/metadata~01namespace": true, "/METADATA": true,
}

// forgingOverrides are tries to have an object be another one in a member.
func forgingOverrides(as *propagation) []try {
	paths := []struct {
		path, op string
		value    any
	}{
		{"/metadata/namespace", "replace", globexProd},
		{"/metadata/namespace", "add", "globex-prod-c1"},
		{"/metadata/namespace", "remove", nil},
		{"/metadata/name", "replace", "ledger"},
		{"/metadata/generateName", "add", "ledger"},
		{"/metadata", "replace", map[string]any{"name": "ledger", "namespace": globexPlain}},
		{"", "replace", map[string]any{"metadata": map[string]any{"name": "ledger", "namespace": globexPlain}}},
		{"/", "add", "x"},
		{"/kind", "replace", "ClusterRole"},
		{"/apiVersion", "replace", "rbac.authorization.k8s.io/v1"},
		{"/metadata/labels", "add", map[string]any{"cellfed.io/namespace": globexProd}},
		{"/metadata/labels/cellfed.io~1namespace", "add", globexProd},
		{"/metadata/labels/cellfed.io~1cell", "add", "g1"},
		{"/metadata/labels/kubefed.io~1managed", "add", "true"},
		{"/metadata/labels/kubefed.io~1managed", "remove", nil},
		{"/metadata/annotations", "add", map[string]any{"kubefed.io/orphan": "true"}},
		{"/metadata/annotations/cellfed.io~1cell-uid", "add", "x"},
		{"/metadata/ownerReferences", "add", []any{map[string]any{
			"apiVersion": "v1", "kind": "Namespace", "name": "globex-plain", "uid": "0", "blockOwnerDeletion": true,
		}}},
		{"/metadata/name%73pace", "add", globexPlain},
		{"/metadata~1namespace", "add", globexPlain},
		{"/metadata~01namespace", "add", globexPlain},
		{"/metadata/~namespace", "add", globexPlain},
		{"//metadata/namespace", "add", globexPlain},
		{"/metadata//namespace", "add", globexPlain},
		{"/metadata/namespace/", "add", globexPlain},
		{"/./metadata/namespace", "add", globexPlain},
		{"/data/../metadata/namespace", "add", globexPlain},
		{"metadata/namespace", "add", globexPlain},
		{"/Metadata/Namespace", "add", globexPlain},
		{"/METADATA", "add", map[string]any{"namespace": globexPlain}},
		{"/metadata/namespace", "copy", nil},
		{"/metadata/namespace", "move", nil},
	}
	all := make([]try, 0, len(paths)+2)
	for _, p := range paths {
		item := map[string]any{"path": p.path, "op": p.op}
		if p.value != nil {
			item["value"] = p.value
		}
		if p.op == "copy" || p.op == "move" {
			item["from"] = "/data/content"
		}
		value := ""
		if text, isText := p.value.(string); isText {
			value = " " + text
		}
		wanted := refused(byAdmission, bySchema)
		if nearMisses[p.path] {
			wanted = harmless("that is no field of metadata", func(r *run1) error { return r.world.onlyAcmes(r) })
		}
		all = append(all, try{fmt.Sprintf("%s %q%s", p.op, p.path, value), overriding(item), wanted})
	}
	return append(all,
		try{"field Path beside path", overriding(map[string]any{
			"path": "/metadata/labels/a", "op": "add", "value": "b", "Path": "/metadata/namespace",
		}), refused(byAdmission, bySchema)},
		try{"two entries for one cell", func(r *run1) answer {
			object := r.inCommon()
			one := map[string]any{"topologyName": "c1", "topologyOverrides": []any{map[string]any{"path": "/metadata/namespace", "value": globexPlain}}}
			object.Object["spec"].(map[string]any)["overrides"] = []any{one, one}
			return r.world.host.create(r.ctx, object)
		}, refused(byAdmission, bySchema)},
	)
}

// inCommon is an object in the tenant's cell on the shared member, the one where most is in reach.
func (r *run1) inCommon() *unstructured.Unstructured {
	return framework.Federated{
		Version: v2beta1, Kind: r.as.kind, Namespace: acmeProd, Name: r.name, Cells: true,
		Placement: []string{"c1"}, Template: r.as.template(r.name),
	}.Object()
}

func overriding(item map[string]any) func(*run1) answer {
	return func(r *run1) answer {
		object := r.inCommon()
		object.Object["spec"].(map[string]any)["overrides"] = []any{
			map[string]any{"topologyName": "c1", "topologyOverrides": []any{item}},
		}
		return r.world.host.create(r.ctx, object)
	}
}

// forgingTemplates are tries to have an object be another one by what its template says.
func forgingTemplates(as *propagation) []try {
	under := func(kubefed, cellfed want) want {
		if as.propagator == cellfedv1alpha1.PropagatorKubeFed {
			return kubefed
		}
		return cellfed
	}
	notUsed := asItShould("it is in acme's cell, without that")
	neverMade := harmless("a member refuses it", func(r *run1) error { return r.world.onlyAcmes(r) })
	tries := []struct {
		what, merge string
		want        want
	}{
		{"namespace of another", `{"metadata":{"namespace":"globex-plain"}}`, notUsed},
		{"name of another", `{"metadata":{"name":"ledger"}}`, notUsed},
		{"generateName", `{"metadata":{"generateName":"ledger"}}`, notUsed},
		{"uid and resourceVersion", `{"metadata":{"uid":"0","resourceVersion":"1"}}`, under(neverMade, notUsed)},
		{"label kubefed.io/managed", `{"metadata":{"labels":{"kubefed.io/managed":"false"}}}`, notUsed},
		{"label cellfed.io/namespace", `{"metadata":{"labels":{"cellfed.io/namespace":"globex-prod","cellfed.io/cell":"c1"}}}`, denied},
		{"label cellfed.io/managed", `{"metadata":{"labels":{"cellfed.io/managed":"false"}}}`, denied},
		{"annotation of cellfed's", `{"metadata":{"annotations":{"cellfed.io/cell-uid":"0"}}}`, denied},
		{"annotation of KubeFed's", `{"metadata":{"annotations":{"kubefed.io/orphan":"true"}}}`, under(denied, notUsed)},
		{"finalizers", `{"metadata":{"finalizers":["example.com/stay"]}}`, under(denied, notUsed)},
		{"owner references", `{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"ledger","uid":"0"}]}}`, under(denied, notUsed)},
		{"managedFields", `{"metadata":{"managedFields":[{"manager":"kubefed","operation":"Update"}]}}`, notUsed},
		{"another kind", `{"kind":"ClusterRoleBinding"}`, denied},
		{"another apiVersion", `{"apiVersion":"rbac.authorization.k8s.io/v1"}`, denied},
		{"a list of objects", `{"kind":"List","items":[{"kind":"Namespace","metadata":{"name":"globex-x"}}]}`, denied},
	}
	var all []try
	for _, one := range tries {
		all = append(all, try{"template with " + one.what, func(r *run1) answer {
			object := r.inCommon()
			var patch map[string]any
			if err := json.Unmarshal([]byte(one.merge), &patch); err != nil {
				return r.failed(err)
			}
			content := object.Object["spec"].(map[string]any)
			content["template"] = merged(content["template"].(map[string]any), patch)
			return r.world.host.create(r.ctx, object)
		}, one.want})
	}
	return all
}

// foreignOwners are tries to tie objects to what is another's.
func foreignOwners(as *propagation) []try {
	owned := func(kind, version, name string, uid func(*run1) (string, error)) func(*run1) answer {
		return func(r *run1) answer {
			id, err := uid(r)
			if err != nil {
				return r.failed(err)
			}
			object := r.inCommon()
			if err := unstructured.SetNestedSlice(object.Object, []any{map[string]any{
				"apiVersion": version, "kind": kind, "name": name, "uid": id, "controller": true, "blockOwnerDeletion": true,
			}}, "metadata", "ownerReferences"); err != nil {
				return r.failed(err)
			}
			return r.world.host.create(r.ctx, object)
		}
	}
	uid := func(gvk schema.GroupVersionKind, namespace, name string) func(*run1) (string, error) {
		return func(r *run1) (string, error) { return r.world.uid(r.ctx, gvk, namespace, name) }
	}
	federated := schema.GroupVersionKind{Group: "types.kubefed.io", Version: v1beta1, Kind: as.kind}
	namespace := schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}
	ownLoss := harmless("the garbage collector takes acme's own object", func(r *run1) error { return r.world.onlyAcmes(r) })
	// Nothing else would take them away.
	free := func(r *run1) {
		r.world.host.patch(r.ctx, as.path(v2beta1, r.name), jsonPatch, `[{"op":"remove","path":"/metadata/finalizers/0"}]`)
	}
	return []try{
		{"object owned by the other tenant's object", owned(as.kind, "types.kubefed.io/v1beta1", "books", uid(federated, globexProd, "books")), ownLoss},
		{"object owned by the other tenant's Namespace", owned("Namespace", "v1", globexProd, uid(namespace, "", globexProd)),
			harmless("it is bound to something that acme cannot delete", func(r *run1) error { return r.world.onlyAcmes(r) })},
		{"the other tenant's object owned by one's own", func(r *run1) answer {
			return r.world.host.patch(r.ctx, strings.Replace(as.path(v2beta1, "books"), acmeProd, globexProd, 1), mergePatch,
				`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"gone","uid":"0"}]}}`)
		}, refused(byRBAC)},
		{"finalizers that nobody takes away", func(r *run1) answer {
			object := r.inCommon()
			object.SetFinalizers([]string{"example.com/stay", "kubefed.io/sync-controller"})
			made := r.world.host.create(r.ctx, object)
			free(r)
			return made
		}, harmless("acme's own object stays", func(r *run1) error { return r.world.onlyAcmes(r) })},
		{"the propagator's finalizer taken away", func(r *run1) answer {
			if made := r.world.host.create(r.ctx, r.inCommon()); !made.succeeded() {
				return made
			}
			return r.world.host.patch(r.ctx, as.path(v2beta1, r.name), mergePatch, `{"metadata":{"finalizers":null}}`)
		}, harmless("it comes again, and acme alone could lose by it", func(r *run1) error { return r.world.onlyAcmes(r) })},
		{"object of another's name in the same cell", func(r *run1) answer {
			object := r.inCommon()
			object.SetName("kube-root-ca.crt")
			return r.world.host.create(r.ctx, object)
		}, harmless("it is acme's own namespace in the member", func(r *run1) error { return r.world.onlyAcmes(r) })},
	}
}
