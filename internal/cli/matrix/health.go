package matrix

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cellfed/cellfed/internal/federated"
)

// rules tell, of the kinds that say so, whether the object works by its own status. The number is how many replicas there
// are to be, less than 0 where that is not known.
var rules = map[schema.GroupKind]func(status map[string]any, wanted int64) (Health, string){
	{Group: "apps", Kind: "Deployment"}:        replicated("availableReplicas", "replicas"),
	{Group: "apps", Kind: "StatefulSet"}:       replicated("readyReplicas", "replicas"),
	{Group: "apps", Kind: "ReplicaSet"}:        replicated("availableReplicas", "replicas"),
	{Group: "apps", Kind: "DaemonSet"}:         replicated("numberAvailable", "desiredNumberScheduled"),
	{Group: "batch", Kind: "Job"}:              job,
	{Group: "", Kind: "Pod"}:                   phase("Running", "Succeeded"),
	{Group: "", Kind: "PersistentVolumeClaim"}: phase("Bound"),
}

// updated is the field that counts the replicas of the newest template. ReplicaSets have none.
var updated = map[string]string{"replicas": "updatedReplicas", "desiredNumberScheduled": "updatedNumberScheduled"}

// health tells whether a topology's object works, by the status that the member reported.
func (b *builder) health(c *federated.ClusterStatus, state State) (Health, string) {
	rule, ok := rules[b.kind()]
	status, _ := c.RemoteStatus.(map[string]any)
	if !ok || len(status) == 0 {
		return "", ""
	}
	wanted := int64(-1)
	// A topology that is held has what it was given before, and not what the object says now.
	if state != Held && state != Removing {
		wanted = b.replicas(c.Name)
	}
	return rule(status, wanted)
}

// kind returns the target's kind. Its group is not known to who may not read what is configured.
func (b *builder) kind() schema.GroupKind {
	if _, ok := rules[b.Kind]; ok || b.Kind.Group != "" {
		return b.Kind
	}
	for kind := range rules {
		if kind.Kind == b.Kind.Kind {
			return kind
		}
	}
	return b.Kind
}

// replicas returns how many replicas the topology is to have, less than 0 where that is not for the object to say.
func (b *builder) replicas(cluster string) int64 {
	if b.Object.RetainReplicas {
		return -1
	}
	spec, _ := b.Object.Template["spec"].(map[string]any)
	wanted, ok := number(spec["replicas"])
	if !ok {
		wanted = -1
	}
	for _, override := range b.Object.Overrides[cluster] {
		if n, ok := number(override.Value); override.Path == "/spec/replicas" && ok {
			wanted = n
		}
	}
	return wanted
}

// replicated returns the rule of a kind that counts its replicas.
func replicated(working, all string) func(map[string]any, int64) (Health, string) {
	return func(status map[string]any, wanted int64) (Health, string) {
		there, _ := number(status[all])
		ready, _ := number(status[working])
		if wanted < 0 {
			wanted = there
		}
		text := fmt.Sprintf("%d/%d", ready, wanted)
		current, counted := number(status[updated[all]])
		switch {
		case deadlineExceeded(status):
			return Broken, text
		case ready < wanted, counted && current < wanted, there > wanted:
			return NotAvailable, text
		// A count of none is left out.
		case !counted && wanted > 0 && status["fullyLabeledReplicas"] == nil:
			return NotAvailable, text
		default:
			return Available, text
		}
	}
}

func deadlineExceeded(status map[string]any) bool {
	reason, _ := condition(status, "Progressing")
	return reason == "ProgressDeadlineExceeded"
}

func job(status map[string]any, _ int64) (Health, string) {
	if _, value := condition(status, "Failed"); value == "True" {
		return Broken, "failed"
	}
	if _, value := condition(status, "Complete"); value == "True" {
		return Available, "complete"
	}
	active, _ := number(status["active"])
	return NotAvailable, fmt.Sprintf("%d active", active)
}

// phase returns the rule of a kind that has a phase, and works in the ones given.
func phase(good ...string) func(map[string]any, int64) (Health, string) {
	return func(status map[string]any, _ int64) (Health, string) {
		now, _ := status["phase"].(string)
		for _, p := range good {
			if now == p {
				return Available, now
			}
		}
		if now == "Failed" || now == "Lost" {
			return Broken, now
		}
		return NotAvailable, now
	}
}

// condition returns the reason and the status of a condition.
func condition(status map[string]any, conditionType string) (reason, value string) {
	conditions, _ := status["conditions"].([]any)
	for _, item := range conditions {
		if c, ok := item.(map[string]any); ok && c["type"] == conditionType {
			reason, _ = c["reason"].(string)
			value, _ = c["status"].(string)
		}
	}
	return reason, value
}

func number(value any) (int64, bool) {
	switch n := value.(type) {
	case int64:
		return n, true
	case float64:
		return int64(n), true
	default:
		return 0, false
	}
}
