package enable

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/writing"
	"github.com/cellfed/cellfed/internal/federatedtype"
)

// needed are the verbs without which nothing can be propagated.
var needed = []string{"create", "delete", "get", "list", "patch", "update", "watch"}

// own are the groups of what federates, and is not federated.
var own = []string{"types.kubefed.io", "core.kubefed.io", "multiclusterdns.kubefed.io", "scheduling.kubefed.io", "cellfed.io"}

// find returns the type that an argument names among what the host cluster serves: by plural, singular, kind or short name,
// or by the plural and the group. A type of Kubernetes' core stands before all others of the name.
func find(lists []*metav1.APIResourceList, arg string) (federatedtype.Target, error) {
	wanted := strings.ToLower(arg)
	var found []federatedtype.Target
	var verbs [][]string
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return federatedtype.Target{}, fmt.Errorf("the host cluster serves the group %q: %w", list.GroupVersion, err)
		}
		for i := range list.APIResources {
			r := &list.APIResources[i]
			if strings.Contains(r.Name, "/") || !named(r, gv.Group, wanted) {
				continue
			}
			t := federatedtype.Target{
				Group: gv.Group, Version: gv.Version, Kind: r.Kind, Plural: r.Name, ShortNames: r.ShortNames, Namespaced: r.Namespaced,
			}
			same := func(f federatedtype.Target) bool { return f.Name() == t.Name() }
			if !slices.ContainsFunc(found, same) {
				found, verbs = append(found, t), append(verbs, r.Verbs)
			}
		}
	}
	at := slices.IndexFunc(found, func(t federatedtype.Target) bool { return t.Group == "" })
	switch {
	case len(found) == 0:
		return federatedtype.Target{}, exit.Usagef("the host cluster serves no type %q: kubectl api-resources lists those that it serves; "+
			"a type of a CRD has to be installed in the host cluster, and in the members as well", arg)
	case len(found) == 1:
		at = 0
	case at < 0:
		names := make([]string, 0, len(found))
		for _, t := range found {
			names = append(names, t.Name())
		}
		slices.Sort(names)
		return federatedtype.Target{}, exit.Usagef("%q names more than one type: give one of %s", arg, strings.Join(names, ", "))
	}
	t := found[at]
	if slices.Contains(own, t.Group) {
		return t, exit.Usagef("%s federates others and cannot be federated itself: name the type that is to go to the members", t.Name())
	}
	var missing []string
	for _, verb := range needed {
		if !slices.Contains(verbs[at], verb) {
			missing = append(missing, verb)
		}
	}
	if len(missing) > 0 {
		return t, exit.Usagef("%s cannot be federated: the host cluster serves it without %s", t.Name(), writing.Enumerate(missing))
	}
	return t, nil
}

// named reports whether a name is the resource's.
func named(r *metav1.APIResource, group, wanted string) bool {
	for _, name := range append([]string{r.Name, r.SingularName, r.Kind}, r.ShortNames...) {
		if name != "" && strings.ToLower(name) == wanted {
			return true
		}
	}
	return group != "" && r.Name+"."+group == wanted
}

// scales reports whether a resource of the list can be scaled.
func scales(list *metav1.APIResourceList, plural string) bool {
	return list != nil && slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == plural+"/scale" })
}
