package report

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cellfed/cellfed/internal/federated"
)

// verdict is what an object says of whether it works.
type verdict int

const (
	// progressing: it does not work yet, or not any more.
	progressing verdict = iota
	// available: it works.
	available
	// failed: it will not work without somebody doing something about it.
	failed
	// unjudged: there is no rule for an object like this one.
	unjudged
)

// rules are the kinds whose objects say whether they work. Of those that kubectl rollout status knows, the rule is its.
var rules = map[schema.GroupKind]func(object) verdict{
	{Group: "apps", Kind: "Deployment"}:        deployment,
	{Group: "apps", Kind: "DaemonSet"}:         daemonSet,
	{Group: "apps", Kind: "StatefulSet"}:       statefulSet,
	{Group: "batch", Kind: "Job"}:              job,
	{Group: "", Kind: "Pod"}:                   pod,
	{Group: "", Kind: "PersistentVolumeClaim"}: persistentVolumeClaim,
}

func deployment(d object) verdict {
	replicas, bounded := d.number("spec", "replicas")
	updated, _ := d.number("status", "updatedReplicas")
	all, _ := d.number("status", "replicas")
	working, _ := d.number("status", "availableReplicas")
	_, reason := d.condition("Progressing")
	switch {
	case !d.observed():
		return progressing
	case reason == "ProgressDeadlineExceeded":
		return failed
	case bounded && updated < replicas, all > updated, working < updated:
		return progressing
	default:
		return available
	}
}

func daemonSet(d object) verdict {
	wanted, _ := d.number("status", "desiredNumberScheduled")
	updated, _ := d.number("status", "updatedNumberScheduled")
	working, _ := d.number("status", "numberAvailable")
	switch {
	case !d.rolling():
		return unjudged
	case !d.observed(), updated < wanted, working < wanted:
		return progressing
	default:
		return available
	}
}

func statefulSet(s object) verdict {
	replicas, bounded := s.number("spec", "replicas")
	observed, _ := s.number("status", "observedGeneration")
	ready, _ := s.number("status", "readyReplicas")
	updated, _ := s.number("status", "updatedReplicas")
	_, inParts := s.at("spec", "updateStrategy", "rollingUpdate").(map[string]any)
	partition, parted := s.number("spec", "updateStrategy", "rollingUpdate", "partition")
	switch {
	case !s.rolling():
		return unjudged
	case observed == 0, !s.observed(), bounded && ready < replicas, bounded && parted && updated < replicas-partition:
		return progressing
	case !inParts && s.at("status", "updateRevision") != s.at("status", "currentRevision"):
		return progressing
	default:
		return available
	}
}

func job(j object) verdict {
	if status, _ := j.condition("Failed"); status == isTrue {
		return failed
	}
	if status, _ := j.condition("Complete"); status == isTrue {
		return available
	}
	return progressing
}

func pod(p object) verdict {
	ready, _ := p.condition("Ready")
	switch phase := p.at("status", "phase"); {
	case phase == "Failed":
		return failed
	case phase == "Succeeded", ready == isTrue:
		return available
	default:
		return progressing
	}
}

func persistentVolumeClaim(c object) verdict {
	switch c.at("status", "phase") {
	case "Bound":
		return available
	case "Lost":
		return failed
	default:
		return progressing
	}
}

// object is a member's object.
type object map[string]any

// at returns what is at the path, or nil.
func (o object) at(path ...string) any {
	var value any = map[string]any(o)
	for _, name := range path {
		fields, _ := value.(map[string]any)
		value = fields[name]
	}
	return value
}

// number returns the whole number at the path, and whether there is one.
func (o object) number(path ...string) (int64, bool) {
	switch n := o.at(path...).(type) {
	case int64:
		return n, true
	case float64:
		return int64(n), true
	default:
		return 0, false
	}
}

// condition returns the status and the reason of the condition.
func (o object) condition(conditionType string) (status, reason string) {
	conditions, _ := o.at("status", "conditions").([]any)
	for _, item := range conditions {
		if c, ok := item.(map[string]any); ok && c["type"] == conditionType {
			status, _ = c["status"].(string)
			reason, _ = c["reason"].(string)
			return status, reason
		}
	}
	return "", ""
}

// observed reports whether the status speaks of the spec that there is.
func (o object) observed() bool {
	generation, _ := o.number("metadata", "generation")
	observed, _ := o.number("status", "observedGeneration")
	return generation <= observed
}

// rolling reports whether the object is updated by its own controller, which alone can be waited for.
func (o object) rolling() bool {
	strategy := o.at("spec", "updateStrategy", "type")
	return strategy == nil || strategy == "RollingUpdate"
}

// health is what the topologies' objects say of whether they work.
type health struct {
	// available and unknown count the topologies that the object is placed on and where it works, or may work: nobody
	// has seen it there since the start.
	available, unknown int64
	// judged says that there is a rule for the kind.
	judged bool
	// failed, waiting and unreachable name those where it has failed, does not work yet, or where nobody can tell.
	failed, waiting, unreachable []string
	// required counts those where it is to work.
	required int
}

// judge judges the topologies that the object is placed on. One that is held, and has nothing, is not asked for anything.
func (b *builder) judge() health {
	rule, ok := rules[b.Kind.GroupKind()]
	h := health{judged: ok}
	if !ok {
		return h
	}
	for i := range b.entries {
		e := &b.entries[i]
		empty := e.Live == nil && (e.Known || e.Generation == 0 && e.RemoteStatus == nil)
		if e.removed || e.Held && empty {
			continue
		}
		h.required++
		h.add(e, rule)
	}
	for i := range b.unlisted {
		h.required++
		h.waiting = append(h.waiting, b.unlisted[i].shown)
	}
	return h
}

func (h *health) add(e *entry, rule func(object) verdict) {
	switch {
	case unreachable(e.Status), e.Outcome != nil && unreachable(e.Outcome.Status):
		h.unreachable = append(h.unreachable, e.shown)
	case e.Live != nil:
		h.hear(e, rule(e.Live.Object))
	case !e.Known && (e.Outcome == nil || e.Held):
		h.unknown++
	default:
		h.waiting = append(h.waiting, e.shown)
	}
}

func (h *health) hear(e *entry, v verdict) {
	switch v {
	case available:
		h.available++
	case failed:
		h.failed = append(h.failed, e.shown)
	case unjudged:
		h.unreachable = append(h.unreachable, e.shown)
	case progressing:
		h.waiting = append(h.waiting, e.shown)
	}
}

// available tells whether the object works wherever it is placed. It reports false for a kind that there is no rule for.
func (b *builder) available() (federated.Condition, bool) {
	h := b.health
	c := federated.Condition{Type: ConditionAvailable, Status: isUnknown}
	switch {
	case !h.judged:
		return c, false
	case h.required == 0:
		c.Reason, c.Message = ReasonNotPlaced, "There is nowhere where the object is to work"
	case len(h.failed) > 0:
		c.Status, c.Reason, c.Message = isFalse, ReasonFailed, "Failed: "+list(h.failed)
	case len(h.waiting) > 0:
		c.Status, c.Reason, c.Message = isFalse, ReasonProgressing, "Not available: "+list(h.waiting)
	case len(h.unreachable) > 0:
		c.Reason, c.Message = ReasonNotKnown, "Not known: "+list(h.unreachable)
	case h.unknown > 0:
		c.Reason, c.Message = ReasonNotKnown, "Not seen yet"
	default:
		c.Status, c.Reason, c.Message = isTrue, ReasonAvailable, "Available wherever the object is placed"
	}
	// As long as nobody has seen some of them since the start, what was said of all goes on to hold, unless there is
	// worse to be said.
	if before := b.condition(ConditionAvailable); before != nil && h.unknown > 0 && (c.Status != isFalse || before.Status == isFalse) {
		return *before, true
	}
	return c, true
}
