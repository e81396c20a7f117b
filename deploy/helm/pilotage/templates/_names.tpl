{{- define "pilotage.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "pilotage.selector" -}}
app.kubernetes.io/name: pilotage
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "pilotage.labels" -}}
{{ include "pilotage.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: pilotage
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "pilotage.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end -}}
{{- end }}

{{/* Refuse values that exclude or need each other, by their paths. */}}
{{- define "pilotage.consistent" -}}
{{- $temporal := .Values.temporal }}
{{- if and .Values.evaluation.temporal.enabled $temporal.address }}
{{- fail "temporal.address: evaluation.temporal.enabled brings a Temporal of its own; set one of both" }}
{{- end }}
{{- range $name := list "serverName" "caSecret" "clientSecret" }}
{{- if and (get $temporal.tls $name) (not $temporal.tls.enabled) }}
{{- fail (printf "temporal.tls.%s: set temporal.tls.enabled to true, else it counts for nothing" $name) }}
{{- end }}
{{- end }}
{{- if ne (empty $temporal.encryption.secret) (empty $temporal.encryption.key) }}
{{- fail "temporal.encryption: secret and key need each other; key names the entry of new payloads" }}
{{- end }}
{{- end }}

{{/* Refuse a variable that is set twice; takes the environment of a container as YAML. */}}
{{- define "pilotage.setOnce" -}}
{{- $names := list }}
{{- range fromYamlArray . }}
{{- if has .name $names }}
{{- fail (printf "settings and extraEnv: %s is set by another value of the chart, or twice" .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- end }}

{{- define "pilotage.temporal.address" -}}
{{- if .Values.evaluation.temporal.enabled -}}
{{ include "pilotage.fullname" . }}-temporal.{{ .Release.Namespace }}.svc:7233
{{- else -}}
{{ required "temporal.address: host:port of Temporal's frontend is required" .Values.temporal.address }}
{{- end -}}
{{- end }}

{{/* The groups of workers; without any, one that serves all queues. */}}
{{- define "pilotage.workerGroups" -}}
{{- default (dict "all" (dict)) .Values.workerGroups | toYaml -}}
{{- end }}
