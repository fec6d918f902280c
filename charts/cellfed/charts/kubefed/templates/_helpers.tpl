{{/* The namespace of KubeFed. */}}
{{- define "kubefed.namespace" -}}
{{ (.Values.global).kubefedNamespace | default "kube-federation-system" }}
{{- end }}

{{/* What a Service or a Deployment selects pods by. It never changes. */}}
{{- define "kubefed.selectorLabels" -}}
app.kubernetes.io/name: kubefed
app.kubernetes.io/component: controller-manager
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* The labels of everything but pods. */}}
{{- define "kubefed.labels" -}}
{{ include "kubefed.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: kubefed
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The image's full name. */}}
{{- define "kubefed.image" -}}
{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* The spec of the KubeFedConfig. */}}
{{- define "kubefed.configSpec" -}}
scope: Cluster
controllerDuration:
  {{- range $field := list "availableDelay" "unavailableDelay" "cacheSyncTimeout" }}
  {{ $field }}: {{ index $.Values.config.controllerDuration $field | quote }}
  {{- end }}
leaderElect:
  {{- range $field := list "leaseDuration" "renewDeadline" "retryPeriod" "resourceLock" }}
  {{ $field }}: {{ index $.Values.config.leaderElect $field | quote }}
  {{- end }}
featureGates:
{{- range $gate := list "PushReconciler" "RawResourceStatusCollection" "SchedulerPreferences" }}
- name: {{ $gate }}
  configuration: {{ ternary "Enabled" "Disabled" (index $.Values.featureGates $gate) }}
{{- end }}
clusterHealthCheck:
  period: {{ .Values.config.clusterHealthCheck.period | quote }}
  failureThreshold: {{ int .Values.config.clusterHealthCheck.failureThreshold }}
  successThreshold: {{ int .Values.config.clusterHealthCheck.successThreshold }}
  timeout: {{ .Values.config.clusterHealthCheck.timeout | quote }}
syncController:
  maxConcurrentReconciles: {{ int .Values.config.syncController.maxConcurrentReconciles }}
  adoptResources: {{ .Values.config.syncController.adoptResources }}
statusController:
  maxConcurrentReconciles: {{ int .Values.config.statusController.maxConcurrentReconciles }}
{{- end }}
