{{/* Metadata and spec of the pods of every mode. */}}
{{- define "sidebus-chart.podTemplate" -}}
metadata:
  labels:
    {{- include "sidebus-chart.selectorLabels" . | nindent 4 }}
    {{- include "sidebus.podLabels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- $annotations := include "sidebus.podAnnotations" . }}
  {{- if or $annotations .Values.podAnnotations }}
  annotations:
    {{- with $annotations }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
spec:
  serviceAccountName: {{ include "sidebus-chart.serviceAccountName" . }}
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: {{ .Values.sidebus.terminationGracePeriodSeconds }}
  securityContext:
    runAsNonRoot: true
    seccompProfile:
      type: RuntimeDefault
    {{- include "sidebus.podSecurityContext" . | nindent 4 }}
  {{- if eq .Values.mode "sidecar-example" }}
  {{- $init := include "sidebus.initContainers" . }}
  {{- if or $init .Values.app.initContainers }}
  initContainers:
    {{- with $init }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with .Values.app.initContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  containers:
    {{- with include "sidebus.containers" . }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- include "sidebus-chart.app" . | nindent 4 }}
  {{- else }}
  containers:
    {{- include "sidebus.containerItem" . | nindent 4 }}
  {{- end }}
  volumes:
    {{- include "sidebus.volumes" . | nindent 4 }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
{{- end -}}

{{/* The application of mode sidecar-example. */}}
{{- define "sidebus-chart.app" -}}
- name: app
  image: {{ .Values.app.image | default (include "sidebus.image" .) | quote }}
  {{- with .Values.app.command }}
  command:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.app.args }}
  args:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  env:
    {{- include "sidebus.appEnv" . | nindent 4 }}
    {{- with .Values.app.env }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.app.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: {{ .Values.app.runAsUser }}
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop: [ALL]
    seccompProfile:
      type: RuntimeDefault
  volumeMounts:
    {{- include "sidebus.appVolumeMounts" . | nindent 4 }}
    {{- with .Values.app.volumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
