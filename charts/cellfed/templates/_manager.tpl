{{/* The manager's flags. Every one that a value decides is given, whether or not it is the manager's default. */}}
{{- define "cellfed.args" -}}
{{- $v := .Values -}}
- --leader-elect={{ $v.leaderElection.enabled }}
- --leader-election-namespace={{ .Release.Namespace }}
- --kubefed-namespace={{ include "cellfed.kubefedNamespace" . }}
- --webhook-service={{ .Release.Namespace }}/cellfed-webhook
{{- with $v.webhooks.url }}
- --webhook-url={{ . }}
{{- end }}
- --webhook-bind-address=:{{ $v.ports.webhook }}
- --facade-url={{ include "cellfed.facadeURL" . }}
- --facade-bind-address=:{{ $v.ports.facade }}
- --facade-token-lifetime={{ $v.facade.tokenLifetime }}
- --facade-token-grace={{ $v.facade.tokenGrace }}
- --facade-timeout={{ $v.facade.timeout }}
- --health-probe-bind-address=:{{ $v.ports.health }}
{{- if $v.metrics.enabled }}
- --metrics-bind-address=:{{ $v.ports.metrics }}
- --metrics-secure={{ $v.metrics.secure }}
{{- else }}
- --metrics-bind-address=0
{{- end }}
{{- with $v.pprof.bindAddress }}
- --pprof-bind-address={{ . }}
{{- end }}
- --handover-quiet-period={{ $v.handOver.quietPeriod }}
- --storage-settle-period={{ $v.handOver.storageSettlePeriod }}
- --member-qps={{ $v.members.qps }}
- --member-timeout={{ $v.members.timeout }}
- --member-workers={{ int $v.members.workers }}
- --default-placement-mask={{ $v.defaultPlacementMask }}
- --tenant-change={{ $v.tenantChange }}
{{- if eq $v.certificates.mode "SelfManaged" }}
- --certificates=SelfManaged
- --certificate-secret={{ $v.certificates.selfManaged.secretName }}
- --certificate-names={{ join "," (prepend $v.certificates.extraNames (printf "cellfed-metrics.%s.svc" .Release.Namespace)) }}
- --certificate-lifetime={{ $v.certificates.selfManaged.lifetime }}
- --certificate-authority-lifetime={{ $v.certificates.selfManaged.authorityLifetime }}
- --certificate-settle-period={{ $v.certificates.selfManaged.settlePeriod }}
{{- else }}
- --certificates=Files
- --cert-dir=/etc/cellfed/certs
{{- end }}
{{- with $v.tracing }}
{{- if .endpoint }}
- --tracing-endpoint={{ .endpoint }}
- --tracing-sampling-rate={{ .samplingRate }}
- --tracing-insecure={{ .insecure }}
{{- if or .caSecretName .caConfigMapName }}
- --tracing-ca-file=/etc/cellfed/tracing/ca.crt
{{- end }}
{{- end }}
{{- end }}
- --zap-log-level={{ $v.logging.level }}
- --zap-encoder={{ $v.logging.format }}
{{- range $v.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{/* Where the manager finds certificates that somebody else makes. */}}
{{- define "cellfed.certificateVolume" -}}
{{- $c := .Values.certificates }}
{{- if eq $c.mode "CertManager" -}}
- name: certs
  secret:
    secretName: {{ $c.certManager.secretName | quote }}
{{- else if eq $c.mode "Given" -}}
{{- $secret := required "certificates.mode is Given without certificates.given.secretName: name the Secret that holds tls.crt and tls.key" $c.given.secretName }}
{{- if and $c.given.caSecretName $c.given.caConfigMapName }}
{{- fail "certificates.given has both caSecretName and caConfigMapName: give the one that holds ca.crt" }}
{{- end -}}
- name: certs
  projected:
    sources:
    - secret:
        name: {{ $secret | quote }}
        items:
        - {key: tls.crt, path: tls.crt}
        - {key: tls.key, path: tls.key}
    {{- if $c.given.caConfigMapName }}
    - configMap:
        name: {{ $c.given.caConfigMapName | quote }}
        items:
        - {key: ca.crt, path: ca.crt}
    {{- else }}
    - secret:
        name: {{ $c.given.caSecretName | default $secret | quote }}
        items:
        - {key: ca.crt, path: ca.crt}
    {{- end }}
{{- end }}
{{- end }}

{{/* Where it finds the CAs of the collector of traces. */}}
{{- define "cellfed.tracingVolume" -}}
{{- $t := .Values.tracing }}
{{- if and $t.endpoint (or $t.caSecretName $t.caConfigMapName) }}
{{- if and $t.caSecretName $t.caConfigMapName }}
{{- fail "tracing has both caSecretName and caConfigMapName: give the one that holds ca.crt" }}
{{- end }}
{{- if $t.insecure }}
{{- fail (printf "tracing.insecure is true with the CAs in %s, and nothing is checked without TLS: set it to false, or leave the CAs out" ($t.caSecretName | default $t.caConfigMapName)) }}
{{- end -}}
- name: tracing
  projected:
    sources:
    - {{ ternary "secret" "configMap" (not (empty $t.caSecretName)) }}:
        name: {{ $t.caSecretName | default $t.caConfigMapName | quote }}
        items:
        - {key: ca.crt, path: ca.crt}
{{- end }}
{{- end }}
