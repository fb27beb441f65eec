// Command judge says what Kubernetes itself makes of a pod, of a manifest or of an admission policy, so that ironhull's
// tests never rest on ironhull's own reading of the Pod Security Standards, of YAML or of CEL.
//
// It is a filter: JSON lines in, one JSON line out for each, in the same order and at once. The README has the format.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	serializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

const usage = `judge says what Kubernetes itself makes of a pod or of a manifest.

usage:
  judge [--version latest|v1.x]    Pod Security verdicts on pods
      in   {"id": "a", "pod": {"metadata": {…}, "spec": {…}}}
      out  {"id": "a", "baseline": {"allowed": true, "reasons": []}, "restricted": {…}, "strict": null}
  judge docs                       how Kubernetes reads YAML documents
      in   {"id": "a", "yaml": "apiVersion: v1\nkind: Pod\n…"}
      out  {"id": "a", "strict": null, "kind": "Pod", "json": {…}, "pod": {"metadata": {…}, "spec": {…}}}
  judge cel --policy FILE          what ValidatingAdmissionPolicies make of pods, by an API server's evaluator and cost limits
      in   {"id": "a", "pod": {…}, "oldPod": {…}, "subresource": "…", "namespace": "…", "labels": {…}, "groups": […], "now": "…"}
      out  {"id": "a", "verdicts": [{"policy": "…", "matched": true, "allowed": false, "messages": ["…"], "cost": 1234, …}]}

Each JSON line on standard input is answered by one on standard output, in the same order. "strict" is what the strict
decoder objects to (unknown and duplicate fields), or null. What cannot be decoded gets "error", and no verdict or pod.

  --version  the version of the standards to judge by (default latest); one newer than the newest known is the newest
  --policy   YAML with the policies; all must compile on the oldest API server that has them
  --help     this text

exit status: 0, 1 at the first line that is not such JSON (named by its number), 2 for wrong arguments
`

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program, and returns its exit status.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("judge", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors and help are printed here, in one form
	standards := api.LatestVersion()
	command, file := "", ""
	if len(args) > 0 && (args[0] == "docs" || args[0] == "cel") {
		command, args = args[0], args[1:]
	}
	switch command {
	case "cel":
		flags.StringVar(&file, "policy", "", "")
	case "":
		flags.Func("version", "", func(text string) (err error) {
			standards, err = api.ParseVersion(text)
			return err
		})
	}

	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return 0
	}
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err == nil && command == "cel" && file == "" {
		err = errors.New("--policy is required")
	}
	if err != nil {
		fmt.Fprintf(stderr, "judge: %v; see judge --help\n", err)
		return 2
	}

	switch command {
	case "cel":
		err = decidePods(file, stdin, stdout)
	case "docs":
		err = answerLines(stdin, stdout, readDocument)
	default:
		err = judgePods(stdin, stdout, standards)
	}
	if err != nil {
		fmt.Fprintf(stderr, "judge: %v\n", err)
		return 1
	}
	return 0
}

// answerLines answers each line of in with one line on out. It stops at the first line that is not one JSON object with
// exactly the fields of L: such a line is a caller's mistake, and an answer to it would be mistaken for a verdict.
func answerLines[L any](in io.Reader, out io.Writer, answer func(L) (any, error)) error {
	reader := bufio.NewReader(in) // not a Scanner: that limits the length of a line
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for number := 1; ; number++ {
		text, err := reader.ReadBytes('\n')
		if err == io.EOF {
			if len(text) == 0 {
				return nil
			}
			err = nil // the last line may lack its newline
		}
		if err == nil {
			err = answerLine(text, encoder, answer)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
}

func answerLine[L any](text []byte, encoder *json.Encoder, answer func(L) (any, error)) error {
	var line L
	strictErrs, err := kjson.UnmarshalStrict(text, &line)
	if err := errors.Join(append(strictErrs, err)...); err != nil {
		return err
	}
	answered, err := answer(line)
	if err != nil {
		return err
	}
	return encoder.Encode(answered) // one write each: a caller may wait for an answer before it sends the next line
}

// failure answers a line whose content Kubernetes cannot decode at all.
type failure struct {
	ID    string `json:"id"`
	Error string `json:"error"`
}

type podLine struct {
	ID  string          `json:"id"`
	Pod json.RawMessage `json:"pod"`
}

type podAnswer struct {
	ID         string  `json:"id"`
	Baseline   verdict `json:"baseline"`
	Restricted verdict `json:"restricted"`
	Strict     *string `json:"strict"`
}

// verdict is the answer of one level of the standards. Each reason reads "check id: reason (detail)".
type verdict struct {
	Allowed bool     `json:"allowed"`
	Reasons []string `json:"reasons"`
}

// judgePods answers lines with a pod by the evaluator that the API server's PodSecurity admission uses.
func judgePods(in io.Reader, out io.Writer, standards api.Version) error {
	evaluator, err := newEvaluator()
	if err != nil {
		return err
	}
	return answerLines(in, out, func(line podLine) (any, error) {
		if line.ID == "" || line.Pod == nil {
			return nil, errors.New(`"id" and "pod" are required`)
		}
		pod, strict, err := decodePod(line.Pod)
		if err != nil {
			return failure{line.ID, err.Error()}, nil
		}
		judge := func(level api.Level) verdict {
			levelVersion := api.LevelVersion{Level: level, Version: standards}
			return newVerdict(evaluator.EvaluatePod(levelVersion, &pod.ObjectMeta, &pod.Spec))
		}
		return podAnswer{line.ID, judge(api.LevelBaseline), judge(api.LevelRestricted), strict}, nil
	})
}

// newEvaluator returns Kubernetes' evaluator over Kubernetes' checks. A result does not say which check it comes from, so
// every check is wrapped to put its id before its reason; which checks run, and what they find, is untouched.
func newEvaluator() (policy.Evaluator, error) {
	checks := policy.DefaultChecks()
	for _, check := range checks {
		for i, versioned := range check.Versions {
			check.Versions[i].CheckPod = func(meta *metav1.ObjectMeta, spec *corev1.PodSpec) policy.CheckResult {
				result := versioned.CheckPod(meta, spec)
				if !result.Allowed {
					result.ForbiddenReason = fmt.Sprintf("%s: %s", check.ID, result.ForbiddenReason)
				}
				return result
			}
		}
	}
	return policy.NewEvaluator(checks, nil)
}

func newVerdict(results []policy.CheckResult) verdict {
	reasons := []string{} // never null in the answer
	for _, result := range results {
		if result.Allowed {
			continue
		}
		reason := result.ForbiddenReason
		if result.ForbiddenDetail != "" {
			reason += " (" + result.ForbiddenDetail + ")"
		}
		reasons = append(reasons, reason)
	}
	return verdict{Allowed: len(reasons) == 0, Reasons: reasons}
}

// The API server's own strict decoders. Beside its objections a strict decoder returns the object that a lenient one
// would: strictness does not change what is stored. So one pass gives both.
var (
	strictJSON = newDecoder(serializer.SerializerOptions{Strict: true})
	strictYAML = newDecoder(serializer.SerializerOptions{Strict: true, Yaml: true})
)

func newDecoder(options serializer.SerializerOptions) runtime.Decoder {
	return serializer.NewSerializerWithOptions(serializer.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, options)
}

// decodePod returns the pod and what the strict decoder objects to in it, if anything. A missing apiVersion and kind are
// those of a pod.
func decodePod(data []byte) (pod *corev1.Pod, strict *string, err error) {
	if string(data) == "null" { // would decode to an empty pod, which baseline allows
		return nil, nil, errors.New("the pod is null")
	}
	podKind := corev1.SchemeGroupVersion.WithKind("Pod")
	object, kind, err := strictJSON.Decode(data, &podKind, nil)
	if strict, err = splitStrict(err); err != nil {
		return nil, nil, err
	}
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return nil, nil, fmt.Errorf("a %s is not a v1 Pod", kind)
	}
	return pod, strict, nil
}

// splitStrict tells a strict decoder's objections, which come with a decoded object, from a failure to decode.
func splitStrict(err error) (strict *string, failed error) {
	if runtime.IsStrictDecodingError(err) {
		return new(err.Error()), nil
	}
	return nil, err
}

type docLine struct {
	ID   string  `json:"id"`
	YAML *string `json:"yaml"`
}

type docAnswer struct {
	ID     string          `json:"id"`
	Strict *string         `json:"strict"`
	Kind   string          `json:"kind"`
	JSON   json.RawMessage `json:"json"`
	Pod    *podParts       `json:"pod"`
	Error  string          `json:"error,omitempty"` // why Kubernetes makes no object of it, hence no pod
}

// podParts is a pod, or a pod template, as the typed object encodes it.
type podParts struct {
	Metadata any `json:"metadata"`
	Spec     any `json:"spec"`
}

// readDocument reads one document as kubectl and the API server do: as JSON when it is JSON, for that is tried first and
// knows escapes that YAML does not, and else by the YAML reader.
func readDocument(line docLine) (any, error) {
	if line.ID == "" || line.YAML == nil {
		return nil, errors.New(`"id" and "yaml" are required`)
	}
	text := []byte(*line.YAML)
	plain, decoder := text, strictJSON
	if !json.Valid(text) {
		var err error
		if plain, err = yaml.YAMLToJSON(text); err != nil {
			return failure{line.ID, err.Error()}, nil
		}
		decoder = strictYAML
	}

	answer := docAnswer{ID: line.ID, JSON: plain}
	object, kind, err := decoder.Decode(text, nil, nil)
	if kind != nil {
		answer.Kind = kind.Kind
	}
	if answer.Strict, err = splitStrict(err); err == nil {
		answer.Pod, err = podOf(object, answer.Kind)
	}
	if err != nil {
		answer.Error = err.Error()
	}
	return answer, nil
}

// podOf returns the object's pod or pod template, or nil where it has none. It follows the encoded object and not the Go
// types, because manifests still use old versions of these kinds (extensions/v1beta1, …), each of which is a type.
func podOf(object runtime.Object, kind string) (*podParts, error) {
	var path []string
	switch kind {
	case "Pod": // the object itself
	case "PodTemplate":
		path = []string{"template"}
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job":
		path = []string{"spec", "template"}
	case "CronJob":
		path = []string{"spec", "jobTemplate", "spec", "template"}
	default:
		return nil, nil
	}
	encoded, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	pod, found, err := unstructured.NestedMap(encoded, path...)
	if err != nil || !found { // a ReplicationController's template may be missing
		return nil, err
	}
	return &podParts{pod["metadata"], pod["spec"]}, nil
}
