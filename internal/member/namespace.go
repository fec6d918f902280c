package member

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

const (
	// namedOfKind is how many objects of a kind are named.
	namedOfKind = 3
	// restPage is how many objects of a kind are read at once: what is ignored seldom is more.
	restPage = 20
	// listsAtOnce is how many kinds are listed at a time.
	listsAtOnce = 8
)

// EmptyNamespace says what is in a member's namespace besides what Kubernetes itself puts or leaves there: some objects
// of each kind, as "configmaps/settings". Nothing means that the namespace can go without a loss. It is an error if any
// kind cannot be listed.
func (c *Clusters) EmptyNamespace(ctx context.Context, member, namespace string) (rest []string, err error) {
	m := c.member(member)
	if m == nil {
		return nil, fmt.Errorf("member cluster %q: %w", member, ErrUnknown)
	}
	conn := m.current()
	if healthy, why := m.healthy(); !healthy || conn == nil {
		return nil, unhealthyError(member, why)
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.listTimeout())
	defer cancel()
	fail := func(what string, err error) ([]string, error) {
		m.doubt(conn, err)
		return nil, fmt.Errorf("%s of namespace %q in member cluster %q: %w", what, namespace, member, redacted(err, conn.member.token))
	}
	resources, err := namespacedResources(ctx, conn)
	if err != nil {
		return fail("find out what may be in it", err)
	}
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		errs []error
		slot = make(chan struct{}, listsAtOnce)
	)
	for _, resource := range resources {
		all.Go(func() {
			slot <- struct{}{}
			defer func() { <-slot }()
			found, err := conn.restOf(ctx, resource, namespace, c.options.clock.Now())
			mu.Lock()
			defer mu.Unlock()
			rest = append(rest, found...)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", resource.GroupResource(), err))
			}
		})
	}
	all.Wait()
	if len(errs) > 0 {
		return fail("list what is left", errors.Join(errs...))
	}
	slices.Sort(rest)
	return rest, nil
}

// namespacedResources returns every resource that can be listed in a namespace.
func namespacedResources(ctx context.Context, conn *connection) ([]schema.GroupVersionResource, error) {
	lists, err := discovery.NewDiscoveryClient(conn.rest).ServerPreferredNamespacedResourcesWithContext(ctx)
	if failed, ok := errors.AsType[*discovery.ErrGroupDiscoveryFailed](err); ok {
		err = nil
		for gv, why := range failed.Groups {
			if !derived(gv.Group, "") {
				err = errors.Join(err, fmt.Errorf("%s: %w", gv, why))
			}
		}
	}
	if err != nil {
		return nil, err
	}
	var resources []schema.GroupVersionResource
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, &AnswerError{Problem: err.Error()}
		}
		for _, r := range list.APIResources {
			if slices.Contains(r.Verbs, "list") && !derived(gv.Group, r.Name) {
				resources = append(resources, gv.WithResource(r.Name))
			}
		}
	}
	if len(resources) == 0 {
		return nil, &AnswerError{Problem: "it knows no kinds"}
	}
	return resources, nil
}

// derived says whether a kind's objects are made from others, or tell of them: losing them loses nothing.
func derived(group, resource string) bool {
	switch group {
	case "events.k8s.io", "metrics.k8s.io", "custom.metrics.k8s.io":
		return true
	case "":
		return resource == "events" || resource == "endpoints"
	}
	return false
}

// restOf names some of the objects of a resource that are in a namespace.
func (c *connection) restOf(ctx context.Context, r schema.GroupVersionResource, namespace string, now time.Time) ([]string, error) {
	var names []string
	options := metav1.ListOptions{Limit: restPage}
	for {
		if c.limit != nil {
			if err := c.limit.Wait(ctx); err != nil {
				return nil, fmt.Errorf("wait for the limit of requests to the member: %w", err)
			}
		}
		list, err := c.lists.Resource(r).Namespace(namespace).List(ctx, options)
		switch {
		case apierrors.IsMethodNotSupported(err):
			return nil, nil
		case err != nil:
			return nil, err
		case list.GetAPIVersion() != r.GroupVersion().String():
			return nil, &AnswerError{Problem: fmt.Sprintf("a list of %s is of %q", r, list.GetAPIVersion())}
		}
		for n := range list.Items {
			if u := &list.Items[n]; !ownAccord(r.GroupResource(), u, now) {
				names = append(names, r.GroupResource().String()+"/"+u.GetName())
			}
		}
		if len(names) >= namedOfKind {
			return names[:namedOfKind], nil
		}
		if options.Continue = list.GetContinue(); options.Continue == "" {
			return names, nil
		}
	}
}

// ownAccord says whether Kubernetes put an object into the namespace of its own accord, or whether it is left over from
// what is gone and means nothing without it.
func ownAccord(r schema.GroupResource, u *unstructured.Unstructured, now time.Time) bool {
	switch r {
	case schema.GroupResource{Resource: "configmaps"}:
		return u.GetName() == "kube-root-ca.crt"
	case schema.GroupResource{Resource: "serviceaccounts"}:
		return u.GetName() == "default"
	case schema.GroupResource{Resource: "secrets"}:
		kind, _, _ := unstructured.NestedString(u.Object, "type")
		return kind == string(corev1.SecretTypeServiceAccountToken) && u.GetAnnotations()[corev1.ServiceAccountNameKey] == "default"
	case schema.GroupResource{Group: "discovery.k8s.io", Resource: "endpointslices"}:
		return slices.ContainsFunc(u.GetOwnerReferences(), func(o metav1.OwnerReference) bool { return o.APIVersion == "v1" && o.Kind == "Service" })
	case schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}:
		return expired(u, now)
	}
	return false
}

// expired says whether nobody holds a lease any more: who led while it ran in the namespace leaves it behind.
func expired(u *unstructured.Unstructured, now time.Time) bool {
	holder, _, _ := unstructured.NestedString(u.Object, "spec", "holderIdentity")
	if holder == "" {
		return true
	}
	seconds, _, _ := unstructured.NestedInt64(u.Object, "spec", "leaseDurationSeconds")
	text, _, _ := unstructured.NestedString(u.Object, "spec", "renewTime")
	renewed, err := time.Parse(time.RFC3339, text)
	return err != nil || renewed.Add(time.Duration(seconds)*time.Second+leaseSlack).Before(now)
}

// leaseSlack is by how much the clocks of a member and of cellfed may differ.
const leaseSlack = time.Minute
