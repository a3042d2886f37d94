{{/*
A value as an expression of CEL. Kubernetes takes no maps and lists of mixed types, so each element is dyn(). A text that begins
with "@cel:" is an expression already.
*/}}
{{- define "sidebus-chart.cel" -}}
{{- $parts := list -}}
{{- if kindIs "map" . -}}
{{- range $key, $value := . -}}
{{- $parts = append $parts (printf "%s: dyn(%s)" (toJson $key) (include "sidebus-chart.cel" $value)) -}}
{{- end -}}
{ {{- join ", " $parts -}} }
{{- else if kindIs "slice" . -}}
{{- range . -}}
{{- $parts = append $parts (printf "dyn(%s)" (include "sidebus-chart.cel" .)) -}}
{{- end -}}
[ {{- join ", " $parts -}} ]
{{- else if and (kindIs "string" .) (hasPrefix "@cel:" .) -}}
{{ trimPrefix "@cel:" . }}
{{- else -}}
{{ toJson . }}
{{- end -}}
{{- end -}}
