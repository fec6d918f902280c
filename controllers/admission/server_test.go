package admission_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/cellfed/cellfed/controllers/admission"
	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	patience = time.Minute
	user     = "admission-manager"
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// bundle is a CA bundle that the test changes.
type bundle struct {
	mu      sync.Mutex
	content []byte
	changes chan event.GenericEvent
}

func (b *bundle) Bundle() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.content
}

func (b *bundle) Changes() <-chan event.GenericEvent { return b.changes }

func (b *bundle) set(content []byte) {
	b.mu.Lock()
	b.content = content
	b.mu.Unlock()
	b.changes <- event.GenericEvent{}
}

// TestServer runs the controller, with no more rights than it is given, against a real API server and the configurations
// that are shipped.
func TestServer(t *testing.T) {
	cluster := framework.RunCluster(t, framework.Options{})
	f := &fixture{T: t, client: cluster.Client}
	authorities := [2][]byte{}
	for i := range authorities {
		certificates, err := framework.NewCertificates(t.TempDir())
		f.must(err)
		authorities[i] = certificates.CA()
	}
	config, err := cluster.Config()
	f.must(err)
	ca := &bundle{content: authorities[0], changes: make(chan event.GenericEvent, 1)}
	f.grant()
	f.run(config, ca)

	t.Log("Nothing is there; then what is there gets the bundle")
	configurations, err := framework.AdmissionConfigurations("https://127.0.0.1:1", "")
	f.must(err)
	f.must(cluster.Apply(t.Context(), configurations...))
	f.waitBundle(authorities[0])
	before := f.read()

	t.Log("The installation is applied again: the bundle is not its")
	f.must(cluster.Apply(t.Context(), configurations...))
	if diff := cmp.Diff(before, f.read()); diff != "" {
		t.Errorf("the configurations after the same was applied again: -want +got:\n%s", diff)
	}

	t.Log("Another authority")
	ca.set(authorities[1])
	f.waitBundle(authorities[1])

	t.Log("Somebody takes the bundle away from one webhook, and replaces another")
	mutating := &admissionregistrationv1.MutatingWebhookConfiguration{}
	f.must(f.client.Get(t.Context(), client.ObjectKey{Name: admission.MutatingName}, mutating))
	mutating.Webhooks[0].ClientConfig.CABundle = nil
	mutating.Webhooks[1].ClientConfig.CABundle = authorities[0]
	f.must(f.client.Update(t.Context(), mutating))
	f.waitBundle(authorities[1])

	t.Log("One set is removed and comes back")
	f.must(f.client.Delete(t.Context(), mutating))
	f.must(cluster.Apply(t.Context(), configurations...))
	f.waitBundle(authorities[1])

	t.Log("A release with one webhook less is applied, and then the one with it again")
	f.waitDisowned()
	fewer := configurations[0].DeepCopy()
	webhooks, _, err := unstructured.NestedSlice(fewer.Object, "webhooks")
	f.must(err)
	f.must(unstructured.SetNestedSlice(fewer.Object, webhooks[1:], "webhooks"))
	f.must(cluster.Apply(t.Context(), fewer))
	if got := len(f.read()[fewer.GetName()]); got != len(webhooks)-1 {
		t.Errorf("%d of %d webhooks are left of a release that has one less", got, len(webhooks))
	}
	f.must(cluster.Apply(t.Context(), configurations...))
	f.waitBundle(authorities[1])

	t.Log("Nothing but the bundle was ever another")
	after := f.read()
	for name := range after {
		for i := range after[name] {
			after[name][i].ClientConfig.CABundle, before[name][i].ClientConfig.CABundle = nil, nil
		}
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the configurations but for the bundle: -want +got:\n%s", diff)
	}
}

type fixture struct {
	*testing.T
	client client.Client
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// grant gives the user what the controller's markers say and nothing else.
func (f *fixture) grant() {
	f.Helper()
	verbs := []string{"get", "list", "watch", "patch"}
	rule := func(resource, name string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{"admissionregistration.k8s.io"}, Resources: []string{resource}, ResourceNames: []string{name}, Verbs: verbs}
	}
	f.must(f.client.Create(f.Context(), &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		Rules: []rbacv1.PolicyRule{
			rule("mutatingwebhookconfigurations", admission.MutatingName),
			rule("validatingwebhookconfigurations", admission.ValidatingName),
		},
	}))
	f.must(f.client.Create(f.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: user},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}},
	}))
}

// run runs the controller until the test ends.
func (f *fixture) run(config *rest.Config, ca *bundle) {
	f.Helper()
	scheme, err := framework.NewScheme()
	f.must(err)
	config = rest.CopyConfig(config)
	config.Impersonate.UserName = user
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme, Cache: cache.Options{ByObject: admission.ByObject()},
		Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
	})
	f.must(err)
	f.must(admission.SetupWithManager(mgr, admission.Options{CA: ca}))
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := mgr.Start(ctx); err != nil {
			f.Error(err)
		}
	})
	f.Cleanup(func() {
		cancel()
		group.Wait()
	})
}

// waitDisowned waits until nothing in the configurations is the controller's own.
func (f *fixture) waitDisowned() {
	f.Helper()
	framework.Eventually(f, patience, "the bundle to be nobody's", func(ctx context.Context) error {
		mutating, validating := &admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.ValidatingWebhookConfiguration{}
		for name, object := range map[string]client.Object{admission.MutatingName: mutating, admission.ValidatingName: validating} {
			if err := f.client.Get(ctx, client.ObjectKey{Name: name}, object); err != nil {
				return err
			}
			for _, entry := range object.GetManagedFields() {
				if entry.Manager == "cellfed" {
					return fmt.Errorf("%s has an entry of the controller's", name)
				}
			}
		}
		return nil
	})
}

// named is a webhook of either kind, as far as it is compared.
type named struct {
	Name         string
	ClientConfig admissionregistrationv1.WebhookClientConfig
	Rules        []admissionregistrationv1.RuleWithOperations
	Conditions   []admissionregistrationv1.MatchCondition
	Policy       admissionregistrationv1.FailurePolicyType
}

// read returns the webhooks by the name of their configuration.
func (f *fixture) read() map[string][]named {
	f.Helper()
	all, err := f.tryRead(f.Context())
	f.must(err)
	return all
}

func (f *fixture) tryRead(ctx context.Context) (map[string][]named, error) {
	mutating, validating := &admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := f.client.Get(ctx, client.ObjectKey{Name: admission.MutatingName}, mutating); err != nil {
		return nil, err
	}
	if err := f.client.Get(ctx, client.ObjectKey{Name: admission.ValidatingName}, validating); err != nil {
		return nil, err
	}
	all := map[string][]named{}
	for _, w := range mutating.Webhooks {
		all[mutating.Name] = append(all[mutating.Name], named{w.Name, w.ClientConfig, w.Rules, w.MatchConditions, *w.FailurePolicy})
	}
	for _, w := range validating.Webhooks {
		all[validating.Name] = append(all[validating.Name], named{w.Name, w.ClientConfig, w.Rules, w.MatchConditions, *w.FailurePolicy})
	}
	return all, nil
}

// waitBundle waits until every webhook has the bundle.
func (f *fixture) waitBundle(want []byte) {
	f.Helper()
	framework.Eventually(f, patience, "the bundle in all webhooks", func(ctx context.Context) error {
		all, err := f.tryRead(ctx)
		if err != nil {
			return err
		}
		for _, webhooks := range all {
			for _, w := range webhooks {
				if string(w.ClientConfig.CABundle) != string(want) {
					return fmt.Errorf("the webhook %s has another", w.Name)
				}
			}
		}
		return nil
	})
}
