package storagemigration

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/e2e/framework"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/federatedcrd"
	"github.com/cellfed/cellfed/webhooks/conversion"
)

const (
	patience  = time.Minute
	namespace = "shop"

	// settle is enough for one API server that nobody else keeps busy.
	settle = time.Second
)

// host is the API server that all tests of the package share; each has a type of its own.
var host *framework.Cluster

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "cellfed-storagemigration-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx := context.Background()
	if host, err = framework.StartCluster(ctx, framework.Options{Name: "host", Dir: dir}); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, host.Stop(ctx)) }()
	if err := host.CreateNamespace(ctx, namespace, nil); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// world is a federated type in both versions and the webhook that converts it.
type world struct {
	*testing.T
	kind    string
	options federatedcrd.Options
	// conversions counts the objects that were converted.
	conversions atomic.Int64
}

// start makes a type that is stored in v1beta1.
func start(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, kind: "Federated" + strings.ReplaceAll(t.Name(), "/", "")}
	certificates, err := framework.NewCertificates(t.TempDir())
	w.must(err)
	pair, err := tls.LoadX509KeyPair(filepath.Join(certificates.Dir, "tls.crt"), filepath.Join(certificates.Dir, "tls.key"))
	w.must(err)
	handler := conversion.NewHandler(conversion.Options{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		w.conversions.Add(1)
		handler.ServeHTTP(out, in)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)

	w.options = federatedcrd.Options{
		Owner:        "kube-federation-system/" + w.plural(),
		ClientConfig: apiextensionsv1.WebhookClientConfig{URL: &server.URL, CABundle: certificates.CA()},
	}
	crd, err := federatedcrd.Upgrade(w.plain(), w.options)
	w.must(err)
	w.must(host.Client.Create(t.Context(), crd))
	w.served()
	return w
}

func (w *world) served() {
	w.Helper()
	for _, version := range []string{federated.V1Beta1, federated.V2Beta1} {
		framework.Eventually(w.T, patience, "the type in "+version, func(ctx context.Context) error {
			return host.Client.List(ctx, w.list(version))
		})
	}
}

func (w *world) plural() string { return strings.ToLower(w.kind) + "s" }

// plain returns the CRD as upstream would make it, with a finalizer's worth of schema.
func (w *world) plain() *apiextensionsv1.CustomResourceDefinition {
	anything := true
	free := apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: &anything}
	crd := &apiextensionsv1.CustomResourceDefinition{
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: federated.Group, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Kind: w.kind, ListKind: w.kind + "List", Plural: w.plural(), Singular: strings.ToLower(w.kind)},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: federated.V1Beta1, Served: true, Storage: true,
				Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{"spec": free, "status": free},
				}},
			}},
		},
	}
	crd.Name = w.plural() + "." + federated.Group
	return crd
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) crd() *apiextensionsv1.CustomResourceDefinition {
	w.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{}
	w.must(host.Client.Get(w.Context(), client.ObjectKey{Name: w.plural() + "." + federated.Group}, crd))
	return crd
}

// store makes the CRD store the version.
func (w *world) store(version string) {
	w.Helper()
	w.options.StorageVersion = version
	for {
		crd, err := federatedcrd.Upgrade(w.crd(), w.options)
		w.must(err)
		err = host.Client.Update(w.Context(), crd)
		if apierrors.IsConflict(err) {
			continue
		}
		w.must(err)
		return
	}
}

func (w *world) list(version string) *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion(federated.Group + "/" + version)
	list.SetKind(w.kind + "List")
	return list
}

// create makes an object that names the cell, with numbers that a careless reader would change.
func (w *world) create(version, name string) *unstructured.Unstructured {
	w.Helper()
	placement := map[string]any{"topologies": []any{map[string]any{"name": "rz00a"}}}
	if version == federated.V1Beta1 {
		placement = map[string]any{"clusters": []any{map[string]any{"name": namespace + ".rz00a"}}}
	}
	o := w.object(version, name)
	o.Object["spec"] = map[string]any{
		"topologyType": "cell", "placement": placement,
		"template": map[string]any{"data": map[string]any{"name": name, "big": int64(9007199254740993), "float": 1.5, "null": nil}},
	}
	w.must(host.Client.Create(w.Context(), o))
	return o
}

func (w *world) object(version, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{}}
	o.SetAPIVersion(federated.Group + "/" + version)
	o.SetKind(w.kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}

func (w *world) get(version, name string) *unstructured.Unstructured {
	w.Helper()
	o := w.object(version, name)
	w.must(host.Client.Get(w.Context(), client.ObjectKeyFromObject(o), o))
	return o
}

// stored says in which version an object is stored: the one in which it can be read without a conversion. A single object
// is always read from the datastore. The API server's own watch caches convert as well, for a moment after a write.
func (w *world) stored(name string) string {
	w.Helper()
	var stored string
	framework.Eventually(w.T, patience, "one version of "+name+" that needs no conversion", func(context.Context) error {
		var without []string
		for _, version := range []string{federated.V1Beta1, federated.V2Beta1} {
			before := w.conversions.Load()
			w.get(version, name)
			if w.conversions.Load() == before {
				without = append(without, version)
			}
		}
		if len(without) != 1 {
			return fmt.Errorf("there are %q", without)
		}
		stored = without[0]
		return nil
	})
	return stored
}

// raw is the object's JSON without its resourceVersion.
func (w *world) raw(version, name string) string {
	w.Helper()
	o := w.get(version, name)
	o.SetResourceVersion("")
	raw, err := json.Marshal(o)
	w.must(err)
	return string(raw)
}

func (w *world) migrator(o Options) *Migrator {
	if o.Settle == 0 {
		o.Settle = settle
	}
	return New(host.Client, host.Client, o)
}

// migrate goes on until nothing is left.
func (w *world) migrate(m *Migrator) {
	w.Helper()
	framework.Eventually(w.T, patience, "the migration", func(ctx context.Context) error {
		wait, err := m.Migrate(ctx, w.crd().Name, nil)
		if err == nil && wait > 0 {
			err = fmt.Errorf("%v to wait", wait)
		}
		return err
	})
}
