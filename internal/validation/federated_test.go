package validation

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

const (
	pushes   = v1alpha1.PropagatorCellfed
	upstream = v1alpha1.PropagatorKubeFed
)

// ruleCase is an object that is created, and what is said about it: fields, kinds of error and values.
type ruleCase struct {
	reason, version, spec string
	facts                 Facts
	want, warnings        []string
}

func runRules(t *testing.T, cases map[string]ruleCase) {
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			version := tc.version
			if version == "" {
				version = v2
			}
			r := Federated(object(t, version, tc.spec), nil, tc.facts)
			if diff := cmp.Diff(tc.want, problems(r)); diff != "" {
				t.Errorf("%s: errors: -want +got:\n%s\n%v", tc.reason, diff, r.Errors)
			}
			if diff := cmp.Diff(tc.warnings, warned(r)); diff != "" {
				t.Errorf("%s: warnings: -want +got:\n%s\n%v", tc.reason, diff, r.Warnings)
			}
		})
	}
}

func TestFederatedNames(t *testing.T) {
	runRules(t, map[string]ruleCase{
		"Good":          {reason: "cells by their names", spec: `{topologyType: cell, placement: {topologies: [{name: rz00a}, {name: rz01a}]}}`, facts: ofTenant(pushes)},
		"GoodV1":        {reason: "cells by their KubeFedClusters' names", version: v1, spec: `{topologyType: cell, placement: {clusters: [{name: acme-prod.rz00a}]}}`, facts: ofTenant(upstream)},
		"UnknownType":   {reason: "there is no such type", spec: `{topologyType: zone, placement: {topologies: [{name: a}]}}`, want: []string{"spec.topologyType FieldValueNotSupported zone"}},
		"TypeNotText":   {reason: "a type is text", spec: `{topologyType: 1}`, want: []string{"spec.topologyType FieldValueInvalid 1"}},
		"TypeNull":      {reason: "null is no type", version: v1, spec: `{topologyType: null}`, want: []string{"spec.topologyType FieldValueInvalid null"}},
		"ClusterScoped": {reason: "a cluster-scoped kind has no cells", spec: `{topologyType: cell}`, facts: Facts{Type: clusterRoles()}, want: []string{"spec.topologyType FieldValueInvalid cell"}},
		"Namespace":     {reason: "the Namespace is in the cells", spec: `{topologyType: cell}`, facts: Facts{Type: namespaces(pushes)}, want: []string{"metadata.name FieldValueInvalid pay"}},
		"Twice":         {reason: "a cell is placed once", spec: `{topologyType: cell, placement: {topologies: [{name: rz00a}, {name: rz00a}]}}`, want: []string{"spec.placement.topologies[1].name FieldValueDuplicate rz00a"}},
		"TwiceV1":       {reason: "in the words of v1beta1", version: v1, spec: `{placement: {clusters: [{name: hz-a}, {name: hz-a}]}}`, want: []string{"spec.placement.clusters[1].name FieldValueDuplicate hz-a"}},
		"TwiceInMask":   {reason: "the mask names it once", spec: `{placement: {topologies: [{name: a}]}, placementMask: {topologies: [{name: a}, {name: a}]}}`, want: []string{"spec.placementMask.topologies[1].name FieldValueDuplicate a"}},
		"NoCell":        {reason: "no Cell has a dot in its name", spec: `{topologyType: cell, placement: {topologies: [{name: a.b}]}}`, want: []string{"spec.placement.topologies[0].name FieldValueInvalid a.b"}},
		"NoCellV1":      {reason: "nor in v1beta1", version: v1, spec: `{topologyType: cell, placement: {clusters: [{name: acme-prod.a.b}]}}`, want: []string{"spec.placement.clusters[0].name FieldValueInvalid acme-prod.a.b"}},
		"EmptyCell":     {reason: "a cell has a name", version: v1, spec: `{topologyType: cell, placement: {clusters: [{name: acme-prod.}]}}`, want: []string{"spec.placement.clusters[0].name FieldValueInvalid acme-prod."}},
		"Foreign":       {reason: "the mark leaves the namespace", spec: `{topologyType: cell, placement: {topologies: [{name: "cluster:other.rz00a"}]}}`, want: []string{"spec.placement.topologies[0].name FieldValueInvalid cluster:other.rz00a"}},
		"ForeignV1":     {reason: "another namespace's cell", version: v1, spec: `{topologyType: cell, placement: {clusters: [{name: other.rz00a}, {name: hz-a}]}}`, want: []string{"spec.placement.clusters[0].name FieldValueInvalid other.rz00a", "spec.placement.clusters[1].name FieldValueInvalid hz-a"}},
		"ForeignMask":   {reason: "a mask names cells, too", spec: `{topologyType: cell, placementMask: {topologies: [{name: "cluster:hz-a"}]}}`, want: []string{"spec.placementMask.topologies[0].name FieldValueInvalid cluster:hz-a"}},
		"ForeignEntry":  {reason: "overrides name cells, too", version: v1, spec: `{topologyType: cell, overrides: [{clusterName: hz-a}]}`, want: []string{"spec.overrides[0].clusterName FieldValueInvalid hz-a"}},
		"NoName":        {reason: "an item without a name names nothing", version: v1, spec: `{placement: {clusters: [{}]}}`, want: []string{"spec.placement.clusters[0].name FieldValueRequired"}},
		"OtherWord":     {reason: "v1beta1 does not know topologies", version: v1, spec: `{placement: {topologies: [{name: a}]}}`, want: []string{"spec.placement.topologies FieldValueInvalid"}},
		"OtherWordV2":   {reason: "nor v2beta1 clusters", spec: `{placement: {clusters: []}}`, want: []string{"spec.placement.clusters FieldValueInvalid"}},
		"NoSpec":        {reason: "a spec is an object", spec: `[]`, want: []string{"spec FieldValueInvalid"}},
		"ListIsNone":    {reason: "a list is a list", spec: `{placement: {topologies: x}}`, want: []string{"spec.placement.topologies FieldValueInvalid x"}},
		"EntryIsNone":   {reason: "an entry is an object with a name", version: v1, spec: `{placement: {clusters: [a]}}`, want: []string{"spec.placement.clusters[0] FieldValueInvalid a"}},
		"MaskIsNone":    {reason: "a mask that cannot be read", spec: `{placementMask: {clusters: []}}`, want: []string{"spec.placementMask FieldValueInvalid"}},
	})
}

func TestFederatedSelectors(t *testing.T) {
	const own = `cellfed.io/namespace: acme-prod, cellfed.io/topology-type: cell`
	runRules(t, map[string]ruleCase{
		"Own":            {reason: "by the cells' own labels", spec: `{topologyType: cell, placement: {topologySelector: {matchLabels: {city: hangzhou}}}}`, facts: ofTenant(upstream)},
		"All":            {reason: "an empty selector selects the namespace's cells", spec: `{topologyType: cell, placement: {topologySelector: {}}}`, facts: ofTenant(upstream)},
		"Reserved":       {reason: "whose a cell is is not for the selector to say", spec: `{topologyType: cell, placement: {topologySelector: {matchLabels: {cellfed.io/namespace: other}, matchExpressions: [{key: cellfed.io/tenant, operator: Exists}]}}}`, want: []string{"spec.placement.topologySelector.matchLabels[cellfed.io/namespace] FieldValueInvalid cellfed.io/namespace", "spec.placement.topologySelector.matchExpressions[0].key FieldValueInvalid cellfed.io/tenant"}},
		"Restricted":     {reason: "as the conversion writes it", version: v1, spec: `{topologyType: cell, placement: {clusterSelector: {matchLabels: {` + own + `, city: hangzhou}}}}`, facts: ofTenant(upstream)},
		"RestrictedLate": {reason: "as the conversion writes it for an empty matchLabels", version: v1, spec: `{topologyType: cell, placement: {clusterSelector: {matchLabels: {}, matchExpressions: [{key: cellfed.io/namespace, operator: In, values: [acme-prod]}, {key: cellfed.io/topology-type, operator: In, values: [cell]}]}}}`},
		"Wider":          {reason: "one value more widens", version: v1, spec: `{topologyType: cell, placement: {clusterSelector: {matchLabels: {}, matchExpressions: [{key: cellfed.io/namespace, operator: In, values: [acme-prod, other]}, {key: cellfed.io/topology-type, operator: In, values: [cell]}]}}}`, want: []string{"spec.placement.clusterSelector FieldValueInvalid"}},
		"OtherNamespace": {reason: "another namespace's cells", version: v1, spec: `{topologyType: cell, placement: {clusterSelector: {matchLabels: {cellfed.io/namespace: other, cellfed.io/topology-type: cell}}}}`, want: []string{"spec.placement.clusterSelector FieldValueInvalid"}},
		"Unrestricted":   {reason: "all clusters there are", version: v1, spec: `{topologyType: cell, placement: {clusterSelector: {}}}`, want: []string{"spec.placement.clusterSelector FieldValueInvalid"}},
		"UnrestrictedV2": {reason: "and the same in v2beta1", spec: `{topologyType: cell, placement: {clusterSelector: {}}}`, want: []string{"spec.placement.clusterSelector FieldValueInvalid"}},
		"ReservedToo":    {reason: "a reserved label beside the two", version: v1, spec: `{topologyType: cell, placement: {clusterSelector: {matchLabels: {` + own + `, cellfed.io/cluster: hz-a}}}}`, want: []string{"spec.placement.clusterSelector.matchLabels[cellfed.io/cluster] FieldValueInvalid cellfed.io/cluster"}},
		"Unused":         {reason: "the list wins, also when it is empty", version: v1, spec: `{placement: {clusters: [], clusterSelector: {}}}`, facts: ofTenant(upstream), warnings: []string{"spec.placement.clusterSelector"}},
		"BadOperator":    {reason: "a selector that cannot be used", spec: `{placement: {topologySelector: {matchExpressions: [{key: a, operator: Is}]}}}`, want: []string{"spec.placement FieldValueInvalid"}},
		"NullLabels":     {reason: "what is no selector selects nothing", spec: `{placement: {topologySelector: {matchLabels: null}}}`, want: []string{"spec.placement.topologySelector.matchLabels FieldValueInvalid null"}},

		"Everything":      {reason: "KubeFed knows no tenants", version: v1, spec: `{placement: {clusterSelector: {}}}`, facts: ofTenant(upstream), want: []string{"spec.placement.clusterSelector FieldValueInvalid"}},
		"OneOfTwo":        {reason: "the workspace group counts, too", version: v1, spec: `{placement: {clusterSelector: {matchLabels: {cellfed.io/tenant: acme}}}}`, facts: ofTenant(upstream), want: []string{"spec.placement.clusterSelector FieldValueInvalid"}},
		"Rival":           {reason: "another tenant's label", spec: `{placement: {topologySelector: {matchLabels: {cellfed.io/tenant: rival, cellfed.io/workspace-group: prod}}}}`, facts: ofTenant(upstream), want: []string{"spec.placement.topologySelector FieldValueInvalid"}},
		"Pinned":          {reason: "it selects the tenant's, cells and clusters", spec: `{placement: {topologySelector: {matchLabels: {cellfed.io/tenant: acme, cellfed.io/workspace-group: prod}}}}`, facts: ofTenant(upstream), warnings: []string{"spec.placement.topologySelector"}},
		"PinnedNoCells":   {reason: "it selects the tenant's clusters", spec: `{placement: {topologySelector: {matchLabels: {cellfed.io/tenant: acme}, matchExpressions: [{key: cellfed.io/workspace-group, operator: In, values: [prod]}, {key: cellfed.io/topology-type, operator: DoesNotExist}]}}}`, facts: ofTenant(upstream)},
		"Preselected":     {reason: "cellfed reaches nothing else", version: v1, spec: `{placement: {clusterSelector: {matchLabels: {cellfed.io/tenant: rival}}}}`, facts: ofTenant(pushes)},
		"Plain":           {reason: "an existing user of KubeFed", version: v1, spec: `{placement: {clusterSelector: {}}}`, facts: ofNobody(upstream)},
		"PlainMeetsOwned": {reason: "a cluster of a tenant is not for everybody", version: v1, spec: `{placement: {clusterSelector: {}}}`, facts: Facts{Type: deployments(upstream), NamespaceKnown: true, TopologiesKnown: true, Topologies: world()}, want: []string{"spec.placement.clusterSelector FieldValueInvalid"}, warnings: []string{"spec.placement.clusterSelector"}},
		"PlainLeavesOut":  {reason: "the way out", version: v1, spec: `{placement: {clusterSelector: {matchExpressions: [{key: cellfed.io/tenant, operator: DoesNotExist}, {key: cellfed.io/topology-type, operator: DoesNotExist}]}}}`, facts: Facts{Type: deployments(upstream), NamespaceKnown: true, TopologiesKnown: true, Topologies: world()}},
		"NobodyKnows":     {reason: "a linter cannot tell", version: v1, spec: `{placement: {clusterSelector: {}}}`},
	})
}

func TestFederatedReach(t *testing.T) {
	runRules(t, map[string]ruleCase{
		"Own":           {reason: "the tenant's clusters and shared ones", version: v1, spec: `{placement: {clusters: [{name: hz-a}, {name: shared}, {name: acme-prod.rz00a}]}}`, facts: ofTenant(upstream)},
		"Rival":         {reason: "another tenant's", version: v1, spec: `{placement: {clusters: [{name: rival}]}}`, facts: ofTenant(upstream), want: []string{"spec.placement.clusters[0].name FieldValueInvalid rival"}},
		"RivalPushed":   {reason: "nor under cellfed", spec: `{placement: {topologies: [{name: rival}]}}`, facts: ofTenant(pushes), want: []string{"spec.placement.topologies[0].name FieldValueInvalid rival"}},
		"Unowned":       {reason: "nobody's clusters serve nobody's namespaces", spec: `{placement: {topologies: [{name: plain}]}}`, facts: ofTenant(pushes), want: []string{"spec.placement.topologies[0].name FieldValueInvalid plain"}},
		"PlainOwned":    {reason: "nor do nobody's namespaces reach a tenant's clusters", version: v1, spec: `{placement: {clusters: [{name: hz-a}, {name: plain}, {name: shared}]}}`, facts: Facts{Type: deployments(upstream), NamespaceKnown: true, TopologiesKnown: true, Topologies: world()}, want: []string{"spec.placement.clusters[0].name FieldValueInvalid hz-a"}},
		"Unknown":       {reason: "it may come", spec: `{placement: {topologies: [{name: soon}]}}`, facts: ofTenant(pushes), warnings: []string{"spec.placement.topologies[0].name"}},
		"UnknownPlain":  {reason: "it may come", version: v1, spec: `{placement: {clusters: [{name: soon}]}}`, facts: ofNobody(upstream), warnings: []string{"spec.placement.clusters[0].name"}},
		"UnknownTenant": {reason: "and be another tenant's, for which KubeFed does not ask", version: v1, spec: `{placement: {clusters: [{name: soon}]}}`, facts: ofTenant(upstream), want: []string{"spec.placement.clusters[0].name FieldValueInvalid soon"}},
		"UnknownCell":   {reason: "it may come, and be the namespace's own", spec: `{topologyType: cell, placement: {topologies: [{name: soon}, {name: new}]}}`, facts: ofTenant(upstream), warnings: []string{"spec.placement.topologies[0].name"}},
		"Fake":          {reason: "a cluster that is called like a cell", spec: `{topologyType: cell, placement: {topologies: [{name: fake}]}}`, facts: ofTenant(upstream), want: []string{"spec.placement.topologies[0].name FieldValueInvalid fake"}},
		"Astray":        {reason: "a cell on another tenant's cluster", spec: `{topologyType: cell, placement: {topologies: [{name: astray}]}}`, facts: ofTenant(upstream), want: []string{"spec.placement.topologies[0].name FieldValueInvalid astray"}},
	})
}

func TestFederatedMask(t *testing.T) {
	const placed = `topologyType: cell, placement: {topologies: [{name: rz00a}, {name: rz01a}]}`
	runRules(t, map[string]ruleCase{
		"Canary":          {reason: "one of two", spec: `{` + placed + `, placementMask: {topologies: [{name: rz00a}]}}`, facts: ofTenant(pushes)},
		"Nothing":         {reason: "everything is held", spec: `{` + placed + `, placementMask: {topologies: []}}`, facts: ofTenant(pushes)},
		"Everything":      {reason: "a mask may name all, under KubeFed, too", spec: `{` + placed + `, placementMask: {topologies: [{name: rz01a}, {name: rz00a}]}}`, facts: ofTenant(upstream)},
		"Mistyped":        {reason: "a mistyped mask is an outage", spec: `{` + placed + `, placementMask: {topologies: [{name: rz0a}]}}`, facts: ofTenant(pushes), want: []string{"spec.placementMask.topologies[0].name FieldValueInvalid rz0a"}},
		"MistypedV1":      {reason: "in the words of v1beta1", version: v1, spec: `{placement: {clusters: [{name: hz-a}]}, placementMask: {clusters: [{name: hz-b}]}}`, want: []string{"spec.placementMask.clusters[0].name FieldValueInvalid hz-b"}},
		"Unplaced":        {reason: "nothing could ever add it", spec: `{topologyType: cell, placementMask: {topologies: [{name: rz00a}]}}`, facts: ofTenant(pushes), want: []string{"spec.placementMask.topologies[0].name FieldValueInvalid rz00a"}},
		"Selected":        {reason: "what the selector selects", spec: `{topologyType: cell, placement: {topologySelector: {matchLabels: {city: hangzhou}}}, placementMask: {topologies: [{name: rz00a}]}}`, facts: ofTenant(pushes)},
		"NotYetSelected":  {reason: "the selector could still add it", spec: `{topologyType: cell, placement: {topologySelector: {matchLabels: {city: hangzhou}}}, placementMask: {topologies: [{name: rz09a}]}}`, facts: ofTenant(pushes), warnings: []string{"spec.placementMask.topologies[0].name"}},
		"StillHolds":      {reason: "the mask releases what is to be removed", spec: `{topologyType: cell, placement: {topologies: []}, placementMask: {topologies: [{name: rz00a}]}}` + "\n---\n" + `{topologies: [{name: rz00a, status: Held}]}`, facts: ofTenant(pushes)},
		"Narrower":        {reason: "KubeFed knows no masks", spec: `{` + placed + `, placementMask: {topologies: [{name: rz00a}]}}`, facts: ofTenant(upstream), want: []string{"spec.placementMask FieldValueInvalid"}},
		"NarrowerLater":   {reason: "a selector may select more than the mask names", version: v1, spec: `{placement: {clusterSelector: {}}, placementMask: {clusters: [{name: plain}, {name: other}]}}`, facts: ofNobody(upstream), want: []string{"spec.placementMask FieldValueInvalid"}},
		"NarrowerRemoval": {reason: "KubeFed removes what the mask would hold", spec: `{topologyType: cell, placement: {topologies: []}, placementMask: {topologies: []}}` + "\n---\n" + `{topologies: [{name: rz00a}]}`, facts: ofTenant(upstream), want: []string{"spec.placementMask FieldValueInvalid"}},
	})
}

func TestFederatedTemplate(t *testing.T) {
	runRules(t, map[string]ruleCase{
		"Good":            {reason: "kind and apiVersion as the type's", spec: `{template: {apiVersion: apps/v1, kind: Deployment, metadata: {labels: {a: b}}, spec: {replicas: 1}}}`, facts: ofTenant(upstream)},
		"OtherKind":       {reason: "another kind", spec: `{template: {kind: Pod}}`, facts: ofTenant(upstream), want: []string{"spec.template.kind FieldValueInvalid Pod"}},
		"OtherGroup":      {reason: "another group", spec: `{template: {apiVersion: extensions/v1beta1}}`, facts: ofTenant(upstream), want: []string{"spec.template.apiVersion FieldValueInvalid extensions/v1beta1"}},
		"OtherVersion":    {reason: "cellfed applies in the type's version", spec: `{template: {apiVersion: apps/v1beta2}}`, facts: ofTenant(pushes), want: []string{"spec.template.apiVersion FieldValueInvalid apps/v1beta2"}},
		"OtherVersionUp":  {reason: "KubeFed writes in the template's version", spec: `{template: {apiVersion: apps/v1beta2}}`, facts: ofTenant(upstream), warnings: []string{"spec.template.apiVersion"}},
		"Elsewhere":       {reason: "the federated object's name and namespace are used", spec: `{template: {metadata: {name: x, namespace: kube-system}}}`, facts: ofTenant(upstream), warnings: []string{"spec.template.metadata.namespace", "spec.template.metadata.name"}},
		"Forged":          {reason: "cellfed's labels mark whose an object is", spec: `{template: {metadata: {labels: {cellfed.io/cell: x, kubefed.io/managed: "true"}}}}`, facts: ofTenant(upstream), want: []string{"spec.template.metadata.labels[cellfed.io/cell] FieldValueInvalid x"}, warnings: []string{"spec.template.metadata.labels[kubefed.io/managed]"}},
		"ForgedAnn":       {reason: "so do its annotations", spec: `{template: {metadata: {annotations: {cellfed.io/default-placement-mask: all}}}}`, facts: ofTenant(pushes), want: []string{"spec.template.metadata.annotations[cellfed.io/default-placement-mask] FieldValueInvalid all"}},
		"Annotation":      {reason: "no policy propagates it", spec: `{template: {metadata: {annotations: {example.com/a: b, other.com/a: b}}}}`, facts: ofTenant(pushes), warnings: []string{"spec.template.metadata.annotations[other.com/a]"}},
		"AnnotationUp":    {reason: "KubeFed drops it", spec: `{template: {metadata: {annotations: {example.com/a: b}}}}`, facts: ofTenant(upstream), want: []string{"spec.template.metadata.annotations[example.com/a] FieldValueInvalid b"}},
		"Finalizer":       {reason: "cellfed drops it", spec: `{template: {metadata: {finalizers: [a]}, status: {}}}`, facts: ofTenant(pushes), warnings: []string{"spec.template.metadata.finalizers", "spec.template.status"}},
		"FinalizerUp":     {reason: "KubeFed drops it", spec: `{template: {metadata: {finalizers: [a]}}}`, facts: ofTenant(upstream), want: []string{"spec.template.metadata.finalizers FieldValueInvalid"}},
		"OwnerUp":         {reason: "the garbage collector would delete it", spec: `{template: {metadata: {ownerReferences: [{uid: x}]}}}`, facts: ofTenant(upstream), want: []string{"spec.template.metadata.ownerReferences FieldValueInvalid"}},
		"LabelNotText":    {reason: "an API server refuses it", spec: `{template: {metadata: {labels: {a: 1}}}}`, want: []string{"spec.template FieldValueInvalid object"}},
		"NoObject":        {reason: "a template is an object", spec: `{template: x}`, want: []string{"spec.template FieldValueInvalid string"}},
		"RetainNotABool":  {reason: "retainReplicas is true or false", spec: `{template: {}, retainReplicas: "yes"}`, want: []string{"spec.retainReplicas FieldValueInvalid yes"}},
		"NothingIsKnown":  {reason: "a linter knows no type", spec: `{template: {kind: Pod, metadata: {annotations: {a: b}}}}`},
		"EmptyIsNoSecret": {reason: "a Namespace needs no template", spec: `{}`, facts: ofTenant(upstream)},
	})
}
