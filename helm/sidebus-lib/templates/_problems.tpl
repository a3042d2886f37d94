{{/*
Problems of `config`, as JSON: {"problems": [...]}. What the gateway itself would refuse is told before pods are there that
cannot start.
*/}}
{{- define "sidebus.configProblems" -}}
{{- $config := .Values.sidebus.config | default dict -}}
{{- $problems := list -}}
{{- range $key := list "admin" "probes" "admin_api" -}}
{{- if hasKey $config $key -}}
{{- $problems = append $problems (printf "sidebus.config.%s: the chart sets it; remove it" $key) -}}
{{- end -}}
{{- end -}}
{{- range $part := list "broker" "listen" "registry" "file" "route" -}}
{{- range (include (printf "sidebus.%sProblems" $part) $ | fromJson).problems -}}
{{- $problems = append $problems . -}}
{{- end -}}
{{- end -}}
{{- dict "problems" $problems | toJson -}}
{{- end -}}

{{- define "sidebus.brokerProblems" -}}
{{- $broker := (.Values.sidebus.config | default dict).broker | default dict -}}
{{- $problems := list -}}
{{- if not $broker.kind -}}
{{- $problems = append $problems "sidebus.config.broker: is required, for example {kind: kafka, kafka: {bootstrap_servers: [\"kafka:9092\"]}}" -}}
{{- else if and (eq $broker.kind "kafka") (not ($broker.kafka | default dict).bootstrap_servers) -}}
{{- $problems = append $problems "sidebus.config.broker.kafka.bootstrap_servers: is required for kind kafka" -}}
{{- end -}}
{{- range $name, $_ := ($broker.kafka | default dict).properties -}}
{{- if and (regexMatch (include "sidebus.secretProperty" $) $name) (not $.Values.sidebus.allowInsecureValues) -}}
{{- $problems = append $problems (printf "sidebus.config.broker.kafka.properties.%s: a secret does not belong into a ConfigMap; put the configuration into a Secret and say sidebus.existingConfig.secret (or sidebus.allowInsecureValues: true)" $name) -}}
{{- end -}}
{{- end -}}
{{- dict "problems" $problems | toJson -}}
{{- end -}}

{{/* The properties of librdkafka that are secrets: those that the gateway does not show either. */}}
{{- define "sidebus.secretProperty" -}}
password|secret|passphrase|key\.pem$|oauthbearer\.config$
{{- end -}}

{{- define "sidebus.listenProblems" -}}
{{- $problems := list -}}
{{- range (include "sidebus.config" . | fromYaml).listen -}}
{{- $listener := kindIs "map" . | ternary . (dict "address" .) -}}
{{- $address := $listener.address -}}
{{- if gt (len (trimPrefix "unix:" $address | trimPrefix "//")) 107 -}}
{{- $problems = append $problems (printf "sidebus.config.listen: %s is longer than the 107 bytes of a socket's path" $address) -}}
{{- end -}}
{{- if not (or $listener.allow_insecure (include "sidebus.isLocal" $address) (contains "${" $address)) -}}
{{- $problems = append $problems (printf "sidebus.config.listen: %s can be reached by other machines and has no TLS; in a network that something else protects, say {address: %q, allow_insecure: true}" $address $address) -}}
{{- end -}}
{{- end -}}
{{- if and (include "sidebus.isStandalone" .) (not (include "sidebus.servicePort" .)) -}}
{{- $problems = append $problems (printf "sidebus.config.listen: other pods reach none of the listeners, and mode %s is for them. Without TLS, in a network that something else protects: [{address: \"0.0.0.0:7420\", allow_insecure: true}]" .Values.mode) -}}
{{- end -}}
{{- dict "problems" $problems | toJson -}}
{{- end -}}

{{- define "sidebus.registryProblems" -}}
{{- $config := .Values.sidebus.config | default dict -}}
{{- $url := ($config.schema_registry | default dict).url | default "" -}}
{{- $problems := list -}}
{{- if regexMatch "^[a-z]+://[^/]*@" $url -}}
{{- $problems = append $problems "sidebus.config.schema_registry.url: has a user or a password in it; say username_file and password_file, of a Secret in sidebus.secrets" -}}
{{- end -}}
{{- $asking := list -}}
{{- if eq ($config.encoding | default "") "openedx" -}}
{{- $asking = append $asking "encoding" -}}
{{- end -}}
{{- range $type, $topics := $config.routes -}}
{{- range $topic, $route := $topics -}}
{{- if eq ($route.encoding | default "") "openedx" -}}
{{- $asking = append $asking (printf "routes.%s.%s.encoding" $type $topic) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $asking (not $url) (not (include "sidebus.hasFlag" (list . "--schema-registry-url"))) -}}
{{- $problems = append $problems (printf "sidebus.config.%s: openedx needs a schema registry, for example schema_registry: {url: \"http://registry:8081\"}" (first $asking)) -}}
{{- end -}}
{{- dict "problems" $problems | toJson -}}
{{- end -}}

{{/* Files that the configuration names and nothing brings. */}}
{{- define "sidebus.fileProblems" -}}
{{- $config := .Values.sidebus.config | default dict -}}
{{- $named := dict -}}
{{- with $config.producer_config_file -}}
{{- $_ := set $named "producer_config_file" . -}}
{{- end -}}
{{- with ($config.schemas | default dict).directory -}}
{{- $_ := set $named "schemas.directory" . -}}
{{- end -}}
{{- range $type, $topics := $config.routes -}}
{{- range $topic, $route := $topics -}}
{{- with $route.schema -}}
{{- $_ := set $named (printf "routes.%s.%s.schema" $type $topic) . -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $problems := list -}}
{{- range $key, $path := $named -}}
{{- if not (include "sidebus.bringsFile" (list $ $path)) -}}
{{- $problems = append $problems (printf "sidebus.config.%s: nothing brings %s; put it into sidebus.files, or mount it and say its whole path" $key $path) -}}
{{- end -}}
{{- end -}}
{{- dict "problems" $problems | toJson -}}
{{- end -}}

{{/*
Whether a file or directory may be there: list CONTEXT PATH. Only the directory of the configuration is the chart's alone; elsewhere the
image may have it.
*/}}
{{- define "sidebus.bringsFile" -}}
{{- $values := (first .).Values.sidebus -}}
{{- $path := last . -}}
{{- $whole := clean (isAbs $path | ternary $path (printf "/etc/sidebus/%s" $path)) -}}
{{- $brought := or (contains "${" $path) (not (hasPrefix "/etc/sidebus/" $whole)) -}}
{{- range $file, $_ := $values.files -}}
{{- $file = clean (printf "/etc/sidebus/%s" $file) -}}
{{- $brought = or $brought (eq $whole $file) (hasPrefix (printf "%s/" $whole) $file) -}}
{{- end -}}
{{- range $values.extraVolumeMounts -}}
{{- $brought = or $brought (eq $whole (clean .mountPath)) (hasPrefix (printf "%s/" (clean .mountPath)) $whole) -}}
{{- end -}}
{{- range $values.secrets -}}
{{- $brought = or $brought (hasPrefix (printf "%s/" (clean .path)) $whole) -}}
{{- end -}}
{{- if $brought }}true{{ end -}}
{{- end -}}

{{/* What a route of the producer config must say, and does not; a file that is merged over it may. */}}
{{- define "sidebus.routeProblems" -}}
{{- $config := .Values.sidebus.config | default dict -}}
{{- $whole := not (or $config.producer_config_file (include "sidebus.hasFlag" (list . "--producer-config"))) -}}
{{- $problems := list -}}
{{- range $type, $topics := $config.producer_config -}}
{{- range $topic, $route := $topics -}}
{{- $place := printf "sidebus.config.producer_config.%s.%s" $type $topic -}}
{{- if and $whole (kindIs "invalid" $route.event_key_field) -}}
{{- $problems = append $problems (printf "%s: event_key_field is missing; \"\" means no key" $place) -}}
{{- end -}}
{{- if and $whole (kindIs "invalid" $route.enabled) -}}
{{- $problems = append $problems (printf "%s: enabled is missing; say true or false" $place) -}}
{{- else if kindIs "string" $route.enabled -}}
{{- $problems = append $problems (printf "%s.enabled: %q is text; say true or false, without quotes" $place $route.enabled) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "problems" $problems | toJson -}}
{{- end -}}

{{/* Whether `extraArgs` have a flag, which replaces what the file says: list CONTEXT FLAG. */}}
{{- define "sidebus.hasFlag" -}}
{{- $flag := last . -}}
{{- range (first .).Values.sidebus.extraArgs -}}
{{- if or (eq . $flag) (hasPrefix (printf "%s=" $flag) .) }}true{{ end -}}
{{- end -}}
{{- end -}}
