{{/* The gateway's container. `native` is whether it is to be an init container. */}}
{{- define "sidebus.container" -}}
{{- include "sidebus.validate" . -}}
{{- $values := .Values.sidebus -}}
{{- $standalone := include "sidebus.isStandalone" . -}}
{{- $native := and $values.native (not $standalone) -}}
name: sidebus
image: {{ include "sidebus.image" . | quote }}
{{- with $values.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
{{- if $native }}
restartPolicy: Always
{{- end }}
args:
  - serve
  - --config=/etc/sidebus/{{ include "sidebus.configFile" . }}
  {{- range $values.extraArgs }}
  - {{ . | quote }}
  {{- end }}
env:
  - name: SIDEBUS_ADMIN_ENDPOINT
    value: unix:/run/sidebus-admin/admin.sock
  - name: SIDEBUS_ENDPOINT
    value: {{ include "sidebus.ownEndpoint" . }}
  {{- include "sidebus.env" . | nindent 2 }}
ports:
  {{- if $standalone }}
  - name: grpc
    containerPort: {{ include "sidebus.servicePort" . | default "7420" }}
    protocol: TCP
  {{- end }}
  - name: admin
    containerPort: 7421
    protocol: TCP
  - name: probes
    containerPort: 7422
    protocol: TCP
startupProbe:
  httpGet:
    path: /startupz
    port: probes
  {{- toYaml $values.probes.startup | nindent 2 }}
readinessProbe:
  httpGet:
    path: /readyz
    port: probes
  {{- toYaml $values.probes.readiness | nindent 2 }}
livenessProbe:
  httpGet:
    path: /livez
    port: probes
  {{- toYaml $values.probes.liveness | nindent 2 }}
{{- include "sidebus.lifecycle" . }}
terminationMessagePolicy: FallbackToLogsOnError
{{- with $values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "sidebus.securityContext" . | nindent 2 }}
volumeMounts:
  {{- include "sidebus.volumeMounts" . | nindent 2 }}
  {{- with $values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/*
A native sidecar is told of the end of its pod at once, while the application still runs: deliveries stop, publishing goes
on. The time for that is what shutdown.grace, which begins with SIGTERM, leaves of the pod's. Any other gateway waits until
clients know that it ends.
*/}}
{{- define "sidebus.lifecycle" -}}
{{- $values := .Values.sidebus -}}
{{- $native := and $values.native (not (include "sidebus.isStandalone" .)) -}}
{{- if or $native (gt (int $values.preStopSeconds) 0) }}
lifecycle:
  preStop:
{{- if or $native (semverCompare "<1.30.0-0" .Capabilities.KubeVersion.Version) }}
    exec:
      command:
        - /usr/local/bin/sidebus
        - drain
        {{- if $native }}
        - --grace={{ sub (int $values.terminationGracePeriodSeconds) (include "sidebus.graceSeconds" . | int | add 2) }}s
        {{- else }}
        - --grace={{ $values.preStopSeconds }}s
        {{- end }}
{{- else }}
    sleep:
      seconds: {{ $values.preStopSeconds }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Where the gateway's own verbs find it: `kubectl exec POD -c sidebus -- /usr/local/bin/sidebus health`. */}}
{{- define "sidebus.ownEndpoint" -}}
{{- $endpoint := include "sidebus.endpoint" . -}}
{{- if hasPrefix "unix:" $endpoint -}}
{{ $endpoint }}
{{- else -}}
{{ $endpoint | replace "0.0.0.0:" "127.0.0.1:" | replace "[::]:" "[::1]:" | quote }}
{{- end -}}
{{- end -}}

{{/* What the configuration may name: `subscribe.static_member: ${POD_NAME}`. */}}
{{- define "sidebus.env" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- with .Values.sidebus.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "sidebus.securityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "sidebus.volumeMounts" -}}
- name: sidebus-config
  mountPath: /etc/sidebus
  readOnly: true
{{- range $i, $secret := .Values.sidebus.secrets }}
- name: sidebus-secret-{{ $i }}
  mountPath: {{ $secret.path }}
  readOnly: true
{{- end }}
- name: sidebus-socket
  mountPath: /run/sidebus
- name: sidebus-admin
  mountPath: /run/sidebus-admin
{{- end -}}
