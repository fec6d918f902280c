package framework

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"
)

// managerAccount is the service account that config/rbac gives the manager's rights to.
const managerAccount = "manager"

// ManagerUser is the name that cellfed's manager has in the host.
const ManagerUser = "system:serviceaccount:" + KubeFedNamespace + ":" + managerAccount

// Cellfed is cellfed's manager on a host cluster.
type Cellfed struct {
	// Certificates are those that the manager serves with.
	Certificates *Certificates
	// Kubeconfig is that of the manager's service account, which has the rights that config/rbac gives it.
	Kubeconfig string
	// ExtraArgs are added to the manager's flags when it is started.
	ExtraArgs []string
	// Env is added to the manager's environment when it is started, each entry as key=value.
	Env []string
	// FailurePolicy is what becomes of a write that the manager does not answer for. Empty means what is shipped: it is
	// refused. It counts when the manager is started for the first time.
	FailurePolicy admissionregistrationv1.FailurePolicyType

	host    *Cluster
	bin     string
	webhook int
	facade  int
	health  int
	metrics string
	process *Process
	// admits says that the webhook configurations are installed.
	admits bool
}

// InstallCellfed installs cellfed's CRDs and the manager's rights from config/, without starting it.
func InstallCellfed(ctx context.Context, host *Cluster) (*Cellfed, error) {
	bin, err := Binary("manager")
	if err != nil {
		return nil, err
	}
	crds, err := readConfig("crd/bases/*.yaml")
	if err != nil {
		return nil, err
	}
	if err := host.applyCRDs(ctx, crds); err != nil {
		return nil, err
	}
	c := &Cellfed{host: host, bin: bin}
	if err := c.installAccount(ctx); err != nil {
		return nil, err
	}
	dir := filepath.Dir(host.Dir)
	if c.Certificates, err = NewCertificates(filepath.Join(dir, "certs")); err != nil {
		return nil, err
	}
	for _, port := range []*int{&c.webhook, &c.facade, &c.health} {
		if *port, err = FreePort(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// readConfig returns the objects in the files of config/ that the pattern names.
func readConfig(pattern string) ([]*unstructured.Unstructured, error) {
	root, err := ModuleRoot()
	if err != nil {
		return nil, err
	}
	paths, err := filepath.Glob(filepath.Join(root, "config", pattern))
	if err != nil {
		return nil, fmt.Errorf("find config/%s: %w", pattern, err)
	}
	var manifests []string
	for _, path := range paths {
		if filepath.Base(path) != "kustomization.yaml" {
			manifests = append(manifests, path)
		}
	}
	if len(manifests) == 0 {
		return nil, fmt.Errorf("no file is named config/%s: run \"make generate\"", pattern)
	}
	return ReadManifests(manifests...)
}

// installAccount applies config/rbac and writes a kubeconfig of the manager's account.
func (c *Cellfed) installAccount(ctx context.Context) error {
	objects, err := readConfig("rbac/*.yaml")
	if err != nil {
		return err
	}
	for _, object := range objects {
		if err := inKubeFedNamespace(object); err != nil {
			return err
		}
	}
	if err := c.host.Apply(ctx, objects...); err != nil {
		return err
	}
	token, err := c.host.newToken(ctx, KubeFedNamespace, managerAccount)
	if err != nil {
		return err
	}
	config, err := c.host.Config()
	if err != nil {
		return err
	}
	if err := rest.LoadTLSFiles(config); err != nil {
		return fmt.Errorf("read the kubeconfig of %s: %w", c.host.Name, err)
	}
	c.Kubeconfig = filepath.Join(filepath.Dir(c.host.Dir), "manager.kubeconfig")
	return writeKubeconfig(c.Kubeconfig, "", map[string]*rest.Config{managerAccount: {
		Host: config.Host, BearerToken: string(token), TLSClientConfig: rest.TLSClientConfig{CAData: config.CAData},
	}})
}

// inKubeFedNamespace puts an object of config/rbac into the KubeFed namespace, which kustomize does for users.
func inKubeFedNamespace(object *unstructured.Unstructured) error {
	switch object.GetKind() {
	case "ServiceAccount", "Role", "RoleBinding":
		if object.GetNamespace() == "" {
			object.SetNamespace(KubeFedNamespace)
		}
	}
	subjects, found, err := unstructured.NestedSlice(object.Object, "subjects")
	if err != nil {
		return fmt.Errorf("read the subjects of %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	if !found {
		return nil
	}
	for _, subject := range subjects {
		if fields, ok := subject.(map[string]any); ok && fields["kind"] == "ServiceAccount" {
			fields["namespace"] = KubeFedNamespace
		}
	}
	if err := unstructured.SetNestedSlice(object.Object, subjects, "subjects"); err != nil {
		return fmt.Errorf("set the subjects of %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}

func (c *Cellfed) args() []string {
	metrics := []string{"--metrics-bind-address", "0"}
	if c.metrics != "" {
		metrics = []string{"--metrics-bind-address", c.metrics, "--metrics-secure=false"}
	}
	return slices.Concat([]string{
		"--kubeconfig", c.Kubeconfig, "--kubefed-namespace", KubeFedNamespace,
		"--health-probe-bind-address", fmt.Sprintf("127.0.0.1:%d", c.health),
		"--webhook-bind-address", fmt.Sprintf("127.0.0.1:%d", c.webhook),
		"--facade-bind-address", fmt.Sprintf("127.0.0.1:%d", c.facade),
		"--certificates", "Files", "--cert-dir", c.Certificates.Dir,
		"--webhook-url", c.webhookURL(),
		"--facade-url", c.FacadeURL(),
		// Nothing here takes a minute to be answered.
		"--storage-settle-period", "1s",
		"--zap-log-level", "debug",
	}, metrics, c.ExtraArgs)
}

// FacadeURL returns the façade's address.
func (c *Cellfed) FacadeURL() string { return fmt.Sprintf("https://127.0.0.1:%d", c.facade) }

// Start starts the manager and waits until it is ready. The first time it then installs the webhook configurations: they
// refuse every write that no manager answers for.
func (c *Cellfed) Start(ctx context.Context) error {
	if running(c.process) {
		return nil
	}
	if err := c.start(ctx); err != nil {
		return err
	}
	return c.InstallAdmission(ctx)
}

func (c *Cellfed) start(ctx context.Context) error {
	var err error
	c.process, err = Start(Program{
		Name: "manager", Path: c.bin, Args: c.args(), Env: c.Env, Dir: filepath.Dir(c.host.Dir), Detached: c.host.options.Detached,
	})
	if err != nil {
		return err
	}
	return Poll(ctx, readyTimeout, "cellfed's manager", func(ctx context.Context) error {
		if err := c.process.Err(); err != nil {
			return Final(err)
		}
		url := fmt.Sprintf("http://127.0.0.1:%d/readyz", c.health)
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return Final(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		if err := response.Body.Close(); err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("ask %s: %s", url, response.Status)
		}
		return nil
	})
}

// Process returns the manager, or nil when it was not started or has been stopped.
func (c *Cellfed) Process() *Process { return c.process }

// Stop ends the manager in order.
func (c *Cellfed) Stop(ctx context.Context) error {
	if c.process == nil {
		return nil
	}
	err := c.process.Stop(ctx)
	c.process = nil
	return err
}

// Kill ends the manager as a crash would.
func (c *Cellfed) Kill() error {
	if c.process == nil {
		return nil
	}
	err := c.process.Kill()
	c.process = nil
	return err
}

// WaitForVersions waits until every federated CRD serves v2beta1 with a conversion, or, when there is to be none,
// until none does.
func (c *Cellfed) WaitForVersions(ctx context.Context, timeout time.Duration, want bool) error {
	return Poll(ctx, timeout, "the versions of the federated CRDs", func(ctx context.Context) error {
		crds := &apiextensionsv1.CustomResourceDefinitionList{}
		if err := c.host.Client.List(ctx, crds); err != nil {
			return err
		}
		for i := range crds.Items {
			crd := &crds.Items[i]
			if crd.Spec.Group == "types.kubefed.io" && hasTopologies(crd) != want {
				return fmt.Errorf("%s: v2beta1 with a conversion is %v, want %v", crd.Name, !want, want)
			}
		}
		return nil
	})
}

func hasTopologies(crd *apiextensionsv1.CustomResourceDefinition) bool {
	for _, version := range crd.Spec.Versions {
		if version.Name == "v2beta1" && version.Served {
			return crd.Spec.Conversion != nil && crd.Spec.Conversion.Strategy == apiextensionsv1.WebhookConverter
		}
	}
	return false
}

// RemoveV2Beta1 runs the manager with the flag that takes v2beta1 and the conversion back, and returns what it
// wrote to its standard output. The manager must have been stopped. The webhook configurations go before: nobody would
// answer for what is written then, or afterwards.
func (c *Cellfed) RemoveV2Beta1(ctx context.Context) (string, error) {
	if running(c.process) {
		return "", errors.New("remove v2beta1: the manager still runs")
	}
	if err := c.RemoveAdmission(ctx); err != nil {
		return "", err
	}
	var stderr strings.Builder
	cmd := exec.CommandContext(ctx, c.bin, append(c.args(), "--remove-v2beta1")...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("remove v2beta1: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// CellConfig returns the configuration of a client of a cell's façade, with the token that upstream KubeFed holds.
func (c *Cellfed) CellConfig(ctx context.Context, namespace, cell string) (*rest.Config, error) {
	name := namespace + "." + cell
	cluster := &kubefedv1beta1.KubeFedCluster{}
	if err := c.host.Client.Get(ctx, client.ObjectKey{Namespace: KubeFedNamespace, Name: name}, cluster); err != nil {
		return nil, fmt.Errorf("get the KubeFedCluster %s: %w", name, err)
	}
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: KubeFedNamespace, Name: cluster.Spec.SecretRef.Name}
	if err := c.host.Client.Get(ctx, key, secret); err != nil {
		return nil, fmt.Errorf("get the façade token of %s: %w", name, err)
	}
	return &rest.Config{
		Host: cluster.Spec.APIEndpoint, BearerToken: string(secret.Data["token"]), QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{CAData: cluster.Spec.CABundle},
	}, nil
}

// WriteCellKubeconfig writes a kubeconfig of a cell's façade for kubectl.
func (c *Cellfed) WriteCellKubeconfig(ctx context.Context, path, namespace, cell string) error {
	config, err := c.CellConfig(ctx, namespace, cell)
	if err != nil {
		return err
	}
	return writeKubeconfig(path, cell, map[string]*rest.Config{cell: config})
}
