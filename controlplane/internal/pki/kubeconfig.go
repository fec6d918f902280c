package pki

import (
	"fmt"
	"os"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// kubeconfigName names the one cluster and the one context of the kubeconfigs.
const kubeconfigName = "cellfed"

// WriteKubeconfig writes a kubeconfig for client (Admin, ControllerManager or Scheduler) to path, with
// mode 0600. server is the API server's URL. Keys and certificates are in the file itself when embed is
// set, so that the file can be copied elsewhere; otherwise it names them, so that a client that runs on
// follows their renewal.
func (f *Files) WriteKubeconfig(path, client, server string, embed bool) error {
	cluster := &clientcmdapi.Cluster{Server: server, CertificateAuthority: f.CACert()}
	user := &clientcmdapi.AuthInfo{ClientCertificate: f.ClientCert(client), ClientKey: f.ClientKey(client)}
	if embed {
		for _, in := range []struct {
			path *string
			data *[]byte
		}{
			{&cluster.CertificateAuthority, &cluster.CertificateAuthorityData},
			{&user.ClientCertificate, &user.ClientCertificateData},
			{&user.ClientKey, &user.ClientKeyData},
		} {
			data, err := os.ReadFile(*in.path)
			if err != nil {
				return fmt.Errorf("kubeconfig %s: %w", path, err)
			}
			*in.path, *in.data = "", data
		}
	}
	config := clientcmdapi.NewConfig()
	config.Clusters[kubeconfigName] = cluster
	config.AuthInfos[client] = user
	config.Contexts[kubeconfigName] = &clientcmdapi.Context{Cluster: kubeconfigName, AuthInfo: client}
	config.CurrentContext = kubeconfigName
	data, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("kubeconfig %s: %w", path, err)
	}
	return writeFile(path, data)
}
