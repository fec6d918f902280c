// Package options holds the manager's flags and what can be wrong with them.
package options

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	k8svalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/defaulting"
	"github.com/cellfed/cellfed/internal/validation"
)

// Options are the manager's flags.
type Options struct {
	// KubeFedNamespace is the namespace upstream KubeFed runs in, where its FederatedTypeConfigs, its KubeFedClusters
	// and the members' credentials are.
	KubeFedNamespace string

	// LeaderElect lets one of several replicas run the controllers. Every replica serves webhooks and the façade.
	LeaderElect bool
	// LeaderElectionNamespace is where the leader's Lease is. Empty means KubeFedNamespace.
	LeaderElectionNamespace string

	// MetricsAddress is where metrics are served; "0" turns them off.
	MetricsAddress string
	// MetricsSecure serves metrics over TLS, to those that the API server authenticates and authorizes.
	MetricsSecure bool
	// PprofAddress is where profiles are served, to whoever can reach it; "" or "0" turns them off.
	PprofAddress string
	// HealthAddress is where /healthz and /readyz are served.
	HealthAddress string

	// WebhookAddress is where the API server's webhooks are served.
	WebhookAddress string
	// WebhookURL is how the API server reaches WebhookAddress, when it is not by a Service. Empty means WebhookService.
	WebhookURL string
	// WebhookService is the Service, as namespace/name or namespace/name:port, by which the API server reaches
	// WebhookAddress.
	WebhookService string

	// FacadeAddress is where the façade is served.
	FacadeAddress string
	// FacadeURL is how upstream KubeFed reaches FacadeAddress.
	FacadeURL string
	// FacadeTokenLifetime is how long a cell's façade token is used before it is replaced.
	FacadeTokenLifetime time.Duration
	// FacadeTokenGrace is how long a replaced token is still good.
	FacadeTokenGrace time.Duration
	// FacadeTimeout bounds how long a member may take to answer a request that is not a watch.
	FacadeTimeout time.Duration

	// HandOverQuietPeriod is for how long nothing of upstream's must have been seen, after it stopped to propagate a type,
	// before the push reconciler begins.
	HandOverQuietPeriod time.Duration
	// StorageSettlePeriod is how long after a change of the stored version an API server may still store an object in the
	// former one.
	StorageSettlePeriod time.Duration
	// MemberQPS is how many requests a second the push reconciler sends to one member; 0 means no limit.
	MemberQPS float32
	// MemberTimeout bounds how long a member may take to answer the push reconciler.
	MemberTimeout time.Duration
	// MemberWorkers is how many objects the push reconciler writes to one member at a time.
	MemberWorkers int

	// DefaultPlacementMask is what becomes of the placement mask of a federated object when somebody changes what is
	// propagated and does not touch the mask, where the Namespace does not say.
	DefaultPlacementMask defaulting.MaskDefault
	// TenantChange is what becomes of a change of the tenant or workspace group of a Namespace, or of a cluster, that would
	// cut something off from clusters that hold it.
	TenantChange validation.TenantChange

	// Certificates say where the serving certificates come from.
	Certificates CertificateOptions
	// CertDir holds tls.crt, tls.key and ca.crt where somebody else makes them. They are read again when they change.
	CertDir string

	// Tracing says where traces go.
	Tracing TracingOptions

	// RemoveV2Beta1 takes the second version and the conversion from every federated CRD and ends, instead of running
	// the manager. No manager may run meanwhile.
	RemoveV2Beta1 bool
}

// Default returns the options that hold when no flag is given.
func Default() Options {
	return Options{
		KubeFedNamespace:    "kube-federation-system",
		MetricsAddress:      ":8443",
		MetricsSecure:       true,
		HealthAddress:       ":8081",
		WebhookAddress:      ":9443",
		WebhookService:      "kube-federation-system/cellfed-webhook",
		FacadeAddress:       ":9444",
		FacadeURL:           "https://cellfed-facade.kube-federation-system.svc:9444",
		FacadeTokenLifetime: 720 * time.Hour,
		FacadeTokenGrace:    10 * time.Minute,
		FacadeTimeout:       30 * time.Second,
		HandOverQuietPeriod: 10 * time.Second,
		StorageSettlePeriod: 65 * time.Second,
		MemberTimeout:       15 * time.Second,
		MemberWorkers:       32,

		DefaultPlacementMask: defaulting.MaskAll,
		TenantChange:         validation.RefuseTenantChange,

		Certificates: DefaultCertificates(),
		CertDir:      "/etc/cellfed/certs",

		Tracing: DefaultTracing(),
	}
}

// AddFlags adds a flag for every option, with the present value as the default.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.KubeFedNamespace, "kubefed-namespace", o.KubeFedNamespace, "The namespace upstream KubeFed runs in.")
	fs.BoolVar(&o.LeaderElect, "leader-elect", o.LeaderElect, "Let one of several replicas run the controllers; every replica serves webhooks and the façade.")
	fs.StringVar(&o.LeaderElectionNamespace, "leader-election-namespace", o.LeaderElectionNamespace, "The namespace of the leader's Lease (default the KubeFed namespace).")
	fs.StringVar(&o.MetricsAddress, "metrics-bind-address", o.MetricsAddress, `The host:port that serves metrics; "0" turns them off.`)
	fs.BoolVar(&o.MetricsSecure, "metrics-secure", o.MetricsSecure, "Serve metrics over TLS, to those that the API server authorizes.")
	fs.StringVar(&o.PprofAddress, "pprof-bind-address", o.PprofAddress, `The host:port that serves profiles (net/http/pprof) to whoever can reach it; "0" or nothing turns them off.`)
	fs.StringVar(&o.HealthAddress, "health-probe-bind-address", o.HealthAddress, "The host:port that serves /healthz and /readyz.")
	fs.StringVar(&o.WebhookAddress, "webhook-bind-address", o.WebhookAddress, "The host:port that serves the API server's webhooks.")
	fs.StringVar(&o.WebhookURL, "webhook-url", o.WebhookURL, "The https URL by which the API server reaches the webhooks, where no Service leads to them.")
	fs.StringVar(&o.WebhookService, "webhook-service", o.WebhookService, "The Service, as namespace/name[:port], by which the API server reaches the webhooks.")
	fs.StringVar(&o.FacadeAddress, "facade-bind-address", o.FacadeAddress, "The host:port that serves the façade.")
	fs.StringVar(&o.FacadeURL, "facade-url", o.FacadeURL, "The https URL by which upstream KubeFed reaches the façade.")
	fs.DurationVar(&o.FacadeTokenLifetime, "facade-token-lifetime", o.FacadeTokenLifetime, "How long a cell's façade token is used before it is replaced.")
	fs.DurationVar(&o.FacadeTokenGrace, "facade-token-grace", o.FacadeTokenGrace, "How long a replaced façade token is still good.")
	fs.DurationVar(&o.FacadeTimeout, "facade-timeout", o.FacadeTimeout, "How long a member may take to answer a request that is not a watch.")
	fs.DurationVar(&o.HandOverQuietPeriod, "handover-quiet-period", o.HandOverQuietPeriod, "How long nothing of upstream KubeFed's must have been seen, after it stopped to propagate a type, before the push reconciler begins.")
	fs.DurationVar(&o.StorageSettlePeriod, "storage-settle-period", o.StorageSettlePeriod, "How long after a change of the version that a type is stored in an API server may still store an object in the former one: the time that a request may take.")
	fs.Float32Var(&o.MemberQPS, "member-qps", o.MemberQPS, "How many requests a second the push reconciler sends to one member; 0 for no limit.")
	fs.DurationVar(&o.MemberTimeout, "member-timeout", o.MemberTimeout, "How long a member may take to answer the push reconciler.")
	fs.IntVar(&o.MemberWorkers, "member-workers", o.MemberWorkers, "How many objects the push reconciler writes to one member at a time.")
	fs.StringVar((*string)(&o.DefaultPlacementMask), "default-placement-mask", string(o.DefaultPlacementMask), "What becomes of a federated object's placement mask when its content is changed and the mask is not, where the Namespace's annotation "+v1alpha1.DefaultPlacementMaskAnnotation+" does not say: all leaves it as it was written, keep gives back the one that was there, none empties it, which holds everything.")
	fs.StringVar((*string)(&o.TenantChange), "tenant-change", string(o.TenantChange), "What becomes of a change of the tenant or workspace group of a Namespace, or of a cluster, that would cut something off from clusters that hold it: Refuse or Warn.")
	o.addCertificateFlags(fs)
	fs.StringVar(&o.CertDir, "cert-dir", o.CertDir, "The directory that holds tls.crt, tls.key and ca.crt with --certificates=Files, read again when they change.")
	o.addTracingFlags(fs)
	fs.BoolVar(&o.RemoveV2Beta1, "remove-v2beta1", o.RemoveV2Beta1, "Take v2beta1 and the conversion from every federated CRD, leave upstream's CRDs behind, and end. Stop every manager first: one that runs gives all of it back. Then delete the webhook configurations cellfed-mutating and cellfed-validating.")
}

// Validate returns what is wrong with the options: each error names the flag, its value and the way out.
func (o *Options) Validate() field.ErrorList {
	var errs field.ErrorList
	flag := func(name string) *field.Path { return field.NewPath("--" + name) }

	for _, msg := range k8svalidation.IsDNS1123Label(o.KubeFedNamespace) {
		errs = append(errs, field.Invalid(flag("kubefed-namespace"), o.KubeFedNamespace, msg))
	}
	if o.LeaderElectionNamespace != "" {
		for _, msg := range k8svalidation.IsDNS1123Label(o.LeaderElectionNamespace) {
			errs = append(errs, field.Invalid(flag("leader-election-namespace"), o.LeaderElectionNamespace, msg))
		}
	}
	for _, address := range []struct{ name, value string }{
		{"webhook-bind-address", o.WebhookAddress},
		{"facade-bind-address", o.FacadeAddress},
		{"health-probe-bind-address", o.HealthAddress},
		{"metrics-bind-address", o.MetricsAddress},
		{"pprof-bind-address", o.PprofAddress},
	} {
		off := address.value == "0" || address.value == "" && address.name == "pprof-bind-address"
		if off && (address.name == "metrics-bind-address" || address.name == "pprof-bind-address") {
			continue
		}
		// Nobody could know a port that is chosen at random; controller-runtime takes 0 for its default, too.
		if _, port, err := SplitHostPort(address.value); err != nil || port == 0 {
			errs = append(errs, field.Invalid(flag(address.name), address.value, "give host:port or :port, such as :9443"))
		}
	}
	errs = append(errs, validateURL(flag("facade-url"), o.FacadeURL)...)
	if o.WebhookURL != "" {
		errs = append(errs, validateURL(flag("webhook-url"), o.WebhookURL)...)
	} else if _, err := o.Service(); err != nil {
		errs = append(errs, field.Invalid(flag("webhook-service"), o.WebhookService, err.Error()))
	}
	for _, duration := range []struct {
		name  string
		value time.Duration
	}{
		{"facade-token-lifetime", o.FacadeTokenLifetime},
		{"facade-token-grace", o.FacadeTokenGrace},
		{"facade-timeout", o.FacadeTimeout},
		{"handover-quiet-period", o.HandOverQuietPeriod},
		{"storage-settle-period", o.StorageSettlePeriod},
		{"member-timeout", o.MemberTimeout},
	} {
		if duration.value <= 0 {
			errs = append(errs, field.Invalid(flag(duration.name), duration.value.String(), "give a time above zero, such as 10m"))
		}
	}
	if o.MemberQPS < 0 {
		errs = append(errs, field.Invalid(flag("member-qps"), o.MemberQPS, "give a number above zero, or 0 for no limit"))
	}
	if o.MemberWorkers < 1 {
		errs = append(errs, field.Invalid(flag("member-workers"), o.MemberWorkers, "give a number above zero, such as 32"))
	}
	if !slices.Contains(defaulting.MaskDefaults(), o.DefaultPlacementMask) {
		errs = append(errs, field.NotSupported(flag("default-placement-mask"), o.DefaultPlacementMask, defaulting.MaskDefaults()))
	}
	if changes := []validation.TenantChange{validation.RefuseTenantChange, validation.WarnTenantChange}; !slices.Contains(changes, o.TenantChange) {
		errs = append(errs, field.NotSupported(flag("tenant-change"), o.TenantChange, changes))
	}
	if o.RemoveV2Beta1 {
		return errs // Only a type that is stored in v2beta1 needs the webhook, and so the certificates.
	}
	errs = append(errs, o.validateTracing(flag)...)
	return append(errs, o.validateCertificates(flag)...)
}

func validateURL(path *field.Path, value string) field.ErrorList {
	u, err := url.Parse(value)
	switch {
	case err != nil:
		return field.ErrorList{field.Invalid(path, value, err.Error())}
	case u.Scheme != "https" || u.Host == "":
		return field.ErrorList{field.Invalid(path, value, "give an https URL, such as https://host:9443")}
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return field.ErrorList{field.Invalid(path, u.Redacted(), "give a URL without user, query or fragment")}
	}
	return nil
}

// Service is a Service and its port.
type Service struct {
	Namespace string
	Name      string
	// Port is the Service's port, not the pod's.
	Port int32
}

// Service parses WebhookService; the port is 443 where none is given.
func (o *Options) Service() (Service, error) {
	const way = "give namespace/name or namespace/name:port"
	namespace, rest, ok := strings.Cut(o.WebhookService, "/")
	if !ok || namespace == "" || rest == "" {
		return Service{}, fmt.Errorf("no namespace and name in it: %s", way)
	}
	name, portText, hasPort := strings.Cut(rest, ":")
	port := int64(443)
	if hasPort {
		var err error
		if port, err = strconv.ParseInt(portText, 10, 32); err != nil || port < 1 || port > 65535 {
			return Service{}, fmt.Errorf("port %q is not a number from 1 to 65535: %s", portText, way)
		}
	}
	for _, part := range []string{namespace, name} {
		if msgs := k8svalidation.IsDNS1123Label(part); len(msgs) > 0 {
			return Service{}, fmt.Errorf("%q cannot be a name (%s): %s", part, msgs[0], way)
		}
	}
	return Service{Namespace: namespace, Name: name, Port: int32(port)}, nil
}

// SplitHostPort splits an address into its host, which may be empty, and its port as a number.
func SplitHostPort(address string) (string, int, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("port %q of %q is not a number from 0 to 65535", portText, address)
	}
	return host, int(port), nil
}
