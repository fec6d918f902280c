package federatedtype

// schema returns the schema of a federated kind in upstream's version.
func schema(scalable bool) map[string]any {
	spec := map[string]any{
		"placement": object(map[string]any{
			"clusters": list(object(map[string]any{"name": text()}, "name")),
			"clusterSelector": object(map[string]any{
				"matchExpressions": list(object(map[string]any{"key": text(), "operator": text(), "values": list(text())}, "key", "operator")),
				"matchLabels":      map[string]any{"type": "object", "additionalProperties": text()},
			}),
		}),
		"overrides": list(object(map[string]any{
			"clusterName": text(),
			"clusterOverrides": list(object(map[string]any{
				"op":    map[string]any{"type": "string", "pattern": "^(add|remove|replace)?$"},
				"path":  text(),
				"value": map[string]any{"x-kubernetes-preserve-unknown-fields": true},
			}, "path")),
		})),
		"template": anything(),
	}
	if scalable {
		spec["retainReplicas"] = map[string]any{"type": "boolean"}
	}
	moment := map[string]any{"type": "string", "format": "date-time"}
	return object(map[string]any{
		"apiVersion": text(),
		"kind":       text(),
		"metadata":   map[string]any{"type": "object"},
		"spec":       object(spec),
		"status": object(map[string]any{
			"clusters": list(object(map[string]any{"name": text(), "status": text(), "remoteStatus": anything()}, "name")),
			"conditions": list(object(map[string]any{
				"type": text(), "status": text(), "reason": text(), "lastUpdateTime": moment, "lastTransitionTime": moment,
			}, "type", "status")),
			"observedGeneration": map[string]any{"type": "integer", "format": "int64"},
		}),
	}, "spec")
}

func text() map[string]any { return map[string]any{"type": "string"} }

func anything() map[string]any {
	return map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}
}

func list(items map[string]any) map[string]any {
	return map[string]any{"type": "array", "items": items}
}

func object(properties map[string]any, required ...string) map[string]any {
	schema := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		names := make([]any, 0, len(required))
		for _, name := range required {
			names = append(names, name)
		}
		schema["required"] = names
	}
	return schema
}
