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

{{/*
The audit's pods have a name of their own: what finds those of the webhook (Service, budget,
monitors, policy) asks for its name, can never change, and must not find these.
*/}}
{{- define "archmatch.audit.selector" -}}
app.kubernetes.io/name: {{ printf "%s-audit" (default "archmatch" .Values.nameOverride) | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: audit
{{- end -}}

{{- define "archmatch.audit.labels" -}}
{{- merge (include "archmatch.audit.selector" . | fromYaml) (include "archmatch.labels" . | fromYaml) | toYaml -}}
{{- end -}}

{{/* Metadata of an object of the audit in the release's namespace. */}}
{{- define "archmatch.audit.metadata" -}}
name: "{{ include "archmatch.name" . }}-audit"
namespace: {{ .Release.Namespace | quote }}
labels:
  {{- include "archmatch.audit.labels" . | nindent 2 }}
{{- end -}}

{{- define "archmatch.audit.serviceAccount" -}}
{{- default (printf "%s-audit" (include "archmatch.name" .)) .Values.audit.serviceAccountName -}}
{{- end -}}

{{/* The same as the subject of a binding. */}}
{{- define "archmatch.audit.subjects" -}}
- kind: ServiceAccount
  name: {{ include "archmatch.audit.serviceAccount" . | quote }}
  namespace: {{ .Release.Namespace | quote }}
{{- end -}}

{{- define "archmatch.audit.interval" -}}
{{- dig "audit" "interval" "1h" .Values.config -}}
{{- end -}}

{{/* The same in seconds. */}}
{{- define "archmatch.audit.seconds" -}}
{{- $seconds := 0 -}}
{{- range regexFindAll "[0-9]+[hms]" (include "archmatch.audit.interval" .) -1 -}}
{{- $unit := get (dict "h" 3600 "m" 60 "s" 1) (regexFind "[hms]" .) -}}
{{- $seconds = add $seconds (mul (regexFind "[0-9]+" . | atoi) $unit) -}}
{{- end -}}
{{- $seconds -}}
{{- end -}}

{{/* Not empty where the audit writes report objects. */}}
{{- define "archmatch.audit.writes" -}}
{{- if and .Values.audit.enabled (ne (dig "audit" "reports" "auto" .Values.config) "none") -}}
writes
{{- end -}}
{{- end -}}

{{/* What a decision needs of the cluster, as rules. */}}
{{- define "archmatch.view" -}}
# What a decision needs of the cluster.
- apiGroups: [""]
  resources: [nodes, namespaces]
  verbs: [list, watch]
{{- if ne (include "archmatch.secrets" .) "none" }}
# Which pull secrets pods get from them.
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [list, watch]
{{- end }}
- apiGroups: [node.k8s.io]
  resources: [runtimeclasses]
  verbs: [list, watch]
# Nodes that do not exist yet, where such kinds are installed.
- apiGroups: [karpenter.sh]
  resources: [nodepools]
  verbs: [list, watch]
- apiGroups: [cluster.x-k8s.io]
  resources: [machinedeployments, machinesets, machinepools]
  verbs: [list, watch]
- apiGroups: [machine.openshift.io]
  resources: [machinesets]
  verbs: [list, watch]
{{- if eq (include "archmatch.secrets" .) "cluster" }}
# Pull secrets, one at a time: credentials.secrets is cluster.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
{{- end }}
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

{{/* What every pod of ours has: its rights on the node, and how its image is pulled. */}}
{{- define "archmatch.pod" -}}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- include "archmatch.set" . | nindent 2 }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Where our pods run. */}}
{{- define "archmatch.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
affinity:
  {{- if .Values.affinity }}
  {{- toYaml .Values.affinity | nindent 2 }}
  {{- else }}
  # This of all products must not land where its own image has nothing to run.
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: kubernetes.io/arch, operator: In, values: [amd64, arm64, s390x, ppc64le]}
        - {key: kubernetes.io/os, operator: In, values: [linux]}
  {{- end }}
{{- end -}}

{{/* The environment of the program. */}}
{{- define "archmatch.environment" -}}
- name: ARCHMATCH_LOG
  value: {{ .Values.logLevel | quote }}
- name: ARCHMATCH_LOG_FORMAT
  value: json
- name: ARCHMATCH_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
{{- with .Values.extraEnv }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end -}}

{{/* Probes, and how long a start may take. */}}
{{- define "archmatch.probes" -}}
livenessProbe:
  httpGet: {path: /livez, port: status}
  periodSeconds: 10
readinessProbe:
  httpGet: {path: /readyz, port: status}
  periodSeconds: 2
startupProbe:
  httpGet: {path: /readyz, port: status}
  periodSeconds: 1
  failureThreshold: 120
{{- end -}}
