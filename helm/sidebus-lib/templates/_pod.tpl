{{/*
For the pods of a chart. Each is included with the chart's own context, `include "sidebus.volumes" .`, and reads
`.Values.sidebus`; README.md shows where each goes.
*/}}

{{- define "sidebus.containerItem" -}}
{{- printf "- %s" (include "sidebus.container" . | nindent 2 | trim) }}
{{- end -}}

{{/* First of `initContainers:`, before those that publish. */}}
{{- define "sidebus.initContainers" -}}
{{- include "sidebus.requireAlias" . -}}
{{- if .Values.sidebus.native }}
{{- include "sidebus.containerItem" . }}
{{- end }}
{{- end -}}

{{/* Of `containers:`; nothing unless `native` is false. */}}
{{- define "sidebus.containers" -}}
{{- include "sidebus.requireAlias" . -}}
{{- if not .Values.sidebus.native }}
{{- include "sidebus.containerItem" . }}
{{- end }}
{{- end -}}

{{/* Of `volumes:`. */}}
{{- define "sidebus.volumes" -}}
{{- include "sidebus.requireAlias" . -}}
{{- $existing := .Values.sidebus.existingConfig | default dict -}}
- name: sidebus-config
{{- if $existing.secret }}
  secret:
    secretName: {{ $existing.secret }}
    defaultMode: 0440
{{- else if $existing.configMap }}
  configMap:
    name: {{ $existing.configMap }}
{{- else }}
  configMap:
    name: {{ include "sidebus.configMapName" . }}
    items:
      - key: config.yaml
        path: config.yaml
      {{- range $path, $_ := .Values.sidebus.files }}
      - key: {{ include "sidebus.fileKey" $path }}
        path: {{ $path | quote }}
      {{- end }}
{{- end }}
{{- range $i, $secret := .Values.sidebus.secrets }}
- name: sidebus-secret-{{ $i }}
  secret:
    secretName: {{ $secret.name }}
    defaultMode: 0440
{{- end }}
- name: sidebus-socket
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
- name: sidebus-admin
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- end -}}

{{/* Of `volumeMounts:` of each container of the application that talks to the gateway. */}}
{{- define "sidebus.appVolumeMounts" -}}
- name: sidebus-socket
  mountPath: /run/sidebus
{{- end -}}

{{/* Of `env:` of the same containers. */}}
{{- define "sidebus.appEnv" -}}
- name: SIDEBUS_ENDPOINT
  value: {{ include "sidebus.endpoint" . | quote }}
{{- end -}}

{{/* Of the pod's `annotations:`: pods are replaced when their configuration changes. */}}
{{- define "sidebus.podAnnotations" -}}
{{- if not (include "sidebus.hasExistingConfig" .) -}}
checksum/sidebus-config: {{ include "sidebus.configMapData" . | sha256sum }}
{{- end }}
{{- end -}}

{{/* Of the pod's `labels:`: what the PodMonitor looks for. */}}
{{- define "sidebus.podLabels" -}}
sidebus.dev/gateway: {{ .Release.Name | quote }}
{{- end -}}

{{/* Of the pod's `securityContext:`: the application may open the socket. */}}
{{- define "sidebus.podSecurityContext" -}}
{{- include "sidebus.requireAlias" . -}}
fsGroup: {{ .Values.sidebus.fsGroup }}
{{- end -}}
