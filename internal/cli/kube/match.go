package kube

import (
	"context"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cellfed/cellfed/internal/cli/exit"
)

// maxNear is how many names an error offers.
const maxNear = 5

// builtin are the short names of usual targets, so that they are known where nobody can be asked: to who may not read
// FederatedTypeConfigs the target's group is not known.
var builtin = map[string]string{
	"cm": "configmaps", "cj": "cronjobs", "deploy": "deployments", "ds": "daemonsets", "hpa": "horizontalpodautoscalers",
	"ing": "ingresses", "netpol": "networkpolicies", "ns": "namespaces", "pdb": "poddisruptionbudgets", "po": "pods",
	"pvc": "persistentvolumeclaims", "rs": "replicasets", "sa": "serviceaccounts", "sts": "statefulsets", "svc": "services",
}

// Type returns the federated type that an argument names: by its FederatedTypeConfig, or by plural, singular, kind or short
// name of the federated type or of the target: deployments.apps, deploy, federateddeployment. Where there is none, the error
// names those that are near.
func (k *Kube) Type(ctx context.Context, arg string) (Type, error) {
	types, err := k.Types(ctx)
	if err != nil {
		return Type{}, err
	}
	return k.typeAmong(types, arg)
}

func (k *Kube) typeAmong(types []Type, arg string) (Type, error) {
	wanted := strings.ToLower(arg)
	found := named(types, wanted)
	if len(found) == 0 {
		found = k.shortNamed(types, wanted)
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return Type{}, unknownType(types, arg)
	default:
		return Type{}, exit.Usagef("%q names more than one federated type: give one of %s", arg, strings.Join(typeNames(found), ", "))
	}
}

// named returns the types of that name, or the one whose FederatedTypeConfig has it.
func named(types []Type, wanted string) []Type {
	var found []Type
	for _, t := range types {
		if strings.ToLower(t.Name) == wanted {
			return []Type{t}
		}
		if slices.Contains(t.names, wanted) {
			found = append(found, t)
		}
	}
	return found
}

// shortNamed returns the types whose target has the short or singular name, as the host cluster tells it.
func (k *Kube) shortNamed(types []Type, wanted string) []Type {
	var found []Type
	for _, t := range types {
		if t.target.Resource == "" {
			continue
		}
		// What cannot be asked about has no short names: the error that follows says what can be given instead.
		s, err := k.serves(t.target.GroupVersion().String())
		if err != nil || !s.known {
			continue
		}
		if r := s.find(t.target.Resource); r != nil && slices.Contains(lower(r.ShortNames, r.SingularName), wanted) {
			found = append(found, t)
		}
	}
	if plural := builtin[wanted]; len(found) == 0 && plural != "" {
		return named(types, plural)
	}
	return found
}

func unknownType(types []Type, arg string) error {
	if len(types) == 0 {
		return exit.Usagef("%q is not a federated type: there are none that you may read; make one with: kubectl cells enable", arg)
	}
	near := nearest(typeNames(types), strings.ToLower(arg))
	return exit.Usagef("%q is not a federated type: did you mean %s? kubectl cells enable makes one", arg, strings.Join(near, ", "))
}

func typeNames(types []Type) []string {
	names := make([]string, 0, len(types))
	for _, t := range types {
		names = append(names, t.Name)
	}
	return names
}

// nearest returns the names that are the most like the one wanted, or all where none is and they are few.
func nearest(names []string, wanted string) []string {
	type candidate struct {
		name     string
		distance int
	}
	var candidates []candidate
	for _, name := range names {
		plural, _, _ := strings.Cut(name, ".")
		d := min(distance(name, wanted), distance(plural, wanted), distance(plural, strings.TrimPrefix(wanted, strings.ToLower(prefix))))
		if wanted != "" && (strings.Contains(name, wanted) || strings.Contains(wanted, plural)) {
			d = 0
		}
		candidates = append(candidates, candidate{name, d})
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int { return a.distance - b.distance })
	near := make([]string, 0, maxNear)
	for _, c := range candidates {
		if len(near) < maxNear && c.distance <= max(2, len(wanted)/3) {
			near = append(near, c.name)
		}
	}
	if len(near) > 0 {
		return near
	}
	near = append(near, names[:min(len(names), maxNear)]...)
	if len(names) > maxNear {
		near = append(near, "…")
	}
	return near
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// noMatch reports whether an error means that the host cluster does not serve the kind.
func noMatch(err error) bool { return meta.IsNoMatchError(err) }

// GroupResource returns the federated resource without its version.
func (t Type) GroupResource() schema.GroupResource { return t.Resource.GroupResource() }
