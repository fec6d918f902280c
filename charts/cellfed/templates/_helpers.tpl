{{/* The namespace of KubeFed. */}}
{{- define "cellfed.kubefedNamespace" -}}
{{ (.Values.global).kubefedNamespace | default "kube-federation-system" }}
{{- end }}

{{/* What Services and the Deployment select pods by. It never changes, and is that of config/. */}}
{{- define "cellfed.selectorLabels" -}}
app.kubernetes.io/component: manager
app.kubernetes.io/name: cellfed
{{- end }}

{{/* Labels that are the same in every version of the chart: what is judged when it changes has no others. */}}
{{- define "cellfed.steadyLabels" -}}
app.kubernetes.io/name: cellfed
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The labels of everything but pods. */}}
{{- define "cellfed.labels" -}}
{{ include "cellfed.steadyLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The same with labels of one object's own: (dict "root" $ "labels" ...). */}}
{{- define "cellfed.labelsAnd" -}}
{{ merge (dict) .labels (include "cellfed.labels" .root | fromYaml) | toYaml }}
{{- end }}

{{/* The image's full name. */}}
{{- define "cellfed.image" -}}
{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "cellfed.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default "cellfed-manager" }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end }}

{{/* How API servers reach a webhook: (dict "root" $ "path" "/..."). The manager keeps caBundle, which is nowhere in the chart. */}}
{{- define "cellfed.webhookClientConfig" -}}
{{- if .root.Values.webhooks.url -}}
url: {{ printf "%s%s" (trimSuffix "/" .root.Values.webhooks.url) .path | quote }}
{{- else -}}
service:
  name: cellfed-webhook
  namespace: {{ .root.Release.Namespace | quote }}
  path: {{ .path }}
  port: 443
{{- end }}
{{- end }}

{{/* Leaves out webhooks.exemptNamespaces. */}}
{{- define "cellfed.webhookNamespaces" -}}
{{- with .Values.webhooks.exemptNamespaces -}}
{{- if has (include "cellfed.kubefedNamespace" $) . }}
{{- fail (printf "webhooks.exemptNamespaces names %s, the KubeFed namespace, where policies and clusters are judged: take it out of the list" (include "cellfed.kubefedNamespace" $)) }}
{{- end -}}
namespaceSelector:
  matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values: {{ toJson . }}
{{- end }}
{{- end }}

{{/* The URL of the façade. */}}
{{- define "cellfed.facadeURL" -}}
{{ .Values.facade.url | default (printf "https://cellfed-facade.%s.svc:%d" .Release.Namespace (int .Values.facade.servicePort)) }}
{{- end }}

{{/* The names that certificates are for, as a JSON list, those of the URLs excepted. */}}
{{- define "cellfed.serviceNames" -}}
{{- $names := list }}
{{- range $service := list "webhook" "facade" "metrics" }}
{{- $name := printf "cellfed-%s.%s.svc" $service $.Release.Namespace }}
{{- $names = concat $names (list $name (printf "%s.cluster.local" $name)) }}
{{- end }}
{{- toJson $names }}
{{- end }}

{{/* The names for cert-manager, as {dnsNames, ipAddresses}. */}}
{{- define "cellfed.certificateNames" -}}
{{- $all := concat (fromJsonArray (include "cellfed.serviceNames" .)) .Values.certificates.extraNames }}
{{- range $url := list .Values.webhooks.url .Values.facade.url }}
{{- with $url }}{{ $all = append $all (get (urlParse .) "hostname") }}{{ end }}
{{- end }}
{{- $dns := list }}{{ $ips := list }}
{{- range uniq $all }}
{{- if or (contains ":" .) (regexMatch "^[0-9.]+$" .) }}{{ $ips = append $ips . }}{{ else }}{{ $dns = append $dns . }}{{ end }}
{{- end }}
{{- toJson (dict "dnsNames" $dns "ipAddresses" $ips) }}
{{- end }}

{{/* True for a release that is installed into a cluster just now. Then no manager answers yet, and CRDs may be missing. */}}
{{- define "cellfed.typesDeferred" -}}
{{- if lookup "v1" "Namespace" "" "kube-system" }}
{{- $served := and (.Capabilities.APIVersions.Has "cellfed.io/v1alpha1/FederatedTypePolicy") (.Capabilities.APIVersions.Has "core.kubefed.io/v1beta1/FederatedTypeConfig") }}
{{- if or .Release.IsInstall (not $served) }}true{{ end }}
{{- end }}
{{- end }}

{{/* The target of a type, as JSON: (dict "root" $ "name" ... "type" ...). */}}
{{- define "cellfed.target" -}}
{{- $usual := .root.Files.Get "files/types.yaml" | fromYaml }}
{{- $target := .type.target | default (get $usual .name) }}
{{- if not $target }}
{{- fail (printf "types.%s is none of the usual types: give it a target, such as {group: example.com, version: v1, kind: Widget, pluralName: widgets, scope: Namespaced}" .name) }}
{{- end }}
{{- toJson $target }}
{{- end }}

{{/* The name of a target's FederatedTypeConfig and FederatedTypePolicy. */}}
{{- define "cellfed.typeName" -}}
{{ .pluralName }}{{ with .group }}.{{ . }}{{ end }}
{{- end }}
