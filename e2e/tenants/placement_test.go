package tenants

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	cellfedv1alpha1 "github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/e2e/framework"
)

// spec is what the tenant writes of a federated object, in the words of a version, beside the template.
type spec struct {
	what, version, topologyType string
	// text is JSON, in which $P is replaced by the version's word for the list, $S by that for the selector.
	text string
	// kubefed and cellfed are what is answered under each propagator.
	kubefed, cellfed want
}

func (s spec) object(r *run1) (*unstructured.Unstructured, error) {
	words := strings.NewReplacer("$P", "clusters", "$S", "clusterSelector", "$N", "clusterName", "$O", "clusterOverrides")
	if s.version == v2beta1 {
		words = strings.NewReplacer("$P", "topologies", "$S", "topologySelector", "$N", "topologyName", "$O", "topologyOverrides")
	}
	content := map[string]any{}
	if err := json.Unmarshal([]byte(words.Replace(s.text)), &content); err != nil {
		return nil, err
	}
	if s.topologyType != "" {
		content["topologyType"] = s.topologyType
	}
	if content["template"] == nil {
		content["template"] = r.as.template(r.name)
	}
	object := framework.Federated{Version: s.version, Kind: r.as.kind, Namespace: acmeProd, Name: r.name}.Object()
	object.Object["spec"] = content
	return object, nil
}

func (s spec) try(as *propagation) try {
	wanted := s.kubefed
	if as.propagator == cellfedv1alpha1.PropagatorCellfed {
		wanted = s.cellfed
	}
	topologyType := s.topologyType
	if topologyType == "" {
		topologyType = "no topologyType"
	}
	return try{fmt.Sprintf("%s, %s, %s", s.what, topologyType, s.version), func(r *run1) answer {
		object, err := s.object(r)
		if err != nil {
			return r.failed(err)
		}
		return r.world.host.create(r.ctx, object)
	}, wanted}
}

var (
	denied = refused(byAdmission)
	// ownOnly is for what selects more than the tenant has, under a propagator that looks at nothing else.
	ownOnly = harmless("it reaches acme's alone", func(r *run1) error { return r.world.onlyAcmes(r) })
)

// foreignPlacements are tries to have an object placed on what is another tenant's.
func foreignPlacements(as *propagation) []try {
	everything := []string{
		`{}`, `{"matchLabels":{}}`, `{"matchExpressions":[{"key":"cellfed.io/tenant","operator":"Exists"}]}`,
		`{"matchExpressions":[{"key":"no-such-label","operator":"DoesNotExist"}]}`,
		`{"matchLabels":{"cellfed.io/tenant":"globex"}}`, `{"matchLabels":{"cellfed.io/namespace":"globex-prod","cellfed.io/topology-type":"cell"}}`,
		`{"matchExpressions":[{"key":"cellfed.io/tenant","operator":"NotIn","values":["acme"]}]}`,
	}
	var specs []spec
	for _, version := range []string{v1beta1, v2beta1} {
		for _, selector := range everything {
			text := `{"placement":{"$S":` + selector + `}}`
			specs = append(specs,
				spec{"selector " + selector, version, "cluster", text, denied, ownOnly},
				spec{"selector " + selector, version, "cell", text, cellSelector(version, selector), cellSelector(version, selector)})
		}
		specs = append(specs,
			spec{"selector {}", version, "", `{"placement":{"$S":{}}}`, denied, ownOnly},
			spec{"selector in the other version's word", version, "cluster", `{"placement":{"clusterSelector":{},"topologySelector":{}}}`, bothWords(version, denied), bothWords(version, ownOnly)},
			spec{"list in the other version's word", version, "cell", `{"placement":{"clusters":[{"name":"globex-b"}],"topologies":[{"name":"globex-b"}]}}`,
				cellNamed(version), cellNamed(version)},
		)
		for _, name := range []string{globexMember, "globex-prod.g1", "globex-prod.c1"} {
			named := `{"placement":{"$P":[{"name":"` + name + `"}]}}`
			// What stands for another's cell is nothing to this tenant, and cellfed looks again when it places.
			cluster, cell := ownOnly, denied
			if name == globexMember {
				cluster, cell = denied, cellNamed(version)
			}
			specs = append(specs,
				spec{"placed on " + name, version, "cluster", named, denied, cluster},
				spec{"placed on " + name, version, "", named, denied, cluster},
				spec{"placed on " + name, version, "cell", named, cell, cell})
		}
	}
	for _, name := range []string{"cluster:globex-b", "cluster:globex-prod.g1", "cluster:cluster:globex-b", "../globex-prod.g1", "g1", "globex-prod/g1", ""} {
		wanted := denied
		if name == "g1" {
			wanted = cellNamed(v2beta1)
		}
		specs = append(specs, spec{fmt.Sprintf("placed on %q", name), v2beta1, "cell", `{"placement":{"$P":[{"name":"` + name + `"}]}}`, wanted, wanted})
	}
	for _, name := range []string{"cluster:globex-b", "globex-prod.g1.x", "acme-prod.a1.globex-prod.g1"} {
		specs = append(specs, spec{fmt.Sprintf("placed on %q", name), v1beta1, "cell", `{"placement":{"$P":[{"name":"` + name + `"}]}}`, denied, denied})
	}
	for _, topologyType := range []string{"Cluster", "cells", "region"} {
		specs = append(specs, spec{"placed on globex-b", v2beta1, topologyType, `{"placement":{"$P":[{"name":"globex-b"}]}}`,
			refused(byAdmission, bySchema), refused(byAdmission, bySchema)})
	}
	specs = append(specs,
		spec{"mask names globex-b", v2beta1, "cell", `{"placement":{"$P":[{"name":"a1"}]},"placementMask":{"$P":[{"name":"cluster:globex-b"}]}}`, denied, denied},
		spec{"mask names globex-b", v1beta1, "cell", `{"placement":{"$P":[{"name":"acme-prod.a1"}]},"placementMask":{"$P":[{"name":"globex-b"}]}}`, denied, denied},
		spec{"override for globex-b", v2beta1, "cell", `{"placement":{"$P":[{"name":"a1"}]},"overrides":[{"$N":"cluster:globex-b","$O":[{"path":"/metadata/labels","op":"add","value":{"a":"b"}}]}]}`, denied, denied},
	)
	var all []try
	for _, s := range specs {
		all = append(all, s.try(as))
	}
	return append(all, widened()...)
}

// cellNamed is what is answered to the name of a cluster where cells are named: v2beta1 takes it for an own cell's.
func cellNamed(version string) want {
	if version == v1beta1 {
		return denied
	}
	return harmless("acme has no such cell", func(r *run1) error { return r.world.onlyAcmes(r) })
}

// bothWords is what is answered where both versions' words for the selector are written: v2beta1 knows both.
func bothWords(version string, inV1Beta1 want) want {
	if version == v1beta1 {
		return inV1Beta1
	}
	return refused(bySchema)
}

// cellSelector is what is answered to a selector of cells: in v1beta1 it has to say whose they are.
func cellSelector(version, selector string) want {
	if version == v1beta1 || strings.Contains(selector, "cellfed.io/") {
		return denied
	}
	return ownOnly
}

// widened are tries to have an object placed elsewhere once it is there.
func widened() []try {
	var all []try
	for version, merge := range map[string]string{
		v1beta1: `{"spec":{"topologyType":"cluster","placement":{"clusters":[{"name":"globex-b"}]}}}`,
		v2beta1: `{"spec":{"topologyType":"cluster","placement":{"topologies":[{"name":"globex-b"}]}}}`,
	} {
		for _, v := range verbs {
			all = append(all, try{"own object moved to globex-b, " + v.name + ", " + version, changed(v, version, merge), denied})
		}
	}
	sortTries(all)
	return append(all,
		try{"own object of v2beta1 moved to globex-b through v1beta1", func(r *run1) answer {
			if made := r.world.host.create(r.ctx, r.plain(v2beta1)); !made.succeeded() {
				return made
			}
			return r.world.host.patch(r.ctx, r.as.path(v1beta1, r.name), mergePatch, `{"spec":{"placement":{"clusters":[{"name":"globex-prod.g1"}]}}}`)
		}, denied},
		try{"own cell named globex-b, then made a cluster", func(r *run1) answer {
			object := r.plain(v2beta1)
			_ = unstructured.SetNestedSlice(object.Object, []any{map[string]any{"name": globexMember}}, "spec", "placement", "topologies")
			if made := r.world.host.create(r.ctx, object); !made.succeeded() {
				return made
			}
			return r.world.host.patch(r.ctx, r.as.path(v2beta1, r.name), mergePatch, `{"spec":{"topologyType":"cluster"}}`)
		}, denied},
		try{"object in the namespace of the other tenant", func(r *run1) answer {
			object := r.plain(v2beta1)
			object.SetNamespace(globexProd)
			return r.world.host.create(r.ctx, object)
		}, refused(byRBAC)},
		try{"object whose namespace is not the path's", func(r *run1) answer {
			object := r.plain(v2beta1)
			path := collection(object)
			object.SetNamespace(globexProd)
			return r.world.host.send(r.ctx, "POST", path, object)
		}, refused(byServer)},
		try{"object of the other tenant, patch", func(r *run1) answer {
			path := strings.Replace(r.as.path(v2beta1, "books"), acmeProd, globexProd, 1)
			return r.world.host.patch(r.ctx, path, mergePatch, `{"spec":{"placement":{"topologies":[]}}}`)
		}, refused(byRBAC)},
		try{"object of the other tenant, delete", func(r *run1) answer {
			return r.world.host.call(r.ctx, "DELETE", strings.Replace(r.as.path(v1beta1, "books"), acmeProd, globexProd, 1), "", nil)
		}, refused(byRBAC)},
		try{"objects of all tenants, list", func(r *run1) answer {
			return r.world.host.get(r.ctx, "/apis/types.kubefed.io/v2beta1/"+r.as.resource)
		}, refused(byRBAC)},
	)
}

// namespacesOfOthers are tries with the object that says where a namespace is, refused by what is given.
func namespacesOfOthers(as *propagation) []try {
	return federatedNamespaces(as, denied)
}

// withoutTheRight are the same tries of somebody who may not write such an object at all.
func withoutTheRight(as *propagation) []try {
	return federatedNamespaces(as, refused(byRBAC))
}

func federatedNamespaces(as *propagation, wanted want) []try {
	const own = "/apis/types.kubefed.io/v1beta1/namespaces/acme-prod/federatednamespaces/acme-prod"
	placed := func(version, text string) func(*run1) answer {
		return func(r *run1) answer {
			return r.world.host.patch(r.ctx, strings.Replace(own, v1beta1, version, 1), mergePatch, text)
		}
	}
	made := func(namespace, name string) func(*run1) answer {
		return func(r *run1) answer {
			return r.world.host.create(r.ctx, framework.Federated{
				Version: v2beta1, Kind: "FederatedNamespace", Namespace: namespace, Name: name, Placement: []string{commonMember},
			}.Object())
		}
	}
	// Where the tenant has no cells, nobody else writes the object.
	selecting := func(version, selector string) func(*run1) answer {
		return func(r *run1) answer {
			object := framework.Federated{Version: version, Kind: "FederatedNamespace", Namespace: acmeDev, Name: acmeDev}.Object()
			placement := map[string]any{selector: map[string]any{}}
			object.Object["spec"] = map[string]any{"placement": placement}
			got := r.world.host.create(r.ctx, object)
			if got.code != http.StatusConflict {
				return got
			}
			return r.world.host.patch(r.ctx, pathOf(object), mergePatch, `{"spec":{"placement":{"`+selector+`":{"matchLabels":{}}}}}`)
		}
	}
	everywhere := wanted
	if as == cellfedNamespaces {
		everywhere = harmless("it reaches acme's clusters and the shared one", func(r *run1) error { return r.world.noAcmeAtGlobex(r) })
	}
	return []try{
		{"own, on globex-b, v1beta1", placed(v1beta1, `{"spec":{"topologyType":"cluster","placement":{"clusters":[{"name":"globex-b"}]}}}`), wanted},
		{"own, on globex-b, v2beta1", placed(v2beta1, `{"spec":{"topologyType":"cluster","placement":{"topologies":[{"name":"globex-b"}]}}}`), wanted},
		{"own, on globex-prod.g1, v1beta1", placed(v1beta1, `{"spec":{"placement":{"clusters":[{"name":"globex-prod.g1"}]}}}`), wanted},
		{"own, on cluster:globex-b, v2beta1", placed(v2beta1, `{"spec":{"placement":{"topologies":[{"name":"cluster:globex-b"}]}}}`), wanted},
		{"named like the other tenant's, in the own namespace", made(acmeDev, globexPlain), wanted},
		{"named kube-system, in the own namespace", made(acmeDev, "kube-system"), wanted},
		{"in the other tenant's namespace", made(globexProd, "globex-prod-x"), refused(byRBAC)},
		{"the other tenant's, patch", func(r *run1) answer {
			return r.world.host.patch(r.ctx, strings.ReplaceAll(own, acmeProd, globexPlain), mergePatch, `{"spec":{"placement":{"clusters":[]}}}`)
		}, refused(byRBAC)},
		{"the other tenant's, delete", func(r *run1) answer {
			return r.world.host.call(r.ctx, "DELETE", strings.ReplaceAll(own, acmeProd, globexPlain), "", nil)
		}, refused(byRBAC)},
		{"own, everywhere, v1beta1", selecting(v1beta1, "clusterSelector"), everywhere},
		{"own, everywhere, v2beta1", selecting(v2beta1, "topologySelector"), everywhere},
	}
}

// noAcmeAtGlobex returns nil if the other tenant's member has no namespace of the attacker's.
func (w *world) noAcmeAtGlobex(r *run1) error {
	list := &corev1.NamespaceList{}
	if err := w.env.Member(globexMember).Client.List(r.ctx, list); err != nil {
		return err
	}
	for _, item := range list.Items {
		if acmes(item.Name) {
			return framework.Final(fmt.Errorf("%s has the namespace %s", globexMember, item.Name))
		}
	}
	return nil
}

// onlyAcmes returns nil if everything of the try's name in the members is where the tenant has something.
func (w *world) onlyAcmes(r *run1) error {
	for name, member := range w.env.Members {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion(r.as.targetVersion)
		list.SetKind(r.as.target + "List")
		if err := member.Client.List(r.ctx, list); err != nil {
			return err
		}
		for _, item := range list.Items {
			own := acmes(item.GetNamespace()) && name != globexMember
			if !own && (item.GetName() == r.name || strings.Contains(fmt.Sprint(item.Object["data"]), r.name)) {
				return framework.Final(fmt.Errorf("%s has %s/%s", name, item.GetNamespace(), item.GetName()))
			}
		}
	}
	for _, member := range w.env.Members {
		err := member.Client.Get(r.ctx, client.ObjectKey{Name: r.name}, &corev1.Namespace{})
		if err == nil {
			return framework.Final(fmt.Errorf("%s has a namespace of the try's", member.Name))
		} else if !isNotFound(err) {
			return err
		}
	}
	return nil
}
