package cell

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// poke has the Cell reconciled: the queue's own time does not follow the test's.
func (w *world) poke(cell *v1alpha1.Cell) {
	w.t.Helper()
	w.update(cell, func() {
		if cell.Annotations == nil {
			cell.Annotations = map[string]string{}
		}
		cell.Annotations["poke"] = fmt.Sprint(len(cell.Annotations["poke"]), cell.Annotations["poke"])
	})
}

// tokensAre waits until exactly these Secrets are there, the first of them the one that the KubeFedCluster names. An
// empty name stands for one that is new.
func (w *world) tokensAre(cell *v1alpha1.Cell, known map[string]bool, current string, others ...string) string {
	w.t.Helper()
	var named string
	w.eventually(fmt.Sprintf("token %q and %q", current, others), func() error {
		cluster := &kubefedv1beta1.KubeFedCluster{}
		if err := w.c.Get(w.ctx, client.ObjectKey{Namespace: kubefed, Name: cell.Namespace + "." + cell.Name}, cluster); err != nil {
			return err
		}
		named = cluster.Spec.SecretRef.Name
		if current != "" && named != current || current == "" && known[named] {
			return fmt.Errorf("the KubeFedCluster names %q", named)
		}
		var got []string
		for _, s := range w.secrets(cell) {
			got = append(got, s.Name)
		}
		want := append([]string{named}, others...)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			return fmt.Errorf("Secrets %q, want %q", got, want)
		}
		return nil
	})
	known[named] = true
	return named
}

func TestTokenRotation(t *testing.T) {
	w := start(t)
	n := w.namespace("n", nil)
	cell := w.cell(n, "a", "hz-a", "", nil)
	known := map[string]bool{}
	first := w.tokensAre(cell, known, "")
	endpoint := w.generatedCluster(cell, nil).Spec.APIEndpoint

	w.clock.SetTime(w.clock.Now().Add(testLifetime - time.Second))
	w.poke(cell)
	w.settle(cell)
	w.tokensAre(cell, known, first)

	w.clock.SetTime(w.clock.Now().Add(time.Second))
	w.poke(cell)
	second := w.tokensAre(cell, known, "", first)
	w.eventually("the beginning of the grace", func() error {
		secret := &corev1.Secret{}
		if err := w.c.Get(w.ctx, client.ObjectKey{Namespace: kubefed, Name: first}, secret); err != nil {
			return err
		}
		want := w.clock.Now().Add(testGrace).UTC().Format(time.RFC3339)
		return has(secret.Annotations, v1alpha1.TokenRevokedAfterAnnotation, want)
	})

	w.clock.SetTime(w.clock.Now().Add(testGrace - time.Second))
	w.poke(cell)
	w.settle(cell)
	w.tokensAre(cell, known, second, first)

	w.clock.SetTime(w.clock.Now().Add(time.Second))
	w.poke(cell)
	w.tokensAre(cell, known, second)
	if got := w.generatedCluster(cell, nil).Spec.APIEndpoint; got != endpoint {
		t.Errorf("the endpoint became %q", got)
	}
	w.expectEvents(cell, "TokenIssued", "KubeFedClusterApplied", "TokenRevoked")
}

// settle waits until the controller has looked at the Cell as it is now: it then keeps its label on the cluster.
func (w *world) settle(cell *v1alpha1.Cell) {
	w.t.Helper()
	var mark string
	w.update(cell, func() {
		mark = "m" + cell.ResourceVersion
		if cell.Labels == nil {
			cell.Labels = map[string]string{}
		}
		cell.Labels["mark"] = mark
	})
	w.generatedCluster(cell, func(c *kubefedv1beta1.KubeFedCluster) error { return has(c.Labels, "mark", mark) })
}

func TestTokenDeletedByHand(t *testing.T) {
	w := start(t)
	n := w.namespace("n", nil)
	cell := w.cell(n, "a", "hz-a", "", nil)
	known := map[string]bool{}
	first := w.tokensAre(cell, known, "")
	w.remove(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: kubefed, Name: first}})
	second := w.tokensAre(cell, known, "")
	w.condition(cell, v1alpha1.ConditionGenerated, metav1.ConditionTrue, v1alpha1.ReasonGenerated)

	// One whose labels are taken away is no token of the cell any more: no façade accepts it.
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: kubefed, Name: second}}
	w.update(secret, func() { delete(secret.Labels, v1alpha1.CellLabel) })
	w.tokensAre(cell, known, "")
}

func TestTokenExtra(t *testing.T) {
	w := start(t)
	n := w.namespace("n", nil)
	cell := w.cell(n, "a", "hz-a", "", nil)
	known := map[string]bool{}
	current := w.tokensAre(cell, known, "")
	labels := w.secrets(cell)[0].Labels
	good := w.secrets(cell)[0].Data
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: kubefed, Name: "extra", Labels: labels}, Data: good})
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: kubefed, Name: "weak", Labels: labels}, Data: map[string][]byte{"token": []byte("x")}})
	foreign := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: kubefed, Name: n + ".a-00000", Labels: map[string]string{v1alpha1.CellLabel: "a", v1alpha1.NamespaceLabel: n}}}
	w.create(foreign)
	w.tokensAre(cell, known, current, "extra")
	w.eventually("the beginning of the grace", func() error {
		for _, s := range w.secrets(cell) {
			if s.Name == "extra" && s.Annotations[v1alpha1.TokenRevokedAfterAnnotation] != "" {
				return nil
			}
		}
		return errors.New("it is not marked")
	})
	w.clock.SetTime(w.clock.Now().Add(testGrace))
	w.poke(cell)
	w.tokensAre(cell, known, current)

	before := foreign.ResourceVersion
	w.remove(cell)
	w.gone(cell)
	if secrets := w.secrets(cell); len(secrets) != 0 {
		t.Errorf("%d tokens outlive the Cell", len(secrets))
	}
	w.get(foreign)
	if foreign.ResourceVersion != before {
		t.Error("a Secret that is not a token of the cell was written")
	}
}

func TestTokenImmutable(t *testing.T) {
	w := start(t)
	n := w.namespace("n", nil)
	cell := w.cell(n, "a", "hz-a", "", nil)
	w.tokensAre(cell, map[string]bool{}, "")
	secret := &w.secrets(cell)[0]
	secret.Data["token"] = []byte(strings.Repeat("A", 43))
	if err := w.c.Update(w.ctx, secret); !apierrors.IsInvalid(err) {
		t.Errorf("a token of somebody's choice was put in its place (%v)", err)
	}
}

// The Secret is all that ever holds a token.
func TestTokenSecrecy(t *testing.T) {
	w := start(t)
	w.federateNamespaces()
	n := w.namespace("n", nil)
	cell := w.ready(n, "a")
	known := map[string]bool{}
	w.tokensAre(cell, known, w.secrets(cell)[0].Name)
	tokens := []string{string(w.secrets(cell)[0].Data["token"])}
	w.clock.SetTime(w.clock.Now().Add(testLifetime))
	w.poke(cell)
	w.tokensAre(cell, known, "", w.secrets(cell)[0].Name)
	for _, s := range w.secrets(cell) {
		tokens = append(tokens, string(s.Data["token"]))
	}
	w.remove(cell)
	w.gone(cell)
	w.stop()

	events := &corev1.EventList{}
	if err := w.c.List(w.ctx, events, client.InNamespace(n)); err != nil {
		t.Fatal(err)
	}
	clusters := &kubefedv1beta1.KubeFedClusterList{}
	if err := w.c.List(w.ctx, clusters); err != nil {
		t.Fatal(err)
	}
	for where, text := range map[string]string{
		"the controller's log": w.logs.String(), "the libraries' log": everything.String(),
		"events": fmt.Sprint(events), "KubeFedClusters": fmt.Sprint(clusters),
	} {
		for _, token := range tokens {
			if strings.Contains(text, token) {
				t.Errorf("a token is in %s", where)
			}
		}
	}
}
