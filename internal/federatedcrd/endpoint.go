package federatedcrd

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// URL returns the URL at which the API server calls the webhook: the configured URL, or that of the Service by its name
// in the cluster.
func URL(c apiextensionsv1.WebhookClientConfig) (string, error) {
	switch {
	case c.URL != nil && c.Service != nil:
		return "", fmt.Errorf("clientConfig has both url %q and service %s/%s: give one of them", *c.URL, c.Service.Namespace, c.Service.Name)
	case c.URL != nil:
		if !strings.HasPrefix(*c.URL, "https://") {
			return "", fmt.Errorf("clientConfig.url %q is not an https URL: the API server calls no other", *c.URL)
		}
		return *c.URL, nil
	case c.Service != nil:
		port := int32(443)
		if c.Service.Port != nil {
			port = *c.Service.Port
		}
		path := ""
		if c.Service.Path != nil {
			path = *c.Service.Path
		}
		host := net.JoinHostPort(c.Service.Name+"."+c.Service.Namespace+".svc", strconv.Itoa(int(port)))
		return "https://" + host + path, nil
	default:
		return "", fmt.Errorf("clientConfig has neither url nor service: give one of them")
	}
}
