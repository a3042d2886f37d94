{{- define "sidebus-chart.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "sidebus-chart.fullname" -}}
{{- $name := include "sidebus-chart.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "sidebus-chart.selectorLabels" -}}
app.kubernetes.io/name: {{ include "sidebus-chart.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end -}}

{{- define "sidebus-chart.labels" -}}
app.kubernetes.io/name: {{ include "sidebus-chart.name" . }}
{{ include "sidebus.labels" . }}
{{- end -}}

{{- define "sidebus-chart.metadata" -}}
name: {{ include "sidebus-chart.fullname" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "sidebus-chart.labels" . | nindent 2 }}
{{- end -}}

{{- define "sidebus-chart.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "sidebus-chart.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end -}}

{{/* What no schema can say of this chart's own values. */}}
{{- define "sidebus-chart.validate" -}}
{{- if and .Values.podMonitor.enabled .Values.serviceMonitor.enabled -}}
{{- fail "\n\n* podMonitor and serviceMonitor are both enabled: every metric would be there twice; enable one of them\n" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled (not (include "sidebus.isStandalone" .)) -}}
{{- fail (printf "\n\n* serviceMonitor: pods of mode %s have no Service; enable podMonitor\n" .Values.mode) -}}
{{- end -}}
{{- $policy := .Values.networkPolicy -}}
{{- if and $policy.enabled (ne .Values.mode "none") (include "sidebus.hasExistingConfig" .) (not $policy.kafka.ports) -}}
{{- fail "\n\n* networkPolicy.kafka.ports: say them; the chart does not see the configuration\n" -}}
{{- end -}}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) -}}
{{- fail "\n\n* autoscaling: minReplicas is larger than maxReplicas\n" -}}
{{- end -}}
{{- range .Values.prometheusRule.disabled -}}
{{- if not (contains (printf "alert: %s\n" .) ($.Files.Get "files/rules/sidebus.rules.yaml")) -}}
{{- fail (printf "\n\n* prometheusRule.disabled: there is no alert %q; files/rules/sidebus.rules.yaml has them\n" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
