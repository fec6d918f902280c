package render

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/scope"
)

func set(path string, value any) federated.Override {
	return federated.Override{Path: path, Value: value, HasValue: true}
}

func op(op, path string, value any) federated.Override {
	return federated.Override{Op: op, Path: path, Value: value, HasValue: op != "remove"}
}

func TestRender(t *testing.T) {
	type want struct {
		object  string
		dropped []string
		err     error
	}
	own := func(rest string) string {
		return "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: acme, labels: {kubefed.io/managed: 'true'}}" + rest + "}"
	}
	cases := map[string]struct {
		reason    string
		template  string
		overrides []federated.Override
		target    Target
		topology  scope.Topology
		policy    *Policy
		change    func(*federated.Object)
		want      want
	}{
		"NoTemplate": {
			reason: "upstream creates Namespaces and their like from nothing",
			target: configMaps, topology: physical,
			want: want{object: own("")},
		},
		"Physical": {
			reason:   "the name, the namespace and the kind are never the template's, the label is upstream's",
			template: "{kind: Secret, metadata: {name: x, namespace: y, labels: {kubefed.io/managed: 'false'}}, data: {k: v}}",
			target:   configMaps, topology: physical,
			want: want{object: own(", data: {k: v}")},
		},
		"Cell": {
			reason:   "in a cell the object is in the target namespace and carries the cell's labels in the place of upstream's",
			template: "{metadata: {labels: {a: b, kubefed.io/managed: 'true'}}, data: {k: v}}",
			target:   configMaps, topology: cell,
			want: want{object: "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: acme-rz00a, labels: {a: b, cellfed.io/managed: 'true', " +
				"cellfed.io/namespace: acme, cellfed.io/cell: rz00a}}, data: {k: v}}"},
		},
		"NamespaceOfACell": {
			reason:   "the Namespace of a cell is the target namespace, and the label that API servers give it follows",
			template: "{metadata: {labels: {kubernetes.io/metadata.name: acme}}}",
			target:   namespaces, topology: cell,
			change: func(o *federated.Object) { o.Name = "acme" },
			want: want{object: "{apiVersion: v1, kind: Namespace, metadata: {name: acme-rz00a, labels: {kubernetes.io/metadata.name: acme-rz00a, " +
				"cellfed.io/managed: 'true', cellfed.io/namespace: acme, cellfed.io/cell: rz00a}}}"},
		},
		"ClusterScoped": {
			reason: "an object of no namespace has none, whatever the template says",
			target: roles, topology: physical, template: "{metadata: {namespace: x}}",
			change: func(o *federated.Object) { o.Namespace = "" },
			want:   want{object: "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: a, labels: {kubefed.io/managed: 'true'}}}"},
		},
		"APIVersion": {
			reason: "as upstream has it, the template's apiVersion prevails",
			target: deployments, topology: physical, template: "{apiVersion: apps/v1beta2}",
			want: want{object: "{apiVersion: apps/v1beta2, kind: Deployment, metadata: {name: a, namespace: acme, labels: {kubefed.io/managed: 'true'}}}"},
		},
		"ServerOwned": {
			reason: "what an API server writes is not the template's, and would make an apply fail; a status is never sent",
			template: "{metadata: {uid: u, resourceVersion: '1', generation: 2, selfLink: x, creationTimestamp: null, deletionTimestamp: x, " +
				"managedFields: [{manager: x}]}, status: {a: b}, data: {k: v}}",
			target: configMaps, topology: physical,
			want: want{object: own(", data: {k: v}")},
		},
		"Dropped": {
			reason:   "annotations that no glob matches, finalizers and owner references stay behind and are told",
			template: "{metadata: {annotations: {x.io/a: '1', x.io/b: '2', y.io/a: '3'}, finalizers: [f.io/x], ownerReferences: [{uid: u}]}}",
			target:   configMaps, topology: physical, policy: policy(t, []string{"x.io/?"}, nil),
			want: want{
				object: "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: acme, labels: {kubefed.io/managed: 'true'}, " +
					"annotations: {x.io/a: '1', x.io/b: '2'}}}",
				dropped: []string{"finalizers", "ownerReferences", "y.io/a"},
			},
		},
		"OverrideReplacesWhatIsNotThere": {
			reason: "the default op is replace, which upstream's library takes for add where the parent is there",
			target: configMaps, topology: physical, template: "{data: {k: v}}",
			overrides: []federated.Override{set("/data/k", "w"), set("/data/new", "n"), op("remove", "/data/new", nil), op("add", "/data/z", "z")},
			want:      want{object: own(", data: {k: w, z: z}")},
		},
		"OverrideBelowNothing": {
			reason: "anything below a parent that is not there fails as it does upstream",
			target: configMaps, topology: physical, template: "{data: {k: v}}",
			overrides: []federated.Override{set("/data/k", "w"), op("add", "/spec/replicas", int64(1))},
			want:      want{err: federated.ErrOverrides},
		},
		"OverrideRemovesNothing": {
			reason: "removing what is not there fails as it does upstream",
			target: configMaps, topology: physical, template: "{data: {k: v}}",
			overrides: []federated.Override{op("remove", "/data/x", nil)},
			want:      want{err: federated.ErrOverrides},
		},
		"OverrideOfTheWhole": {
			reason: "a document that is no object any more is refused, and does not end the process",
			target: configMaps, topology: physical,
			overrides: []federated.Override{{Path: ""}},
			want:      want{err: federated.ErrOverrides},
		},
		"OverrideWithAList": {
			reason: "a list is no object either",
			target: configMaps, topology: physical,
			overrides: []federated.Override{set("", []any{"x"})},
			want:      want{err: federated.ErrOverrides},
		},
		"OverrideWithoutValue": {
			reason: "upstream takes an absent value for null",
			target: configMaps, topology: physical, template: "{data: {k: v}}",
			overrides: []federated.Override{{Path: "/data"}},
			want:      want{object: own(", data: null")},
		},
		"OverrideOfMetadata": {
			reason: "overrides set annotations, finalizers and owner references, also where the template has none, but never what identifies the object",
			target: configMaps, topology: physical, template: "{metadata: {annotations: {dropped: x}}}",
			overrides: []federated.Override{
				op("add", "/metadata/annotations/x.io~1a", "1"), op("add", "/metadata/finalizers/-", "f.io/x"),
				op("add", "/metadata/ownerReferences", []any{map[string]any{"uid": "u"}}),
			},
			want: want{object: "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: acme, labels: {kubefed.io/managed: 'true'}, " +
				"annotations: {x.io/a: '1'}, finalizers: [f.io/x], ownerReferences: [{uid: u}]}}", dropped: []string{"dropped"}},
		},
		"OverrideOfTheIdentity": {
			reason: "paths that upstream does not refuse lead around the refusal, and change nothing",
			target: configMaps, topology: physical,
			overrides: []federated.Override{set("/metadata", map[string]any{"name": "x", "namespace": "y", "uid": "u"}), set("/status", "x")},
			want:      want{object: own("")},
		},
		"ReservedLabel": {
			reason: "the labels of cells are cellfed's alone, as at the façade",
			target: configMaps, topology: cell, template: "{metadata: {labels: {cellfed.io/cell: other}}}",
			want: want{err: federated.ErrTemplate},
		},
		"ReservedLabelByOverride": {
			reason: "and not by an override either, on a cluster that is no cell either",
			target: configMaps, topology: physical, template: "{metadata: {labels: {a: b}}}",
			overrides: []federated.Override{op("add", "/metadata/labels/cellfed.io~1managed", "true")},
			want:      want{err: federated.ErrOverrides},
		},
		"BadLabels": {
			reason: "a label that is not a string would take all labels with it, ours first",
			target: configMaps, topology: physical, template: "{metadata: {labels: {a: 1}}}",
			want: want{err: federated.ErrTemplate},
		},
		"BadMetadata": {
			reason: "metadata is an object",
			target: configMaps, topology: physical, template: "{metadata: []}",
			want: want{err: federated.ErrTemplate},
		},
		"Invalid": {
			reason: "what the federated object was found to be wrong in is not rendered",
			target: configMaps, topology: physical,
			change: func(o *federated.Object) { o.Invalid = federated.ErrOverrides },
			want:   want{err: federated.ErrOverrides},
		},
		"OtherNamespace": {
			reason: "no mistake elsewhere puts an object into another namespace's cell",
			target: configMaps, topology: cell,
			change: func(o *federated.Object) { o.Namespace = "other" },
			want:   want{err: ErrTopology},
		},
		"OtherNamespaceItself": {
			reason: "nor another Namespace",
			target: namespaces, topology: cell,
			want: want{err: ErrTopology},
		},
		"ClusterScopedInACell": {
			reason: "a cell holds nothing that is in no namespace",
			target: roles, topology: cell,
			want: want{err: ErrTopology},
		},
		"StringData": {
			reason: "a Secret is rendered as it will be stored, or a key that leaves the template would stay in the member",
			target: secrets, topology: physical, template: "{stringData: {a: b, c: d}, data: {a: eA==, e: Zg==}}",
			want: want{object: "{apiVersion: v1, kind: Secret, metadata: {name: a, namespace: acme, labels: {kubefed.io/managed: 'true'}}, " +
				"data: {a: Yg==, c: ZA==, e: Zg==}}"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := fed(t, tc.template, tc.overrides...)
			if tc.change != nil {
				tc.change(o)
			}
			before := content(t, tc.template)
			got, err := Render(o, tc.topology, tc.target, tc.policy)
			if !errors.Is(err, tc.want.err) {
				t.Fatalf("%s: error %v, want %v", tc.reason, err, tc.want.err)
			}
			if diff := cmp.Diff(before, o.Template); diff != "" {
				t.Errorf("the template was changed: %s", diff)
			}
			if err != nil {
				t.Log(err)
				return
			}
			if diff := cmp.Diff(content(t, tc.want.object), got.Object.Object); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.want.dropped, got.Dropped); diff != "" {
				t.Errorf("%s: dropped, -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestDigest(t *testing.T) {
	render := func(template string, topology scope.Topology, p *Policy, retainReplicas bool) string {
		o := fed(t, template)
		o.RetainReplicas = retainReplicas
		r, err := Render(o, topology, configMaps, p)
		if err != nil {
			t.Fatal(err)
		}
		return r.Digest()
	}
	base := render("{data: {a: b, c: d}}", physical, nil, false)
	if again := render("{data: {c: d, a: b}}", physical, &Policy{}, false); again != base {
		t.Errorf("the same object has the digests %s and %s", base, again)
	}
	seen := map[string]string{base: "the first"}
	for name, digest := range map[string]string{
		"another value":    render("{data: {a: b, c: e}}", physical, nil, false),
		"another topology": render("{data: {a: b, c: d}}", cell, nil, false),
		"retained":         render("{data: {a: b, c: d}}", physical, policy(t, nil, []string{".data.c"}), false),
		"replicas":         render("{data: {a: b, c: d}}", physical, nil, true),
	} {
		if other, ok := seen[digest]; ok {
			t.Errorf("%s has the digest of %s", name, other)
		}
		seen[digest] = name
	}
}

func TestVersion(t *testing.T) {
	for want, text := range map[string]string{
		"gen:3": "{metadata: {generation: 3, resourceVersion: '7'}}",
		"rv:7":  "{metadata: {resourceVersion: '7'}}",
	} {
		if got := Version(object(t, text)); got != want {
			t.Errorf("version %q, want %q", got, want)
		}
	}
}
