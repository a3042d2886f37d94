{{/* What is allowed and may be a mistake, as JSON: {"warnings": [...]}. */}}
{{- define "sidebus-chart.warnings" -}}
{{- $values := .Values.sidebus -}}
{{- $config := $values.config | default dict -}}
{{- $limits := $values.resources.limits | default dict -}}
{{- $warnings := list -}}
{{- if ne .Values.mode "none" -}}
{{- if not $limits.memory -}}
{{- $warnings = append $warnings "sidebus.resources: no memory limit; the gateway's own bound is config.limits.memory, besides what it needs for itself" -}}
{{- else -}}
{{- $budget := ($config.limits | default dict).memory | default "128MiB" -}}
{{- if lt (include "sidebus.bytes" $limits.memory | int64) (add (include "sidebus.bytes" $budget | int64) 67108864) -}}
{{- $warnings = append $warnings (printf "sidebus.resources.limits.memory: %v is less than config.limits.memory (%s) and 64 MiB for the process; it may be killed under load" $limits.memory $budget) -}}
{{- end -}}
{{- end -}}
{{- if not $values.resources.requests -}}
{{- $warnings = append $warnings "sidebus.resources: no requests" -}}
{{- end -}}
{{- range $config.listen -}}
{{- if kindIs "map" . -}}
{{- if .allow_insecure -}}
{{- $warnings = append $warnings (printf "sidebus.config.listen: %s has no TLS; who reaches the pod may publish and subscribe%s" .address ($.Values.networkPolicy.enabled | ternary "" "; networkPolicy.enabled narrows that down")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $config.reflection -}}
{{- $warnings = append $warnings "sidebus.config.reflection is on; it is for development" -}}
{{- end -}}
{{- if eq (($config.broker | default dict).kind | default "") "embedded" -}}
{{- $warnings = append $warnings "sidebus.config.broker.kind: embedded keeps events in the memory of one pod and forgets them; it is for trying things out" -}}
{{- end -}}
{{- if not $values.image.digest -}}
{{- $warnings = append $warnings "sidebus.image.digest is not set; a tag may come to mean another image" -}}
{{- end -}}
{{- if $values.allowInsecureValues -}}
{{- $warnings = append $warnings "sidebus.allowInsecureValues: passwords of the configuration are in a ConfigMap" -}}
{{- end -}}
{{- if include "sidebus.hasExistingConfig" . -}}
{{- $warnings = append $warnings "sidebus.existingConfig: the chart does not see the file; it must have the addresses that the chart's README names, and pods are not replaced when it changes" -}}
{{- end -}}
{{- if and (eq .Values.mode "sidecar-example") (not $values.native) -}}
{{- $warnings = append $warnings "sidebus.native is off; the application may start before the gateway, and end after it" -}}
{{- end -}}
{{- if and (eq .Values.mode "deployment") .Values.autoscaling.enabled -}}
{{- $warnings = append $warnings "autoscaling: more pods than a topic has partitions do not make its group faster" -}}
{{- end -}}
{{- end -}}
{{- if and (or (ne .Values.mode "none") .Values.injection.enabled) (not (regexMatch "^(localhost|[^/]*[.:][^/]*)/" $values.image.repository)) -}}
{{- $warnings = append $warnings (printf "sidebus.image.repository: %s names no registry, so nodes look at their default, where Sidebus itself is not; say where yours is, as in registry.example.com/sidebus" $values.image.repository) -}}
{{- end -}}
{{- range $ignored := (include "sidebus-chart.ignored" . | fromJson).ignored -}}
{{- $warnings = append $warnings $ignored -}}
{{- end -}}
{{- dict "warnings" $warnings | toJson -}}
{{- end -}}

{{/* Settings that do nothing in this mode, as JSON: {"ignored": [...]}. */}}
{{- define "sidebus-chart.ignored" -}}
{{- $mode := .Values.mode -}}
{{- $ignored := list -}}
{{- if ne $mode "deployment" -}}
{{- $given := dict "autoscaling.enabled" .Values.autoscaling.enabled "podDisruptionBudget.enabled" .Values.podDisruptionBudget.enabled "service.headless" .Values.service.headless -}}
{{- range $name, $on := $given -}}
{{- if $on -}}
{{- $ignored = append $ignored (printf "%s: is for mode deployment, and does nothing in mode %s" $name $mode) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if eq $mode "none" -}}
{{- if .Values.networkPolicy.enabled -}}
{{- $ignored = append $ignored "networkPolicy.enabled: is for the pods of this release, and mode none has none" -}}
{{- end -}}
{{- if not (or .Values.podMonitor.enabled .Values.prometheusRule.enabled .Values.dashboard.enabled .Values.injection.enabled .Values.extraObjects) -}}
{{- $ignored = append $ignored "mode: none installs nothing by itself; enable podMonitor, prometheusRule, dashboard or injection" -}}
{{- end -}}
{{- end -}}
{{- dict "ignored" $ignored | toJson -}}
{{- end -}}
