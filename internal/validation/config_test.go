package validation

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

func newConfig(mode fedv1b1.PropagationMode, marked bool, change ...func(*fedv1b1.FederatedTypeConfig)) *fedv1b1.FederatedTypeConfig {
	c := &fedv1b1.FederatedTypeConfig{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kubefed", Name: "configmaps"},
		Spec: fedv1b1.FederatedTypeConfigSpec{
			Propagation:   mode,
			TargetType:    fedv1b1.APIResource{Version: "v1", Kind: "ConfigMap", Scope: "Namespaced"},
			FederatedType: fedv1b1.APIResource{Group: "types.kubefed.io", Version: "v1beta1", Kind: "FederatedConfigMap", Scope: "Namespaced"},
		},
	}
	if marked {
		c.Annotations = map[string]string{v1alpha1.HandedOverAnnotation: "true"}
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func newPolicy(wanted, now v1alpha1.Propagator, deleting bool) *v1alpha1.FederatedTypePolicy {
	p := &v1alpha1.FederatedTypePolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kubefed", Name: "configmaps"},
		Spec:       v1alpha1.FederatedTypePolicySpec{Propagator: wanted},
		Status:     v1alpha1.FederatedTypePolicyStatus{Propagator: now},
	}
	if deleting {
		p.DeletionTimestamp = new(metav1.Now())
	}
	return p
}

const (
	on, off         = fedv1b1.PropagationEnabled, fedv1b1.PropagationDisabled
	cellfed, kubeed = v1alpha1.PropagatorCellfed, v1alpha1.PropagatorKubeFed
	wayBack         = "set spec.propagator of the FederatedTypePolicy kubefed/configmaps to KubeFed, and wait until its status.propagator is KubeFed"
)

func TestConfig(t *testing.T) {
	const enabled = `spec.propagation: Invalid value: "Enabled": cellfed propagates the type: ` + wayBack
	const waiting = `spec.propagation: Invalid value: "Enabled": the type is not handed back to KubeFed yet, and cellfed may still propagate it: ` +
		"it is enabled by itself when what the condition Propagating of the FederatedTypePolicy kubefed/configmaps names is done; " +
		"with the reason ObjectsHeld or ObjectsUnfit, correct these objects"
	const fixed = "it cannot be changed while the type is handed over to cellfed, which would lose what it put into the members: "
	defaulted := func(c *fedv1b1.FederatedTypeConfig) { fedv1b1.SetFederatedTypeConfigDefaults(c) }
	retyped := func(c *fedv1b1.FederatedTypeConfig) {
		c.Spec.TargetType.Version = "v2"
		c.Spec.FederatedType.Kind = "FederatedOther"
		c.Spec.StatusType = &fedv1b1.APIResource{Kind: "S"}
	}
	for name, tc := range map[string]struct {
		reason      string
		config, old *fedv1b1.FederatedTypeConfig
		policy      *v1alpha1.FederatedTypePolicy
		want        said
	}{
		"Created":         {reason: "what is created is upstream's, until it is handed over", config: newConfig(on, false), policy: newPolicy(cellfed, cellfed, false)},
		"EnabledByHand":   {reason: "two would propagate it", config: newConfig(on, true), old: newConfig(off, true), policy: newPolicy(cellfed, cellfed, false), want: said{Errors: []string{enabled}}},
		"EnabledUnmarked": {reason: "the policy says enough", config: newConfig(on, false), old: newConfig(off, false), policy: newPolicy(cellfed, cellfed, false), want: said{Errors: []string{enabled}}},
		"EnabledMeanwhile": {
			reason: "upstream was just stopped for cellfed", config: newConfig(on, true), old: newConfig(off, true), policy: newPolicy(cellfed, "", false), want: said{Errors: []string{enabled}},
		},
		"EnabledBefore":   {reason: "a type that nobody has taken yet is upstream's", config: newConfig(on, false), old: newConfig(off, false), policy: newPolicy(cellfed, "", false)},
		"StillEnabled":    {reason: "what was enabled before is not enabled now", config: newConfig(on, true, defaulted), old: newConfig(on, true), policy: newPolicy(cellfed, cellfed, false)},
		"HandedBack":      {reason: "the hand-back enables it", config: newConfig(on, false), old: newConfig(off, true), policy: newPolicy(kubeed, "", false)},
		"HandedBackSoon":  {reason: "also before the status says so", config: newConfig(on, false), old: newConfig(off, true), policy: newPolicy(kubeed, cellfed, false)},
		"HandedBackEmpty": {reason: "an empty propagator is KubeFed", config: newConfig(on, false), old: newConfig(off, true), policy: newPolicy("", cellfed, false)},
		"PolicyDeleted":   {reason: "a policy that is deleted hands back", config: newConfig(on, false), old: newConfig(off, true), policy: newPolicy(cellfed, cellfed, true)},
		"EnabledWhileHandingBack": {
			reason: "cellfed goes on while objects keep the type from being handed back", config: newConfig(on, true), old: newConfig(off, true), policy: newPolicy(kubeed, cellfed, false), want: said{Errors: []string{waiting}},
		},
		"EnabledWhileDeleting": {
			reason: "so it does when the policy is deleted", config: newConfig(on, true), old: newConfig(off, true), policy: newPolicy(cellfed, cellfed, true), want: said{Errors: []string{waiting}},
		},
		"EnabledWhileStopped": {
			reason: "cellfed may take it again", config: newConfig(on, true), old: newConfig(off, true), policy: newPolicy(kubeed, "", false), want: said{Errors: []string{waiting}},
		},
		"EnabledWithoutPolicy": {
			reason: "the mark says enough", config: newConfig(on, true), old: newConfig(off, true), want: said{Errors: []string{
				`spec.propagation: Invalid value: "Enabled": the type is not handed back to KubeFed yet, and cellfed may still propagate it: ` +
					"wait until it was handed back to KubeFed, which takes away the annotation cellfed.io/handed-over"}},
		},
		"EnabledAlready":  {reason: "what was enabled before is not enabled now", config: newConfig(on, true, defaulted), old: newConfig(on, true), policy: newPolicy(kubeed, cellfed, false)},
		"MarkedMeanwhile": {reason: "what is enabled without the mark is upstream's", config: newConfig(on, true), old: newConfig(off, false), policy: newPolicy(kubeed, kubeed, false)},
		"PolicyGone":      {reason: "without a policy the type is upstream's", config: newConfig(on, false), old: newConfig(off, true)},
		"Disabled":        {reason: "the hand-over disables it", config: newConfig(off, true), old: newConfig(on, false), policy: newPolicy(cellfed, kubeed, false)},
		"Retyped":         {reason: "upstream's types are upstream's business", config: newConfig(on, false, retyped), old: newConfig(on, false), policy: newPolicy(kubeed, kubeed, false)},
		"Defaulted":       {reason: "what is spelt out is no change", config: newConfig(off, true, defaulted), old: newConfig(off, true), policy: newPolicy(cellfed, cellfed, false)},
		"RetypedHandedOver": {
			reason: "cellfed would not find what it put into the members", config: newConfig(off, false, retyped), old: newConfig(off, true), policy: newPolicy(cellfed, cellfed, false),
			want: said{Errors: []string{
				`spec.targetType: Invalid value: "v2 ConfigMap (configmaps, Namespaced)": ` + fixed + wayBack + ", and change it then",
				`spec.federatedType: Invalid value: "types.kubefed.io/v1beta1 FederatedOther (federatedothers, Namespaced)": ` + fixed + wayBack + ", and change it then",
				`spec.statusType: Invalid value: "types.kubefed.io/v1beta1 S (ses, )": ` + fixed + wayBack + ", and change it then",
			}},
		},
		"RetypedWithoutPolicy": {
			reason: "the mark says enough", config: newConfig(off, true, func(c *fedv1b1.FederatedTypeConfig) { c.Spec.TargetType.Kind = "X" }), old: newConfig(off, true),
			want: said{Errors: []string{`spec.targetType: Invalid value: "v1 X (configmaps, Namespaced)": ` + fixed +
				"wait until it was handed back to KubeFed, which takes away the annotation cellfed.io/handed-over, and change it then"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, sayOf(Config(tc.config, tc.old, tc.policy))); diff != "" {
				t.Errorf("%s: Config: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestConfigDeletion(t *testing.T) {
	refused := said{Errors: []string{`metadata.name: Invalid value: "configmaps": it cannot be deleted while cellfed propagates the type, ` +
		`of which nothing could be removed from the members any more: ` + wayBack + ", and delete it then"}}
	for name, tc := range map[string]struct {
		reason string
		config *fedv1b1.FederatedTypeConfig
		policy *v1alpha1.FederatedTypePolicy
		want   said
	}{
		"NoPolicy":   {reason: "the type is upstream's", config: newConfig(on, false)},
		"KubeFed":    {reason: "the type is upstream's", config: newConfig(on, false), policy: newPolicy(kubeed, kubeed, false)},
		"Cellfed":    {reason: "cellfed propagates it", config: newConfig(off, true), policy: newPolicy(cellfed, cellfed, false), want: refused},
		"Draining":   {reason: "cellfed propagates it until it was handed back", config: newConfig(off, true), policy: newPolicy(kubeed, cellfed, false), want: refused},
		"Deleting":   {reason: "so it does when the policy is deleted", config: newConfig(off, true), policy: newPolicy(cellfed, cellfed, true), want: refused},
		"TakingOver": {reason: "cellfed is about to", config: newConfig(off, true), policy: newPolicy(cellfed, "", false), want: refused},
		"Waiting":    {reason: "nothing has begun", config: newConfig(on, false), policy: newPolicy(cellfed, kubeed, false)},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, sayOf(ConfigDeletion(tc.config, tc.policy))); diff != "" {
				t.Errorf("%s: ConfigDeletion: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}
