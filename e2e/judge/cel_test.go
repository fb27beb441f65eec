package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const celPolicyText = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: one}
spec:
  failurePolicy: Fail
  matchConstraints: {resourceRules: []}
  matchConditions:
  - {name: created, expression: "request.operation == 'CREATE'"}
  variables:
  - {name: names, expression: "object.spec.containers.map(c, c.name)"}
  validations:
  - expression: "!('bad' in variables.names)"
    messageExpression: "'on ' + string(object.metadata.creationTimestamp) + ': ' + variables.names.join(', ')"
  - expression: "!('worse' in variables.names) || object.spec.nothing == 'there'"
---
kind: ValidatingAdmissionPolicyBinding
`

func decide(t *testing.T, policy, lines string) (string, string, int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errors strings.Builder
	status := run([]string{"cel", "--policy", file}, strings.NewReader(lines), &out, &errors)
	return out.String(), errors.String(), status
}

func TestCEL(t *testing.T) {
	line := func(name, more string) string {
		return `{"id":"a","pod":{"spec":{"containers":[{"name":"` + name + `"}]}},"now":"2027-01-02T03:04:05Z"` + more + `}`
	}
	for name, test := range map[string]struct{ line, want string }{
		"allowed":              {line("good", ""), `"matched":true,"allowed":true,"error":false,"messages":[]`},
		"denied, at that time": {line("bad", ""), `"allowed":false,"error":false,"messages":["on 2027-01-02T03:04:05Z: bad"]`},
		"an error denies":      {line("worse", ""), `"allowed":false,"error":true`},
		"an update":            {line("bad", `,"oldPod":{"spec":{}}`), `"matched":false,"allowed":true`},
	} {
		out, errors, status := decide(t, celPolicyText, test.line)
		if status != 0 || !strings.Contains(out, test.want) {
			t.Errorf("%s: %d %s%s", name, status, out, errors)
		}
	}
}

func TestCELThatDoesNotCompile(t *testing.T) {
	for _, expression := range []string{"object.spec +", "[1, 2].sortBy(x, x) == [1, 2]"} { // the latter is of 1.34
		policy := strings.Replace(celPolicyText, "request.operation == 'CREATE'", expression, 1)
		if _, errors, status := decide(t, policy, ""); status != 1 || !strings.Contains(errors, "oldest API server") {
			t.Errorf("%s: %d %s", expression, status, errors)
		}
	}
	policy := strings.ReplaceAll(celPolicyText, "name: names", "name: void")
	if _, errors, status := decide(t, policy, ""); status != 1 || !strings.Contains(errors, "variable void: not a CEL identifier") {
		t.Errorf("a reserved word: %d %s", status, errors)
	}
	if status := run([]string{"cel"}, strings.NewReader(""), &strings.Builder{}, &strings.Builder{}); status != 2 {
		t.Errorf("without a policy: %d", status)
	}
}
