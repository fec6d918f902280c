package options

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// CertificateMode is who makes the serving certificates.
type CertificateMode string

const (
	// CertificatesSelfManaged has the manager make and renew them, in a Secret.
	CertificatesSelfManaged CertificateMode = "SelfManaged"
	// CertificatesFiles has somebody else, such as cert-manager, put them into a directory.
	CertificatesFiles CertificateMode = "Files"
)

// CertificateOptions are the flags about certificates. All but Mode are for those that the manager makes.
type CertificateOptions struct {
	// Mode is who makes the certificates.
	Mode CertificateMode
	// Secret is the Secret in the KubeFed namespace that holds them.
	Secret string
	// Names are DNS names and IPs that clients reach the manager by, beside those in its URLs and its webhook Service.
	Names []string
	// Lifetime is how long a serving certificate is valid; it is renewed after two thirds of that.
	Lifetime time.Duration
	// AuthorityLifetime is how long the CA is valid; its successor is announced after two thirds of that.
	AuthorityLifetime time.Duration
	// SettlePeriod is for how long all clients must have trusted a new CA before it issues what is served.
	SettlePeriod time.Duration
}

// The least that leaves the manager time to renew.
const (
	leastLifetime = 30 * time.Second
	leastSettle   = time.Second
)

// DefaultCertificates returns the options that hold when no flag is given.
func DefaultCertificates() CertificateOptions {
	return CertificateOptions{
		Mode:              CertificatesSelfManaged,
		Secret:            "cellfed-self-managed-cert",
		Names:             []string{"cellfed-metrics.kube-federation-system.svc"},
		Lifetime:          2160 * time.Hour,
		AuthorityLifetime: 17520 * time.Hour,
		SettlePeriod:      10 * time.Minute,
	}
}

func (o *Options) addCertificateFlags(fs *pflag.FlagSet) {
	c := &o.Certificates
	fs.StringVar((*string)(&c.Mode), "certificates", string(c.Mode), "Who makes the serving certificates: SelfManaged, the manager in a Secret, or Files, somebody else in --cert-dir.")
	fs.StringVar(&c.Secret, "certificate-secret", c.Secret, "The Secret in the KubeFed namespace that holds the certificates that the manager makes.")
	fs.StringSliceVar(&c.Names, "certificate-names", c.Names, "DNS names and IPs that the certificates that the manager makes are for, beside those of --webhook-service, --webhook-url and --facade-url.")
	fs.DurationVar(&c.Lifetime, "certificate-lifetime", c.Lifetime, "How long a serving certificate that the manager makes is valid. It is renewed after two thirds of that.")
	fs.DurationVar(&c.AuthorityLifetime, "certificate-authority-lifetime", c.AuthorityLifetime, "How long the CA of the certificates that the manager makes is valid. Its successor is announced after two thirds of that.")
	fs.DurationVar(&c.SettlePeriod, "certificate-settle-period", c.SettlePeriod, "For how long all clients must have been seen to trust a new CA before it issues what is served, and how long the one before is still trusted.")
}

// validateCertificates returns what is wrong with where the certificates come from.
func (o *Options) validateCertificates(flag func(name string) *field.Path) field.ErrorList {
	c := &o.Certificates
	switch c.Mode {
	case CertificatesSelfManaged:
		return c.validateSelfManaged(flag)
	case CertificatesFiles:
		var errs field.ErrorList
		for _, name := range []string{"tls.crt", "tls.key", "ca.crt"} {
			if f, err := os.Open(filepath.Join(o.CertDir, name)); err != nil {
				errs = append(errs, field.Invalid(flag("cert-dir"), o.CertDir, fmt.Sprintf("%v: give a directory with a readable tls.crt, tls.key and ca.crt, or --certificates=SelfManaged", err)))
			} else {
				_ = f.Close()
			}
		}
		return errs
	}
	return field.ErrorList{field.NotSupported(flag("certificates"), c.Mode, []CertificateMode{CertificatesFiles, CertificatesSelfManaged})}
}

func (c *CertificateOptions) validateSelfManaged(flag func(name string) *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, msg := range validation.IsDNS1123Subdomain(c.Secret) {
		errs = append(errs, field.Invalid(flag("certificate-secret"), c.Secret, msg))
	}
	for _, name := range c.Names {
		if net.ParseIP(name) == nil && len(validation.IsDNS1123Subdomain(name)) > 0 {
			errs = append(errs, field.Invalid(flag("certificate-names"), name, "give a DNS name or an IP, without a port"))
		}
	}
	if c.Lifetime < leastLifetime {
		errs = append(errs, field.Invalid(flag("certificate-lifetime"), c.Lifetime.String(), fmt.Sprintf("give %s or more, such as 2160h", leastLifetime)))
	}
	if c.AuthorityLifetime < c.Lifetime {
		errs = append(errs, field.Invalid(flag("certificate-authority-lifetime"), c.AuthorityLifetime.String(),
			fmt.Sprintf("a serving certificate cannot outlive its CA: give no less than --certificate-lifetime, which is %s", c.Lifetime)))
	}
	// A former CA is trusted until what is served now has been served for the settle period, which is two thirds of its lifetime at most.
	if longest := c.Lifetime / 2; c.SettlePeriod > longest {
		errs = append(errs, field.Invalid(flag("certificate-settle-period"), c.SettlePeriod.String(),
			fmt.Sprintf("give no more than half of --certificate-lifetime, which is %s", longest)))
	}
	// A successor that is announced after two thirds must have settled before eleven twelfths.
	if longest := c.AuthorityLifetime / 6; c.SettlePeriod < leastSettle || c.SettlePeriod > longest {
		errs = append(errs, field.Invalid(flag("certificate-settle-period"), c.SettlePeriod.String(),
			fmt.Sprintf("give %s or more, and no more than a sixth of --certificate-authority-lifetime, which is %s", leastSettle, longest)))
	}
	return errs
}

// CertificateNames returns the DNS names and IPs that clients reach the manager by. The options must be valid.
func (o *Options) CertificateNames() []string {
	names := slices.Clone(o.Certificates.Names)
	if service, err := o.Service(); err == nil {
		names = append(names, service.Name+"."+service.Namespace+".svc")
	}
	for _, address := range []string{o.WebhookURL, o.FacadeURL} {
		if u, err := url.Parse(address); err == nil && u.Hostname() != "" {
			names = append(names, strings.ToLower(u.Hostname()))
		}
	}
	for _, name := range slices.Clone(names) {
		if strings.HasSuffix(name, ".svc") {
			names = append(names, name+".cluster.local")
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
