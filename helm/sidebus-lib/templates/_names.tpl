{{/* The version of Sidebus that these templates are made for. */}}
{{- define "sidebus.version" -}}
0.1.0
{{- end -}}

{{- define "sidebus.image" -}}
{{- $image := .Values.sidebus.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default (include "sidebus.version" .) }}
{{- end -}}
{{- end -}}

{{- define "sidebus.configMapName" -}}
{{ .Values.sidebus.configMapName | default (printf "%s-sidebus" (.Release.Name | trunc 55 | trimSuffix "-")) }}
{{- end -}}

{{- define "sidebus.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ include "sidebus.version" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}
