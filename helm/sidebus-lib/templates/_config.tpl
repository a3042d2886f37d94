{{/*
The mode of this chart: "sidecar", unless a chart defines the value `mode` as the chart sidebus does. Standalone gateways
are for other pods.
*/}}
{{- define "sidebus.isStandalone" -}}
{{- if has (.Values.mode | default "") (list "deployment" "daemonset") }}true{{ end -}}
{{- end -}}

{{- define "sidebus.hasExistingConfig" -}}
{{- include "sidebus.requireAlias" . -}}
{{- $existing := .Values.sidebus.existingConfig | default dict -}}
{{- if or $existing.configMap $existing.secret }}true{{ end -}}
{{- end -}}

{{/* Name of the configuration file. */}}
{{- define "sidebus.configFile" -}}
{{- if include "sidebus.hasExistingConfig" . }}{{ .Values.sidebus.existingConfig.key | default "config.yaml" }}{{ else }}config.yaml{{ end -}}
{{- end -}}

{{/* The configuration as the gateway gets it, as YAML: what was given, and what the chart sets. */}}
{{- define "sidebus.config" -}}
{{- include "sidebus.requireAlias" . -}}
{{- $config := .Values.sidebus.config | default dict | deepCopy -}}
{{- if not $config.listen -}}
{{- $_ := set $config "listen" (list "unix:/run/sidebus/sidebus.sock") -}}
{{- end -}}
{{- $_ := set $config "admin" "0.0.0.0:7421" -}}
{{- $_ := set $config "probes" "0.0.0.0:7422" -}}
{{- $_ := set $config "admin_api" "unix:/run/sidebus-admin/admin.sock" -}}
{{- toYaml $config -}}
{{- end -}}

{{/* Addresses of the listeners, as a JSON list: {"addresses": [...]}. */}}
{{- define "sidebus.addresses" -}}
{{- $addresses := list -}}
{{- range (include "sidebus.config" . | fromYaml).listen -}}
{{- $addresses = append $addresses (kindIs "map" . | ternary . (dict "address" .)).address -}}
{{- end -}}
{{- dict "addresses" $addresses | toJson -}}
{{- end -}}

{{/* Whether an address, as it is included with, is one that no other machine can reach. */}}
{{- define "sidebus.isLocal" -}}
{{- if regexMatch `^(unix:|127\.|localhost:|\[(::|(0+:){7})0*1\]:)` . }}true{{ end -}}
{{- end -}}

{{/* Where the application finds the gateway: the first listener. */}}
{{- define "sidebus.endpoint" -}}
{{- $first := first (include "sidebus.addresses" . | fromJson).addresses -}}
{{- if hasPrefix "unix:" $first -}}
unix://{{ $first | trimPrefix "unix:" | trimPrefix "//" }}
{{- else -}}
{{ $first }}
{{- end -}}
{{- end -}}

{{/* The port of the first listener that other pods can reach; nothing when there is none. */}}
{{- define "sidebus.servicePort" -}}
{{- $port := "" -}}
{{- range (include "sidebus.addresses" . | fromJson).addresses -}}
{{- if not (or $port (include "sidebus.isLocal" .)) -}}
{{- $port = splitList ":" . | last -}}
{{- end -}}
{{- end -}}
{{- $port -}}
{{- end -}}

{{/* Milliseconds of a duration like 20s. */}}
{{- define "sidebus.milliseconds" -}}
{{- $number := regexFind "^[0-9]+" . | int64 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- mul $number (get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) $unit) -}}
{{- end -}}

{{/* Seconds of shutdown.grace, rounded up. An existing configuration is taken to have the default. */}}
{{- define "sidebus.graceSeconds" -}}
{{- $shutdown := (.Values.sidebus.config | default dict).shutdown | default dict -}}
{{- $milliseconds := include "sidebus.milliseconds" ($shutdown.grace | default "20s") | int64 -}}
{{- div (add $milliseconds 999) 1000 -}}
{{- end -}}

{{/* Bytes of a quantity like 192Mi, or of a size like 128MiB. */}}
{{- define "sidebus.bytes" -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9.]+" $text | float64 -}}
{{- $unit := regexReplaceAll "^[0-9.]+" $text "" | trimSuffix "B" -}}
{{- $factors := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 -}}
{{- mulf $number (get $factors $unit | default 1) | int64 -}}
{{- end -}}
