package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	genericapiserver "k8s.io/apiserver/pkg/server"

	"github.com/cellfed/cellfed/controlplane/internal/apiserver"
)

func newAPIServerCommand() *cobra.Command {
	o := apiserver.Defaults()
	cmd := &cobra.Command{
		Use:   "apiserver --data-dir DIR [--port PORT] [-- KUBE-APISERVER-FLAG...]",
		Short: "Run a kube-apiserver with its datastore",
		Long: "Run a kube-apiserver with its datastore, which is SQLite in the data directory unless\n" +
			"--datastore-endpoint says otherwise. Certificates and kubeconfigs are made in the data\n" +
			"directory and used again by the next start. What follows -- goes to kube-apiserver.",
		Example: "  controlplane apiserver --data-dir /var/lib/cellfed --port 6443\n" +
			"  controlplane apiserver --data-dir /tmp/a --port 0 -- --token-auth-file=/tmp/tokens.csv",
		Args: func(cmd *cobra.Command, args []string) error {
			return argsAfterDash(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ExtraArgs = args
			return o.Run(genericapiserver.SetupSignalContext(), cmd.OutOrStdout())
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	addDataDirFlag(fs, &o.DataDir)
	fs.IntVar(&o.Port, "port", o.Port, "port to serve on; 0 takes a free one and writes it to the kubeconfig")
	fs.StringVar(&o.BindAddress, "bind-address", o.BindAddress, "IP address to serve on")
	fs.StringSliceVar(&o.TLSSANs, "tls-san", o.TLSSANs, "further IP addresses and DNS names for the server's certificate")
	fs.StringVar(&o.ServiceClusterIPRange, "service-cluster-ip-range", o.ServiceClusterIPRange, "CIDR of the Services' cluster IPs")
	fs.StringVar(&o.DatastoreEndpoint, "datastore-endpoint", o.DatastoreEndpoint,
		"where objects are stored: sqlite://, mysql://, postgres://, nats://, or etcd as http(s)://host:port[,...] (default SQLite in the data directory)")
	fs.StringVar(&o.DatastoreCAFile, "datastore-ca-file", o.DatastoreCAFile, "CA certificate of a datastore that speaks TLS")
	fs.StringVar(&o.DatastoreCertFile, "datastore-cert-file", o.DatastoreCertFile, "client certificate for the datastore")
	fs.StringVar(&o.DatastoreKeyFile, "datastore-key-file", o.DatastoreKeyFile, "key of --datastore-cert-file")
	fs.DurationVar(&o.DatastoreTimeout, "datastore-timeout", o.DatastoreTimeout, "how long to wait for a datastore that is away")
	fs.DurationVar(&o.StopTimeout, "stop-timeout", o.StopTimeout, "how long a graceful stop may take")
	addVerbosityFlag(fs, &o.Verbosity)
	return cmd
}

// argsAfterDash refuses positional arguments that do not follow a --.
func argsAfterDash(cmd *cobra.Command, args []string) error {
	dash := cmd.ArgsLenAtDash()
	if dash < 0 {
		dash = len(args)
	}
	if dash > 0 {
		return fmt.Errorf("%s does not take the argument %q: flags of the Kubernetes component follow a --", cmd.CommandPath(), args[0])
	}
	return nil
}
