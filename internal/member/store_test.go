package member

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// scene is a store with its two feeds, and what it announced.
type scene struct {
	t     *testing.T
	clock *clocktesting.FakePassiveClock
	store *store
	feeds [flavors]*feed
	told  []string
	syncs int
}

func newScene(t *testing.T) *scene {
	s := &scene{t: t, clock: clocktesting.NewFakePassiveClock(time.Unix(1e9, 0))}
	s.store = newStore(&sharer{}, s.clock)
	s.store.changed = func(changes []change) {
		for _, c := range changes {
			s.told = append(s.told, versionOf(c.before)+">"+versionOf(c.after))
			// Who is told may look.
			s.store.get(key{"app", "x"})
		}
	}
	s.store.synced = func() { s.syncs++ }
	for flavor := range flavors {
		s.feeds[flavor] = &feed{store: s.store, flavor: flavor, target: configMaps, works: func() {}}
		s.feeds[flavor].begin(func(error) {}, clock.RealClock{}, time.Hour)
	}
	return s
}

func versionOf(o *Object) string {
	if o == nil {
		return "-"
	}
	return o.GetResourceVersion()
}

func at(uid, version string, labels ...string) *unstructured.Unstructured {
	u := configMap("x", nil)
	u.SetUID(types.UID(uid))
	u.SetResourceVersion(version)
	if labels != nil {
		set := map[string]string{}
		for _, l := range labels {
			set[l] = "true"
		}
		u.SetLabels(set)
	}
	return u
}

// kept returns an object as a write is answered with it.
func (s *scene) kept(u *unstructured.Unstructured) *Object {
	o, err := s.store.sharer.transform(u)
	must(s.t, err)
	return o
}

// list lists both flavors: the cells' with the given objects.
func (s *scene) list(version string, objects ...*unstructured.Unstructured) {
	list := make([]any, 0, len(objects))
	for _, o := range objects {
		list = append(list, o)
	}
	must(s.t, s.feeds[flavorKubeFed].Replace(nil, version))
	must(s.t, s.feeds[flavorCellfed].Replace(list, version))
}

func (s *scene) sees(reason, want string) {
	s.t.Helper()
	o, known := s.store.get(key{"app", "x"})
	if got := versionOf(o); got != want || !known {
		s.t.Errorf("%s: sees %s, known %v, want %s", reason, got, known, want)
	}
	listed := s.store.list()
	if (o == nil) != (len(listed) == 0) || o != nil && listed[0] != o {
		s.t.Errorf("%s: the list is another: %v", reason, listed)
	}
}

func (s *scene) watch(kind string, flavor int, u *unstructured.Unstructured) {
	f := s.feeds[flavor]
	do := map[string]func(any) error{"add": f.Add, "update": f.Update, "delete": f.Delete}[kind]
	must(s.t, do(u))
	f.UpdateResourceVersion(u.GetResourceVersion())
}

func TestStore(t *testing.T) {
	const cell = flavorCellfed
	cases := map[string]struct {
		reason string
		play   func(*scene)
		told   string
		left   int
	}{
		"Known": {"nothing is known before both flavors were listed, and nothing is announced by then", func(s *scene) {
			must(s.t, s.feeds[cell].Replace([]any{at("u", "5")}, "9"))
			if _, known := s.store.get(key{"app", "x"}); known || s.syncs != 0 {
				s.t.Error("half is known as all")
			}
			must(s.t, s.feeds[flavorKubeFed].Replace(nil, "9"))
			s.sees("both are listed", "5")
		}, "", 0},
		"Changes": {"what the watches tell", func(s *scene) {
			s.list("9")
			s.watch("add", cell, at("u", "10"))
			s.watch("update", cell, at("u", "11"))
			s.watch("delete", cell, at("u", "12"))
			s.sees("the end", "-")
		}, "->10 10>11 11>-", 0},
		"OwnWrite": {"a write is seen at once, older events are not, and its own event is no news", func(s *scene) {
			s.list("9", at("u", "5"))
			s.store.wrote(s.kept(at("u", "12")))
			s.sees("written", "12")
			s.watch("update", cell, at("u", "11"))
			s.sees("an event from before", "12")
			s.watch("update", cell, at("u", "12"))
			s.sees("its event", "12")
			s.watch("update", cell, at("u", "13"))
			s.sees("a later one", "13")
		}, "12>13", 0},
		"LateAnswer": {"an answer that comes after newer events is no news", func(s *scene) {
			s.list("9", at("u", "15"))
			s.store.wrote(s.kept(at("u", "12")))
			s.sees("written", "15")
		}, "", 0},
		"OlderAnswer": {"of two answers the newer counts", func(s *scene) {
			s.list("9")
			s.store.wrote(s.kept(at("u", "14")))
			s.store.wrote(s.kept(at("u", "12")))
			s.sees("written", "14")
		}, "", 1},
		"CreatedAndGone": {"what was written and deleted by others before a watch told of it", func(s *scene) {
			s.list("9")
			s.store.wrote(s.kept(at("u", "12")))
			s.sees("written", "12")
			s.list("20")
			s.sees("a list without it", "-")
		}, "12>-", 0},
		"WatchPasses": {"a watch that is past a write of which it did not tell", func(s *scene) {
			s.list("9")
			s.store.wrote(s.kept(at("u", "12")))
			must(s.t, s.feeds[cell].Bookmark("11"))
			s.sees("before", "12")
			must(s.t, s.feeds[cell].Bookmark("12"))
			s.sees("after", "-")
		}, "", 0},
		"Deleted": {"a deletion is seen at once, the object's events do not bring it back, its successor is seen", func(s *scene) {
			s.list("9", at("u", "5"))
			s.store.deleted(s.kept(at("u", "5")))
			s.sees("deleted", "-")
			s.watch("update", cell, at("u", "11"))
			s.sees("an event from before", "-")
			s.watch("delete", cell, at("u", "12"))
			s.sees("its end", "-")
			s.watch("add", cell, at("v", "13"))
			s.sees("its successor", "13")
		}, "->13", 0},
		"DeletedUnseen": {"a deletion of what no watch told of yet", func(s *scene) {
			s.list("9")
			s.store.wrote(s.kept(at("u", "12")))
			s.store.deleted(s.kept(at("u", "12")))
			s.sees("deleted", "-")
			must(s.t, s.feeds[cell].Bookmark("11"))
			s.watch("add", cell, at("u", "12"))
			s.sees("its beginning", "-")
			s.watch("delete", cell, at("u", "13"))
			s.sees("its end", "-")
		}, "", 0},
		"Recreated": {"what is made again at once is seen", func(s *scene) {
			s.list("9", at("u", "5"))
			s.store.deleted(s.kept(at("u", "5")))
			s.store.wrote(s.kept(at("v", "12")))
			s.sees("made again", "12")
			s.watch("delete", cell, at("u", "11"))
			s.sees("the end of the first", "12")
			s.watch("add", cell, at("v", "12"))
			s.sees("the beginning of the second", "12")
		}, "", 0},
		"LateDeletion": {"an answer to a deletion does not hide a successor", func(s *scene) {
			s.list("9", at("v", "15"))
			s.store.deleted(s.kept(at("u", "5")))
			s.sees("deleted", "15")
		}, "", 0},
		"Released": {"what lost its label is not seen, until it has it again", func(s *scene) {
			s.list("9", at("u", "5"))
			s.store.wrote(s.kept(at("u", "12", "other")))
			s.sees("released", "-")
			s.watch("delete", cell, at("u", "12"))
			s.sees("its event", "-")
			s.watch("add", cell, at("u", "14"))
			s.sees("labeled again", "14")
		}, "->14", 0},
		"Relabeled": {"who changes flavors is never gone, whichever watch is first", func(s *scene) {
			s.list("9", at("u", "5"))
			s.store.wrote(s.kept(at("u", "12", v1alpha1.KubeFedManagedLabel)))
			s.watch("delete", cell, at("u", "12"))
			s.sees("it left the one", "12")
			s.watch("add", flavorKubeFed, at("u", "12", v1alpha1.KubeFedManagedLabel))
			s.sees("it came to the other", "12")
		}, "", 0},
		"BothLabels": {"the newer is seen of what both watches tell", func(s *scene) {
			s.list("9", at("u", "5", v1alpha1.ManagedLabel, v1alpha1.KubeFedManagedLabel))
			s.watch("add", flavorKubeFed, at("u", "12", v1alpha1.ManagedLabel, v1alpha1.KubeFedManagedLabel))
			s.sees("one is ahead", "12")
			s.watch("update", cell, at("u", "12", v1alpha1.ManagedLabel, v1alpha1.KubeFedManagedLabel))
			s.sees("the other follows", "12")
		}, "5>12", 0},
		"Unlabeled": {"a server that does not filter shows nothing that is not cellfed's", func(s *scene) {
			s.list("9", at("u", "5", "other"))
			s.watch("add", cell, at("u", "11", "other"))
			s.sees("foreign", "-")
		}, "", 0},
		"WentBack": {"a member that comes back with old data, whose versions are older than what was written", func(s *scene) {
			s.list("90", at("u", "85"))
			s.store.wrote(s.kept(at("u", "99")))
			s.store.begin()
			s.sees("before it is read again", "99")
			s.list("60", at("u", "55"))
			s.sees("afterwards", "55")
			s.store.wrote(s.kept(at("u", "61")))
			s.sees("a write of now", "61")
		}, "99>55", 1},
		"WentBackGone": {"and without the object", func(s *scene) {
			s.list("90")
			s.store.wrote(s.kept(at("u", "99")))
			s.store.begin()
			s.list("60")
			s.sees("afterwards", "-")
		}, "99>-", 0},
		"WriteDuringList": {"what is written while a list is under way, which may not know it", func(s *scene) {
			s.list("9")
			s.store.begin()
			s.store.wrote(s.kept(at("u", "12")))
			s.list("11")
			s.sees("the list is older", "12")
			s.watch("add", cell, at("u", "12"))
			s.sees("the watch follows", "12")
		}, "", 0},
		"Forever": {"a write of which nobody ever hears again", func(s *scene) {
			s.list("9", at("u", "5"))
			s.store.deleted(s.kept(at("u", "5")))
			s.clock.SetTime(s.clock.Now().Add(writtenFor + time.Second))
			s.sees("much later", "5")
			must(s.t, s.feeds[cell].Bookmark("10"))
		}, "", 0},
		"NoNumbers": {"versions that cannot be compared: what the watch tells last is believed", func(s *scene) {
			s.list("a", at("u", "b"))
			s.store.wrote(s.kept(at("u", "c")))
			s.watch("update", cell, at("u", "d"))
			s.sees("an event", "d")
		}, "b>d", 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			tc.play(s)
			if diff := cmp.Diff(tc.told, strings.Join(s.told, " ")); diff != "" {
				t.Errorf("%s: announced: %s", tc.reason, diff)
			}
			if len(s.store.overlay) != tc.left {
				t.Errorf("%s: %d writes are remembered, want %d", tc.reason, len(s.store.overlay), tc.left)
			}
		})
	}
}

// TestSynced: it is announced once in an epoch that all was read.
func TestSynced(t *testing.T) {
	s := newScene(t)
	var got []int
	for range 2 {
		s.store.begin()
		s.list("9")
		got = append(got, s.syncs)
		s.list("10")
		got = append(got, s.syncs)
	}
	if want := []int{1, 1, 2, 2}; !slices.Equal(got, want) {
		t.Errorf("announced %v, want %v", got, want)
	}
}
