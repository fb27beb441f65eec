package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

const (
	bare     = `"containers":[{"name":"c","image":"i"}]`
	hardened = `"securityContext":{"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}},` +
		`"containers":[{"name":"c","image":"i","securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}]`
	windows = `"os":{"name":"windows"},"securityContext":{"runAsNonRoot":true},` + bare
)

func TestPods(t *testing.T) {
	tests := []struct {
		name       string
		pod        string
		version    string
		baseline   string // the ids of the checks that forbid the pod
		restricted string
		strict     string
	}{
		{
			name:       "a bare pod",
			pod:        `{"spec":{` + bare + `}}`,
			restricted: "allowPrivilegeEscalation capabilities_restricted runAsNonRoot seccompProfile_restricted",
		},
		{
			name: "a hardened pod",
			pod:  `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{` + hardened + `}}`,
		},
		{
			name:       "hostPath",
			pod:        `{"spec":{` + hardened + `,"volumes":[{"name":"v","hostPath":{"path":"/"}}]}}`,
			baseline:   "hostPathVolumes",
			restricted: "restrictedVolumes",
		},
		{
			name: "Windows needs no Linux field",
			pod:  `{"spec":{` + windows + `}}`,
		},
		{
			name:       "before v1.25 it did",
			pod:        `{"spec":{` + windows + `}}`,
			version:    "v1.24",
			restricted: "allowPrivilegeEscalation capabilities_restricted seccompProfile_restricted",
		},
		{
			name:   "unknown fields; case matters",
			pod:    `{"spec":{` + hardened + `,"hostNetworks":true,"HostPID":true}}`,
			strict: `strict decoding error: unknown field "spec.hostNetworks", unknown field "spec.HostPID"`,
		},
		{
			name:       "of duplicate fields the last wins",
			pod:        `{"spec":{` + hardened + `,"hostPID":false,"hostPID":true}}`,
			baseline:   "hostNamespaces",
			restricted: "hostNamespaces",
			strict:     `strict decoding error: duplicate field "spec.hostPID"`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			args := []string{"--version", "latest"}
			if test.version != "" {
				args[1] = test.version
			}
			answer := decode[podAnswer](t, succeed(t, `{"id":"x","pod":`+test.pod+`}`, args...))
			equal(t, "id", answer.ID, "x")
			equal(t, "baseline", checkIDs(answer.Baseline), test.baseline)
			equal(t, "baseline allowed", answer.Baseline.Allowed, test.baseline == "")
			equal(t, "restricted", checkIDs(answer.Restricted), test.restricted)
			equal(t, "restricted allowed", answer.Restricted.Allowed, test.restricted == "")
			equal(t, "strict", orEmpty(answer.Strict), test.strict)
		})
	}
}

// The bytes, as the tests that call the program see them.
func TestPodAnswerFormat(t *testing.T) {
	got := succeed(t, `{"id":"a","pod":{"spec":{"hostPID":true,`+hardened+`}}}`)
	reasons := `{"allowed":false,"reasons":["hostNamespaces: host namespaces (hostPID=true)"]}`
	equal(t, "answer", got, `{"id":"a","baseline":`+reasons+`,"restricted":`+reasons+`,"strict":null}`)

	got = succeed(t, `{"id":"a","pod":{"spec":{`+hardened+`}}}`)
	reasons = `{"allowed":true,"reasons":[]}`
	equal(t, "answer", got, `{"id":"a","baseline":`+reasons+`,"restricted":`+reasons+`,"strict":null}`)
}

func TestUndecodablePodsGetNoVerdict(t *testing.T) {
	for pod, want := range map[string]string{
		`null`:                                "the pod is null",
		`[]`:                                  "cannot unmarshal array",
		`{"spec":{"containers":{}}}`:          "cannot unmarshal object",
		`{"apiVersion":"v2","kind":"Pod"}`:    `no kind "Pod" is registered for version "v2"`,
		`{"apiVersion":"v1","kind":"Node"}`:   "is not a v1 Pod",
		`{"spec":{"hostPID":"true","a":"b"}}`: "cannot unmarshal string",
	} {
		answer := decode[failure](t, succeed(t, `{"id":"x","pod":`+pod+`}`))
		if answer.ID != "x" || !strings.Contains(answer.Error, want) {
			t.Errorf("%s: got %+v, want an error with %q", pod, answer, want)
		}
	}
}

func TestDocs(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\n"
	tests := []struct {
		name   string
		yaml   string
		kind   string
		json   string
		pod    string // as JSON; "null" where there is none
		strict string // each is a part of what is expected
		err    string
	}{
		{
			name: "YAML 1.1: octal numbers, yes",
			yaml: pod + "spec: {hostPID: yes, volumes: [{name: v, secret: {defaultMode: 0644}}]}\n",
			kind: "Pod",
			json: `{"apiVersion":"v1","kind":"Pod","spec":{"hostPID":true,"volumes":[{"name":"v","secret":{"defaultMode":420}}]}}`,
			pod:  `{"metadata":{},"spec":{"containers":null,"hostPID":true,"volumes":[{"name":"v","secret":{"defaultMode":420}}]}}`,
		},
		{
			name:   "of duplicate keys the last wins",
			yaml:   pod + "spec:\n  hostPID: true\n  hostPID: false\n  hostname: a\n  hostname: b\n",
			kind:   "Pod",
			json:   `{"apiVersion":"v1","kind":"Pod","spec":{"hostPID":false,"hostname":"b"}}`,
			pod:    `{"metadata":{},"spec":{"containers":null,"hostname":"b"}}`,
			strict: `key "hostPID" already set in map`,
		},
		{
			name:   "unknown field",
			yaml:   pod + "spec: {containers: [], hostNetworks: true}\n",
			kind:   "Pod",
			json:   `{"apiVersion":"v1","kind":"Pod","spec":{"containers":[],"hostNetworks":true}}`,
			pod:    `{"metadata":{},"spec":{"containers":[]}}`,
			strict: `unknown field "spec.hostNetworks"`,
		},
		{
			name: "flow style, which is not JSON",
			yaml: "{apiVersion: v1, kind: Pod, spec: {containers: []}}",
			kind: "Pod",
			json: `{"apiVersion":"v1","kind":"Pod","spec":{"containers":[]}}`,
			pod:  `{"metadata":{},"spec":{"containers":[]}}`,
		},
		{
			name: "JSON with escapes that YAML lacks",
			yaml: `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"\/\ud83d\ude00"},"spec":{"containers":[]}}`,
			kind: "Pod",
			json: `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"/😀"},"spec":{"containers":[]}}`,
			pod:  `{"metadata":{"name":"/😀"},"spec":{"containers":[]}}`,
		},
		{
			name: "a kind without a pod",
			yaml: "apiVersion: v1\nkind: ConfigMap\n",
			kind: "ConfigMap",
			json: `{"apiVersion":"v1","kind":"ConfigMap"}`,
			pod:  "null",
		},
		{
			name: "a kind that is not Kubernetes' own",
			yaml: "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\n",
			kind: "Rollout",
			json: `{"apiVersion":"argoproj.io/v1alpha1","kind":"Rollout"}`,
			pod:  "null",
			err:  `no kind "Rollout" is registered`,
		},
		{
			name: "a value of the wrong type",
			yaml: pod + "spec: {hostname: 1}\n",
			kind: "Pod",
			json: `{"apiVersion":"v1","kind":"Pod","spec":{"hostname":1}}`,
			pod:  "null",
			err:  "cannot unmarshal number",
		},
		{name: "only a comment", yaml: "# nothing\n", json: "null", pod: "null", err: "'Kind' is missing"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer := decode[docAnswer](t, askDocs(t, test.yaml))
			equal(t, "kind", answer.Kind, test.kind)
			equal(t, "json", decode[any](t, string(answer.JSON)), decode[any](t, test.json))
			equal(t, "pod", decode[any](t, encode(t, answer.Pod)), decode[any](t, test.pod))
			contains(t, "strict", orEmpty(answer.Strict), test.strict)
			contains(t, "error", answer.Error, test.err)
		})
	}
}

func TestDocsThatAreNotYAML(t *testing.T) {
	for _, yaml := range []string{"a: [", "a:\n\t- b", "%YAML 1.2\n---\na: b"} {
		answer := decode[failure](t, askDocs(t, yaml))
		contains(t, "error", answer.Error, "yaml: ")
	}
}

func TestDocsFindsEveryPodTemplate(t *testing.T) {
	const template = "{metadata: {name: t}, spec: {containers: []}}"
	const job = "{spec: {template: " + template + "}}"
	for _, doc := range []string{
		"{apiVersion: v1, kind: Pod, metadata: {name: t}, spec: {containers: []}, status: {phase: Running}}",
		"{apiVersion: v1, kind: PodTemplate, metadata: {name: o}, template: " + template + "}",
		"{apiVersion: v1, kind: ReplicationController, spec: {template: " + template + "}}",
		"{apiVersion: apps/v1, kind: Deployment, spec: {template: " + template + "}}",
		"{apiVersion: extensions/v1beta1, kind: Deployment, spec: {template: " + template + "}}",
		"{apiVersion: apps/v1, kind: StatefulSet, spec: {template: " + template + "}}",
		"{apiVersion: apps/v1, kind: DaemonSet, spec: {template: " + template + "}}",
		"{apiVersion: apps/v1, kind: ReplicaSet, spec: {template: " + template + "}}",
		"{apiVersion: batch/v1, kind: Job, spec: {template: " + template + "}}",
		"{apiVersion: batch/v1, kind: CronJob, spec: {jobTemplate: " + job + "}}",
	} {
		answer := decode[docAnswer](t, askDocs(t, doc))
		equal(t, doc, encode(t, answer.Pod), `{"metadata":{"name":"t"},"spec":{"containers":[]}}`)
		equal(t, doc, orEmpty(answer.Strict), "")
	}
	answer := decode[docAnswer](t, askDocs(t, "{apiVersion: v1, kind: ReplicationController, spec: {replicas: 1}}"))
	equal(t, "without a template", encode(t, answer.Pod), "null")
}

func TestAnswersAreInOrderAndLongLinesWork(t *testing.T) {
	long := strings.Repeat("x", 8<<20)
	input := `{"id":"1","pod":{"metadata":{"annotations":{"a":"` + long + `"}}}}` + "\n" +
		`{"id":"2","pod":7}` + "\n" +
		`{"id":"3","pod":{}}` // the last newline may be missing
	answers := strings.Split(succeed(t, input), "\n")
	equal(t, "number of answers", len(answers), 3)
	for i, id := range []string{"1", "2", "3"} {
		contains(t, "answer", answers[i], `{"id":"`+id+`",`)
	}
}

func TestUnreadableLinesEndTheRun(t *testing.T) {
	const good = `{"id":"a","pod":{}}`
	for _, bad := range []string{
		"", "x", "[]", "null", good + good, `{"id":"a"`, `{"id":"a"}`, `{"pod":{}}`, `{"id":1,"pod":{}}`,
		`{"id":"a","pod":{},"id":"b"}`, `{"id":"a","yaml":""}`, `{"ID":"a","pod":{}}`,
	} {
		stdout, stderr, status := start(good + "\n" + bad + "\n" + good + "\n")
		equal(t, bad+": exit status", status, 1)
		equal(t, bad+": answers", strings.Count(stdout, "\n"), 1)
		contains(t, bad, stderr, "judge: line 2: ")
	}
	_, stderr, status := start(good, "docs")
	equal(t, "exit status of docs", status, 1)
	contains(t, "docs", stderr, "judge: line 1: ")
}

func TestArguments(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"docs", "--help"}} {
		stdout, stderr, status := start("", args...)
		equal(t, "help", []any{stdout, stderr, status}, []any{usage, "", 0})
	}
	for _, args := range [][]string{{"--version", "1.36"}, {"--no-such"}, {"dcos"}, {"docs", "x"}, {"docs", "--version", "v1.36"}} {
		stdout, stderr, status := start("", args...)
		equal(t, "exit status", status, 2)
		equal(t, "standard output", stdout, "")
		contains(t, "standard error", stderr, "see judge --help")
	}
}

// start runs the program.
func start(input string, args ...string) (stdout, stderr string, status int) {
	var out, err bytes.Buffer
	status = run(args, strings.NewReader(input), &out, &err)
	return out.String(), err.String(), status
}

// succeed runs the program, which must exit with 0, and returns its answers without the last newline.
func succeed(t *testing.T, input string, args ...string) string {
	t.Helper()
	stdout, stderr, status := start(input, args...)
	if status != 0 || stderr != "" {
		t.Fatalf("exit status %d: %s", status, stderr)
	}
	return strings.TrimSuffix(stdout, "\n")
}

func askDocs(t *testing.T, yaml string) string {
	t.Helper()
	return succeed(t, encode(t, docLine{ID: "x", YAML: &yaml}), "docs")
}

func encode(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// decode refuses fields that T lacks, so that an answer cannot pass for one of another form.
func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return value
}

func checkIDs(v verdict) string {
	var ids []string
	for _, reason := range v.Reasons {
		id, _, _ := strings.Cut(reason, ": ")
		ids = append(ids, id)
	}
	return strings.Join(ids, " ")
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// contains wants a part of what it got; where it wants the empty string, it wants nothing.
func contains(t *testing.T, what, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) || (want == "") != (got == "") {
		t.Errorf("%s: got %q, want it to contain %q", what, got, want)
	}
}
