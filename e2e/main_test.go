// Package e2e holds the stories of cellfed's users, told against real API servers, real upstream KubeFed v0.10.0 and
// the real manager, each a process of its own. One file is one story.
//
// The stories share one environment, which the first of them boots, and each has namespaces of its own. A story that
// takes something away puts it back. CELLFED_BIN names the binaries' directory, CELLFED_E2E_DIR keeps data and logs
// in a directory, CELLFED_E2E_WINDOW is how long a story watches that nothing is written, and
// CELLFED_E2E_PROPAGATOR=Cellfed tells the stories under the push reconciler.
package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	// hangzhou and shanghai are the members.
	hangzhou = "hz-a"
	shanghai = "sh-b"

	// soon bounds what takes upstream KubeFed some retries on a busy machine: its retry delay and its recheck of a
	// delete are seconds each.
	soon = 90 * time.Second
	// storiesAtATime is how many of the stories that can be are told side by side.
	storiesAtATime = "12"
	// defaultWindow is how long a story watches that nothing is written.
	defaultWindow = 90 * time.Second
)

// suite is what the stories share.
var suite struct {
	ctx  context.Context
	dir  string
	once sync.Once
	env  *framework.Environment
	err  error
}

func TestMain(m *testing.M) {
	// Stories that are told side by side wait for the clusters, not for a processor. The flag, where it is given, wins.
	if err := flag.Set("test.parallel", storiesAtATime); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	flag.Parse()
	os.Exit(framework.RunSuite("CELLFED_E2E_DIR", func(ctx context.Context, dir string) int {
		suite.ctx, suite.dir = ctx, dir
		return run(ctx, m)
	}))
}

// run tells the stories, and looks at what they left behind.
func run(ctx context.Context, m *testing.M) int {
	code := m.Run()
	if suite.env == nil || suite.err != nil {
		return code
	}
	// A process that died and was not missed is a failure too: upstream's, above all.
	err := suite.env.Err()
	if code == 0 && err == nil {
		err = framework.Poll(ctx, 2*soon, "the stories' cells to be gone", leftovers)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := suite.env.Stop(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// environment returns the environment that the stories share, and boots it for the first of them.
func environment(t *testing.T) *framework.Environment {
	t.Helper()
	suite.once.Do(func() {
		start := time.Now()
		suite.env, suite.err = framework.StartEnvironment(suite.ctx, framework.EnvironmentOptions{
			Dir: filepath.Join(suite.dir, "shared"),
			Members: []framework.MemberOptions{
				{Name: hangzhou, Labels: map[string]string{"city": "hangzhou"}, Workloads: true},
				{Name: shanghai, Labels: map[string]string{"city": "shanghai"}, Workloads: true},
			},
			Progress: func(line string) { t.Logf("%6s  %s", time.Since(start).Round(time.Second/10), line) },
		})
		if suite.err == nil && pushed() {
			suite.err = handOverAll(suite.ctx, suite.env)
		}
	})
	if suite.err != nil {
		t.Fatal(suite.err)
	}
	if err := suite.env.Err(); err != nil {
		t.Fatalf("the environment is not whole any more: %v", err)
	}
	return suite.env
}

// pushed reports whether the stories are told under the push reconciler, as CELLFED_E2E_PROPAGATOR=Cellfed has it.
func pushed() bool {
	return os.Getenv("CELLFED_E2E_PROPAGATOR") == string(cellfedv1alpha1.PropagatorCellfed)
}

// handOverAll hands every federated type to cellfed.
func handOverAll(ctx context.Context, env *framework.Environment) error {
	if err := settle(ctx, env); err != nil {
		return err
	}
	types, err := env.KubeFed.Types(ctx)
	if err != nil {
		return err
	}
	return env.Cellfed.HandOver(ctx, 2*soon, cellfedv1alpha1.PropagatorCellfed, types...)
}

// settle waits until upstream has worked off what it finds when it starts. Its controller of a type that is stopped while
// it waits for a member's informer waits on in vain, and ends the whole process after cacheSyncTimeout.
func settle(ctx context.Context, env *framework.Environment) error {
	const name = "settling"
	if err := env.Host.CreateNamespace(ctx, name, nil); err != nil {
		return err
	}
	object := framework.Federated{
		Version: v1beta1, Kind: "FederatedNamespace", Namespace: name, Name: name, Placement: []string{hangzhou, shanghai},
	}.Object()
	if err := env.Host.Client.Create(ctx, object); err != nil {
		return err
	}
	err := framework.Poll(ctx, 2*soon, "upstream to have started", func(ctx context.Context) error {
		if err := env.Host.Client.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		return well(hangzhou, shanghai).differs(object)
	})
	if err != nil {
		return err
	}
	if err := env.Host.Client.Delete(ctx, object); err != nil {
		return err
	}
	return framework.Poll(ctx, soon, "upstream to have deleted something", func(ctx context.Context) error {
		return gone(env.Host.Client.Get(ctx, client.ObjectKeyFromObject(object), object))
	})
}

// window returns how long a story watches that nothing is written.
func window(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("CELLFED_E2E_WINDOW")
	if text == "" {
		return defaultWindow
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		t.Fatalf("CELLFED_E2E_WINDOW is %q: give a time such as 2m", text)
	}
	return d
}

// leftovers names what the stories, each of which has deleted all that it made, have left behind.
func leftovers(ctx context.Context) error {
	host := suite.env.Host.Client
	cells := &cellfedv1alpha1.CellList{}
	if err := host.List(ctx, cells); err != nil {
		return err
	}
	for _, cell := range cells.Items {
		return fmt.Errorf("the Cell %s/%s is there: %v", cell.Namespace, cell.Name, cell.Status.Conditions)
	}
	clusters := &kubefedv1beta1.KubeFedClusterList{}
	if err := host.List(ctx, clusters, client.HasLabels{cellfedv1alpha1.GeneratedLabel}); err != nil {
		return err
	}
	for _, cluster := range clusters.Items {
		return fmt.Errorf("the KubeFedCluster %s is there", cluster.Name)
	}
	// The namespaces stay: to delete one takes the deletion of its FederatedNamespace, which cellfed never asks for.
	for name, member := range suite.env.Members {
		for _, list := range []client.ObjectList{&corev1.ConfigMapList{}, &appsv1.DeploymentList{}} {
			if err := member.Client.List(ctx, list, client.HasLabels{cellfedv1alpha1.ManagedLabel}); err != nil {
				return err
			}
			if meta.LenList(list) > 0 {
				return fmt.Errorf("%d objects of a %T are in %s", meta.LenList(list), list, name)
			}
		}
	}
	return nil
}
