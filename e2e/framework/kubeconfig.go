package framework

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// writeKubeconfig writes a kubeconfig with a context for each of the clients, the first in the alphabet being the
// current one unless current names another.
func writeKubeconfig(path, current string, clients map[string]*rest.Config) error {
	config := clientcmdapi.NewConfig()
	for name, c := range clients {
		config.Clusters[name] = &clientcmdapi.Cluster{Server: c.Host, CertificateAuthorityData: c.CAData}
		config.AuthInfos[name] = &clientcmdapi.AuthInfo{
			Token: c.BearerToken, ClientCertificateData: c.CertData, ClientKeyData: c.KeyData,
		}
		config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	}
	config.CurrentContext = current
	if current == "" && len(clients) > 0 {
		config.CurrentContext = slices.Min(slices.Collect(maps.Keys(clients)))
	}
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return fmt.Errorf("write the kubeconfig %s: %w", path, err)
	}
	return nil
}

// CellName names a cell.
type CellName struct {
	// Namespace is the Cell's.
	Namespace string
	// Name is the Cell's.
	Name string
}

// WriteKubeconfig writes one kubeconfig for all: the context host, which is the current one, one for each member by
// its name, and one for the façade of each of the cells, by the cell's name.
func (e *Environment) WriteKubeconfig(ctx context.Context, path string, cells ...CellName) error {
	clients := map[string]*rest.Config{}
	for _, cluster := range e.clusters() {
		config, err := cluster.Config()
		if err != nil {
			return err
		}
		if err := rest.LoadTLSFiles(config); err != nil {
			return fmt.Errorf("read the kubeconfig of %s: %w", cluster.Name, err)
		}
		clients[cluster.Name] = config
	}
	for _, cell := range cells {
		config, err := e.Cellfed.CellConfig(ctx, cell.Namespace, cell.Name)
		if err != nil {
			return err
		}
		clients[cell.Name] = config
	}
	return writeKubeconfig(path, e.Host.Name, clients)
}
