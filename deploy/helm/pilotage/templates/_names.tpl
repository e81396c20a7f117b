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

{{- define "pilotage.temporal.address" -}}
{{- if .Values.evaluation.temporal.enabled -}}
{{ include "pilotage.fullname" . }}-temporal.{{ .Release.Namespace }}.svc:7233
{{- else -}}
{{ required "temporal.address: host:port of Temporal's frontend is required" .Values.temporal.address }}
{{- end -}}
{{- end }}

{{/* The namespaces whose Roles our processes have: those that they work for, and their own, which holds the Secrets of
     cluster-scoped resources. */}}
{{- define "pilotage.namespaces" -}}
{{- concat .Values.namespaces (list .Release.Namespace) | uniq | toJson -}}
{{- end }}
