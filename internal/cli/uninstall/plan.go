package uninstall

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/writing"
	"github.com/cellfed/cellfed/internal/federated"
)

// Policy is a FederatedTypePolicy, as far as it matters.
type Policy struct {
	Name string
	// Wanted is who is to propagate the type, Propagator who does, Storage the version in which all objects are stored.
	Wanted, Propagator v1alpha1.Propagator
	Storage            string
	// Current says that the status speaks of the policy as it is.
	Current bool
	// State is what the policy's condition says.
	State string
}

// handedBack reports whether KubeFed has the type again.
func (p Policy) handedBack() bool {
	return p.Wanted == v1alpha1.PropagatorKubeFed && p.Current && p.Propagator == v1alpha1.PropagatorKubeFed && p.Storage == federated.V1Beta1
}

// cellfeds reports whether cellfed has something to do with the type yet.
func (p Policy) cellfeds() bool { return !p.handedBack() }

// Cell is a cell, and what is on it.
type Cell struct {
	Name   string
	Placed []string
}

// Manager is the manager's Deployment.
type Manager struct {
	Name, Namespace string
	// Wanted is how many replicas there are to be, Pods how many there are, those that end included.
	Wanted int32
	Pods   int
	// Release is the Helm release that it belongs to, if it does.
	Release string
}

func (m *Manager) stopped() bool { return m == nil || m.Wanted == 0 && m.Pods == 0 }

// Situation is what is installed.
type Situation struct {
	Policies []Policy
	// Held are the objects that placement masks hold back, of types that are not handed back yet.
	Held  []string
	Cells []Cell
	// Manager is nil where there is no Deployment. Leader holds the lease then, if somebody does.
	Manager *Manager
	Leader  string
	// Webhooks are the configurations that there are, as kind/name.
	Webhooks []string
	// Upgraded are the CRDs that have v2beta1.
	Upgraded []string
	// Rest is what is left of the installation, as kind/name.
	Rest []string
}

// Choice is what the user chose.
type Choice struct {
	KeepCells, All bool
}

// Act is what a step does.
type Act string

// The acts, in the order in which they are safe.
const (
	HandBack       Act = "hand back"
	DeletePolicies Act = "delete policies"
	DeleteCells    Act = "delete cells"
	StopManager    Act = "stop the manager"
	DeleteWebhooks Act = "delete webhook configurations"
	RemoveVersion  Act = "remove v2beta1"
	DeleteRest     Act = "delete the rest"
)

// Step is one step of the removal.
type Step struct {
	Act  Act
	Text string
	// Done says that there is nothing left to do.
	Done bool
}

// Plan returns the steps in order.
func Plan(s *Situation, c Choice) []Step {
	var back, policies, cells []string
	for _, p := range s.Policies {
		policies = append(policies, p.Name)
		if p.cellfeds() {
			back = append(back, p.Name)
		}
	}
	for _, cell := range s.Cells {
		cells = append(cells, cell.Name)
	}
	steps := []Step{
		step(HandBack, "hand the types back to KubeFed: "+writing.Some(back), "all types are KubeFed's", len(back) == 0),
		step(DeletePolicies, "delete the FederatedTypePolicies: "+writing.Some(policies), "there are no FederatedTypePolicies", len(policies) == 0),
	}
	if c.KeepCells {
		steps = append(steps, step(DeleteCells, "", fmt.Sprintf("%s kept, and read as not ready from now on", counted(len(cells), "cell")), true))
	} else {
		steps = append(steps, step(DeleteCells, "delete the cells: "+writing.Some(cells), "there are no cells", len(cells) == 0))
	}
	stop := "there is no Deployment of the manager"
	if s.Manager != nil {
		stop = "the manager is stopped"
	}
	steps = append(steps,
		step(StopManager, "stop the manager: scale its Deployment to 0", stop, s.Manager.stopped()),
		step(DeleteWebhooks, "delete "+writing.Enumerate(s.Webhooks)+refuses(len(s.Webhooks)), "there are no webhook configurations", len(s.Webhooks) == 0),
		step(RemoveVersion, fmt.Sprintf("take v2beta1 and the conversion from %s, by a Job of the manager's image", counted(len(s.Upgraded), "CRD")), "no CRD has v2beta1", len(s.Upgraded) == 0),
	)
	if c.All {
		steps = append(steps, step(DeleteRest, "delete the rest: "+strings.Join(s.Rest, ", "), "there is nothing else", len(s.Rest) == 0))
	}
	return steps
}

// refuses says why webhook configurations go.
func refuses(n int) string {
	if n == 1 {
		return ", which refuses what nobody answers for"
	}
	return ", which refuse what nobody answers for"
}

func step(act Act, text, done string, isDone bool) Step {
	if isDone {
		text = done
	}
	return Step{Act: act, Text: text, Done: isDone}
}

// Refusal says why nothing can be removed as things are.
func Refusal(s *Situation, c Choice) error {
	var all []error
	if len(s.Held) > 0 {
		all = append(all, fmt.Errorf("placement masks hold back what KubeFed, which knows none, would release: %s: release it with kubectl cells release TYPE/NAME --all, "+
			"or put the content back as the cells have it", writing.Some(s.Held)))
	}
	if !c.KeepCells {
		if err := cellsRefusal(s); err != nil {
			all = append(all, err)
		}
	}
	cellfeds := slices.ContainsFunc(s.Policies, Policy.cellfeds)
	if cellfeds && s.Manager != nil && s.Manager.Wanted == 0 {
		all = append(all, fmt.Errorf("types are not handed back yet, which the manager does, and it is stopped: kubectl -n %s scale deployment %s --replicas=1, and run this again", s.Manager.Namespace, s.Manager.Name))
	}
	if s.Manager == nil && s.Leader != "" {
		all = append(all, fmt.Errorf("a manager runs that is no Deployment here (%s holds the lease): stop it once the types are handed back and the cells are gone, and run this again", s.Leader))
	}
	if s.Manager == nil && len(s.Upgraded) > 0 {
		all = append(all, errors.New("there is no Deployment of the manager to make a Job of: name it with --deployment, or run the manager's program once with --remove-v2beta1 and its flags, and run this again"))
	}
	if c.All && s.Manager != nil && s.Manager.Release != "" {
		all = append(all, fmt.Errorf("--all: the installation is the Helm release %q: leave it out, and run helm uninstall %s afterwards", s.Manager.Release, s.Manager.Release))
	}
	return exit.Reasons("nothing was changed", all)
}

func cellsRefusal(s *Situation) error {
	var full []string
	for _, cell := range s.Cells {
		if len(cell.Placed) > 0 {
			full = append(full, fmt.Sprintf("%s (%s)", cell.Name, writing.Some(cell.Placed)))
		}
	}
	switch {
	case len(full) > 0:
		return fmt.Errorf("federated objects are on cells: %s: take the cells out of their placement first, which deletes what is there, or give --keep-cells, "+
			"which leaves every member as it is", writing.Some(full))
	case len(s.Cells) > 0 && s.Manager != nil && s.Manager.Wanted == 0:
		return fmt.Errorf("%s left, which the manager removes, and it is stopped: start it again with kubectl -n %s scale deployment %s --replicas=1, or give --keep-cells", counted(len(s.Cells), "cell"), s.Manager.Namespace, s.Manager.Name)
	}
	return nil
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Farewell says how to remove what is left.
func Farewell(s *Situation, c Choice, namespace string) string {
	var b strings.Builder
	switch {
	case c.All:
		b.WriteString("cellfed is removed.")
	case s.Manager != nil && s.Manager.Release != "":
		fmt.Fprintf(&b, "What is left is the Helm release's: helm -n %s uninstall %s", namespace, s.Manager.Release)
	case c.KeepCells && len(s.Cells) > 0:
		fmt.Fprintf(&b, "What is left is the Deployment with its rights and Services: run this again with --all, or delete what kubectl get all,role,rolebinding,serviceaccount -n %s -l app.kubernetes.io/name=cellfed names.", namespace)
	default:
		b.WriteString("What is left is what was installed: kubectl delete -k config/default, or run this again with --all")
	}
	b.WriteString("\n")
	if c.KeepCells && len(s.Cells) > 0 {
		b.WriteString("The CRD cells.cellfed.io stays with the cells: without a manager nobody lets go of them. Do not delete it, and do not run kubectl delete -k, which would wait for ever.\n")
	}
	b.WriteString("Every member has what it had; KubeFed propagates every federated type.\n")
	return b.String()
}
