package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const podApplied = `{f:spec: {f:containers: {'k:{"name":"x"}': {.: {}, f:name: {}, f:image: {}}}}}`

func TestDiff(t *testing.T) {
	cases := map[string]struct {
		reason        string
		target        Target
		desired, live string
		applied       string
		legacy        bool
		want          []string
	}{
		"Same":          {reason: "nothing differs", desired: "{data: {a: b}}", live: "{data: {a: b}}", applied: "{f:data: {f:a: {}}}"},
		"More":          {reason: "what is not desired is the member's", desired: "{data: {a: b}}", live: "{data: {a: b, c: d}, spec: {x: y}, metadata: {labels: {l: m}}}"},
		"Changed":       {reason: "a value differs", desired: "{data: {a: b, c: d}}", live: "{data: {a: x, c: d}}", want: []string{".data.a"}},
		"Gone":          {reason: "a field is missing", desired: "{data: {a.b: c}}", live: "{data: {}}", want: []string{".data['a.b']"}},
		"AllGone":       {reason: "and all of them", desired: "{data: {a: b}, spec: {x: [1]}}", live: "{}", want: []string{".data.a", ".spec.x"}},
		"OtherType":     {reason: "other types are other values", desired: "{spec: {a: {b: 1}, c: [1], d: 1, e: x}}", live: "{spec: {a: [1], c: {b: 1}, d: '1', e: {x: y}}}", want: []string{".spec.a", ".spec.c", ".spec.d", ".spec.e"}},
		"Numbers":       {reason: "1 and 1.0 are the same number", desired: "{spec: {a: 1, b: 2.0, c: 1}}", live: "{spec: {a: 1.0, b: 2, c: 1.5}}", want: []string{".spec.c"}},
		"APIVersion":    {reason: "versions cannot be compared", desired: "{apiVersion: x/v1}", live: "{apiVersion: x/v2}", want: []string{".apiVersion"}},
		"Labels":        {reason: "our own labels count", desired: "{metadata: {labels: {kubefed.io/managed: 'true'}}}", live: "{metadata: {labels: {kubefed.io/managed: 'false'}}}", want: []string{".metadata.labels['kubefed.io/managed']"}},
		"Name":          {reason: "another object is no such object", desired: "{metadata: {name: a, namespace: n}}", live: "{metadata: {name: b, namespace: m}}", want: []string{".metadata.name", ".metadata.namespace"}},
		"Pinned":        {reason: "what pins an apply is not compared", desired: "{metadata: {resourceVersion: '1', uid: u}}", live: "{metadata: {resourceVersion: '2', uid: v}}"},
		"Status":        {reason: "nor is a status", desired: "{status: {a: b}}", live: "{}"},
		"ZeroDropped":   {reason: "API servers leave zero values out", desired: "{spec: {a: '', b: 0, c: false, d: {}, e: [], f: {g: {}}, h: null}}", live: "{spec: {}}"},
		"ZeroChanged":   {reason: "but another value is another one", desired: "{spec: {a: '', b: 0, c: false}}", live: "{spec: {a: x, b: 1, c: true}}", want: []string{".spec.a", ".spec.b", ".spec.c"}},
		"ZeroOfAnother": {reason: "a zero that is not ours any more was changed by somebody", desired: "{spec: {a: '', d: {}, h: null, x: y}}", live: "{spec: {x: y}}", applied: "{f:spec: {f:x: {}}}", want: []string{".spec.a", ".spec.d", ".spec.h"}},
		"TakenOver":     {reason: "a value that another manager set is put right, though it is the same again", desired: "{data: {a: b, c: d}}", live: "{data: {a: b, c: d}}", applied: "{f:data: {f:c: {}}}", want: []string{".data.a"}},
		"TakenOverObject": {
			reason: "an object of a single owner to which somebody added is not ours any more", target: services,
			desired: "{spec: {selector: {a: b}, type: x}}", live: "{spec: {selector: {a: b, evil: x}, type: x}}", applied: "{f:spec: {f:type: {}}}", want: []string{".spec.selector.a"},
		},
		"AddedToSelector": {
			reason: "nor is it equal where nobody tells who owns it", target: services, legacy: true,
			desired: "{spec: {selector: {a: b}}}", live: "{spec: {selector: {a: b, evil: x}}}", want: []string{".spec.selector.evil"},
		},
		"AddedToNodeSelector": {
			reason: "as with an empty one", target: deployments,
			desired: "{spec: {nodeSelector: {}}}", live: "{spec: {nodeSelector: {a: b}}}", want: []string{".spec.nodeSelector"},
		},
		"NotOursAnyMore": {reason: "what we own and do not desire is to go", desired: "{data: {a: b}}", live: "{data: {a: b, c: d}, spec: {x: {y: z}}}", applied: "{f:data: {f:a: {}, f:c: {}, f:gone: {}}, f:spec: {f:x: {f:y: {}}}}", want: []string{".data.c", ".spec"}},
		"ItemNotOursAnyMore": {
			reason: "items too", target: deployments, desired: "{spec: {containers: [{name: x, image: i}]}}", live: "{spec: {containers: [{name: x, image: i, tty: true}, {name: y}]}}",
			applied: `{f:spec: {f:containers: {'k:{"name":"x"}': {.: {}, f:name: {}, f:image: {}, f:tty: {}}, 'k:{"name":"y"}': {.: {}, f:name: {}}}}}`,
			want:    []string{".spec.containers[name=x].tty", ".spec.containers[name=y]"},
		},
		"Defaults": {reason: "defaults in items are the API server's", target: deployments, desired: "{spec: {containers: [{name: x, image: i}]}}", live: "{spec: {containers: [{name: x, image: i, tty: false, ports: []}]}}", applied: podApplied},
		"Sidecar":  {reason: "and so are items that somebody else added", target: deployments, desired: "{spec: {containers: [{name: x, image: i}]}}", live: "{spec: {containers: [{name: s}, {name: x, image: i}]}}", applied: podApplied},
		"SidecarBeforeUs": {reason: "also before we applied, in lists of more than one owner", target: deployments, legacy: true,
			desired: "{spec: {containers: [{name: x, env: [{name: E, value: v}], volumeMounts: [{mountPath: /a, name: v}]}]}}",
			live:    "{spec: {containers: [{name: s}, {name: x, env: [{name: F}, {name: E, value: v}], volumeMounts: [{mountPath: /b, name: v}, {mountPath: /a, name: v}]}]}}"},
		"ItemChanged": {reason: "a field of an item differs", target: deployments, desired: "{spec: {containers: [{name: x, image: i}]}}", live: "{spec: {containers: [{name: s}, {name: x, image: j}]}}", applied: podApplied, want: []string{".spec.containers[name=x].image"}},
		"ItemGone":    {reason: "an item is missing", target: deployments, desired: "{spec: {containers: [{name: x, image: i}]}}", live: "{spec: {containers: [{name: s}]}}", applied: podApplied, want: []string{".spec.containers[name=x]"}},
		"ItemTakenOver": {reason: "an item is not ours", target: deployments, desired: "{spec: {containers: [{name: x, image: i}, {name: z}]}}", live: "{spec: {containers: [{name: x, image: i}, {name: z}]}}",
			applied: podApplied, want: []string{".spec.containers[name=z]"}},
		"Ports": {reason: "a protocol that is left out is TCP", target: services,
			desired: "{spec: {ports: [{port: 53, targetPort: 1}, {port: 53, protocol: UDP, targetPort: 2}]}}",
			live:    "{spec: {ports: [{port: 53, protocol: UDP, targetPort: 2, nodePort: 3}, {port: 53, protocol: TCP, targetPort: 1}]}}",
			applied: `{f:spec: {f:ports: {'k:{"port":53,"protocol":"TCP"}': {.: {}, f:port: {}, f:targetPort: {}}, 'k:{"port":53,"protocol":"UDP"}': {.: {}, f:port: {}, f:protocol: {}, f:targetPort: {}}}}}`},
		"PortsBeforeUs": {reason: "and when nobody tells the keys", target: services,
			desired: "{spec: {ports: [{port: 53, targetPort: 1}, {port: 53, protocol: UDP, targetPort: 2}]}}",
			live:    "{spec: {ports: [{port: 53, protocol: UDP, targetPort: 2, nodePort: 3}, {port: 53, protocol: TCP, targetPort: 7}]}}",
			want:    []string{".spec.ports[port=53,protocol=TCP].targetPort"}},
		"ImpliedKey": {reason: "a key that we spelled out once and leave to its default now is no difference", target: services,
			desired: "{spec: {ports: [{port: 53}]}}", live: "{spec: {ports: [{port: 53, protocol: TCP}]}}",
			applied: `{f:spec: {f:ports: {'k:{"port":53,"protocol":"TCP"}': {.: {}, f:port: {}, f:protocol: {}}}}}`},
		"Subjects": {reason: "an item more in a list of a single owner is a difference, before we ever applied", target: roles,
			desired: "{rules: [{verbs: [get]}]}", live: "{rules: [{verbs: [get]}, {verbs: ['*']}]}", want: []string{".rules"}},
		"Rules":        {reason: "and a value more in one of its lists", target: roles, desired: "{rules: [{verbs: [get]}]}", live: "{rules: [{verbs: [get, list]}]}", want: []string{".rules[0].verbs"}},
		"EmptyList":    {reason: "an empty list is nothing but that", desired: "{spec: {args: []}}", live: "{spec: {args: [x]}}", want: []string{".spec.args"}},
		"Order":        {reason: "order counts in lists of a single owner", desired: "{spec: {args: [a, b]}}", live: "{spec: {args: [b, a]}}", applied: "{f:spec: {f:args: {}}}", want: []string{".spec.args[0]", ".spec.args[1]"}},
		"Set":          {reason: "but not in sets, to which others may add", desired: "{spec: {s: [a, b]}}", live: "{spec: {s: [c, b, a]}}", applied: `{f:spec: {f:s: {'v:"a"': {}, 'v:"b"': {}}}}`},
		"SetTakenOver": {reason: "values of sets have owners", desired: "{spec: {s: [a, b, d]}}", live: "{spec: {s: [b, a, c]}}", applied: `{f:spec: {f:s: {'v:"a"': {}, 'v:"c"': {}}}}`, want: []string{".spec.s[=b]", ".spec.s[=c]", ".spec.s[=d]"}},
		"Finalizers":   {reason: "finalizers are a set", desired: "{metadata: {finalizers: [a]}}", live: "{metadata: {finalizers: [b, a]}}"},
		"Quantities": {reason: "quantities are compared as such where they are expected", target: deployments,
			desired: "{spec: {limits: {cpu: 1000m, memory: 1024Mi, x: 1}, sizeLimit: 0.5Gi, requests: {cpu: 2}}}",
			live:    "{spec: {limits: {cpu: '1', memory: 1Gi, x: '1'}, sizeLimit: 512Mi, requests: {cpu: '3'}}}", want: []string{".spec.requests.cpu"}},
		"NoQuantities": {reason: "and nowhere else", target: configMaps,
			desired: "{data: {limits: 1000m, a: 1000m}, spec: {b: '1.0'}}", live: "{data: {limits: '1', a: '1'}, spec: {b: '1'}}", want: []string{".data.a", ".data.limits", ".spec.b"}},
		"Base64": {reason: "base64 is compared by what it stands for", target: secrets,
			desired: `{data: {a: "YQ=\n=", b: YQ==}}`, live: "{data: {a: YQ==, b: Yg==}}", want: []string{".data.b"}},
		"NoBase64": {reason: "in a ConfigMap's data it is text", target: configMaps, desired: `{data: {a: "YQ=\n="}}`, live: "{data: {a: YQ==}}", want: []string{".data.a"}},
		"Null":     {reason: "a null that is ours is what the API server made of it", desired: "{data: {a: null}}", live: "{data: {a: ''}}", applied: "{f:data: {f:a: {}}}"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.target == (Target{}) {
				tc.target = customs
			}
			live := &Live{Object: object(t, tc.live), Applied: fields(t, tc.applied), Legacy: tc.legacy}
			got := Diff(object(t, tc.desired), live, physical, tc.target)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
	if got := Diff(object(t, "{data: {a: b}}"), nil, physical, customs); len(got) == 0 {
		t.Error("an object that is not there is a difference")
	}
}
