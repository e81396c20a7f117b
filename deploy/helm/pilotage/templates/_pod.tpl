{{/* The environment of every process. */}}
{{- define "pilotage.environment" -}}
{{- include "pilotage.consistent" . }}
{{- $tls := .Values.temporal.tls -}}
{{- $key := .Values.temporal.apiKeySecret -}}
- {name: PILOTAGE_INSTALLATION, value: {{ required "installation: an id of this installation is required" .Values.installation | quote }}}
- {name: PILOTAGE_SYSTEM_NAMESPACE, value: {{ .Release.Namespace | quote }}}
- {name: PILOTAGE_LOG_FORMAT, value: {{ .Values.logs.format | quote }}}
- {name: PILOTAGE_LOG_LEVEL, value: {{ .Values.logs.level | quote }}}
{{- with .Values.namespaces }}
- {name: PILOTAGE_NAMESPACES, value: {{ join "," . | quote }}}
{{- end }}
{{- with .Values.allowedHosts }}
- {name: PILOTAGE_ALLOWED_HOSTS, value: {{ join "," . | quote }}}
{{- end }}
{{- if .Values.allowHTTP }}
- {name: PILOTAGE_ALLOW_HTTP, value: "true"}
{{- end }}
{{- if .Values.receiver.fluxAlerts }}
- {name: PILOTAGE_FLUX_ALERTS, value: "true"}
{{- end }}
- {name: TEMPORAL_ADDRESS, value: {{ include "pilotage.temporal.address" . | quote }}}
- {name: TEMPORAL_NAMESPACE, value: {{ .Values.temporal.namespace | quote }}}
{{- with .Values.temporal.uiURL }}
- {name: PILOTAGE_TEMPORAL_UI_URL, value: {{ . | quote }}}
{{- end }}
{{- if $tls.enabled }}
- {name: TEMPORAL_TLS, value: "true"}
{{- with $tls.serverName }}
- {name: TEMPORAL_TLS_SERVER_NAME, value: {{ . | quote }}}
{{- end }}
{{- if $tls.caSecret }}
- {name: TEMPORAL_TLS_SERVER_CA_CERT_PATH, value: /etc/pilotage/temporal-ca/ca.crt}
{{- end }}
{{- if $tls.clientSecret }}
- {name: TEMPORAL_TLS_CLIENT_CERT_PATH, value: /etc/pilotage/temporal-client/tls.crt}
- {name: TEMPORAL_TLS_CLIENT_KEY_PATH, value: /etc/pilotage/temporal-client/tls.key}
{{- end }}
{{- end }}
{{- if $key.name }}
- name: TEMPORAL_API_KEY
  valueFrom: {secretKeyRef: {name: {{ $key.name }}, key: {{ $key.key }}}}
{{- end }}
{{- with .Values.temporal.encryption }}
{{- if .secret }}
- {name: PILOTAGE_ENCRYPTION_KEYS, value: /etc/pilotage/encryption}
- {name: PILOTAGE_ENCRYPTION_KEY, value: {{ .key | quote }}}
{{- end }}
{{- end }}
{{- if .Values.extraCA.configMap }}
- {name: PILOTAGE_EXTRA_CA, value: /etc/pilotage/ca/ca.crt}
{{- end }}
{{- with .Values.traces.endpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- range $name, $value := .Values.settings }}
{{- if has $name (list "PILOTAGE_HTTP_HOST" "PILOTAGE_HTTP_PORT") }}
{{- fail (printf "settings.%s: probes, Services and scrapes of the chart use the default; leave it out" $name) }}
{{- end }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "pilotage.mounts" -}}
- {name: scratch, mountPath: /tmp}
{{- if .Values.temporal.tls.caSecret }}
- {name: temporal-ca, mountPath: /etc/pilotage/temporal-ca, readOnly: true}
{{- end }}
{{- if .Values.temporal.tls.clientSecret }}
- {name: temporal-client, mountPath: /etc/pilotage/temporal-client, readOnly: true}
{{- end }}
{{- if .Values.temporal.encryption.secret }}
- {name: encryption, mountPath: /etc/pilotage/encryption, readOnly: true}
{{- end }}
{{- if .Values.extraCA.configMap }}
- {name: ca, mountPath: /etc/pilotage/ca, readOnly: true}
{{- end }}
{{- end }}

{{- define "pilotage.volumes" -}}
- {name: scratch, emptyDir: {medium: Memory, sizeLimit: 64Mi}}
{{- with .Values.temporal.tls.caSecret }}
- {name: temporal-ca, secret: {secretName: {{ . }}}}
{{- end }}
{{- with .Values.temporal.tls.clientSecret }}
- {name: temporal-client, secret: {secretName: {{ . }}}}
{{- end }}
{{- with .Values.temporal.encryption.secret }}
- {name: encryption, secret: {secretName: {{ . }}}}
{{- end }}
{{- with .Values.extraCA }}
{{- if .configMap }}
- {name: ca, configMap: {name: {{ .configMap }}, items: [{key: {{ .key }}, path: ca.crt}]}}
{{- end }}
{{- end }}
{{- end }}

{{- define "pilotage.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "pilotage.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Where every pod may run, and what its images are pulled with. */}}
{{- define "pilotage.placement" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The labels of one Deployment's pods, by which they are selected. */}}
{{- define "pilotage.own" -}}
{{ include "pilotage.selector" .root }}
app.kubernetes.io/component: {{ .component }}
{{- with .group }}
pilotage.dev/worker-group: {{ . }}
{{- end }}
{{- end }}

{{/* A Deployment with its PodDisruptionBudget; takes root, component, group (of workers), account, args, replicas,
     scaled (whether something else sets them), resources, grace (seconds), environment (a list), lingers (seconds), volumes and mounts (lists of one's own). */}}
{{- define "pilotage.deployment" -}}
{{- $root := .root -}}
{{- $name := join "-" (compact (list (include "pilotage.fullname" $root) .component .group)) -}}
{{- $own := include "pilotage.own" . -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "pilotage.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  {{- if not .scaled }}
  replicas: {{ .replicas }}
  {{- end }}
  # A watcher and a worker are idempotent and share their work: a new pod is there before an old one goes.
  strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  selector:
    matchLabels:
      {{- $own | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "pilotage.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .component }}
        {{- with .group }}
        pilotage.dev/worker-group: {{ . }}
        {{- end }}
        {{- with $root.Values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $root.Values.podAnnotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "pilotage.fullname" $root }}-{{ .account }}
      # Else a Service named after Pilotage would add variables that look like settings.
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ .grace }}
      securityContext: {{- include "pilotage.podSecurity" $root | nindent 8 }}
      {{- with include "pilotage.placement" $root | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      topologySpreadConstraints:
        {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
        - maxSkew: 1
          topologyKey: {{ . }}
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- $own | nindent 14 }}
        {{- end }}
      containers:
        - name: pilotage
          image: {{ include "pilotage.image" $root | quote }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: {{- toYaml .args | nindent 12 }}
          env:
            {{- $environment := include "pilotage.environment" $root }}
            {{- with .environment }}
            {{- $environment = printf "%s\n%s" $environment (toYaml .) }}
            {{- end }}
            {{- include "pilotage.setOnce" $environment }}
            {{- $environment | nindent 12 }}
          ports: [{name: http, containerPort: 8080}]
          # Until Temporal and the API server have answered a process is alive and not ready: neither is started again
          # for what a restart does not fix.
          startupProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 2, failureThreshold: 60}
          livenessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3}
          readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 2}
          {{- with .lingers }}
          # Until no proxy sends it anything any more: some senders do not repeat what was refused.
          lifecycle: {preStop: {sleep: {seconds: {{ . }}}}}
          {{- end }}
          resources: {{- toYaml .resources | nindent 12 }}
          securityContext: {{- include "pilotage.containerSecurity" $root | nindent 12 }}
          volumeMounts:
            {{- include "pilotage.mounts" $root | nindent 12 }}
            {{- with .mounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        {{- include "pilotage.volumes" $root | nindent 8 }}
        {{- with .volumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- if and $root.Values.disruptionBudget.enabled (or .scaled (gt (int .replicas) 1)) }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "pilotage.labels" $root | nindent 4 }}
spec:
  maxUnavailable: 1
  # Else a node with a pod that waits for a server, or has a wrong setting, could not be drained.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- $own | nindent 6 }}
{{- end }}
{{- end }}
