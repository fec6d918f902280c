package certs

import (
	"crypto/x509"

	"github.com/prometheus/client_golang/prometheus"
)

var expiryDesc = prometheus.NewDesc("cellfed_certificate_expiry_timestamp_seconds",
	"When what this replica serves with ends, in seconds since the epoch: the serving certificate, and the CA that issued it.",
	[]string{"name"}, nil)

// NewCollector returns the metric of when the source's certificates end.
func NewCollector(source Source) prometheus.Collector { return collector{source} }

type collector struct{ source Source }

// Describe implements prometheus.Collector.
func (c collector) Describe(descs chan<- *prometheus.Desc) { descs <- expiryDesc }

// Collect implements prometheus.Collector.
func (c collector) Collect(samples chan<- prometheus.Metric) {
	served, err := c.source.GetCertificate(nil)
	if err != nil || served == nil || len(served.Certificate) == 0 {
		return
	}
	chain := make([]*x509.Certificate, 0, len(served.Certificate))
	for _, der := range served.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		chain = append(chain, cert)
	}
	send := func(name string, cert *x509.Certificate) {
		samples <- prometheus.MustNewConstMetric(expiryDesc, prometheus.GaugeValue, float64(cert.NotAfter.Unix()), name)
	}
	send("serving", chain[0])
	trusted, err := parseCertificates(c.source.Bundle())
	if err != nil {
		return
	}
	if ca := issuer(chain, trusted); ca != nil {
		send("ca", ca)
	}
}

// issuer returns the trusted certificate that the chain leads to; of several the one that lasts longest.
func issuer(chain, trusted []*x509.Certificate) *x509.Certificate {
	var found *x509.Certificate
	for _, ca := range trusted {
		for _, cert := range chain {
			if (cert.Equal(ca) || cert.CheckSignatureFrom(ca) == nil) && (found == nil || found.NotAfter.Before(ca.NotAfter)) {
				found = ca
			}
		}
	}
	return found
}
