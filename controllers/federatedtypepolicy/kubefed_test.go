package federatedtypepolicy

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fedv1a1 "sigs.k8s.io/kubefed/pkg/apis/core/v1alpha1"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"
)

// upstream is upstream KubeFed, as its code goes: the controller of FederatedTypeConfigs, and that of one type.
type upstream struct {
	w     *world
	alive bool
	// leads says that it holds the lease.
	leads bool
	// sync says that the type's controller runs; inHand is how many writes it ends with after it was stopped.
	sync   bool
	inHand int
	// busy is how many writes it has in hand when it is stopped.
	busy    int
	renewed time.Time
	count   int
}

// writing says why upstream may write to members now, or "".
func (u *upstream) writing() string {
	switch {
	case u.sync:
		return "KubeFed runs the type"
	case u.inHand > 0:
		return "KubeFed ends what it had in hand"
	}
	return ""
}

func (u *upstream) start() {
	if !u.alive {
		u.w.say("KubeFed starts")
		u.alive = true
		u.tick()
	}
}

func (u *upstream) kill() {
	if u.alive {
		u.w.say("KubeFed is killed")
	}
	u.alive, u.leads, u.sync, u.inHand = false, false, false, 0
}

// tick is what happens within a second: the lease, and the controllers' work.
func (u *upstream) tick() {
	now := u.w.clock.Now()
	if !u.alive || !u.leads && !u.renewed.IsZero() && now.Sub(u.renewed) < defaultLease {
		return
	}
	u.leads = true
	u.renew(now)
	if u.inHand > 0 {
		u.inHand--
		u.trace()
	}
	// A write of its own makes the controller look again.
	for u.reconcile() {
	}
	if u.sync {
		u.trace()
	}
}

// renew acquires or renews the lease. A process that was killed has lost it.
func (u *upstream) renew(now time.Time) {
	u.renewed = now
	u.count++
	record := fmt.Sprintf(`{"holderIdentity":"x","leaseDurationSeconds":15,"renewTime":%q}`, now.Format(time.RFC3339))
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: leaseName}}
	err := u.w.inner.Get(u.w.ctx, client.ObjectKeyFromObject(cm), cm)
	cm.Annotations = map[string]string{leaderAnnotation: record}
	if apierrors.IsNotFound(err) {
		u.w.must(u.w.inner.Create(u.w.ctx, cm))
		return
	}
	u.w.must(err)
	u.w.must(u.w.inner.Update(u.w.ctx, cm))
}

// trace leaves a PropagatedVersion, as each write to members does.
func (u *upstream) trace() {
	v := &fedv1a1.PropagatedVersion{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "configmap-a"}}
	err := u.w.inner.Get(u.w.ctx, client.ObjectKeyFromObject(v), v)
	v.Status.TemplateVersion = fmt.Sprint(u.count)
	if apierrors.IsNotFound(err) {
		v.UID = "version"
		u.w.must(u.w.inner.Create(u.w.ctx, v))
		return
	}
	u.w.must(err)
	u.w.must(u.w.inner.Update(u.w.ctx, v))
}

func (u *upstream) stop() {
	u.sync, u.inHand = false, u.busy
	u.w.say("KubeFed stops the type")
}

// reconcile is upstream's of FederatedTypeConfigs, the trap included: where nothing is to be started or stopped and the
// generation is new, the type's controller is started anew, also when it is disabled.
func (u *upstream) reconcile() (again bool) {
	c := u.w.config()
	if c == nil || !c.DeletionTimestamp.IsZero() {
		if u.sync {
			u.stop()
		}
		if c != nil && len(c.Finalizers) > 0 {
			c.Finalizers = nil
			u.w.must(u.w.inner.Update(u.w.ctx, c))
		}
		return false
	}
	if len(c.Finalizers) == 0 {
		c.Finalizers = []string{upstreamFinalizer}
		u.w.must(u.w.inner.Update(u.w.ctx, c))
	}
	running, enabled := u.sync, c.Spec.Propagation == fedv1b1.PropagationEnabled
	start, stop := !running && enabled, running && !enabled
	if start {
		u.sync = true
		u.w.say("KubeFed starts the type")
	} else if stop {
		u.stop()
	}
	if !start && !stop && c.Status.ObservedGeneration != c.Generation {
		u.sync = true
		u.w.say("KubeFed starts the type anew")
	}
	status := fedv1b1.FederatedTypeConfigStatus{ObservedGeneration: c.Generation, PropagationController: fedv1b1.ControllerStatusNotRunning}
	if start || running && !stop {
		status.PropagationController = fedv1b1.ControllerStatusRunning
	}
	if status == c.Status {
		return false
	}
	c.Status = status
	u.w.must(u.w.inner.Status().Update(u.w.ctx, c))
	return true
}
