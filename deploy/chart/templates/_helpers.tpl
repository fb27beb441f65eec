{{- define "ironhull.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* Ends at 50 characters: others are made from it, and labels have 63. */ -}}
{{- define "ironhull.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "ironhull.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "ironhull.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /*
Webhooks run in the order of their configurations' names, and each is asked again at most
once: the last one sees what all others have done.
*/ -}}
{{- define "ironhull.configuration" -}}
{{- $fullname := include "ironhull.fullname" . }}
{{- if hasPrefix "ironhull" $fullname }}zz-{{ $fullname }}{{ else }}zz-ironhull-{{ $fullname }}{{ end }}
{{- end }}

{{- define "ironhull.selectorLabels" -}}
app.kubernetes.io/name: {{ include "ironhull.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ironhull.labels" -}}
{{ include "ironhull.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "ironhull.serviceAccount" -}}
{{- default (include "ironhull.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "ironhull.image" -}}
{{- $name := .Values.image.repository }}
{{- with .Values.image.tag | default (ternary "" $.Chart.AppVersion (ne $.Values.image.digest "")) }}
{{- $name = printf "%s:%s" $name . }}
{{- end }}
{{- with .Values.image.digest }}
{{- $name = printf "%s@%s" $name . }}
{{- end }}
{{- $name }}
{{- end }}

{{- /* How certificates are kept: self-managed, cert-manager or existing. */ -}}
{{- define "ironhull.certificates" -}}
{{- if and .Values.certManager.enabled .Values.tls.existingSecret }}
{{- fail "certManager.enabled and tls.existingSecret exclude each other: choose one source of certificates" }}
{{- else if .Values.certManager.enabled }}cert-manager
{{- else if .Values.tls.existingSecret }}
{{- if not (or .Values.tls.caBundle .Values.webhook.annotations) }}
{{- fail "tls.existingSecret needs tls.caBundle, the PEM certificate that API servers are to trust (or webhook.annotations that tell a CA injector to set it)" }}
{{- end }}existing
{{- else }}
{{- if .Values.tls.caBundle }}
{{- fail "tls.caBundle belongs to tls.existingSecret; with self-managed certificates ironhull sets it itself" }}
{{- end }}self-managed
{{- end }}
{{- end }}

{{- define "ironhull.secret" -}}
{{- /* Two names, since a Secret's type cannot change. */ -}}
{{- $kind := .Values.certManager.enabled | ternary "tls" "certificates" }}
{{- .Values.tls.existingSecret | default (printf "%s-%s" (include "ironhull.fullname" .) $kind) }}
{{- end }}

{{- /* The names of the policies that namespaces may choose by label, as a JSON list. */ -}}
{{- define "ironhull.byLabel" -}}
{{- $names := .Values.policies.byLabel }}
{{- range $name, $spec := .Values.policies.inline }}
{{- if ($spec).byLabel }}
{{- $names = append $names $name }}
{{- end }}
{{- end }}
{{- $names | uniq | sortAlpha | toJson }}
{{- end }}

{{- define "ironhull.hasPolicies" -}}
{{- if or .Values.policies.inline .Values.policies.files .Values.policies.existingConfigMaps }}true{{ end }}
{{- end }}

{{- /* Not the webhook's, whose Service must not lead to the watch. */ -}}
{{- define "ironhull.watchSelectorLabels" -}}
app.kubernetes.io/name: {{ include "ironhull.name" . | trunc 57 | trimSuffix "-" }}-watch
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ironhull.watchLabels" -}}
{{ include "ironhull.watchSelectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "ironhull.policiesVolume" -}}
projected:
  sources:
  {{- if or .Values.policies.inline .Values.policies.files }}
  - configMap: {name: {{ include "ironhull.fullname" . }}-policies}
  {{- end }}
  {{- range .Values.policies.existingConfigMaps }}
  - configMap: {name: {{ . }}}
  {{- end }}
{{- end }}

{{- /* The facts that `ironhull watch` keeps. */ -}}
{{- define "ironhull.factsVolume" -}}
projected:
  sources:
  {{- range $shard := until 16 }}
  - configMap: {name: {{ include "ironhull.fullname" $ }}-image-facts-{{ printf "%02d" $shard }}, optional: true}
  {{- end }}
{{- end }}

{{- /* Whether `hostUsers: false` is trusted: see userNamespaces in values.yaml. */}}
{{- define "ironhull.userNamespaces" -}}
{{- if kindIs "bool" .Values.userNamespaces -}}
{{ .Values.userNamespaces }}
{{- else -}}
{{ semverCompare ">=1.36.0-0" .Capabilities.KubeVersion.Version }}
{{- end -}}
{{- end }}
