{{/* The version of Sidebus that these templates are made for. */}}
{{- define "sidebus.version" -}}
0.1.0
{{- end -}}

{{/* The values of this chart are where its templates look for them. */}}
{{- define "sidebus.requireAlias" -}}
{{- $values := .Values.sidebus | default dict -}}
{{- if not (or $values.image $values.probes) -}}
{{- fail "\n\n* Chart.yaml: the dependency sidebus-lib needs `alias: sidebus`\n" -}}
{{- end -}}
{{- end -}}

{{- define "sidebus.image" -}}
{{- include "sidebus.requireAlias" . -}}
{{- $image := .Values.sidebus.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default (include "sidebus.version" .) }}
{{- end -}}
{{- end -}}

{{- define "sidebus.configMapName" -}}
{{- include "sidebus.requireAlias" . -}}
{{ .Values.sidebus.configMapName | default (printf "%s-sidebus" (.Release.Name | trunc 55 | trimSuffix "-")) }}
{{- end -}}

{{- define "sidebus.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ include "sidebus.version" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}
