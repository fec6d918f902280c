package cell

import (
	"maps"
	"slices"
	"time"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/topology"
)

// tokenPlan is what is to be done about the façade tokens of a cell. Every replaced token goes through the same
// steps: another one is made, the KubeFedCluster is pointed at that, and only when it is does the time of grace begin
// after which the old one is deleted. A façade accepts all of them until then.
type tokenPlan struct {
	// issue says that a token is to be made, and used.
	issue bool
	// use is the name of the Secret that the KubeFedCluster is to name. Empty when one is to be made.
	use string
	// retire are the names of the Secrets whose time of grace begins, sorted.
	retire []string
	// revoke are the names of the Secrets that are to be deleted, sorted.
	revoke []string
	// relabel are the names of the Secrets whose labels are not what they should be, sorted.
	relabel []string
	// next is how long until time alone changes the plan. Zero means never.
	next time.Duration
}

func decideTokens(f *facts) tokenPlan {
	current := ""
	if f.own != nil {
		current = f.own.Spec.SecretRef.Name
	}
	var p tokenPlan
	chosen := chooseToken(f, current)
	if chosen == nil {
		p.issue = true
	} else {
		p.use = chosen.name
		p.wake(chosen.expires.Sub(f.now))
	}
	// Upstream may still use whatever the KubeFedCluster names.
	switched := chosen != nil && chosen.name == current
	want := secretLabels(f)
	for _, t := range f.tokens {
		if t.deleting {
			continue
		}
		if !maps.Equal(reservedLabels(t.labels), want) {
			p.relabel = append(p.relabel, t.name)
		}
		if t.name == p.use || !switched {
			continue
		}
		switch {
		case !t.usable:
			p.revoke = append(p.revoke, t.name)
		case t.revokedAfter.IsZero():
			p.retire = append(p.retire, t.name)
			p.wake(f.settings.tokenGrace)
		case !f.now.Before(t.revokedAfter):
			p.revoke = append(p.revoke, t.name)
		default:
			p.wake(t.revokedAfter.Sub(f.now))
		}
	}
	slices.Sort(p.retire)
	slices.Sort(p.revoke)
	slices.Sort(p.relabel)
	p.relabel = slices.DeleteFunc(p.relabel, func(name string) bool { return slices.Contains(p.revoke, name) })
	return p
}

// chooseToken returns the token that is to be used: the one that is, as long as it is good, or else one that is good
// and was not replaced yet, the one that lasts longest. It returns nil if there is none.
func chooseToken(f *facts, current string) *token {
	var best *token
	for i := range f.tokens {
		t := &f.tokens[i]
		if !t.usable || t.deleting || !t.revokedAfter.IsZero() || f.due(t) {
			continue
		}
		if t.name == current {
			return t
		}
		if best == nil || t.expires.After(best.expires) || t.expires.Equal(best.expires) && t.name < best.name {
			best = t
		}
	}
	return best
}

// due reports whether it is time to replace the token. One that has more time left than a new one would get was made
// under a longer lifetime than the one that holds now.
func (f *facts) due(t *token) bool {
	left := t.expires.Sub(f.now)
	return left <= 0 || left > f.settings.tokenLifetime
}

// wake asks to be called again after that time, if nothing else asks for an earlier one.
func (p *tokenPlan) wake(after time.Duration) {
	if p.next == 0 || after < p.next {
		p.next = after
	}
}

// secretLabels returns the labels of the Secret of a token.
func secretLabels(f *facts) map[string]string {
	labels := map[string]string{
		v1alpha1.GeneratedLabel: "true",
		v1alpha1.NamespaceLabel: f.cell.Namespace,
		v1alpha1.CellLabel:      f.cell.Name,
	}
	addTenant(labels, f.namespace)
	return labels
}

// addTenant puts the tenant labels of the namespace on labels, and takes away what else is there under these names:
// the Namespace is the one source of truth.
func addTenant(labels map[string]string, namespace namespaceFacts) {
	for key, value := range map[string]string{
		v1alpha1.TenantLabel:         namespace.tenant,
		v1alpha1.WorkspaceGroupLabel: namespace.workspaceGroup,
	} {
		if value == "" {
			delete(labels, key)
			continue
		}
		labels[key] = value
	}
}

// reservedLabels returns the labels that cellfed alone decides about.
func reservedLabels(labels map[string]string) map[string]string {
	kept := maps.Clone(labels)
	maps.DeleteFunc(kept, func(key, _ string) bool { return !topology.ReservedLabel(key) })
	return kept
}
