package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/scope"
)

func TestRetain(t *testing.T) {
	cases := map[string]struct {
		reason         string
		target         Target
		rendered, live string
		applied        string
		legacy         bool
		retainReplicas bool
		retain         []string
		want           string
		pin            bool
	}{
		"Creation": {
			reason: "an object that is not there yet gets the template's values",
			target: services, rendered: "{spec: {clusterIP: 10.0.0.1}}", want: "{spec: {clusterIP: 10.0.0.1}}",
		},
		"NothingToRetain": {
			reason: "other kinds are applied as they are rendered",
			target: configMaps, rendered: "{data: {a: b}}", live: "{data: {a: x}}", want: "{data: {a: b}}",
		},
		"ReplicasOfAnother": {
			reason: "replicas that an autoscaler took over are left out",
			target: deployments, retainReplicas: true, applied: "{f:spec: {f:paused: {}}}",
			rendered: "{spec: {replicas: 3, paused: true}}", live: "{spec: {replicas: 7, paused: true}}", want: "{spec: {paused: true}}",
		},
		"ReplicasOfOurs": {
			reason: "replicas that nobody took over are sent as they are, or they would go",
			target: deployments, retainReplicas: true, applied: "{f:spec: {f:paused: {}, f:replicas: {}}}", pin: true,
			rendered: "{spec: {replicas: 3, paused: true}}", live: "{spec: {replicas: 7, paused: true}}", want: "{spec: {replicas: 7, paused: true}}",
		},
		"ReplicasThatLeftTheTemplate": {
			reason: "and also where the template does not speak of them any more",
			target: deployments, retainReplicas: true, applied: "{f:spec: {f:replicas: {}}}", pin: true,
			rendered: "{spec: {paused: true}}", live: "{spec: {replicas: 7}}", want: "{spec: {replicas: 7, paused: true}}",
		},
		"NoReplicas": {
			reason: "zero replicas are a number of replicas",
			target: deployments, retainReplicas: true, applied: "{f:spec: {f:replicas: {}}}", pin: true,
			rendered: "{spec: {replicas: 3}}", live: "{spec: {replicas: 0}}", want: "{spec: {replicas: 0}}",
		},
		"ReplicasAreTheTemplates": {
			reason: "without retainReplicas the template's are sent",
			target: deployments, applied: "{f:spec: {f:replicas: {}}}",
			rendered: "{spec: {replicas: 3}}", live: "{spec: {replicas: 7}}", want: "{spec: {replicas: 3}}",
		},
		"ReplicasWrittenByUpstream": {
			reason: "what upstream wrote becomes ours before the apply",
			target: deployments, retainReplicas: true, legacy: true, applied: "{f:spec: {f:paused: {}}}", pin: true,
			rendered: "{spec: {replicas: 3}}", live: "{spec: {replicas: 7}}", want: "{spec: {replicas: 7}}",
		},
		"ServiceOfOurs": {
			reason: "what the API server allocated is not ours, and not sent",
			target: services, applied: "{f:spec: {f:ports: {'k:{\"port\":80,\"protocol\":\"TCP\"}': {.: {}, f:port: {}}}}}",
			rendered: "{spec: {clusterIP: '', ports: [{port: 80, nodePort: 30000}]}}",
			live:     "{spec: {clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], healthCheckNodePort: 30001, ports: [{port: 80, protocol: TCP, nodePort: 30080}]}}",
			want:     "{spec: {ports: [{port: 80}]}}",
		},
		"ServiceOfUpstream": {
			reason: "ports are the same by number and protocol, whatever their name; a port that is not there any more does not come back",
			target: services, legacy: true, pin: true,
			rendered: "{spec: {ports: [{name: dns, port: 53}, {name: udp, port: 53, protocol: UDP}, {name: new, port: 1}]}}",
			live: "{spec: {clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], healthCheckNodePort: 30001, ports: [{name: old, port: 80, protocol: TCP, nodePort: 30080}, " +
				"{name: udp, port: 53, protocol: UDP, nodePort: 30053}, {name: tcp, port: 53, protocol: TCP, nodePort: 30054}]}}",
			want: "{spec: {clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], healthCheckNodePort: 30001, " +
				"ports: [{name: dns, port: 53, nodePort: 30054}, {name: udp, port: 53, protocol: UDP, nodePort: 30053}, {name: new, port: 1}]}}",
		},
		"ServiceBecomesNodePort": {
			reason: "where the member has no node port, the template's is sent",
			target: services, applied: "{f:spec: {f:ports: {'k:{\"port\":80,\"protocol\":\"TCP\"}': {.: {}, f:port: {}}}}}",
			rendered: "{spec: {type: NodePort, ports: [{port: 80, nodePort: 30000}]}}",
			live:     "{spec: {type: ClusterIP, ports: [{port: 80, protocol: TCP}]}}",
			want:     "{spec: {type: NodePort, ports: [{port: 80, nodePort: 30000}]}}",
		},
		"ServiceGetsAnAddress": {
			reason: "an empty value of the member's is none",
			target: services, legacy: true,
			rendered: "{spec: {clusterIP: 10.0.0.9}}", live: "{spec: {type: ExternalName, clusterIP: '', clusterIPs: []}}", want: "{spec: {clusterIP: 10.0.0.9}}",
		},
		"AccountSecrets": {
			reason: "generated secrets stay; image pull secrets are nobody else's",
			target: accounts, legacy: true, pin: true,
			rendered: "{imagePullSecrets: [{name: a}]}", live: "{secrets: [{name: token}], imagePullSecrets: [{name: b}]}",
			want: "{imagePullSecrets: [{name: a}], secrets: [{name: token}]}",
		},
		"AccountSecretsOfTheTemplate": {
			reason: "as upstream has it, secrets of the template prevail",
			target: accounts, legacy: true,
			rendered: "{secrets: [{name: own}]}", live: "{secrets: [{name: token}]}", want: "{secrets: [{name: own}]}",
		},
		"Job": {
			reason: "what a Job was given when it was created can never change",
			target: jobs, applied: "{f:spec: {f:template: {f:spec: {f:restartPolicy: {}}}}}",
			rendered: "{spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {controller-uid: x}}, spec: {restartPolicy: Never}}}}",
			live:     "{spec: {selector: {matchLabels: {controller-uid: u}}, template: {metadata: {labels: {controller-uid: u, job-name: a}}, spec: {restartPolicy: Never}}}}",
			want:     "{spec: {template: {spec: {restartPolicy: Never}}}}",
		},
		"JobOfUpstream": {
			reason: "and is sent as it is where upstream owns it",
			target: jobs, legacy: true, pin: true,
			rendered: "{spec: {template: {metadata: {labels: {app: a}}, spec: {restartPolicy: Never}}}}",
			live: "{spec: {selector: {matchLabels: {batch.kubernetes.io/controller-uid: u}}, template: {metadata: {labels: {app: a, " +
				"batch.kubernetes.io/controller-uid: u, batch.kubernetes.io/job-name: a, controller-uid: u, job-name: a, other: x}}}}}",
			want: "{spec: {selector: {matchLabels: {batch.kubernetes.io/controller-uid: u}}, template: {metadata: {labels: {app: a, " +
				"batch.kubernetes.io/controller-uid: u, batch.kubernetes.io/job-name: a, controller-uid: u, job-name: a}}, spec: {restartPolicy: Never}}}}",
		},
		"Claim": {
			reason: "a claim stays bound",
			target: claims, applied: "{f:spec: {f:accessModes: {}}}",
			rendered: "{spec: {volumeName: x, accessModes: [a]}}", live: "{spec: {volumeName: pv, accessModes: [a]}}", want: "{spec: {accessModes: [a]}}",
		},
		"Bundle": {
			reason: "a placeholder gives way to the CA bundle that somebody filled in",
			target: hooks, applied: "{f:webhooks: {'k:{\"name\":\"a\"}': {.: {}, f:name: {}, f:clientConfig: {f:url: {}}}}}",
			rendered: "{webhooks: [{name: a, clientConfig: {url: u, caBundle: Cg==}}]}",
			live:     "{webhooks: [{name: b, clientConfig: {caBundle: eA==}}, {name: a, clientConfig: {url: u, caBundle: eQ==}}]}",
			want:     "{webhooks: [{name: a, clientConfig: {url: u}}]}",
		},
		"BundleOfTheTemplate": {
			reason: "a CA bundle of the template's own must reach the members when it is renewed",
			target: hooks, legacy: true,
			rendered: "{webhooks: [{name: a, clientConfig: {caBundle: bmV3}}]}", live: "{webhooks: [{name: a, clientConfig: {caBundle: b2xk}}]}",
			want: "{webhooks: [{name: a, clientConfig: {caBundle: bmV3}}]}",
		},
		"BundleByPolicy": {
			reason: "unless the policy says that it is the member's",
			target: hooks, retain: []string{".webhooks[*].clientConfig.caBundle"}, pin: true,
			applied:  "{f:webhooks: {'k:{\"name\":\"a\"}': {.: {}, f:name: {}, f:clientConfig: {f:caBundle: {}}}}}",
			rendered: "{webhooks: [{name: a, clientConfig: {caBundle: bmV3}}]}", live: "{webhooks: [{name: a, clientConfig: {caBundle: b2xk}}]}",
			want: "{webhooks: [{name: a, clientConfig: {caBundle: b2xk}}]}",
		},
		"AtomicParent": {
			reason: "a field of an object with a single owner cannot be left out",
			target: customs, retain: []string{".spec.atomic.x"}, applied: "{f:spec: {f:atomic: {}, f:y: {}}}", pin: true,
			rendered: "{spec: {y: 1, atomic: {z: 1}}}", live: "{spec: {y: 1, atomic: {z: 0, x: 2}}}", want: "{spec: {y: 1, atomic: {z: 1, x: 2}}}",
		},
		"AtomicList": {
			reason: "nor one of an item of a list with a single owner",
			target: customs, retain: []string{".spec.list[*].x"}, applied: "{f:spec: {f:list: {}}}", pin: true,
			rendered: "{spec: {list: [{key: b, z: 1}, {key: a}]}}", live: "{spec: {list: [{key: a, x: 1}, {key: b, x: 2}]}}",
			want: "{spec: {list: [{key: b, z: 1, x: 2}, {key: a, x: 1}]}}",
		},
		"NeverApplied": {
			reason: "nor where nobody can tell, the object being somebody else's until now",
			target: customs, retain: []string{".spec.list[*].x"}, pin: true,
			rendered: "{spec: {list: [{z: 1}]}}", live: "{spec: {list: [{x: 1}, {x: 2}]}}", want: "{spec: {list: [{z: 1, x: 1}]}}",
		},
		"KeyOfTheirOwn": {
			reason: "items of a list that nobody knows are the same by the field that finds most of them again",
			target: customs, retain: []string{".spec.list[*].x"}, pin: true,
			rendered: "{spec: {list: [{id: 2, a: p}, {id: 3, a: q}]}}", live: "{spec: {list: [{id: 1, a: q, x: 1}, {id: 2, a: r, x: 2}, {id: 3, a: s, x: 3}]}}",
			want: "{spec: {list: [{id: 2, a: p, x: 2}, {id: 3, a: q, x: 3}]}}",
		},
		"KeyOfTheFieldManager": {
			reason: "or by the key that the field manager knows",
			target: customs, retain: []string{".spec.list[*].x"}, applied: `{f:spec: {f:list: {'k:{"id":1}': {.: {}, f:id: {}}, 'k:{"id":2}': {.: {}, f:id: {}, f:x: {}}}}}`, pin: true,
			rendered: "{spec: {list: [{id: 2, name: a, x: 0}, {id: 1, name: b, x: 0}]}}", live: "{spec: {list: [{id: 1, name: a, x: 1}, {id: 2, name: b, x: 2}]}}",
			want: "{spec: {list: [{id: 2, name: a, x: 2}, {id: 1, name: b}]}}",
		},
		"NewParent": {
			reason: "nor where the parent is new to us",
			target: customs, retain: []string{".spec.new.x"}, applied: "{f:spec: {f:y: {}}}", pin: true,
			rendered: "{spec: {y: 1, new: {z: 1}}}", live: "{spec: {y: 1, new: {x: 2}}}", want: "{spec: {y: 1, new: {z: 1, x: 2}}}",
		},
		"NothingButTheRetained": {
			reason: "a parent with nothing else in it is not sent at all",
			target: customs, retain: []string{".spec.new.x"}, applied: "{f:spec: {f:y: {}}}",
			rendered: "{spec: {y: 1, new: {x: 1}}}", live: "{spec: {y: 1, new: {x: 2}}}", want: "{spec: {y: 1}}",
		},
		"Annotation": {
			reason: "names with dots and slashes are names",
			target: configMaps, retain: []string{".metadata.annotations['x.io/a']"}, applied: "{f:metadata: {f:annotations: {f:y: {}}}}",
			rendered: "{metadata: {annotations: {x.io/a: t, y: t}}}", live: "{metadata: {annotations: {x.io/a: m, y: m}}}", want: "{metadata: {annotations: {y: t}}}",
		},
		"OtherShape": {
			reason: "a path that leads elsewhere in the member changes nothing",
			target: customs, retain: []string{".spec.a.b", ".spec.c[*].d"},
			rendered: "{spec: {a: 1, c: {d: 1}}}", live: "{spec: {a: {b: 2}, c: [{d: 2}]}}", want: "{spec: {a: 1, c: {d: 1}}}",
		},
		"ListsInLists": {
			reason: "lists of lists are walked too",
			target: customs, retain: []string{".spec[*][*].x"}, pin: true,
			rendered: "{spec: [[{z: 1}]]}", live: "{spec: [[{x: 1}]]}", want: "{spec: [[{z: 1, x: 1}]]}",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := &Rendered{Object: object(t, tc.rendered)}
			var live *Live
			if tc.live != "" {
				live = &Live{Object: object(t, tc.live), Applied: fields(t, tc.applied), Legacy: tc.legacy}
			}
			got, pin := Retain(r, live, &federated.Object{RetainReplicas: tc.retainReplicas}, tc.target, policy(t, nil, tc.retain))
			if diff := cmp.Diff(content(t, tc.want), got.Object); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
			if pin != tc.pin {
				t.Errorf("%s: pin is %v, want %v", tc.reason, pin, tc.pin)
			}
			if diff := cmp.Diff(content(t, tc.rendered), r.Object.Object); diff != "" {
				t.Errorf("what was rendered has changed: %s", diff)
			}
			if live != nil {
				if diff := cmp.Diff(content(t, tc.live), live.Object.Object); diff != "" {
					t.Errorf("the live object has changed: %s", diff)
				}
				got.Object["spec"] = "changed"
				if diff := cmp.Diff(content(t, tc.live), live.Object.Object); diff != "" {
					t.Errorf("the result shares with the live object: %s", diff)
				}
			}
		})
	}
}

// TestRetainSharesNothing changes every part of a result and wants the live object to stay.
func TestRetainSharesNothing(t *testing.T) {
	text := "{spec: {a: {b: [{c: 1}]}}}"
	live := &Live{Object: object(t, text)}
	got, _ := Retain(&Rendered{Object: &unstructured.Unstructured{Object: map[string]any{}}}, live, &federated.Object{}, customs, policy(t, nil, []string{".spec.a"}))
	got.Object["spec"].(map[string]any)["a"].(map[string]any)["b"].([]any)[0].(map[string]any)["c"] = "changed"
	if diff := cmp.Diff(content(t, text), live.Object.Object); diff != "" {
		t.Error(diff)
	}
}

// TestRetainOverridden: what an override of the topology names prevails over what the member has, and nothing else does.
func TestRetainOverridden(t *testing.T) {
	cases := map[string]struct {
		reason    string
		overrides []federated.Override
		want      any
	}{
		"None":  {reason: "the member's value stays", want: int64(7)},
		"Named": {reason: "the override prevails", overrides: []federated.Override{{Path: "/spec/replicas", Value: int64(2), HasValue: true}}, want: int64(2)},
		"Other": {reason: "an override of another field is none of this one", overrides: []federated.Override{{Op: "add", Path: "/spec/replicasMax", Value: int64(2), HasValue: true}}, want: int64(7)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := &federated.Object{
				Namespace: "acme-prod", Name: "pay", RetainReplicas: true,
				Template:  map[string]any{"spec": map[string]any{"replicas": int64(3)}},
				Overrides: map[string][]federated.Override{"hz-a": tc.overrides},
			}
			r, err := Render(o, scope.Topology{Name: "hz-a", Member: "hz-a"}, deployments, nil)
			if err != nil {
				t.Fatal(err)
			}
			live := r.Object.DeepCopy()
			if err := unstructured.SetNestedField(live.Object, int64(7), "spec", "replicas"); err != nil {
				t.Fatal(err)
			}
			desired, _ := Retain(r, &Live{Object: live, Legacy: true}, o, deployments, nil)
			got, _, _ := unstructured.NestedFieldNoCopy(desired.Object, "spec", "replicas")
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}
