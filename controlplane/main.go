// Command controlplane is a Kubernetes control plane in one binary: kube-apiserver with an embedded
// datastore, kube-controller-manager, kube-scheduler and kubectl.
package main

import (
	"os"

	"github.com/cellfed/cellfed/controlplane/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args))
}
