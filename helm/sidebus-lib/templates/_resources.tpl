{{/* A key of a ConfigMap for the path of a file. */}}
{{- define "sidebus.fileKey" -}}
{{ regexReplaceAll "[^-._a-zA-Z0-9]" . "_" }}
{{- end -}}

{{- define "sidebus.configMapData" -}}
config.yaml: |
  {{- include "sidebus.config" . | nindent 2 }}
{{- range $path, $text := .Values.sidebus.files }}
{{ include "sidebus.fileKey" $path }}: {{ $text | quote }}
{{- end }}
{{- end -}}

{{/* The ConfigMap that the volumes name; nothing with `existingConfig`. A file of its own in a chart's templates. */}}
{{- define "sidebus.configMap" -}}
{{- include "sidebus.validate" . -}}
{{- if not (include "sidebus.hasExistingConfig" .) -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "sidebus.configMapName" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    app.kubernetes.io/name: sidebus
    {{- include "sidebus.labels" . | nindent 4 }}
data:
  {{- include "sidebus.configMapData" . | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
The scrape of the port `admin` of all pods of the release that have a gateway. The job is called sidebus; `app` is the
application, as the pod's label says.
*/}}
{{- define "sidebus.podMonitor" -}}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: {{ include "sidebus.configMapName" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    app.kubernetes.io/name: sidebus
    {{- include "sidebus.labels" . | nindent 4 }}
spec:
  selector:
    matchLabels:
      {{- include "sidebus.podLabels" . | nindent 6 }}
  podMetricsEndpoints:
    - port: admin
      path: /metrics
      relabelings:
        - targetLabel: job
          replacement: sidebus
        - sourceLabels: [__meta_kubernetes_pod_label_app_kubernetes_io_name]
          targetLabel: app
{{- end -}}
