package tenants

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/e2e/framework"
)

// forgedStatus are tries of somebody who may write what the propagators keep for themselves.
func forgedStatus(as *propagation) []try {
	harms := func(why string) want {
		return harmless(why, func(r *run1) error { return r.world.onlyAcmes(r) })
	}
	status := func(version, text string) func(*run1) answer {
		return func(r *run1) answer {
			if made := r.world.host.create(r.ctx, r.plain(version)); !made.succeeded() {
				return made
			}
			return r.world.host.patch(r.ctx, r.as.path(version, r.name)+"/status", mergePatch, text)
		}
	}
	elsewhere := func(path, body string) func(*run1) answer {
		return func(r *run1) answer {
			return r.world.host.call(r.ctx, http.MethodPost, path, "application/json", []byte(strings.ReplaceAll(body, "$NAME", r.name)))
		}
	}
	const core = "/apis/core.kubefed.io/v1beta1/namespaces/acme-prod/"
	return []try{
		{"status that names globex-b, v1beta1", status(v1beta1, `{"status":{"observedGeneration":1,"clusters":[{"name":"globex-b"},{"name":"globex-prod.g1"}]}}`),
			harms("nothing follows from a status")},
		{"status that names globex-b, v2beta1", status(v2beta1, `{"status":{"observedGeneration":1,"topologies":[{"name":"cluster:globex-b"},{"name":"cluster:globex-prod.g1"}]}}`),
			harms("nothing follows from a status")},
		{"labels through the status", status(v2beta1, forgedLabels), harmless("a status write leaves the labels alone",
			func(r *run1) error { return hasOwner(r.answer, "acme", "prod") })},
		{"status that names globex-b, then the object is deleted", func(r *run1) answer {
			got := status(v2beta1, `{"status":{"topologies":[{"name":"cluster:globex-b"}]}}`)(r)
			if !got.succeeded() {
				return got
			}
			return r.world.host.call(r.ctx, http.MethodDelete, r.as.path(v2beta1, r.name), "", nil)
		}, harms("nothing is deleted elsewhere")},
		{"KubeFedCluster in the own namespace", elsewhere(core+"kubefedclusters",
			`{"apiVersion":"core.kubefed.io/v1beta1","kind":"KubeFedCluster","metadata":{"name":"$NAME","labels":{"cellfed.io/shared":"true"}},"spec":{"apiEndpoint":"https://127.0.0.1:1","secretRef":{"name":"x"}}}`),
			harms("nobody reads it there")},
		{"KubeFedCluster like the other tenant's cell, in the own namespace", elsewhere(core+"kubefedclusters",
			`{"apiVersion":"core.kubefed.io/v1beta1","kind":"KubeFedCluster","metadata":{"generateName":"$NAME","labels":{"cellfed.io/generated":"true","cellfed.io/namespace":"globex-prod","cellfed.io/cell":"g1"}},"spec":{"apiEndpoint":"https://127.0.0.1:1","secretRef":{"name":"x"}}}`),
			harms("nobody reads it there")},
	}
}

// scheduled are tries to have upstream place an object, with its own rights.
func scheduled(*propagation) []try {
	prefer := func(cells bool, placed, clusters string) func(*run1) answer {
		return func(r *run1) answer {
			object := framework.Federated{
				Version: v2beta1, Kind: r.as.kind, Namespace: acmeProd, Name: r.name, Cells: cells, Placement: []string{placed},
				Template: map[string]any{"spec": map[string]any{
					"replicas": int64(1), "selector": map[string]any{"matchLabels": map[string]any{"app": r.name}},
					"template": map[string]any{
						"metadata": map[string]any{"labels": map[string]any{"app": r.name}},
						"spec":     map[string]any{"containers": []any{map[string]any{"name": "a", "image": "registry.invalid/a"}}},
					},
				}},
			}.Object()
			if made := r.world.host.create(r.ctx, object); !made.succeeded() {
				return made
			}
			return r.world.host.call(r.ctx, http.MethodPost,
				"/apis/scheduling.kubefed.io/v1alpha1/namespaces/acme-prod/replicaschedulingpreferences", "application/json", []byte(
					`{"apiVersion":"scheduling.kubefed.io/v1alpha1","kind":"ReplicaSchedulingPreference","metadata":{"name":"`+r.name+
						`"},"spec":{"targetKind":"FederatedDeployment","totalReplicas":9,"clusters":`+clusters+`}}`))
		}
	}
	stays := harmless("admission refuses what upstream makes of it", func(r *run1) error {
		object := framework.Federated{Version: v1beta1, Kind: r.as.kind}.Object()
		if err := r.world.env.Host.Client.Get(r.ctx, client.ObjectKey{Namespace: acmeProd, Name: r.name}, object); err != nil {
			return err
		}
		placed, _, err := unstructured.NestedSlice(object.Object, "spec", "placement", "clusters")
		if err != nil || strings.Contains(fmt.Sprint(placed), "globex") {
			return framework.Final(fmt.Errorf("it is placed on %v: %w", placed, err))
		}
		return errors.Join(r.world.upstreamRefused(r.name), r.world.onlyAcmes(r))
	})
	return []try{
		{"replicas of an object in cells on every cluster", prefer(true, "a1", `{"*":{"weight":1}}`), stays},
		{"replicas of an object in cells on globex-prod.g1", prefer(true, "a1", `{"globex-prod.g1":{"weight":1}}`), stays},
		{"replicas of an object on clusters on every cluster", prefer(false, acmeMember, `{"*":{"weight":1}}`), stays},
		{"replicas of an object on clusters on globex-b", prefer(false, acmeMember, `{"globex-b":{"weight":1}}`), stays},
	}
}

// upstreamRefused returns nil once upstream has tried to write a federated object, and was refused.
func (w *world) upstreamRefused(name string) error {
	writes, err := w.env.Host.Writes(framework.AuditMark{}, func(write framework.Write) bool {
		return strings.HasPrefix(write.Agent, "hyperfed") && write.Name == name && write.Verb == "update" && write.Code == http.StatusUnprocessableEntity
	})
	if err == nil && len(writes) == 0 {
		err = errors.New("upstream has not tried")
	}
	return err
}

// withoutAdmission are the tries at placements, overrides and templates that are refused otherwise, and that cellfed's
// propagator gets to see when nobody asks the webhooks.
func withoutAdmission(as *propagation) []try {
	held := harmless("it reaches acme's alone", func(r *run1) error { return r.world.onlyAcmes(r) })
	var all []try
	seen := map[string]bool{}
	for _, tries := range [][]try{foreignPlacements(as), forgingOverrides(as), forgingTemplates(as)} {
		for _, one := range tries {
			if seen[one.what] || !slices.Contains(one.want.layers, byAdmission) {
				continue
			}
			seen[one.what] = true
			// The schema refuses some of them all the same.
			one.want = want{layers: []layer{bySchema, byServer}, admitted: held.admitted, check: held.check, either: true}
			all = append(all, one)
		}
	}
	return all
}

// cellsWithoutAdmission are the tries at cells, which the controller and the façade get to see, and the propagators with what
// is placed on these.
func cellsWithoutAdmission(as *propagation) []try {
	held := harmless("nothing is made for it", func(r *run1) error {
		clusters := &kubefedv1beta1.KubeFedClusterList{}
		if err := r.world.env.Host.Client.List(r.ctx, clusters, client.InNamespace(framework.KubeFedNamespace)); err != nil {
			return err
		}
		for _, cluster := range clusters.Items {
			if cluster.Name == acmeProd+"."+r.name || cluster.Name == acmeDev+"."+r.name {
				return framework.Final(fmt.Errorf("the KubeFedCluster %s is there", cluster.Name))
			}
		}
		return nil
	})
	var all []try
	for _, one := range foreignCells(as) {
		// What becomes of a cell that is moved is for its own group to see: the schema, or the cluster's owner, refuses it.
		if slices.Contains(one.want.layers, byAdmission) && !strings.Contains(one.what, "own cell ") {
			one.want = want{layers: []layer{bySchema, byServer}, admitted: held.admitted, check: held.check, either: true}
			one.do = placing(one.do)
			all = append(all, one)
		}
	}
	return all
}

// placing makes a cell as a try does, and places something on it under both propagators.
func placing(do func(*run1) answer) func(*run1) answer {
	return func(r *run1) answer {
		made := do(r)
		if !made.succeeded() {
			return made
		}
		for _, as := range both {
			object := framework.Federated{
				Version: v2beta1, Kind: as.kind, Namespace: acmeProd, Name: r.name + "-placed", Cells: true,
				Placement: []string{r.name}, Template: as.template(r.name),
			}.Object()
			if placed := r.world.host.create(r.ctx, object); !placed.succeeded() {
				return placed
			}
		}
		return made
	}
}
