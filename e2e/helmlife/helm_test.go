package helmlife

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cellfed/cellfed/e2e/framework"
)

// versions are those that the chart is packaged at: the newer from this tree, the older as it was at the last release.
const (
	older = "0.1.0"
	newer = "0.1.1"
)

// fromVariable names a commit that the older chart is taken from, instead of the last tag.
const fromVariable = "CELLFED_HELM_FROM"

// release is the release of the chart in the host.
type release struct {
	run *framework.Helm
	// charts are the packages by their versions, crds is what helm show crds says of the older.
	charts map[string]string
	// values are those of the installation, in a file.
	values string
	// webhook, facade, metrics and health are the manager's ports.
	webhook, facade, metrics, health int
}

// installed are the values of the installation: a KubeFed that is quick, and addresses at which this machine's processes
// reach each other.
const installed = `
kubefed:
  enabled: true
  config:
    controllerDuration: {availableDelay: 2s}
    clusterHealthCheck: {period: 2s}
ports: {webhook: %[1]d, facade: %[2]d, metrics: %[3]d, health: %[4]d}
webhooks: {url: "https://127.0.0.1:%[1]d"}
facade: {url: "https://127.0.0.1:%[2]d"}
certificates: {extraNames: ["127.0.0.1"], selfManaged: {settlePeriod: 5s}}
handOver: {quietPeriod: 3s, storageSettlePeriod: 1s}
metrics: {readers: [{kind: ServiceAccount, namespace: default, name: default}]}
`

func newRelease(t *testing.T, host *framework.Cluster) *release {
	t.Helper()
	r := &release{charts: map[string]string{}, values: filepath.Join(dir, "values.yaml")}
	var err error
	if r.run, err = framework.NewHelm(filepath.Join(dir, "helm"), host.Kubeconfig); err != nil {
		t.Fatal(err)
	}
	for _, port := range []*int{&r.webhook, &r.facade, &r.metrics, &r.health} {
		if *port, err = framework.FreePort(); err != nil {
			t.Fatal(err)
		}
	}
	values := fmt.Appendf(nil, installed, r.webhook, r.facade, r.metrics, r.health)
	if err := os.WriteFile(r.values, values, 0o644); err != nil {
		t.Fatal(err)
	}
	for version, chart := range map[string]string{older: lastRelease(t, r.run.Chart()), newer: r.run.Chart()} {
		if _, err := r.run.Run(t.Context(), "", "package", chart, "--version", version, "--app-version", "v"+version, "--destination", dir); err != nil {
			t.Fatal(err)
		}
		r.charts[version] = filepath.Join(dir, "cellfed-"+version+".tgz")
	}
	return r
}

// lastRelease returns the folder of the chart as it was at the last tag before this commit, or at the commit that the variable
// names. Before the first tag it is the chart before its last change, and where there is no history the chart as it is.
func lastRelease(t *testing.T, chart string) string {
	t.Helper()
	from := os.Getenv(fromVariable)
	for _, ask := range [][]string{{"describe", "--tags", "--abbrev=0"}, {"rev-list", "--max-count=1", "--skip=1", "HEAD", "--", "."}} {
		if from == "" {
			// Without a tag, and without git, the next one is asked.
			out, _ := exec.CommandContext(t.Context(), "git", append([]string{"-C", chart}, ask...)...).Output()
			from = strings.TrimSpace(string(out))
		}
	}
	if from == "" {
		t.Log("There is no history: the chart is upgraded from itself")
		return chart
	}
	archive, into := filepath.Join(dir, "older.tar"), filepath.Join(dir, "older")
	if err := os.Mkdir(into, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{
		{"git", "-C", chart, "archive", "--output", archive, from, "."},
		{"tar", "-xf", archive, "-C", into},
	} {
		if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("the chart as it was at %s: %v: %s", from, err, out)
		}
	}
	t.Logf("The older chart is that of %s", from)
	return into
}

// helm runs helm and returns what it wrote.
func (s *story) helm(args ...string) string {
	s.Helper()
	out, err := s.release.run.Run(s.Context(), "", args...)
	if err != nil {
		s.Fatal(err)
	}
	return out
}

// install installs the chart and starts what its Deployments say.
func (s *story) install(version string) (notes string) {
	s.Helper()
	notes = s.helm("install", "cellfed", s.release.charts[version], "--values", s.release.values)
	s.roll()
	return notes
}

// upgrade upgrades the release, whose other values stay, and brings what runs up to date.
func (s *story) upgrade(version string, values ...string) (notes string) {
	s.Helper()
	notes = s.change(version, values...)
	s.roll()
	return notes
}

// change upgrades the release, and leaves what runs as it is.
func (s *story) change(version string, values ...string) (notes string) {
	s.Helper()
	args := []string{"upgrade", "cellfed", s.release.charts[version], "--reset-then-reuse-values"}
	for _, value := range values {
		args = append(args, "--set", value)
	}
	return s.helm(args...)
}

// revision returns the release's revision and the version of the chart that it has.
func (s *story) revision() (revision, chart string) {
	s.Helper()
	var history []struct {
		Revision int    `json:"revision"`
		Chart    string `json:"chart"`
		Status   string `json:"status"`
	}
	s.must(json.Unmarshal([]byte(s.helm("history", "cellfed", "--output", "json")), &history))
	if len(history) == 0 || history[len(history)-1].Status != "deployed" {
		s.must(errors.New("the newest revision of the release is not deployed"))
	}
	last := history[len(history)-1]
	return fmt.Sprint(last.Revision), last.Chart
}
