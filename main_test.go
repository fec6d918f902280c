package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestVersionFlag(t *testing.T) {
	cmd := newCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"--version"})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "manager version "+version; !strings.HasPrefix(got, want) {
		t.Errorf("--version prints %q, want %q", got, want)
	}
}

func TestWrongFlagsEndTheManager(t *testing.T) {
	cmd := newCommand()
	cmd.SetArgs([]string{"--facade-url=http://plain:1", "--webhook-service=nameless", "--certificates=Files", "--cert-dir=" + t.TempDir()})
	err := cmd.ExecuteContext(t.Context())
	if err == nil {
		t.Fatal("the manager started")
	}
	for _, part := range []string{"--facade-url", "http://plain:1", "--webhook-service", "nameless", "--cert-dir", "tls.crt"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not name %q", err, part)
		}
	}
}

// What people who know kubebuilder look for.
func TestLoggingFlags(t *testing.T) {
	flags := newCommand().Flags()
	for _, name := range []string{"zap-log-level", "zap-encoder", "zap-devel", "kubeconfig", "leader-elect"} {
		if flags.Lookup(name) == nil {
			t.Errorf("there is no flag --%s", name)
		}
	}
}
