{{/*
What no schema can say. Fails with everything that is wrong, each with the way to mend it.
*/}}
{{- define "sidebus.validate" -}}
{{- $values := .Values.sidebus -}}
{{- $problems := list -}}
{{- if and $values.image.tag $values.image.digest -}}
{{- $problems = append $problems "sidebus.image: tag and digest are both set; say one of them" -}}
{{- end -}}
{{- if and $values.existingConfig.configMap $values.existingConfig.secret -}}
{{- $problems = append $problems "sidebus.existingConfig: configMap and secret are both set; say one of them" -}}
{{- end -}}
{{- if include "sidebus.hasExistingConfig" . -}}
{{- if $values.config -}}
{{- $problems = append $problems "sidebus.config: is not used with sidebus.existingConfig; say one of them" -}}
{{- end -}}
{{- if $values.files -}}
{{- $problems = append $problems "sidebus.files: are not used with sidebus.existingConfig; put them into the same ConfigMap or Secret" -}}
{{- end -}}
{{- else if ne (.Values.mode | default "") "none" -}}
{{- $problems = concat $problems (include "sidebus.configProblems" . | fromJson).problems -}}
{{- end -}}
{{- range $path, $_ := $values.files -}}
{{- if or (hasPrefix "/" $path) (contains ".." $path) (eq $path "config.yaml") -}}
{{- $problems = append $problems (printf "sidebus.files: %q must be a path below the configuration's directory, and not config.yaml" $path) -}}
{{- end -}}
{{- end -}}
{{- $grace := include "sidebus.graceSeconds" . | int -}}
{{- $before := 1 -}}
{{- $what := "what the application takes to end (1 s or more)" -}}
{{- if or (include "sidebus.isStandalone" .) (not $values.native) -}}
{{- $before = int $values.preStopSeconds -}}
{{- $what = printf "preStopSeconds (%d s)" $before -}}
{{- end -}}
{{- $end := int $values.terminationGracePeriodSeconds -}}
{{- if lt $end (add $grace $before 2 | int) -}}
{{- $problems = append $problems (printf "sidebus.terminationGracePeriodSeconds: %d s are too short for shutdown.grace (%d s), %s and 2 s; say %d or more" $end $grace $what (add $grace $before 2)) -}}
{{- end -}}
{{- if $problems -}}
{{- fail (printf "\n\n* %s\n" (join "\n* " $problems)) -}}
{{- end -}}
{{- end -}}

{{/* Problems of `config`, as JSON: {"problems": [...]}. */}}
{{- define "sidebus.configProblems" -}}
{{- $config := .Values.sidebus.config -}}
{{- $problems := list -}}
{{- range $key := list "admin" "probes" "admin_api" -}}
{{- if hasKey $config $key -}}
{{- $problems = append $problems (printf "sidebus.config.%s: the chart sets it; remove it" $key) -}}
{{- end -}}
{{- end -}}
{{- $broker := $config.broker | default dict -}}
{{- if not $broker.kind -}}
{{- $problems = append $problems "sidebus.config.broker: is required, for example {kind: kafka, kafka: {bootstrap_servers: [\"kafka:9092\"]}}" -}}
{{- else if and (eq $broker.kind "kafka") (not ($broker.kafka | default dict).bootstrap_servers) -}}
{{- $problems = append $problems "sidebus.config.broker.kafka.bootstrap_servers: is required for kind kafka" -}}
{{- end -}}
{{- range $name, $_ := ($broker.kafka | default dict).properties -}}
{{- if and (regexMatch "password|secret|key\\.pem$" $name) (not $.Values.sidebus.allowInsecureValues) -}}
{{- $problems = append $problems (printf "sidebus.config.broker.kafka.properties.%s: a secret does not belong into a ConfigMap; put the configuration into a Secret and say sidebus.existingConfig.secret (or sidebus.allowInsecureValues: true)" $name) -}}
{{- end -}}
{{- end -}}
{{- range (include "sidebus.addresses" . | fromJson).addresses -}}
{{- if gt (len (trimPrefix "unix:" . | trimPrefix "//")) 107 -}}
{{- $problems = append $problems (printf "sidebus.config.listen: %s is longer than the 107 bytes of a socket's path" .) -}}
{{- end -}}
{{- end -}}
{{- if and (include "sidebus.isStandalone" .) (not (include "sidebus.servicePort" .)) -}}
{{- $problems = append $problems (printf "sidebus.config.listen: other pods reach none of the listeners, and mode %s is for them. Without TLS, in a network that something else protects: [{address: \"0.0.0.0:7420\", allow_insecure: true}]" .Values.mode) -}}
{{- end -}}
{{- dict "problems" $problems | toJson -}}
{{- end -}}
