// Package helmlife takes the chart cellfed through a release's whole life by the real helm, on a real host with two members,
// while upstream KubeFed and cellfed's manager run as the chart has them run: with the flags of its Deployments, the
// files of their volumes, and the rights of its service accounts. No kubelet is there; the test is one.
//
// CELLFED_BIN names the binaries' directory, CELLFED_HELM_DIR keeps data and logs in a directory.
package helmlife

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	// hangzhou and shanghai are the members.
	hangzhou = "hz-a"
	shanghai = "sh-b"

	// patience bounds what takes some retries on a busy machine, and that upstream's lease runs out.
	patience = 2 * time.Minute
	// calm is how long the members are watched once everything that was started has shown that it works.
	calm = 8 * time.Second

	system = framework.KubeFedNamespace
	// memberAccount is the account in a member whose token the host has.
	memberAccount = "cellfed-member"
)

var dir string

func TestMain(m *testing.M) {
	os.Exit(framework.RunSuite("CELLFED_HELM_DIR", func(_ context.Context, d string) int {
		dir = d
		if err := os.MkdirAll(dir, 0o700); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}))
}

// world is what the chart is installed into.
type world struct {
	host    *framework.Cluster
	members map[string]*framework.Cluster
	kubectl *framework.Kubectl
	// requests are those of the chart's service accounts to the host.
	requests *framework.RequestLog
	release  *release
	pods     *pods
	// beats counts how often the test has looked whether changes propagate.
	beats int
	// uninstalled is what there was before the release was uninstalled.
	uninstalled state
}

// story is the world as one part of the test sees it.
type story struct {
	*testing.T
	*world
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{members: map[string]*framework.Cluster{}}
	requests, flags, err := framework.NewRequestLog(dir, system)
	if err != nil {
		t.Fatal(err)
	}
	w.requests = requests
	w.host = framework.RunCluster(t, framework.Options{Name: "host", Dir: dir, Controllers: framework.HostControllers, ExtraArgs: flags})
	for _, name := range []string{hangzhou, shanghai} {
		w.members[name] = framework.RunCluster(t, framework.Options{Name: name, Dir: dir, Controllers: framework.MemberControllers, Audit: true})
	}
	// No pod would be let in that is not restricted.
	if err := w.host.CreateNamespace(t.Context(), system, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}); err != nil {
		t.Fatal(err)
	}
	if w.kubectl, err = w.host.Kubectl(); err != nil {
		t.Fatal(err)
	}
	w.release = newRelease(t, w.host)
	w.pods = &pods{host: w.host, running: map[string]*pod{}}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		if err := w.pods.stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// run runs kubectl against the host.
func (s *story) run(stdin, command string, more ...string) string {
	s.Helper()
	out, err := s.kubectl.Must(s.Context(), stdin, append(strings.Fields(command), more...)...)
	if err != nil {
		s.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func (s *story) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// join registers a member as kubefedctl does.
func (s *story) join(member *framework.Cluster) {
	s.Helper()
	s.must(member.CreateNamespace(s.Context(), system, nil))
	meta := metav1.ObjectMeta{Namespace: system, Name: memberAccount}
	for _, object := range []client.Object{
		&corev1.ServiceAccount{ObjectMeta: meta},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: meta.Name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: meta.Namespace, Name: meta.Name}},
		},
	} {
		s.must(member.Client.Create(s.Context(), object))
	}
	config, err := member.AccountConfig(s.Context(), system, memberAccount)
	s.must(err)
	meta = metav1.ObjectMeta{Namespace: system, Name: member.Name}
	s.must(s.host.Client.Create(s.Context(), &corev1.Secret{ObjectMeta: meta, StringData: map[string]string{"token": config.BearerToken}}))
	s.must(s.host.Client.Create(s.Context(), &kubefedv1beta1.KubeFedCluster{ObjectMeta: meta, Spec: kubefedv1beta1.KubeFedClusterSpec{
		APIEndpoint: config.Host, CABundle: config.CAData, SecretRef: kubefedv1beta1.LocalSecretReference{Name: meta.Name},
	}}))
}
