package helmlife

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/e2e/framework"
)

// pace is how often each kind of client asks.
const pace = 20 * time.Millisecond

// caller is who asks the manager by the CAs that an object of the host's names.
type caller struct {
	name   string
	port   int
	bundle []byte
}

// clients returns all that have been told the manager's CAs.
func (s *story) clients(ctx context.Context) ([]caller, error) {
	mutating, validating := &admissionregistrationv1.MutatingWebhookConfigurationList{}, &admissionregistrationv1.ValidatingWebhookConfigurationList{}
	definitions, clusters := &apiextensionsv1.CustomResourceDefinitionList{}, &kubefedv1beta1.KubeFedClusterList{}
	for _, list := range []client.ObjectList{mutating, validating, definitions, clusters} {
		if err := s.host.Client.List(ctx, list); err != nil {
			return nil, err
		}
	}
	var all []caller
	for i := range mutating.Items {
		for _, w := range mutating.Items[i].Webhooks {
			all = append(all, caller{w.Name, s.release.webhook, w.ClientConfig.CABundle})
		}
	}
	for i := range validating.Items {
		for _, w := range validating.Items[i].Webhooks {
			all = append(all, caller{w.Name, s.release.webhook, w.ClientConfig.CABundle})
		}
	}
	kinds := map[string]int{"webhooks": len(all)}
	for i := range definitions.Items {
		if conversion := definitions.Items[i].Spec.Conversion; conversion != nil && conversion.Webhook != nil {
			kinds["conversions"]++
			all = append(all, caller{definitions.Items[i].Name, s.release.webhook, conversion.Webhook.ClientConfig.CABundle})
		}
	}
	facade := fmt.Sprintf("https://127.0.0.1:%d", s.release.facade)
	for i := range clusters.Items {
		if cluster := &clusters.Items[i]; strings.HasPrefix(cluster.Spec.APIEndpoint, facade) {
			kinds["cells"]++
			all = append(all, caller{cluster.Name, s.release.facade, cluster.Spec.CABundle})
		}
	}
	if kinds["webhooks"] == 0 || kinds["conversions"] != 3 || kinds["cells"] != len(homes) {
		return nil, fmt.Errorf("the clients are %v", kinds)
	}
	return all, nil
}

// connect makes a new connection to a port of the manager's by the CAs, and returns the certificate that is served there.
func connect(ctx context.Context, port int, bundle []byte) (*x509.Certificate, error) {
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(bundle) {
		return nil, errors.New("there is no CA")
	}
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: authorities}}
	connection, err := dialer.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	served := connection.(*tls.Conn).ConnectionState().PeerCertificates[0]
	return served, connection.Close()
}

// connected has every client connect anew by what it has been told.
func (s *story) connected(ctx context.Context) error {
	clients, err := s.clients(ctx)
	if err != nil {
		return err
	}
	for _, client := range clients {
		if _, err := connect(ctx, client.port, client.bundle); err != nil {
			return fmt.Errorf("%s: %w", client.name, err)
		}
	}
	return nil
}

// converted reads an object in the version that it is not stored in.
func (s *story) converted(ctx context.Context) error {
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "types.kubefed.io/v2beta1", "kind": "FederatedConfigMap"}}
	return s.host.Client.Get(ctx, client.ObjectKey{Namespace: "acme-prod", Name: beat}, object)
}

// unharmed has all kinds of clients ask the manager again and again while a part of the story goes on. None of them may fail.
func (s *story) unharmed(part func()) {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	asks := map[string]func(context.Context) error{"connections": s.connected, "judgments": s.judged, "conversions": s.converted}
	var (
		group  sync.WaitGroup
		mu     sync.Mutex
		asked  = map[string]int{}
		failed []string
	)
	for what, ask := range asks {
		group.Go(func() {
			for ticker := time.Tick(pace); ctx.Err() == nil; {
				err := ask(ctx)
				if ctx.Err() != nil {
					return
				}
				mu.Lock()
				asked[what]++
				if err != nil {
					failed = append(failed, what+": "+err.Error())
				}
				mu.Unlock()
				select {
				case <-ctx.Done():
				case <-ticker:
				}
			}
		})
	}
	framework.Eventually(s, patience, "clients to ask", func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if len(asked) < len(asks) {
			return fmt.Errorf("only these have: %v", asked)
		}
		return nil
	})
	part()
	cancel()
	group.Wait()
	s.Logf("asked %v times, failed %d times", asked, len(failed))
	for _, failure := range failed[:min(len(failed), 10)] {
		s.Errorf("failed: %s", failure)
	}
}
