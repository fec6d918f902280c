package e2e

import (
	corev1 "k8s.io/api/core/v1"
)

func tellNamespaceLimits(s *stage) {
	s = newBareStage(s.t, s.env, "compat-limits")
	data := map[string]any{"a": "1"}
	s.put(s.federatedNamespace(s.one))
	s.put(s.configMapOf("limited", data))
	s.waitMap(s.one, "limited", data)
	s.waitReport("ConfigMap", "limited", well(s.one))
	s.waitReport("Namespace", s.namespace, well(s.one))
	s.wantAbsent(s.two, "Namespace", s.namespace)

	s.t.Log("The namespace comes to the other cluster, and with it what is placed there")
	s.edit("Namespace", s.namespace, `{"spec":{"placement":{"clusters":[{"name":%q},{"name":%q}]}}}`, s.one, s.two)
	s.waitMap(s.two, "limited", data)
	s.waitReport("ConfigMap", "limited", well(s.one, s.two))

	s.t.Log("And goes again")
	s.edit("Namespace", s.namespace, `{"spec":{"placement":{"clusters":[{"name":%q}]}}}`, s.two)
	s.waitAbsent(s.one, "ConfigMap", "limited")
	s.waitAbsent(s.one, "Namespace", s.namespace)
	s.waitReport("ConfigMap", "limited", well(s.two))
	s.waitMap(s.two, "limited", data)
}

func tellNamespaceMissing(s *stage) {
	s = newBareStage(s.t, s.env, "compat-missing")
	data := map[string]any{"a": "1"}
	s.put(s.configMapOf("unfederated", data))
	s.waitReport("ConfigMap", "unfederated", report{reason: "NamespaceNotFederated", clusters: map[string]string{}})
	s.wantAbsent(s.one, "Namespace", s.namespace)
	s.put(s.federatedNamespace(s.one, s.two))
	s.waitMap(s.one, "unfederated", data)
	s.waitMap(s.two, "unfederated", data)
	s.waitReport("ConfigMap", "unfederated", well(s.one, s.two))
}

func tellNamespaceDeleted(s *stage) {
	s = newBareStage(s.t, s.env, "compat-deleted")
	data := map[string]any{"a": "1"}
	s.put(s.federatedNamespace(s.one, s.two))
	s.put(s.configMapOf("left", data))
	s.waitMap(s.one, "left", data)
	s.waitMap(s.two, "left", data)
	s.waitReport("Namespace", s.namespace, well(s.one, s.two))
	s.drop("Namespace", s.namespace)
	s.waitAbsent(s.one, "Namespace", s.namespace)
	s.waitAbsent(s.two, "Namespace", s.namespace)
	s.waitReport("ConfigMap", "left", report{reason: "NamespaceNotFederated", clusters: map[string]string{}})
	host := &corev1.Namespace{}
	s.must(s.env.Host.Client.Get(s.ctx, keyOf("", s.namespace), host))
	if host.DeletionTimestamp != nil {
		s.t.Error("the Namespace of the host goes with the FederatedNamespace")
	}
}
