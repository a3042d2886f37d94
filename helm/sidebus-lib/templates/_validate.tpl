{{/*
What no schema can say. Fails with everything that is wrong, each with the way to mend it.
*/}}
{{- define "sidebus.validate" -}}
{{- include "sidebus.requireAlias" . -}}
{{- $values := .Values.sidebus -}}
{{- $problems := list -}}
{{- /* Helm holds nobody to the kubeVersion of a dependency. */ -}}
{{- if and $values.native (not (include "sidebus.isStandalone" .)) (semverCompare "<1.29.0-0" .Capabilities.KubeVersion.Version) -}}
{{- $problems = append $problems (printf "kubeVersion: a native sidecar needs Kubernetes 1.29 or newer, this is %s; say sidebus.native: false for a plain container" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- if and $values.image.tag $values.image.digest -}}
{{- $problems = append $problems "sidebus.image: tag and digest are both set; say one of them" -}}
{{- end -}}
{{- $existing := $values.existingConfig | default dict -}}
{{- if and $existing.configMap $existing.secret -}}
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
