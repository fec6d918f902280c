package component

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	cliflag "k8s.io/component-base/cli/flag"
)

// server is a component with one flag of each kind.
type server struct {
	Port  int
	Modes []string
	Key   string
	Agent string
}

func (s *server) flags() cliflag.NamedFlagSets {
	var named cliflag.NamedFlagSets
	named.FlagSet("one").IntVar(&s.Port, "secure-port", 1, "")
	named.FlagSet("two").StringSliceVar(&s.Modes, "modes", []string{"AlwaysAllow"}, "")
	named.FlagSet("two").StringVar(&s.Key, "key-file", "", "")
	named.FlagSet("two").StringVar(&s.Agent, "key-agent", "", "")
	return named
}

func apply(s *server, extra []string) error {
	return Flags{
		Component: "kube-server",
		Named:     s.flags(),
		Extra:     extra,
		Owned:     map[string]string{"secure-port": "--port"},
		Defaults:  map[string]string{"secure-port": "7", "modes": "RBAC", "key-file": "k"},
		Yield:     map[string]string{"key-file": "key-agent"},
	}.Apply()
}

func TestApply(t *testing.T) {
	cases := map[string]struct {
		reason string
		extra  []string
		want   server
	}{
		"Defaults": {
			reason: "Without flags of the user the defaults hold",
			want:   server{Port: 7, Modes: []string{"RBAC"}, Key: "k"},
		},
		"ListReplaced": {
			reason: "A user's list replaces the default, and is not added to it",
			extra:  []string{"--modes=Node,RBAC"},
			want:   server{Port: 7, Modes: []string{"Node", "RBAC"}, Key: "k"},
		},
		"Yields": {
			reason: "A default makes way for a flag that excludes it",
			extra:  []string{"--key-agent", "a"},
			want:   server{Port: 7, Modes: []string{"RBAC"}, Agent: "a"},
		},
		"Underscore": {
			reason: "Kubernetes takes underscores for dashes",
			extra:  []string{"--key_file=own"},
			want:   server{Port: 7, Modes: []string{"RBAC"}, Key: "own"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got server
			if err := apply(&got, tc.extra); err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestApplyRefuses(t *testing.T) {
	cases := map[string]struct {
		reason string
		extra  []string
		want   []string
	}{
		"Unknown":  {"A flag that the component does not have", []string{"--nope=1"}, []string{"--nope", "kube-server"}},
		"Owned":    {"A flag that the command sets itself", []string{"--secure-port=9"}, []string{"--secure-port=9", "use --port"}},
		"OwnedOld": {"The same, spelled with an underscore", []string{"--secure_port=9"}, []string{"--secure-port=9", "use --port"}},
		"Value":    {"A value that is none", []string{"--secure-port=x"}, []string{"secure-port", "x"}},
		"Argument": {"No flag at all", []string{"nope"}, []string{"nope", "--name=value"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := apply(&server{}, tc.extra)
			if err == nil {
				t.Fatalf("%s: got no error", tc.reason)
			}
			for _, part := range append(tc.want, "after --") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%s: error %q does not say %q", tc.reason, err, part)
				}
			}
		})
	}
}
