package cell

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
	"sigs.k8s.io/kubefed/pkg/apis/core/common"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/placementcache"
)

var update = flag.Bool("update", false, "write the golden transcripts anew")

// reporter is what a stage complains to.
type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
}

// stage carries out plans on facts alone, as apply.go does on an API server, writes down what it does, and
// watches over what must always hold.
type stage struct {
	t      reporter
	f      *facts
	text   strings.Builder
	issued int
	made   int
	gone   bool
}

// run carries out plans until there is nothing to do.
func (s *stage) run() {
	s.t.Helper()
	for range 10 {
		if s.gone {
			return
		}
		p := decide(s.f)
		steps := s.carryOut(p)
		if len(steps) == 0 {
			if p.next > 0 {
				fmt.Fprintf(&s.text, "    sleep %v\n", p.next)
			}
			s.settled(p)
			return
		}
		fmt.Fprintf(&s.text, "    %s\n", strings.Join(steps, ", "))
	}
	s.t.Fatalf("the plans never come to an end:\n%s", s.text.String())
}

func (s *stage) carryOut(p plan) []string {
	s.t.Helper()
	f := s.f
	var steps []string
	step := func(format string, args ...any) { steps = append(steps, fmt.Sprintf(format, args...)) }
	if p.finalizer == finalizerAdd {
		step("add finalizer")
		f.cell.Finalizers = append(f.cell.Finalizers, v1alpha1.CellFinalizer)
	}
	if p.tokens.issue {
		made := goodToken(f, fmt.Sprintf("token-%d", s.issued))
		made.expires = f.now.Add(f.settings.tokenLifetime)
		s.issued++
		step("issue %s", made.name)
		f.tokens, p.tokens.use = append(f.tokens, made), made.name
	}
	for i := range f.tokens {
		t := &f.tokens[i]
		if slices.Contains(p.tokens.retire, t.name) {
			step("retire %s", t.name)
			t.revokedAfter = f.now.Add(f.settings.tokenGrace)
		}
		if slices.Contains(p.tokens.relabel, t.name) {
			step("relabel %s", t.name)
			t.labels = secretLabels(f)
		}
	}
	s.carryOutCluster(p, step)
	for _, name := range p.tokens.revoke {
		step("revoke %s", name)
		if f.own != nil && !f.foreign() && f.own.Spec.SecretRef.Name == name {
			s.t.Fatalf("%s is revoked while the KubeFedCluster names it:\n%s", name, s.text.String())
		}
		f.tokens = slices.DeleteFunc(f.tokens, func(t token) bool { return t.name == name })
	}
	if p.namespace != "" {
		step("%s FederatedNamespace", p.namespace)
		f.federation.object = newFederatedNamespace("types.kubefed.io/v1beta1", f.federation.kind, f.cell.Namespace)
	}
	if p.vacate {
		step("vacate member namespace")
		if p.finalizer != finalizerRemove || len(f.rivals) > 0 || !f.servable() {
			s.t.Fatalf("a namespace is removed that may be used:\n%s", s.text.String())
		}
	}
	if p.finalizer == finalizerRemove {
		step("remove finalizer")
		if f.cell.DeletionTimestamp == nil || len(blockersOf(f)) > 0 || f.own != nil && !f.foreign() {
			s.t.Fatalf("the Cell is let go:\n%s", s.text.String())
		}
		s.gone = true
	}
	return steps
}

func (s *stage) carryOutCluster(p plan, step func(string, ...any)) {
	s.t.Helper()
	f := s.f
	if p.cluster == "" {
		return
	}
	step("%s KubeFedCluster", p.cluster)
	if f.foreign() || !f.undisputed() && p.cluster != clusterDelete {
		s.t.Fatalf("%s:\n%s", p.cluster, s.text.String())
	}
	if !f.servable() && p.cluster == clusterCreate {
		s.t.Fatalf("%s:\n%s", p.cluster, s.text.String())
	}
	switch p.cluster {
	case clusterCreate:
		if f.own != nil {
			s.t.Fatalf("created over another:\n%s", s.text.String())
		}
		f.own = liveCluster(desiredCluster(f, p.tokens.use))
		s.made++
		f.own.UID = types.UID(fmt.Sprint(s.made))
	case clusterApply:
		uid := f.own.UID
		f.own = liveCluster(desiredCluster(f, p.tokens.use))
		f.own.UID = uid
	case clusterDelete:
		if f.cell.DeletionTimestamp == nil || len(blockersOf(f)) > 0 {
			s.t.Fatalf("the KubeFedCluster is deleted:\n%s", s.text.String())
		}
		f.own = nil
	}
}

// settled asserts what holds when there is nothing to do.
func (s *stage) settled(p plan) {
	s.t.Helper()
	f := s.f
	if f.cell.DeletionTimestamp != nil && len(f.cell.Finalizers) == 0 {
		return
	}
	if f.own == nil || f.foreign() || !f.undisputed() || f.own.DeletionTimestamp != nil || len(f.settings.caBundle) == 0 {
		return
	}
	if !f.tokenInPlace() {
		s.t.Fatalf("the KubeFedCluster names a token that is not there:\n%s", s.text.String())
	}
	if !upToDate(f.own, desiredCluster(f, f.own.Spec.SecretRef.Name)) {
		s.t.Fatalf("the KubeFedCluster is not up to date:\n%s", s.text.String())
	}
	for _, t := range f.tokens {
		if t.name != f.own.Spec.SecretRef.Name && !t.deleting && (t.revokedAfter.IsZero() || p.next == 0 || p.next > f.settings.tokenGrace) {
			s.t.Fatalf("%s is good for ever:\n%s", t.name, s.text.String())
		}
	}
}

// happen changes the facts and lets the plans follow.
func (s *stage) happen(what string, change func(*facts)) {
	s.t.Helper()
	fmt.Fprintf(&s.text, "%s\n", what)
	change(s.f)
	s.run()
}

func pass(d time.Duration) (string, func(*facts)) {
	return fmt.Sprintf("%v pass", d), func(f *facts) { f.now = f.now.Add(d) }
}

func TestTranscripts(t *testing.T) {
	fresh := func() *facts {
		return newFacts(func(f *facts) { f.cell.Finalizers, f.federation.object = nil, nil })
	}
	older := func(f *facts) {
		f.rivals = []*v1alpha1.Cell{newCell("other", "x", f.cell.Spec.ClusterName, f.cell.Spec.TargetNamespace)}
		f.rivals[0].CreationTimestamp = metav1.NewTime(epoch.Add(-24 * time.Hour))
	}
	selecting := func(f *facts) {
		f.objects = []placementcache.Object{object(t, "configmaps", `{kind: FederatedConfigMap, metadata: {name: cfg, generation: 1}, spec: {placement: {clusterSelector: {matchLabels: {city: hangzhou}}}}}`)}
	}
	for name, play := range map[string]func(*stage){
		"life": func(s *stage) {
			s.happen("a Cell is created", func(*facts) {})
			s.happen("the tenant changes", func(f *facts) { f.namespace.tenant = "other" })
			s.happen("the physical cluster vanishes", func(f *facts) { f.cluster = nil })
			s.happen("the Cell is deleted while an object selects it", func(f *facts) { deleted(f); selecting(f) })
			s.happen("the Cell loses the label", func(f *facts) { f.cell.Labels = nil })
		},
		"rotation": func(s *stage) {
			s.happen("a Cell is created", func(*facts) {})
			s.happen(pass(testLifetime))
			s.happen(pass(testGrace))
			s.happen("the Secret is deleted by hand", func(f *facts) { f.tokens = nil })
			s.happen("the KubeFedCluster is pointed at another Secret", func(f *facts) { f.own.Spec.SecretRef.Name = "evil" })
			s.happen("the lifetime is shortened", func(f *facts) { f.settings.tokenLifetime = time.Hour })
			s.happen(pass(time.Hour))
			s.happen(pass(time.Hour))
		},
		"conflict": func(s *stage) {
			s.happen("a Cell is created whose name somebody holds", foreignCluster)
			s.happen("the name becomes free", func(f *facts) { f.own = nil })
			s.happen("somebody deletes the KubeFedCluster and registers their own", foreignCluster)
			s.happen("the Cell is deleted", deleted)
		},
		"rivals": func(s *stage) {
			s.happen("a Cell is created whose place an older one has", older)
			s.happen("the older one moves away", func(f *facts) { f.rivals = nil })
			s.happen("the older one comes back", older)
			s.happen("a label changes", func(f *facts) { f.cell.Labels["city"] = "shanghai" })
			s.happen(pass(testLifetime))
			s.happen("the older one goes", func(f *facts) { f.rivals = nil })
			s.happen("the Cell is put on itself", func(f *facts) { f.cell.Spec.ClusterName = f.clusterName() })
			s.happen("the Cell is deleted", deleted)
		},
		"takenover": func(s *stage) {
			s.happen("a Cell is created on another tenant's cluster", takenOver)
			s.happen("the cluster is shared", func(f *facts) { f.cluster.Labels = map[string]string{v1alpha1.SharedLabel: "true"} })
			s.happen("the cluster becomes another tenant's", takenOver)
			s.happen("the Namespace becomes another tenant's", func(f *facts) { f.namespace.tenant = "initech" })
			s.happen(pass(testLifetime))
			s.happen(pass(testGrace))
			s.happen("the Cell is deleted while an object selects it", func(f *facts) { deleted(f); selecting(f) })
			s.happen("the object goes", func(f *facts) { f.objects = nil })
		},
		"bundle": func(s *stage) {
			s.happen("a Cell is created before there is a CA bundle", func(f *facts) { f.settings.caBundle = nil })
			s.happen("the CA bundle comes", func(f *facts) { f.settings.caBundle = []byte("CA") })
			s.happen("the CA bundle goes", func(f *facts) { f.settings.caBundle = nil })
			s.happen(pass(testLifetime))
			s.happen("another comes", func(f *facts) { f.settings.caBundle = []byte("CB") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stage{t: t, f: fresh()}
			play(s)
			path := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(s.text.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), s.text.String()); diff != "" {
				t.Errorf("-want, +got (go test -run TestTranscripts -update writes it anew):\n%s", diff)
			}
		})
	}
}

// Whatever happens, and in whatever order, what the stage watches over holds.
func TestPlansHold(t *testing.T) {
	placed := object(t, "configmaps", `{kind: FederatedConfigMap, metadata: {name: cfg, generation: 1}, spec: {placement: {clusterSelector: {}}}}`)
	events := map[string]func(*facts){
		"time":       func(f *facts) { f.now = f.now.Add(testGrace / 2) },
		"lifetime":   func(f *facts) { f.now = f.now.Add(testLifetime) },
		"label":      func(f *facts) { f.cell.Labels = map[string]string{"at": f.now.String()} },
		"move":       func(f *facts) { f.cell.Spec.ClusterName += "x" },
		"itself":     func(f *facts) { f.cell.Spec.ClusterName = f.clusterName() },
		"cluster":    func(f *facts) { f.cluster = nil },
		"tenant":     func(f *facts) { f.namespace.tenant += "x" },
		"bundle":     func(f *facts) { f.settings.caBundle = []byte(f.now.String()) },
		"noBundle":   func(f *facts) { f.settings.caBundle = nil },
		"foreign":    foreignCluster,
		"ownGone":    func(f *facts) { f.own = nil },
		"tokensGone": func(f *facts) { f.tokens = nil },
		"extra": func(f *facts) {
			f.tokens = append(f.tokens, goodToken(f, fmt.Sprintf("extra-%d-%d", len(f.tokens), f.now.Unix())))
		},
		"weak": func(f *facts) {
			f.tokens = append(f.tokens, token{name: fmt.Sprintf("weak-%d-%d", len(f.tokens), f.now.Unix())})
		},
		"evilRef": func(f *facts) {
			if f.own != nil && !f.foreign() {
				f.own.Spec.SecretRef.Name = "evil"
			}
		},
		"ownDeleting": func(f *facts) {
			if f.own != nil {
				f.own.DeletionTimestamp = &metav1.Time{Time: f.now}
			}
		},
		"rival": func(f *facts) {
			f.rivals = []*v1alpha1.Cell{newCell("a", "a", f.cell.Spec.ClusterName, f.cell.Spec.TargetNamespace)}
		},
		"noRival":   func(f *facts) { f.rivals = nil },
		"placed":    func(f *facts) { f.objects = []placementcache.Object{placed} },
		"unplaced":  func(f *facts) { f.objects = nil },
		"finalizer": func(f *facts) { f.cell.Finalizers = nil },
		"delete":    deleted,
		"register": func(f *facts) {
			f.cluster = newCluster(f.cell.Spec.ClusterName, common.ClusterReady, corev1.ConditionTrue)
		},
		"takenOver": func(f *facts) {
			if f.cluster != nil {
				takenOver(f)
			}
		},
		"unlabel": func(f *facts) {
			if f.own != nil {
				f.own.Labels = nil
			}
		},
	}
	names := make([]string, 0, len(events))
	for name := range events {
		names = append(names, name)
	}
	slices.Sort(names)
	rapid.Check(t, func(t *rapid.T) {
		s := &stage{t: t, f: newFacts(func(f *facts) { f.cell.Finalizers = nil })}
		for _, name := range rapid.SliceOfN(rapid.SampledFrom(names), 1, 20).Draw(t, "events") {
			before := foreignBefore(s.f)
			s.happen(name, events[name])
			if before != nil && s.f.foreign() && name != "foreign" && name != "unlabel" && name != "ownDeleting" {
				if diff := cmp.Diff(before, s.f.own); diff != "" {
					t.Fatalf("somebody else's KubeFedCluster was changed: %s", diff)
				}
			}
		}
	})
}

func foreignBefore(f *facts) *kubefedv1beta1.KubeFedCluster {
	if !f.foreign() {
		return nil
	}
	return f.own.DeepCopy()
}
