{{/* The secretTargetRef of KEDA's way to Temporal; empty where Temporal wants none. */}}
{{- define "pilotage.keda.authentication" -}}
{{- with .Values.temporal.apiKeySecret }}
{{- if .name }}
- {parameter: apiKey, name: {{ .name }}, key: {{ .key }}}
{{- end }}
{{- end }}
{{- with .Values.temporal.tls }}
{{- if and .enabled .clientSecret }}
- {parameter: cert, name: {{ .clientSecret }}, key: tls.crt}
- {parameter: key, name: {{ .clientSecret }}, key: tls.key}
{{- end }}
{{- if and .enabled .caSecret }}
- {parameter: ca, name: {{ .caSecret }}, key: ca.crt}
{{- end }}
{{- end }}
{{- end }}

{{- define "pilotage.keda.used" -}}
{{- range fromYaml (include "pilotage.workerGroups" .) }}
{{- if eq "keda" (default $.Values.worker.autoscaling.kind (dig "autoscaling" "kind" "" (default (dict) .))) }}yes{{ end }}
{{- end }}
{{- end }}
