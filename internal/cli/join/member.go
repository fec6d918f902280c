package join

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/internal/cli/join/membership"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/printing"
	"github.com/cellfed/cellfed/internal/cli/writing"
)

const (
	// tokenIn is how long a member may take to fill in a token, tokenPoll how often it is looked at.
	tokenIn   = 30 * time.Second
	tokenPoll = 200 * time.Millisecond
)

// objects returns what is to be in the member, the namespace left out.
func (s *situation) objects(administrator bool) []client.Object {
	role := s.account.RoleName()
	objects := []client.Object{s.account.ServiceAccount()}
	if administrator {
		role = membership.Administrator
	} else {
		objects = append(objects, s.account.Role(membership.Rules(s.targets)))
	}
	return append(objects, s.account.Binding(role), s.account.Token())
}

// manifests returns all of it, for somebody else to apply.
func (s *situation) manifests(administrator bool) *printing.List {
	list := printing.NewList(namespaceOf(s.account.Namespace))
	for _, object := range s.objects(administrator) {
		list.Items = append(list.Items, object)
	}
	return list
}

func namespaceOf(name string) *corev1.Namespace {
	return &corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// writeMember makes the account in the member, and returns its token.
func (o *Options) writeMember(ctx context.Context, s *situation) ([]byte, error) {
	namespace := namespaceOf(s.account.Namespace)
	switch err := s.member.Create(ctx, namespace, o.DryRun.Create(kube.FieldManager)); {
	case apierrors.IsAlreadyExists(err):
	case err != nil:
		return nil, fmt.Errorf("create the namespace %q in the member: %w", s.account.Namespace, err)
	default:
		o.tellMember(namespaceOf(s.account.Namespace), "created")
		if o.DryRun.Server() {
			// What is to be in it cannot be tried out.
			return nil, o.tellPlan(s)
		}
	}
	for _, object := range s.objects(o.ClusterAdmin) {
		if err := o.ensure(ctx, s, object); err != nil {
			return nil, err
		}
	}
	if o.DryRun.Server() {
		return nil, nil
	}
	return s.token(ctx)
}

// ensure applies an object in the member unless it is as it is to be: who may not grant the account's rights need not.
func (o *Options) ensure(ctx context.Context, s *situation, wanted client.Object) error {
	live := wanted.DeepCopyObject().(client.Object)
	err := s.member.Get(ctx, client.ObjectKeyFromObject(wanted), live)
	live.GetObjectKind().SetGroupVersionKind(wanted.GetObjectKind().GroupVersionKind())
	verb := "created"
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		return fmt.Errorf("read %s in the member: %w", reference(wanted), err)
	default:
		if err := s.account.Claims(live); err != nil {
			return err
		}
		if asWanted(live, wanted) {
			o.tellMember(wanted, "unchanged")
			return nil
		}
		if binding, ok := live.(*rbacv1.ClusterRoleBinding); ok && binding.RoleRef != wanted.(*rbacv1.ClusterRoleBinding).RoleRef {
			return boundElsewhere(binding)
		}
		verb = "configured"
		if role, ok := live.(*rbacv1.ClusterRole); ok {
			if added := membership.Added(role.Rules, wanted.(*rbacv1.ClusterRole).Rules); len(added) > 0 {
				verb += ", which adds " + writing.Enumerate(added)
			}
		}
	}
	content, err := applied(wanted)
	if err != nil {
		return err
	}
	err = s.member.Apply(ctx, client.ApplyConfigurationFromUnstructured(content), o.DryRun.Apply(kube.FieldManager, true))
	if err != nil {
		return explain(o.Cluster, wanted, err)
	}
	o.tellMember(wanted, verb)
	return nil
}

// boundElsewhere is the answer to a change of --cluster-admin: nobody loses rights, or gains them, by running join again.
func boundElsewhere(binding *rbacv1.ClusterRoleBinding) error {
	flag := "leave out --cluster-admin"
	if binding.RoleRef.Name == membership.Administrator {
		flag = "give --cluster-admin"
	}
	return fmt.Errorf("the account in the member has the ClusterRole %q: %s, or delete the clusterrolebinding %q in the member first", binding.RoleRef.Name, flag, binding.Name)
}

// explain says what to do about what the member refuses.
func explain(cluster string, object client.Object, err error) error {
	err = fmt.Errorf("write %s in the member: %w", reference(object), err)
	if !apierrors.IsForbidden(err) {
		return err
	}
	switch object.(type) {
	case *rbacv1.ClusterRole, *rbacv1.ClusterRoleBinding:
		return fmt.Errorf("%w: who grants rights must hold them: have an administrator of the member apply what kubectl cells join %s --dry-run=client -o yaml prints, and run this again",
			err, cluster)
	}
	return err
}

// applied returns an object for server-side apply: without the fields that typed objects have and nobody gave.
func applied(object client.Object) (*unstructured.Unstructured, error) {
	raw, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", reference(object), err)
	}
	content := &unstructured.Unstructured{}
	if err := json.Unmarshal(raw, &content.Object); err != nil {
		return nil, fmt.Errorf("encode %s: %w", reference(object), err)
	}
	unstructured.RemoveNestedField(content.Object, "metadata", "creationTimestamp")
	return content, nil
}

// asWanted reports whether what is written is there. What others added does not matter.
func asWanted(live, wanted client.Object) bool {
	if !contains(live.GetLabels(), wanted.GetLabels()) || !contains(live.GetAnnotations(), wanted.GetAnnotations()) {
		return false
	}
	switch live := live.(type) {
	case *rbacv1.ClusterRole:
		return equality.Semantic.DeepEqual(live.Rules, wanted.(*rbacv1.ClusterRole).Rules)
	case *rbacv1.ClusterRoleBinding:
		w := wanted.(*rbacv1.ClusterRoleBinding)
		return live.RoleRef == w.RoleRef && equality.Semantic.DeepEqual(live.Subjects, w.Subjects)
	}
	return true
}

func contains(all, some map[string]string) bool {
	merged := maps.Clone(all)
	if merged == nil {
		merged = map[string]string{}
	}
	maps.Copy(merged, some)
	return maps.Equal(merged, all)
}

// token waits until the member has filled in the token.
func (s *situation) token(ctx context.Context) ([]byte, error) {
	secret := &corev1.Secret{}
	key := client.ObjectKeyFromObject(s.account.Token())
	err := wait.PollUntilContextTimeout(ctx, tokenPoll, tokenIn, true, func(ctx context.Context) (bool, error) {
		if err := s.member.Get(ctx, key, secret); err != nil {
			return false, err
		}
		return len(secret.Data[corev1.ServiceAccountTokenKey]) > 0, nil
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, fmt.Errorf("the member has not written a token into the Secret %s in %s: is its controller manager running? Run this again once it is", key, tokenIn)
	}
	if err != nil {
		return nil, fmt.Errorf("read the token from the Secret %s in the member: %w", key, err)
	}
	return secret.Data[corev1.ServiceAccountTokenKey], nil
}

// tellPlan tells what would be written.
func (o *Options) tellPlan(s *situation) error {
	for _, object := range s.objects(o.ClusterAdmin) {
		o.tellMember(object, "to be applied")
	}
	verb := "to be created"
	if s.current != nil {
		verb = "to be configured"
	}
	o.tellHost(s.wanted, verb)
	return nil
}

func (o *Options) tellMember(object client.Object, verb string) {
	fmt.Fprintf(o.kube.Out, "%s %s in the member%s\n", reference(object), verb, o.DryRun.Suffix())
}

func (o *Options) tellHost(object client.Object, verb string) {
	fmt.Fprintf(o.kube.Out, "%s %s%s\n", reference(object), verb, o.DryRun.Suffix())
}

func reference(object runtime.Object) string {
	gvk := object.GetObjectKind().GroupVersionKind()
	return writing.Reference(gvk.Kind, strings.TrimSuffix(gvk.Group, "."), object.(client.Object).GetName())
}
