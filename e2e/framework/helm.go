package framework

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Helm runs the real helm, in the module's root.
type Helm struct {
	bin, root, home, kubeconfig string
}

// NewHelm returns a helm that keeps what it keeps for itself in the directory home, and that reaches a cluster by the kubeconfig,
// or none if that is empty.
func NewHelm(home, kubeconfig string) (*Helm, error) {
	bin, err := Binary("helm")
	if err != nil {
		return nil, err
	}
	root, err := ModuleRoot()
	if err != nil {
		return nil, err
	}
	if kubeconfig == "" {
		kubeconfig = os.DevNull
	}
	return &Helm{bin: bin, root: root, home: home, kubeconfig: kubeconfig}, nil
}

// Chart returns the path of the module's chart, or of one below it.
func (h *Helm) Chart(below ...string) string {
	return filepath.Join(append([]string{h.root, "charts", "cellfed"}, below...)...)
}

// Run runs helm in the KubeFed namespace, unless the arguments name another one, with stdin as its input, and returns what it
// wrote to standard output.
func (h *Helm) Run(ctx context.Context, stdin string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, h.bin, args...)
	cmd.Dir = h.root
	cmd.Env = append(os.Environ(),
		"HELM_CONFIG_HOME="+h.home, "HELM_CACHE_HOME="+h.home, "HELM_DATA_HOME="+h.home,
		"HELM_NAMESPACE="+KubeFedNamespace, "KUBECONFIG="+h.kubeconfig)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("helm %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}
