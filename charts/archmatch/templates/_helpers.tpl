{{/* Objects are named by the release, `archmatch` when it is called so. */}}
{{- define "archmatch.name" -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "archmatch.selector" -}}
app.kubernetes.io/name: archmatch
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "archmatch.labels" -}}
{{ include "archmatch.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "archmatch.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The configuration file: `config`, with what the chart knows on top. */}}
{{- define "archmatch.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $_ := set $config "apiVersion" "archmatch.io/v1alpha1" -}}
{{- $_ := set $config "kind" "Configuration" -}}
{{- if .Values.policy -}}
{{- $_ := set $config "policy" (mergeOverwrite (default dict $config.policy) .Values.policy) -}}
{{- end -}}
{{- if .Values.credentials.secretName -}}
{{- $mounted := dict "dockerConfig" "/etc/archmatch/registry/config.json" -}}
{{- $_ := set $config "credentials" (mergeOverwrite (default dict $config.credentials) $mounted) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/*
What must not wait for the webhook, in CEL: a debug container, a kubelet's mirror pod, and,
unless `policy.ownedPods` is `enforce`, what a workload controller asks for, which is warned
at most. The built-in controllers are those of the program (`CONTROLLERS` in
src/admission/leniency.rs).
*/}}
{{- define "archmatch.observed" -}}
{{- $policy := default dict (include "archmatch.config" . | fromYaml).policy -}}
has(request.subResource) && request.subResource == 'ephemeralcontainers' ||
request.operation == 'CREATE' && request.resource.group == '' && request.resource.resource == 'pods' &&
request.?userInfo.?username.orValue('').startsWith('system:node:')
{{- if ne (default "warn" $policy.ownedPods) "enforce" }} ||
request.?userInfo.?username.orValue('') in [
'system:kube-controller-manager',
'system:serviceaccount:kube-system:cronjob-controller',
'system:serviceaccount:kube-system:daemon-set-controller',
'system:serviceaccount:kube-system:deployment-controller',
'system:serviceaccount:kube-system:job-controller',
'system:serviceaccount:kube-system:replicaset-controller',
'system:serviceaccount:kube-system:replication-controller',
'system:serviceaccount:kube-system:statefulset-controller']
{{- with $policy.controllers }} ||
request.?userInfo.?username.orValue('').matches({{ include "archmatch.globs" . }})
{{- end }}
{{- end }}
{{- end -}}

{{/* Globs as one regular expression, in a literal of CEL: `*` spans anything but a colon. */}}
{{- define "archmatch.globs" -}}
{{- $patterns := list -}}
{{- range . -}}
{{- $parts := list -}}
{{- range splitList "*" . -}}
{{- $parts = append $parts (regexQuoteMeta .) -}}
{{- end -}}
{{- $patterns = append $patterns (join "[^:]*" $parts) -}}
{{- end -}}
{{- printf "^(?:%s)$" (join "|" $patterns) | toJson -}}
{{- end -}}

{{- define "archmatch.readAtStart" -}}
{{- pick (include "archmatch.config" . | fromYaml) "registries" "credentials" "clientAuth" "cache" | toJson -}}
{{- end -}}

{{- define "archmatch.tlsSecret" -}}
{{- if eq .Values.certificates.mode "existing-secret" -}}
{{ required "certificates.secretName is needed with certificates.mode=existing-secret" .Values.certificates.secretName }}
{{- else -}}
{{ include "archmatch.name" . }}-tls
{{- end -}}
{{- end -}}
