package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

const pods = `{"id":"one","pod":{"metadata":{"name":"one"},"spec":{"containers":[
 {"name":"root","image":"x:1","securityContext":{"privileged":true}},
 {"name":"fine","image":"x:1","securityContext":{"runAsNonRoot":true,"readOnlyRootFilesystem":true}}]}}}
{"id":"two","pod":{"metadata":{"name":"two"},"spec":{"hostPID":true,"securityContext":{"runAsNonRoot":true},"initContainers":[{"name":"init","image":"x:1"}],"containers":[{"name":"app","image":"x:1"}]}}}
`

func answers(t *testing.T, args ...string) map[string][]finding {
	t.Helper()
	var stdout, stderr bytes.Buffer
	text := strings.ReplaceAll(pods, "\n ", " ")
	if status := run(args, strings.NewReader(text), &stdout, &stderr); status != 0 {
		t.Fatalf("exit status %d: %s", status, stderr.String())
	}
	found := map[string][]finding{}
	decoder := json.NewDecoder(&stdout)
	for decoder.More() {
		var next answer
		if err := decoder.Decode(&next); err != nil {
			t.Fatal(err)
		}
		found[next.ID] = next.Findings
	}
	return found
}

func has(findings []finding, wanted finding) bool {
	for _, found := range findings {
		if found == wanted {
			return true
		}
	}
	return false
}

func TestFindingsNameTheirContainer(t *testing.T) {
	found := answers(t, "--trivy", "KSV-0012,KSV-0010,KSV-0014")
	const privileged = "container-security-context-privileged"
	for _, expected := range []struct {
		id    string
		found finding
		is    bool
	}{
		{"one", finding{"trivy", "KSV-0012", "root"}, true},
		{"one", finding{"trivy", "KSV-0012", "fine"}, false},
		{"one", finding{"trivy", "KSV-0014", "root"}, true},
		{"one", finding{"trivy", "KSV-0014", "fine"}, false},
		{"one", finding{"kube-score", privileged, "root"}, true},
		{"one", finding{"kube-score", privileged, "fine"}, false},
		{"two", finding{"trivy", "KSV-0010", ""}, true},
		{"two", finding{"trivy", "KSV-0012", "app"}, false},
		{"two", finding{"trivy", "KSV-0014", "init"}, true},
		{"two", finding{"trivy", "KSV-0014", "app"}, true},
	} {
		if has(found[expected.id], expected.found) != expected.is {
			t.Errorf("%s: %v is not %v in %v", expected.id, expected.found, expected.is, found[expected.id])
		}
	}
}

func TestWhatCannotBeReadIsNoAnswer(t *testing.T) {
	for _, text := range []string{"{", `{"id":"a","pods":{}}`, `{"id":"a","pod":{"metadata":{"name":"a"},"spec":[]}}`, `{"id":"a","pod":{"spec":{}}}`} {
		var stdout, stderr bytes.Buffer
		if status := run(nil, strings.NewReader(text), &stdout, &stderr); status != 1 || stderr.Len() == 0 || stdout.Len() != 0 {
			t.Errorf("%s: exit status %d, %q", text, status, stdout.String())
		}
	}
	var stdout, stderr bytes.Buffer
	if status := run([]string{"--trivy", "KSV-9999"}, strings.NewReader(`{"id":"a","pod":{"metadata":{"name":"a"},"spec":{}}}`), &stdout, &stderr); status != 1 {
		t.Errorf("an unknown check: exit status %d", status)
	}
	if status := run([]string{"pods"}, strings.NewReader(""), &stdout, &stderr); status != 2 {
		t.Errorf("an argument: exit status %d", status)
	}
}
