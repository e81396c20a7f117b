{{/* What one service account may do; takes root, account, rights (names in files/rights/processes.yaml) and annotations.
     ClusterRoles where Pilotage works for the cluster; else a Role in each namespace, and nothing else. */}}
{{- define "pilotage.rights" -}}
{{- $root := .root -}}
{{- $account := printf "%s-%s" (include "pilotage.fullname" $root) .account -}}
{{- $known := $root.Files.Get "files/rights/processes.yaml" | fromYaml -}}
{{- $subjects := list (dict "kind" "ServiceAccount" "name" $account "namespace" $root.Release.Namespace) -}}
{{- $scope := ternary "namespaces" "cluster" (gt (len $root.Values.namespaces) 0) -}}
{{- $rules := list -}}
{{- range .rights }}{{ $rules = concat $rules (get (get $known .) $scope) }}{{ end -}}
{{- $prefix := ternary "" "Cluster" (eq $scope "namespaces") -}}
{{- $places := ternary (uniq $root.Values.namespaces) (list "") (eq $scope "namespaces") -}}
{{- range $place := $places }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $prefix }}Role
metadata:
  name: {{ $account }}
  {{- with $place }}
  namespace: {{ . }}
  {{- end }}
  labels: {{- include "pilotage.labels" $root | nindent 4 }}
  {{- with $.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
rules: {{- toYaml $rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $prefix }}RoleBinding
metadata:
  name: {{ $account }}
  {{- with $place }}
  namespace: {{ . }}
  {{- end }}
  labels: {{- include "pilotage.labels" $root | nindent 4 }}
  {{- with $.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $prefix }}Role
  name: {{ $account }}
subjects: {{- toYaml $subjects | nindent 2 }}
{{- end }}
{{- end }}

{{- define "pilotage.account" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "pilotage.fullname" .root }}-{{ .account }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "pilotage.labels" .root | nindent 4 }}
  {{- with merge (dict) (default (dict) .annotations) .root.Values.serviceAccounts.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
