{{/* What the schema cannot tell of values: each is told with its way out. */}}
{{- define "cellfed.refuse" -}}
{{- $v := .Values }}
{{- $replicas := int $v.replicas }}
{{- if and (not $v.leaderElection.enabled) (gt $replicas 1) }}
{{- fail (printf "leaderElection.enabled is false with replicas %d, and every one of them would write: set replicas to 1, or leaderElection.enabled to true" $replicas) }}
{{- end }}
{{- if and $v.podDisruptionBudget.enabled (gt $replicas 1) }}
{{- $least := $v.podDisruptionBudget.minAvailable | toString }}
{{- $stay := int $least }}
{{- if hasSuffix "%" $least }}
{{- $stay = div (add (mul (trimSuffix "%" $least | int) $replicas) 99) 100 }}
{{- end }}
{{- if ge (int $stay) $replicas }}
{{- fail (printf "podDisruptionBudget.minAvailable is %s, which is %d of %d replicas, and no node with one of them could ever be drained: give less, or set replicas to %d" $least (int $stay) $replicas (add1 $replicas)) }}
{{- end }}
{{- end }}
{{- include "cellfed.refusePorts" . }}
{{- if eq $v.certificates.mode "SelfManaged" }}
{{- include "cellfed.refuseLifetimes" $v.certificates.selfManaged }}
{{- end }}
{{- $labels := list "app\\.kubernetes\\.io/(component|instance|managed-by|name|version)" "helm\\.sh/chart" "cellfed\\.io/.*" "rbac\\.authorization\\.k8s\\.io/.*" }}
{{- include "cellfed.refuseKeys" (dict "value" "commonLabels" "given" $v.commonLabels "own" $labels) }}
{{- range $name := list "serviceMonitor" "prometheusRule" "dashboards" }}
{{- include "cellfed.refuseKeys" (dict "value" (printf "metrics.%s.labels" $name) "given" (get $v.metrics $name).labels "own" $labels) }}
{{- end }}
{{- include "cellfed.refuseKeys" (dict "value" "podLabels" "given" $v.podLabels "own" (list "app\\.kubernetes\\.io/(component|name)")) }}
{{- include "cellfed.refuseKeys" (dict "value" "podAnnotations" "given" $v.podAnnotations "own" (list "kubectl\\.kubernetes\\.io/default-container")) }}
{{- end }}

{{/* Keys that the chart sets itself: (dict "value" its name "given" the map "own" expressions of whole keys). */}}
{{- define "cellfed.refuseKeys" -}}
{{- range $key, $value := .given }}
{{- if regexMatch (printf "^(%s)$" (join "|" $.own)) $key }}
{{- fail (printf "%s has the key %s, which the chart sets itself: leave it out, or take another key" $.value $key) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Two listeners at one port. */}}
{{- define "cellfed.refusePorts" -}}
{{- $ports := dict }}
{{- $listeners := omit .Values.ports (ternary "" "metrics" .Values.metrics.enabled) }}
{{- range $name, $port := $listeners }}
{{- $_ := set $ports (printf "ports.%s" $name) (int $port | toString) }}
{{- end }}
{{- with .Values.pprof.bindAddress }}
{{- $_ := set $ports "pprof.bindAddress" (regexFind "[0-9]+$" .) }}
{{- end }}
{{- $taken := dict }}
{{- range $name, $port := $ports }}
{{- with get $taken $port }}
{{- fail (printf "%s and %s are both %s, and the second that listens ends the manager: give each a port of its own" . $name $port) }}
{{- end }}
{{- $_ := set $taken $port $name }}
{{- end }}
{{- end }}

{{/* Lifetimes with which the manager could not renew what it serves. */}}
{{- define "cellfed.refuseLifetimes" -}}
{{- $lifetime := include "cellfed.seconds" .lifetime | float64 }}
{{- $authority := include "cellfed.seconds" .authorityLifetime | float64 }}
{{- $settle := include "cellfed.seconds" .settlePeriod | float64 }}
{{- if lt $lifetime 30.0 }}
{{- fail (printf "certificates.selfManaged.lifetime is %s, which leaves no time to renew: give 30s or more, such as 2160h" .lifetime) }}
{{- end }}
{{- if lt $authority $lifetime }}
{{- fail (printf "certificates.selfManaged.authorityLifetime is %s, and a certificate cannot outlive its CA: give no less than certificates.selfManaged.lifetime, which is %s" .authorityLifetime .lifetime) }}
{{- end }}
{{- if or (lt $settle 1.0) (gt $settle (divf $lifetime 2)) (gt $settle (divf $authority 6)) }}
{{- fail (printf "certificates.selfManaged.settlePeriod is %s: give 1s or more, no more than half of lifetime, which is %s, and no more than a sixth of authorityLifetime, which is %s" .settlePeriod .lifetime .authorityLifetime) }}
{{- end }}
{{- end }}

{{/* A time as Go writes it, in seconds. */}}
{{- define "cellfed.seconds" -}}
{{- $units := dict "h" 3600 "m" 60 "s" 1 "ms" 0.001 "us" 0.000001 "µs" 0.000001 "ns" 0.000000001 }}
{{- $sum := 0.0 }}
{{- range regexFindAll "[0-9.]+[a-zµ]+" . -1 }}
{{- $unit := regexFind "[a-zµ]+" . }}
{{- $sum = addf $sum (mulf (regexFind "[0-9.]+" . | float64) (get $units $unit)) }}
{{- end }}
{{- $sum }}
{{- end }}
