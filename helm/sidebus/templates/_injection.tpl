{{- define "sidebus-chart.injection.constraints" -}}
{{- with .Values.injection.namespaceSelector }}
namespaceSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
resourceRules:
  - apiGroups: [""]
    apiVersions: [v1]
    operations: [CREATE]
    resources: [pods]
{{- end -}}

{{/* matchConditions: the pod asks for a gateway and has none. */}}
{{- define "sidebus-chart.injection.asked" -}}
- name: wanted
  expression: >-
    has(object.metadata.annotations)
    && 'sidebus.dev/inject' in object.metadata.annotations
    && object.metadata.annotations['sidebus.dev/inject'] == 'true'
- name: not-yet
  expression: >-
    (!has(object.spec.initContainers)
    || !object.spec.initContainers.exists(c, c.name == 'sidebus'))
    && !object.spec.containers.exists(c, c.name == 'sidebus')
{{- end -}}

{{/* What must be true of a pod that asks, and what is said where it is not. */}}
{{- define "sidebus-chart.injection.possible" -}}
conditions:
  - name: no-volume-of-these-names
    expression: >-
      !has(object.spec.volumes)
      || !object.spec.volumes.exists(v, v.name in ['sidebus-config', 'sidebus-socket', 'sidebus-admin'])
    message: >-
      'the pod has a volume ' + object.spec.volumes.filter(v, v.name in
      ['sidebus-config', 'sidebus-socket', 'sidebus-admin'])[0].name + ' of its own; that is a name of the gateway'
  {{- range list "cpu-request" "memory-limit" }}
  - name: {{ . }}-is-a-quantity
    expression: >-
      !('sidebus.dev/{{ . }}' in object.metadata.annotations)
      || isQuantity(object.metadata.annotations['sidebus.dev/{{ . }}'])
    message: >-
      'annotation sidebus.dev/{{ . }}: ' + object.metadata.annotations['sidebus.dev/{{ . }}'] + ' is no quantity'
  {{- end }}
{{- end -}}

{{/* What a container `c` gets of a pod with a gateway, unless it has that itself: dict "kind" "endpoint". */}}
{{- define "sidebus-chart.injection.container" -}}
Object.spec.{{ .kind }}{
  name: c.name,
  env: has(c.env) && c.env.exists(e, e.name == "SIDEBUS_ENDPOINT")
    ? []
    : [Object.spec.{{ .kind }}.env{name: "SIDEBUS_ENDPOINT", value: "{{ .endpoint }}"}],
  volumeMounts: has(c.volumeMounts) && c.volumeMounts.exists(m, m.mountPath in ["/run/sidebus", "/run/sidebus/"])
    ? []
    : [Object.spec.{{ .kind }}.volumeMounts{name: "sidebus-socket", mountPath: "/run/sidebus"}]
}
{{- end -}}
