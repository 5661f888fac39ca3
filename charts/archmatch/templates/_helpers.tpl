{{/*
Objects are named by the release, `archmatch` when it is called so. A Service's name begins
with a letter and has no dots, which a release's name need not.
*/}}
{{- define "archmatch.name" -}}
{{- $name := default .Release.Name .Values.fullnameOverride | replace "." "-" -}}
{{- if regexMatch "^[0-9]" $name -}}
{{- $name = printf "archmatch-%s" $name -}}
{{- end -}}
{{- regexReplaceAll "-+$" ($name | trunc 52) "" -}}
{{- end -}}

{{/* Any text as the value of a label; Flux appends `+` and a digest to versions. */}}
{{- define "archmatch.labelValue" -}}
{{- $value := regexReplaceAll "[^A-Za-z0-9._-]" (toString .) "_" | trunc 63 -}}
{{- regexReplaceAll "[^A-Za-z0-9]+$" $value "" -}}
{{- end -}}

{{/* What finds our pods. It may never change. */}}
{{- define "archmatch.selector" -}}
app.kubernetes.io/name: {{ default "archmatch" .Values.nameOverride | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "archmatch.labels" -}}
{{- $own := include "archmatch.selector" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/version" (include "archmatch.labelValue" .Chart.AppVersion) -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" (include "archmatch.labelValue" .Release.Service) -}}
{{- $_ := set $own "helm.sh/chart" (include "archmatch.labelValue" (printf "%s-%s" .Chart.Name .Chart.Version)) -}}
{{- merge $own .Values.commonLabels | toYaml -}}
{{- end -}}

{{/* Metadata of an object in the release's namespace. */}}
{{- define "archmatch.metadata" -}}
name: {{ include "archmatch.name" . | quote }}
namespace: {{ .Release.Namespace | quote }}
labels:
  {{- include "archmatch.labels" . | nindent 2 }}
{{- end -}}

{{- define "archmatch.serviceAccount" -}}
{{- default (include "archmatch.name" .) .Values.serviceAccount.name -}}
{{- end -}}

{{/* The account as the subject of a binding. */}}
{{- define "archmatch.subjects" -}}
- kind: ServiceAccount
  name: {{ include "archmatch.serviceAccount" . | quote }}
  namespace: {{ .Release.Namespace | quote }}
{{- end -}}

{{/* A registry takes the place of the repository's own one, if it names one. */}}
{{- define "archmatch.image" -}}
{{- $repository := .Values.image.repository -}}
{{- with .Values.image.registry -}}
{{- $repository = printf "%s/%s" . (regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" $repository "") -}}
{{- end -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* A security context without the fields that are left to the platform. */}}
{{- define "archmatch.set" -}}
{{- $fields := dict -}}
{{- range $key, $value := . -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $_ := set $fields $key $value -}}
{{- end -}}
{{- end -}}
{{- toYaml $fields -}}
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

{{/* Whose pull secrets may be read: `none`, `namespaces` or `cluster`. */}}
{{- define "archmatch.secrets" -}}
{{- $secrets := dig "credentials" "secrets" "none" .Values.config -}}
{{- ternary "namespaces" $secrets (kindIs "map" $secrets) -}}
{{- end -}}

{{/* Not empty where a NetworkPolicy lets only some addresses to the webhook. */}}
{{- define "archmatch.closed" -}}
{{- $open := false -}}
{{- range .Values.networkPolicy.apiServer -}}
{{- $open = or $open (hasSuffix "/0" .) -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled (not $open) -}}closed{{- end -}}
{{- end -}}

{{- define "archmatch.tlsSecret" -}}
{{- if eq .Values.certificates.mode "existing-secret" -}}
{{ required "certificates.secretName is needed with certificates.mode=existing-secret" .Values.certificates.secretName }}
{{- else -}}
{{ include "archmatch.name" . }}-tls
{{- end -}}
{{- end -}}
