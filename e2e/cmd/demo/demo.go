package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	hangzhou  = "hz-a"
	shanghai  = "sh-b"
	namespace = "acme-prod"

	// patience bounds every wait of the demo.
	patience = 2 * time.Minute
	// quietTime is how long the demo watches that nothing is written to the members.
	quietTime = 10 * time.Second
)

// cell is one of examples/cells.yaml, and where it is.
type cell struct {
	name      string
	cluster   string
	namespace string
}

var cells = []cell{
	{name: "rz00a", cluster: hangzhou, namespace: "acme-prod-rz00a"},
	{name: "rz00b", cluster: hangzhou, namespace: "acme-prod-rz00b"},
	{name: "rz01a", cluster: shanghai, namespace: "acme-prod"},
}

func cellNames() []string {
	var names []string
	for _, c := range cells {
		names = append(names, c.name)
	}
	return names
}

// demo is the script, played on an environment.
type demo struct {
	say        *narrator
	env        *framework.Environment
	kubeconfig string
	kubectl    *framework.Kubectl
	root       string
}

func (d *demo) run(ctx context.Context) error {
	var err error
	if d.root, err = framework.ModuleRoot(); err != nil {
		return err
	}
	if err := d.env.WriteKubeconfig(ctx, d.kubeconfig); err != nil {
		return err
	}
	if d.kubectl, err = framework.NewKubectl(d.kubeconfig); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		d.members, d.makeCells, d.release, d.readBack, d.change, d.existingUser, d.throughFacade, d.inMembers, d.rest, d.matrix, d.tenants, d.canary,
	} {
		if err := step(ctx); err != nil {
			return err
		}
		if err := d.env.Err(); err != nil {
			return err
		}
	}
	d.say.line("")
	d.say.check("Every check held")
	return nil
}

// do runs kubectl, as the reader sees it. It has to succeed.
func (d *demo) do(ctx context.Context, args ...string) error {
	cmd := d.kubectl.Command(ctx, args...)
	cmd.Dir = d.root
	out, err := cmd.CombinedOutput()
	d.say.command(args, string(out))
	if err != nil {
		return fmt.Errorf("kubectl %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// doCells runs kubectl cells, as the reader sees it. It has to succeed. The kubectl of the demo is part of controlplane and
// runs no plugins: the plugin is run by its own name.
func (d *demo) doCells(ctx context.Context, args ...string) error {
	plugin, err := framework.Binary("kubectl-cells")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, plugin, args...)
	cmd.Dir = d.root
	cmd.Env = append(os.Environ(), "KUBECONFIG="+d.kubeconfig)
	out, err := cmd.CombinedOutput()
	d.say.command(append([]string{"cells"}, args...), string(out))
	if err != nil {
		return fmt.Errorf("kubectl cells %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// doAll runs kubectl for each line of words.
func (d *demo) doAll(ctx context.Context, commands ...string) error {
	for _, command := range commands {
		if err := d.do(ctx, strings.Fields(command)...); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) members(ctx context.Context) error {
	d.say.title("The members are registered with upstream KubeFed v0.10.0, which runs unmodified")
	return d.doAll(ctx,
		"get kubefedclusters -n kube-federation-system",
		"get federatedtypeconfigs -n kube-federation-system",
	)
}

func (d *demo) makeCells(ctx context.Context) error {
	d.say.title("A tenant's namespace, and three cells in it: two on one cluster, one on the other")
	return d.doAll(ctx,
		"apply -f examples/namespace.yaml -f examples/cells.yaml",
		"-n acme-prod wait --for=condition=Ready cells --all --timeout=120s",
		"-n acme-prod get cells -o wide",
		"-n kube-federation-system get kubefedclusters -L cellfed.io/tenant,cellfed.io/cell,cellfed.io/cluster",
	)
}

func (d *demo) release(ctx context.Context) error {
	d.say.title("An application is released: v2beta1 names cells, with overrides by cell")
	if err := d.doAll(ctx, "apply -f examples/configmap.yaml -f examples/deployment.yaml -f examples/configmap-by-city.yaml"); err != nil {
		return err
	}
	d.say.progress("Waiting for the three cells to have it")
	if err := d.waitMatrix(ctx, released); err != nil {
		return err
	}
	return d.doAll(ctx, "-n acme-prod get federatedconfigmaps,federateddeployments")
}

func (d *demo) readBack(ctx context.Context) error {
	d.say.title("The status comes back under the cells' names; upstream reads the same object as clusters")
	const available = `{range .status.topologies[*]}{.name}: {.remoteStatus.availableReplicas} available{"\n"}{end}`
	if err := d.waitReported(ctx); err != nil {
		return err
	}
	if err := d.do(ctx, "-n", namespace, "get", "federateddeployment", "pay", "-o", "jsonpath="+available); err != nil {
		return err
	}
	for _, version := range []string{"v2beta1", "v1beta1"} {
		err := d.do(ctx, "-n", namespace, "get", "federatedconfigmaps."+version+".types.kubefed.io", "pay",
			"-o", "jsonpath={.apiVersion}: {.spec.placement}")
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) change(ctx context.Context) error {
	d.say.title("A change for one cell: its neighbor on the same cluster stays as it is")
	before, err := d.resourceVersion(ctx, cells[0])
	if err != nil {
		return err
	}
	const patch = `[{"op":"replace","path":"/spec/overrides/1/topologyOverrides/1/value","value":"warn"}]`
	if err := d.do(ctx, "-n", namespace, "patch", "federatedconfigmap", "pay", "--type=json", "-p", patch); err != nil {
		return err
	}
	if err := d.waitMatrix(ctx, changed); err != nil {
		return err
	}
	after, err := d.resourceVersion(ctx, cells[0])
	if err != nil {
		return err
	}
	if before != after {
		return fmt.Errorf("a change for rz00b changed the object in rz00a, from resource version %s to %s", before, after)
	}
	d.say.check("rz00b has log-level=warn, and in rz00a the object has the resource version that it had")
	return nil
}

// resourceVersion returns that of the ConfigMap pay in the cell's member.
func (d *demo) resourceVersion(ctx context.Context, c cell) (string, error) {
	object := &corev1.ConfigMap{}
	if err := d.env.Member(c.cluster).Client.Get(ctx, client.ObjectKey{Namespace: c.namespace, Name: "pay"}, object); err != nil {
		return "", fmt.Errorf("read the ConfigMap pay of the cell %s from %s: %w", c.name, c.cluster, err)
	}
	return object.ResourceVersion, nil
}

func (d *demo) existingUser(ctx context.Context) error {
	d.say.title("What a user of upstream KubeFed has goes on as ever: v1beta1, which names clusters")
	if err := d.doAll(ctx, "apply -f examples/cluster-topology.yaml"); err != nil {
		return err
	}
	return d.waitExistingUser(ctx)
}

func (d *demo) throughFacade(ctx context.Context) error {
	d.say.title("Through its façade a cell looks like a cluster of its own")
	var names []framework.CellName
	for _, c := range cells {
		names = append(names, framework.CellName{Namespace: namespace, Name: c.name})
	}
	if err := d.env.WriteKubeconfig(ctx, d.kubeconfig, names...); err != nil {
		return err
	}
	return d.doAll(ctx,
		"--context rz00b get namespaces",
		"--context rz00b get deployments,configmaps -A -l kubefed.io/managed=true",
	)
}

func (d *demo) inMembers(ctx context.Context) error {
	d.say.title("The members themselves, without anything in between")
	return d.doAll(ctx,
		"--context "+hangzhou+" get deployments,configmaps -A -l cellfed.io/managed=true -L cellfed.io/cell",
		"--context "+shanghai+" get deployments,configmaps -A -l cellfed.io/managed=true -L cellfed.io/cell",
		"--context "+hangzhou+" get configmaps -A -l kubefed.io/managed=true",
	)
}

// rest watches that two cells on one member come to rest, which two plain KubeFedClusters there never do.
func (d *demo) rest(ctx context.Context) error {
	d.say.title("Nothing flaps: upstream runs, and the members are not written to")
	marks := map[string]framework.AuditMark{}
	for name, member := range d.env.Members {
		mark, err := member.Mark()
		if err != nil {
			return err
		}
		marks[name] = mark
	}
	err := framework.Hold(ctx, quietTime, "the members' rest", func(context.Context) error {
		for name, member := range d.env.Members {
			writes, err := member.Writes(marks[name], func(w framework.Write) bool { return w.User == framework.MemberUser })
			if err != nil {
				return err
			}
			if len(writes) > 0 {
				return fmt.Errorf("%s was written to: %s", name, writes[0])
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.say.check(fmt.Sprintf("No write to either member in %s", quietTime))
	return nil
}
