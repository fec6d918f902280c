// Package join registers a cluster as a member.
package join

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime/schema"
	k8svalidation "k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/join/membership"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/printing"
	"github.com/cellfed/cellfed/internal/cli/waiting"
	"github.com/cellfed/cellfed/internal/cli/writing"
)

// readyIn is how long KubeFed may take to find a member ready: it looks every ten seconds, as it ships.
const readyIn = 2 * time.Minute

// Options are the verb's arguments and flags.
type Options struct {
	// Cluster is the name of the KubeFedCluster.
	Cluster string
	// Member says how the member is reached from here.
	Member membership.Flags
	// Shared, Tenant and WorkspaceGroup say whom the member serves, Labels are further labels of the KubeFedCluster.
	Shared                 bool
	Tenant, WorkspaceGroup string
	Labels                 map[string]string
	// Endpoint and EndpointCA are how the host reaches the member, where it is not as from here.
	Endpoint, EndpointCA string
	// ClusterAdmin gives the account every right.
	ClusterAdmin bool
	// DryRun, Print and Waiting are flags that several verbs have.
	DryRun  writing.DryRun
	Print   printing.Flags
	Waiting waiting.Flags

	kube      *kube.Kube
	authority []byte
}

// New returns the verb.
func New(k *kube.Kube) *cobra.Command {
	return newCommand(&Options{kube: k})
}

func newCommand(o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "join CLUSTER --cluster-context CONTEXT",
		Short: "Register a cluster as a member",
		Long: `Register a cluster as a member of the federation: give the host an account in it, and write a KubeFedCluster that names it.

In the member this makes a ServiceAccount, a Secret with its token, and a ClusterRole with the least that KubeFed and cellfed
need: all verbs that propagating takes, on the types that are federated in the host and on Namespaces, and reads of nodes.
Where more types are federated later, run it again: it adds them, and changes nothing else. Federated Roles and their bindings
are the exception that a least role cannot serve: the member lets the account grant only what it holds. --cluster-admin gives
the account every right instead, as kubefedctl does.

The least role does not show the account what else is in a namespace, so that the empty namespace of a deleted cell stays.

The token does not end: KubeFed reads it from a Secret and never asks for another. kubectl cells unjoin revokes it.

A member serves the namespaces of one tenant (--tenant), those of all (--shared), or, without either, those that are no
tenant's. A KubeFedCluster of the name that has another endpoint is never taken over, and one cluster is never registered under
two names: what is placed on one name only would be created and deleted in turn. For several places on a cluster there are cells.`,
		Example: `
# Register the cluster that the context hz-a of the kubeconfig reaches, for every tenant
kubectl cells join hz-a --cluster-context hz-a --shared

# Register a tenant's cluster, which the host reaches at another address than this machine does
kubectl cells join hz-b --cluster-context hz-b --tenant acme --endpoint https://10.1.2.3:6443 --labels city=hangzhou

# Have the administrator of a member make the account, where you may not
kubectl cells join hz-c --cluster-context hz-c --dry-run=client -o yaml | kubectl --context hz-c-admin apply -f -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Complete(args); err != nil {
				return err
			}
			if err := o.Validate(); err != nil {
				return err
			}
			return o.Run(cmd.Context())
		},
	}
	fs := cmd.Flags()
	o.Member.AddFlags(fs)
	fs.BoolVar(&o.Shared, "shared", false, "The member serves the namespaces of every tenant.")
	fs.StringVar(&o.Tenant, "tenant", "", "The tenant whose namespaces the member serves.")
	fs.StringVar(&o.WorkspaceGroup, "workspace-group", "", "The workspace group of the tenant that it serves (default all namespaces of the tenant without one).")
	fs.StringToStringVar(&o.Labels, "labels", nil, "Further labels of the KubeFedCluster, as city=hangzhou,zone=a.")
	fs.StringVar(&o.Endpoint, "endpoint", "", "The URL by which the host reaches the member (default the one in the kubeconfig).")
	fs.StringVar(&o.EndpointCA, "endpoint-ca", "", "The file with the authority of the endpoint's certificate (default the one in the kubeconfig).")
	fs.BoolVar(&o.ClusterAdmin, "cluster-admin", false, "Give the account in the member every right instead of the least that works.")
	o.DryRun.AddFlag(cmd)
	o.Print.AddFlags(cmd)
	o.Waiting.AddFlags(cmd, "KubeFed has found the member ready", readyIn)
	return cmd
}

// Complete reads what the flags name.
func (o *Options) Complete(args []string) error {
	o.Cluster = args[0]
	if o.Member.Namespace == "" {
		o.Member.Namespace = o.kube.KubeFedNamespace
	}
	if o.EndpointCA == "" {
		return nil
	}
	var err error
	if o.authority, err = os.ReadFile(o.EndpointCA); err != nil {
		return exit.Usagef("--endpoint-ca: %w", err)
	}
	return nil
}

// Validate refuses what does not go together.
func (o *Options) Validate() error {
	if err := membership.ValidateName(o.Cluster); err != nil {
		return err
	}
	if msgs := k8svalidation.IsDNS1123Label(o.Member.Namespace); len(msgs) > 0 {
		return exit.Usagef("--member-namespace %q cannot be a namespace: %s", o.Member.Namespace, msgs[0])
	}
	if err := o.validateOwner(); err != nil {
		return err
	}
	if o.Endpoint != "" {
		if u, err := url.Parse(o.Endpoint); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
			return exit.Usagef("--endpoint %q is not the URL of an API server: give one such as https://10.1.2.3:6443", o.Endpoint)
		}
	}
	if err := o.DryRun.Validate(); err != nil {
		return err
	}
	if err := o.Print.Validate(); err != nil {
		return err
	}
	if o.Print.Structured() && !o.DryRun.Client() {
		return exit.Usagef("--output %s prints what is to be in the member: give --dry-run=client with it", o.Print.Output)
	}
	return o.Waiting.Validate()
}

func (o *Options) validateOwner() error {
	if o.Shared && (o.Tenant != "" || o.WorkspaceGroup != "") {
		return exit.Usagef("--shared opens the member to every tenant, and --tenant and --workspace-group to one: give one of them")
	}
	if o.WorkspaceGroup != "" && o.Tenant == "" {
		return exit.Usagef("--workspace-group %q is a tenant's: give --tenant with it", o.WorkspaceGroup)
	}
	for flag, value := range map[string]string{"--tenant": o.Tenant, "--workspace-group": o.WorkspaceGroup} {
		if msgs := k8svalidation.IsValidLabelValue(value); len(msgs) > 0 {
			return exit.Usagef("%s %q cannot be a label's value: %s", flag, value, msgs[0])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(o.Labels)) {
		if strings.HasPrefix(key, "cellfed.io/") {
			return exit.Usagef("--labels %s=%s: labels that begin with cellfed.io/ are cellfed's: use --tenant, --workspace-group or --shared, or another prefix", key, o.Labels[key])
		}
		if msgs := slices.Concat(k8svalidation.IsQualifiedName(key), k8svalidation.IsValidLabelValue(o.Labels[key])); len(msgs) > 0 {
			return exit.Usagef("--labels %s=%s cannot be a label: %s", key, o.Labels[key], msgs[0])
		}
	}
	return nil
}

// Run registers the member.
func (o *Options) Run(ctx context.Context) error {
	s, err := o.gather(ctx)
	if err != nil {
		return err
	}
	if err := refusal(s.wanted, s.clusters); err != nil {
		return err
	}
	if granting := membership.Granting(s.targets); len(granting) > 0 && !o.ClusterAdmin {
		fmt.Fprintf(o.kube.ErrOut, "note: the member will refuse federated %s that grant what the account does not hold: bind it a role with the verbs bind and escalate, or join with --cluster-admin\n",
			strings.Join(granting, ", "))
	}
	if o.Print.Structured() {
		return o.Print.Print(o.kube.Out, printing.Table{}, s.manifests(o.ClusterAdmin), nil)
	}
	if o.DryRun.Client() {
		return o.tellPlan(s)
	}
	// Whether the host will have it is known before anything is in the member.
	if err := o.tryOut(ctx, s); err != nil {
		return err
	}
	token, err := o.writeMember(ctx, s)
	if err != nil || o.DryRun.Server() {
		return err
	}
	if err := o.writeHost(ctx, s, token); err != nil {
		return err
	}
	return o.wait(ctx)
}

// situation is what there is, and what is wanted.
type situation struct {
	account  membership.Account
	member   *membership.Member
	targets  []schema.GroupResource
	clusters []kubefedv1beta1.KubeFedCluster
	// current is the KubeFedCluster that there is; nil where there is none.
	current *kubefedv1beta1.KubeFedCluster
	// wanted is the KubeFedCluster that there is to be. It names no Secret yet.
	wanted *kubefedv1beta1.KubeFedCluster
}

func (o *Options) gather(ctx context.Context) (*situation, error) {
	c, err := o.kube.Client()
	if err != nil {
		return nil, err
	}
	s := &situation{account: membership.Account{Cluster: o.Cluster, Namespace: o.Member.Namespace}}
	if s.account.Host, err = membership.HostUID(ctx, o.kube); err != nil {
		return nil, err
	}
	configs := &kubefedv1beta1.FederatedTypeConfigList{}
	if err := c.List(ctx, configs, client.InNamespace(o.kube.KubeFedNamespace)); err != nil {
		return nil, fmt.Errorf("list the FederatedTypeConfigs, which say what the account needs: %w", err)
	}
	s.targets = membership.Targets(configs.Items)
	clusters := &kubefedv1beta1.KubeFedClusterList{}
	if err := c.List(ctx, clusters, client.InNamespace(o.kube.KubeFedNamespace)); err != nil {
		return nil, fmt.Errorf("list the KubeFedClusters: %w", err)
	}
	s.clusters = clusters.Items
	if s.member, err = o.Member.Connect(o.kube); err != nil {
		return nil, err
	}
	uid, err := s.member.UID(ctx)
	if err != nil {
		return nil, err
	}
	for i := range s.clusters {
		if s.clusters[i].Name == o.Cluster {
			s.current = &s.clusters[i]
		}
	}
	s.wanted, err = o.wanted(s, uid)
	return s, err
}

// wanted returns the KubeFedCluster that there is to be: what somebody else has put on the one that there is stays.
func (o *Options) wanted(s *situation, uid string) (*kubefedv1beta1.KubeFedCluster, error) {
	wanted := &kubefedv1beta1.KubeFedCluster{}
	if s.current != nil {
		wanted = s.current.DeepCopy()
	}
	wanted.APIVersion, wanted.Kind = kubefedv1beta1.SchemeGroupVersion.String(), "KubeFedCluster"
	wanted.Namespace, wanted.Name = o.kube.KubeFedNamespace, o.Cluster
	if wanted.Labels == nil {
		wanted.Labels = map[string]string{}
	}
	if wanted.Annotations == nil {
		wanted.Annotations = map[string]string{}
	}
	maps.Copy(wanted.Labels, o.Labels)
	if o.Shared || o.Tenant != "" {
		for _, key := range []string{v1alpha1.SharedLabel, v1alpha1.TenantLabel, v1alpha1.WorkspaceGroupLabel} {
			delete(wanted.Labels, key)
		}
	}
	for key, value := range map[string]string{v1alpha1.TenantLabel: o.Tenant, v1alpha1.WorkspaceGroupLabel: o.WorkspaceGroup} {
		if value != "" {
			wanted.Labels[key] = value
		}
	}
	if o.Shared {
		wanted.Labels[v1alpha1.SharedLabel] = "true"
	}
	wanted.Annotations[membership.NamespaceAnnotation] = o.Member.Namespace
	wanted.Annotations[membership.ClusterUIDAnnotation] = uid
	config := s.member.Config
	if config.Insecure {
		return nil, fmt.Errorf("the kubeconfig does not check the member's certificate (insecure-skip-tls-verify), and the host must: give it the authority, or --endpoint and --endpoint-ca")
	}
	wanted.Spec.APIEndpoint, wanted.Spec.CABundle = config.Host, config.CAData
	if o.Endpoint != "" {
		wanted.Spec.APIEndpoint = o.Endpoint
	}
	if o.authority != nil {
		wanted.Spec.CABundle = o.authority
	}
	return wanted, nil
}
