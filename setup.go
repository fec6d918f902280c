package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/controllers/admission"
	"github.com/cellfed/cellfed/controllers/cell"
	"github.com/cellfed/cellfed/controllers/federatedtype"
	"github.com/cellfed/cellfed/controllers/federatedtypepolicy"
	"github.com/cellfed/cellfed/controllers/propagation"
	"github.com/cellfed/cellfed/controllers/tenant"
	"github.com/cellfed/cellfed/internal/certs"
	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/facade"
	"github.com/cellfed/cellfed/internal/inventory"
	"github.com/cellfed/cellfed/internal/member"
	"github.com/cellfed/cellfed/internal/options"
	"github.com/cellfed/cellfed/internal/placementcache"
	"github.com/cellfed/cellfed/internal/tracing"
	"github.com/cellfed/cellfed/internal/wire"
	"github.com/cellfed/cellfed/webhooks/conversion"
	"github.com/cellfed/cellfed/webhooks/mutating"
	"github.com/cellfed/cellfed/webhooks/validating"
)

// stopTimeout is how long what is under way may take when the manager stops. It is longer than the façade drains.
const stopTimeout = facade.DefaultDrainTimeout + 10*time.Second

// tracesTimeout is how long the last traces may take to be sent after that.
const tracesTimeout = 2 * time.Second

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, kubefedv1beta1.AddToScheme, v1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("set up the types: %w", err)
		}
	}
	return scheme, nil
}

// newCertificates returns what the manager serves with, and what its clients are to trust.
func newCertificates(ctx context.Context, config *rest.Config, opts options.Options) (certs.Source, error) {
	if opts.Certificates.Mode == options.CertificatesFiles {
		return certs.New(opts.CertDir, 0)
	}
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	live, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("set up the certificates: %w", err)
	}
	clients := certs.HostClients{
		Reader: live, KubeFedNamespace: opts.KubeFedNamespace, WebhookURL: opts.WebhookURL, FacadeURL: opts.FacadeURL,
	}
	// A Service may lead to the webhooks beside the URL.
	if service, err := opts.Service(); err == nil {
		clients.ServiceNamespace, clients.ServiceName = service.Namespace, service.Name
	}
	return certs.NewRotator(ctx, live, certs.RotatorOptions{
		Secret: types.NamespacedName{Namespace: opts.KubeFedNamespace, Name: opts.Certificates.Secret},
		Names:  opts.CertificateNames(),
		Lifetimes: certs.Lifetimes{
			Serving: opts.Certificates.Lifetime, Authority: opts.Certificates.AuthorityLifetime, Settle: opts.Certificates.SettlePeriod,
		},
		Clients: clients,
	})
}

// servingTLS sets up TLS for webhooks and metrics. They speak HTTP/1.1 alone, as kubebuilder has it: API servers use no other
// to webhooks (kubernetes/kubernetes#75791) but those on their own host, and one connection cannot ask for much at once.
func servingTLS(certificates certs.Source) func(*tls.Config) {
	return func(c *tls.Config) {
		c.MinVersion = tls.VersionTLS12
		c.NextProtos = []string{"http/1.1"}
		c.GetCertificate = certificates.GetCertificate
	}
}

// newManager returns a manager that serves with the certificates and caches no more than the controllers read.
func newManager(config *rest.Config, opts options.Options, certificates certs.Source) (ctrl.Manager, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	host, port, err := options.SplitHostPort(opts.WebhookAddress)
	if err != nil {
		return nil, fmt.Errorf("set up the webhook server: %w", err)
	}
	serve := servingTLS(certificates)
	measured := metricsserver.Options{BindAddress: opts.MetricsAddress, SecureServing: opts.MetricsSecure}
	if opts.MetricsSecure {
		measured.TLSOpts = []func(*tls.Config){serve}
		measured.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	leaderNamespace := opts.LeaderElectionNamespace
	if leaderNamespace == "" {
		leaderNamespace = opts.KubeFedNamespace
	}
	drain := stopTimeout
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                  scheme,
		MapperProvider:          newMapper,
		Cache:                   cache.Options{ByObject: byObject(opts.KubeFedNamespace)},
		Metrics:                 measured,
		HealthProbeBindAddress:  opts.HealthAddress,
		PprofBindAddress:        opts.PprofAddress,
		WebhookServer:           webhook.NewServer(webhook.Options{Host: host, Port: port, TLSOpts: []func(*tls.Config){serve}}),
		LeaderElection:          opts.LeaderElect,
		LeaderElectionNamespace: leaderNamespace,
		LeaderElectionID:        "cellfed-manager",
		// The process ends when the manager does, so another replica need not wait for the lease to run out.
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       &drain,
	})
	if err != nil {
		return nil, fmt.Errorf("set up the manager: %w", err)
	}
	if err := errors.Join(mgr.Add(certificates), metrics.Registry.Register(certs.NewCollector(certificates))); err != nil {
		return nil, fmt.Errorf("set up the certificates: %w", err)
	}
	return mgr, nil
}

// byObject keeps the manager's cache to what its controllers read.
func byObject(namespace string) map[client.Object]cache.ByObject {
	objects := cell.ByObject(namespace)
	maps.Copy(objects, admission.ByObject())
	// It is looked at for every object that is propagated, and never changed.
	objects[&kubefedv1beta1.KubeFedConfig{}] = cache.ByObject{Namespaces: map[string]cache.Config{namespace: {}}, UnsafeDisableDeepCopy: new(true)}
	return objects
}

// setupFacade adds the façade and the connections to members that it stands on.
func setupFacade(ctx context.Context, mgr ctrl.Manager, opts options.Options, certificates certs.Source, pool *member.Pool) (*facade.Server, error) {
	log := mgr.GetLogger().WithName("facade")
	if err := facade.IndexTokens(ctx, mgr.GetFieldIndexer()); err != nil {
		return nil, err
	}
	handler, err := facade.NewHandler(facade.Options{
		Resolver:   &facade.ClusterResolver{Reader: mgr.GetClient(), KubeFedNamespace: opts.KubeFedNamespace, Pool: pool},
		Log:        log,
		Timeout:    opts.FacadeTimeout,
		Fence:      fence(mgr.GetClient(), opts.KubeFedNamespace),
		Registerer: metrics.Registry,
	})
	if err != nil {
		return nil, err
	}
	server := &facade.Server{Handler: handler, Address: opts.FacadeAddress, GetCertificate: certificates.GetCertificate, Log: log}
	follower := &member.Follower{Pool: pool, Cache: mgr.GetCache(), Namespace: opts.KubeFedNamespace, Log: mgr.GetLogger().WithName("member")}
	return server, errors.Join(mgr.Add(follower), mgr.Add(server))
}

// newTracer returns what records spans, nil where tracing is off.
func newTracer(ctx context.Context, opts options.Options) (*tracing.Tracer, error) {
	return tracing.Setup(ctx, tracing.Options{
		Endpoint: opts.Tracing.Endpoint, SamplingRate: opts.Tracing.SamplingRate, Insecure: opts.Tracing.Insecure,
		CAFile: opts.Tracing.CAFile, Version: version, Log: ctrl.Log.WithName("tracing"),
	})
}

// endTraces sends what is left of the traces, if that does not take long: the end of the manager is not theirs to delay.
func endTraces(tracer *tracing.Tracer) {
	ctx, cancel := context.WithTimeout(context.Background(), tracesTimeout)
	defer cancel()
	if err := tracer.Shutdown(ctx); err != nil {
		ctrl.Log.Info("Traces are lost, because the manager ends", "reason", err.Error())
	}
}

// setupWebhooks serves what API servers ask, on every replica.
func setupWebhooks(ctx context.Context, mgr ctrl.Manager, opts options.Options, tracer *tracing.Tracer) error {
	server := mgr.GetWebhookServer()
	conversion.SetupWithServer(server, conversion.Options{Tracer: tracer})
	objects, err := wire.NewDynamic(mgr.GetConfig(), mgr.GetHTTPClient(), placementcache.Unread)
	if err != nil {
		return fmt.Errorf("set up the webhooks: %w", err)
	}
	// Of what only the leader's controllers watch, the other replicas are asked too.
	namespaces := &metav1.PartialObjectMetadata{}
	namespaces.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	asked := []client.Object{
		namespaces, &v1alpha1.FederatedTypePolicy{},
		&admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.ValidatingWebhookConfiguration{},
	}
	for _, object := range asked {
		if _, err := mgr.GetCache().GetInformer(ctx, object, cache.BlockUntilSynced(false)); err != nil {
			return fmt.Errorf("set up the webhooks: %w", err)
		}
	}
	known := &inventory.Inventory{Reader: mgr.GetCache(), Live: mgr.GetAPIReader(), KubeFedNamespace: opts.KubeFedNamespace}
	return errors.Join(
		inventory.IndexFields(ctx, mgr.GetFieldIndexer()),
		mutating.Setup(server, mutating.Options{Lookups: known, KubeFedNamespace: opts.KubeFedNamespace, DefaultMask: opts.DefaultPlacementMask, Tracer: tracer}),
		validating.Setup(server, validating.Options{
			Inventory: known, Live: mgr.GetAPIReader(), Placements: inventory.NewPlacements(known, objects), TenantChange: opts.TenantChange,
			Tracer: tracer,
		}),
	)
}

// fence returns why a resource is not to be written through the façade: cellfed propagates its type. It reads from the
// manager's cache, which a replica that does not lead fills at the first question.
func fence(reader client.Reader, namespace string) func(ctx context.Context, group, resource string) string {
	return func(ctx context.Context, group, resource string) string {
		var policies v1alpha1.FederatedTypePolicyList
		var configs kubefedv1beta1.FederatedTypeConfigList
		err := errors.Join(
			reader.List(ctx, &policies, client.InNamespace(namespace)),
			reader.List(ctx, &configs, client.InNamespace(namespace)))
		if err != nil {
			return "it is not known who propagates it: " + err.Error()
		}
		return engine.FencedResources(policies.Items, configs.Items)[schema.GroupResource{Group: group, Resource: resource}]
	}
}

func setupControllers(mgr ctrl.Manager, opts options.Options, certificates certs.Source, pool *member.Pool, tracer *tracing.Tracer) error {
	webhook, err := webhookClientConfig(opts)
	if err != nil {
		return err
	}
	err = federatedtype.SetupWithManager(mgr, federatedtype.Options{
		Namespace: opts.KubeFedNamespace,
		Webhook:   webhook,
		CA:        certificates,

		StorageSettle: opts.StorageSettlePeriod,
	})
	if err != nil {
		return err
	}
	propagator, members, err := propagation.SetupWithManager(mgr, propagation.Options{
		KubeFedNamespace: opts.KubeFedNamespace,
		Pool:             pool,
		MemberQPS:        opts.MemberQPS,
		MemberTimeout:    opts.MemberTimeout,
		MemberWorkers:    opts.MemberWorkers,
		Tracer:           tracer,
	})
	if err != nil {
		return err
	}
	err = federatedtypepolicy.SetupWithManager(mgr, federatedtypepolicy.Options{
		Namespace:   opts.KubeFedNamespace,
		Runner:      propagator,
		QuietPeriod: opts.HandOverQuietPeriod,
	})
	if err != nil {
		return err
	}
	if err := tenant.SetupWithManager(mgr, tenant.Options{KubeFedNamespace: opts.KubeFedNamespace}); err != nil {
		return err
	}
	if err := admission.SetupWithManager(mgr, admission.Options{CA: certificates}); err != nil {
		return err
	}
	return cell.SetupWithManager(mgr, cell.Options{
		KubeFedNamespace: opts.KubeFedNamespace,
		FacadeURL:        opts.FacadeURL,
		CABundle:         certificates,
		CAChanges:        certificates.Changes(),
		TokenLifetime:    opts.FacadeTokenLifetime,
		TokenGrace:       opts.FacadeTokenGrace,
		Members:          members,
	})
}

// webhookClientConfig returns how API servers reach the conversion.
func webhookClientConfig(opts options.Options) (apiextensionsv1.WebhookClientConfig, error) {
	if opts.WebhookURL != "" {
		url := strings.TrimSuffix(opts.WebhookURL, "/") + conversion.Path
		return apiextensionsv1.WebhookClientConfig{URL: &url}, nil
	}
	service, err := opts.Service()
	if err != nil {
		return apiextensionsv1.WebhookClientConfig{}, fmt.Errorf("--webhook-service %q: %w", opts.WebhookService, err)
	}
	path := conversion.Path
	return apiextensionsv1.WebhookClientConfig{Service: &apiextensionsv1.ServiceReference{
		Namespace: service.Namespace, Name: service.Name, Port: &service.Port, Path: &path,
	}}, nil
}

// setupHealth makes the manager ready once it serves webhooks and the façade, its caches hold what there is, and API servers
// are told to trust it.
func setupHealth(mgr ctrl.Manager, server *facade.Server, certificates certs.Source) error {
	return errors.Join(
		mgr.AddHealthzCheck("ping", healthz.Ping),
		mgr.AddReadyzCheck("webhook", mgr.GetWebhookServer().StartedChecker()),
		mgr.AddReadyzCheck("facade", server.Check),
		mgr.AddReadyzCheck("caches", func(req *http.Request) error {
			ctx, cancel := context.WithTimeout(req.Context(), time.Second)
			defer cancel()
			if !mgr.GetCache().WaitForCacheSync(ctx) {
				return errors.New("caches are not synced")
			}
			return nil
		}),
		mgr.AddReadyzCheck("admission", admission.Trusted(mgr.GetCache(), certificates)),
	)
}
