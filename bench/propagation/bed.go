package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

const (
	v1beta1 = "v1beta1"
	v2beta1 = "v2beta1"

	// twinGroup is the group of the CRDs that nobody watches.
	twinGroup = "bench.cellfed.io"

	// plainNamespace is where federated objects that are placed on clusters are, floorNamespace the floor's.
	plainNamespace, floorNamespace = "bench", "bench-floor"

	readyTimeout = 3 * time.Minute
)

// members are the two member clusters.
var members = []string{"hz-a", "sh-b"}

// bed is what everything is measured on.
type bed struct {
	*framework.Environment
	options  options
	progress progress
	keep     bool
}

// newBed boots it with upstream KubeFed as it ships, without cellfed. Close must be called also after an error.
func newBed(ctx context.Context, o options, say progress) (*bed, error) {
	b := &bed{options: o, progress: say, keep: o.dir != ""}
	dir := o.dir
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "cellfed-bench-propagation-"); err != nil {
			return b, err
		}
	}
	var err error
	b.Environment, err = framework.StartEnvironment(ctx, framework.EnvironmentOptions{
		Dir: dir, WithoutCellfed: true, AsShipped: true, AuditEvents: true,
		Members:  []framework.MemberOptions{{Name: members[0]}, {Name: members[1]}},
		Progress: func(line string) { say("%s", line) },
	})
	if err != nil {
		return b, err
	}
	if err := b.Host.CreateNamespace(ctx, floorNamespace, nil); err != nil {
		return b, err
	}
	for _, name := range members {
		if err := b.Member(name).CreateNamespace(ctx, floorNamespace, nil); err != nil {
			return b, err
		}
	}
	for _, kind := range []string{"ConfigMap", "Deployment"} {
		if err := b.twin(ctx, kind); err != nil {
			return b, err
		}
	}
	return b, b.federateNamespace(ctx, plainNamespace)
}

// Close stops everything and removes what it left, unless it was asked to stay.
func (b *bed) Close() {
	if b.Environment == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := errors.Join(b.Stop(ctx), b.Kill()); err != nil {
		b.progress("%v", err)
	}
	if b.keep {
		b.progress("Data and logs are in %s", b.Dir)
		return
	}
	if err := os.RemoveAll(b.Dir); err != nil {
		b.progress("%v", err)
	}
}

// memoryLimit is what the manager makes of the limit of 1 GiB that the chart gives its container: nine tenths.
const memoryLimit = "921MiB"

// install adds cellfed beside upstream.
func (b *bed) install(ctx context.Context) error {
	b.progress("Installing cellfed in the host")
	var err error
	if b.Cellfed, err = framework.InstallCellfed(ctx, b.Host); err != nil {
		return err
	}
	b.Cellfed.Env = []string{"GOMEMLIMIT=" + memoryLimit}
	b.Cellfed.ExtraArgs = append([]string{"--zap-log-level", "info"}, b.options.args...)
	if err := b.Cellfed.Start(ctx); err != nil {
		return err
	}
	return b.Cellfed.WaitForVersions(ctx, readyTimeout, true)
}

// handOver gives the types to cellfed.
func (b *bed) handOver(ctx context.Context) error {
	types := b.options.types
	if len(types) == 0 {
		var err error
		if types, err = b.KubeFed.Types(ctx); err != nil {
			return err
		}
	}
	b.progress("Handing %d types over to cellfed", len(types))
	if err := b.Cellfed.HandOver(ctx, readyTimeout, cellfedv1alpha1.PropagatorCellfed, types...); err != nil || !b.options.v2beta1Only {
		return err
	}
	return b.hideV1Beta1(ctx)
}

// hideV1Beta1 has the types of the sections served in v2beta1 alone.
func (b *bed) hideV1Beta1(ctx context.Context) error {
	const name = "configmaps"
	b.progress("Having %s served in v2beta1 alone", name)
	policy := &cellfedv1alpha1.FederatedTypePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: framework.KubeFedNamespace, Name: name}}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"servedVersions":"V2Beta1Only"}}`))
	if err := b.Host.Client.Patch(ctx, policy, patch); err != nil {
		return fmt.Errorf("ask for v2beta1 alone of %s: %w", name, err)
	}
	return framework.Poll(ctx, readyTimeout, "v1beta1 to be gone", func(ctx context.Context) error {
		if err := b.Host.Client.Get(ctx, client.ObjectKeyFromObject(policy), policy); err != nil {
			return err
		}
		if !meta.IsStatusConditionFalse(policy.Status.Conditions, string(cellfedv1alpha1.ConditionV1Beta1Served)) {
			return fmt.Errorf("the conditions are %v", policy.Status.Conditions)
		}
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(hostKind{group: framework.FederatedGroup, version: v1beta1, kind: "ConfigMap"}.gvk("List"))
		switch err := b.Host.Client.List(ctx, list, client.Limit(1)); {
		case err == nil:
			return errors.New("it is served")
		case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
			return nil
		default:
			return err
		}
	})
}

// federateNamespace makes a namespace in the host and, by upstream, in the members.
func (b *bed) federateNamespace(ctx context.Context, name string) error {
	if err := b.Host.CreateNamespace(ctx, name, nil); err != nil {
		return err
	}
	object := framework.Federated{
		Version: v1beta1, Kind: "FederatedNamespace", Namespace: name, Name: name, Placement: members,
	}.Object()
	if err := b.Host.Client.Create(ctx, object); err != nil {
		return fmt.Errorf("federate the namespace %s: %w", name, err)
	}
	for _, member := range members {
		err := framework.Poll(ctx, readyTimeout, "the namespace "+name+" in "+member, func(ctx context.Context) error {
			return b.Member(member).Client.Get(ctx, client.ObjectKey{Name: name}, &corev1.Namespace{})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// twin makes a CRD that is a federated kind's in all but its group, before cellfed touches that one.
func (b *bed) twin(ctx context.Context, kind string) error {
	return b.copyCRD(ctx, kind, twinGroup, kind, func(*apiextensionsv1.CustomResourceDefinition) {})
}

// copyCRD makes a CRD in a group with the content of a federated kind's, and waits until it is served.
func (b *bed) copyCRD(ctx context.Context, kind, group, as string, change func(*apiextensionsv1.CustomResourceDefinition)) error {
	source := &apiextensionsv1.CustomResourceDefinition{}
	if err := b.Host.Client.Get(ctx, client.ObjectKey{Name: plural(kind) + "." + framework.FederatedGroup}, source); err != nil {
		return fmt.Errorf("copy a CRD: %w", err)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: plural(as) + "." + group}, Spec: source.Spec}
	crd.Spec.Group = group
	crd.Spec.Names = apiextensionsv1.CustomResourceDefinitionNames{
		Plural: plural(as), Singular: "federated" + lower(as), Kind: "Federated" + as, ListKind: "Federated" + as + "List",
	}
	change(crd)
	if err := b.Host.Client.Create(ctx, crd); err != nil {
		return fmt.Errorf("copy a CRD: %w", err)
	}
	return framework.Poll(ctx, readyTimeout, crd.Name, func(ctx context.Context) error {
		for _, version := range crd.Spec.Versions {
			if !version.Served {
				continue
			}
			list := &metav1.PartialObjectMetadataList{}
			list.SetGroupVersionKind(hostKind{group: group, version: version.Name, kind: as}.gvk("List"))
			if err := b.Host.Client.List(ctx, list, client.Limit(1)); err != nil {
				return err
			}
		}
		return nil
	})
}

// quiet waits until nothing but what upstream writes anyway has been written to the namespaces, in the host and in
// the members, for the window.
func (b *bed) quiet(ctx context.Context, window time.Duration, namespaces ...string) error {
	last, since := -1, time.Now()
	marks := map[*framework.Cluster]framework.AuditMark{}
	clusters := []*framework.Cluster{b.Host, b.Member(members[0]), b.Member(members[1])}
	for _, cluster := range clusters {
		mark, err := cluster.Mark()
		if err != nil {
			return err
		}
		marks[cluster] = mark
	}
	return framework.Poll(ctx, readyTimeout, "the writes to end", func(context.Context) error {
		count := 0
		for _, cluster := range clusters {
			writes, err := cluster.Writes(marks[cluster], func(w framework.Write) bool {
				return slices.Contains(namespaces, w.Namespace)
			})
			if err != nil {
				return err
			}
			count += len(writes)
		}
		if count != last {
			last, since = count, time.Now()
		}
		if quiet := time.Since(since); quiet < window {
			return fmt.Errorf("%d writes, the last one %s ago", count, quiet.Round(time.Millisecond))
		}
		return nil
	})
}

// pause lets the time pass.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
