package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"sigs.k8s.io/yaml"
)

// The oldest API server with ValidatingAdmissionPolicy in v1 is 1.30, and it accepts of CEL what 1.29 knows: an API server
// takes a new expression only if its predecessor could evaluate it.
var oldestCompatibility = version.MajorMinor(1, 29)

type celLine struct {
	ID string `json:"id"`
	// The pod as it will be stored.
	Pod json.RawMessage `json:"pod"`
	// The stored pod, of an update.
	OldPod json.RawMessage `json:"oldPod,omitempty"`
	// Empty, or "ephemeralcontainers".
	Subresource string            `json:"subresource,omitempty"`
	Namespace   string            `json:"namespace,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"` // of the namespace
	Groups      []string          `json:"groups,omitempty"` // of the user
	// The moment of the request, RFC 3339. The API server makes it the creation timestamp of a new pod before validating
	// admission (k8s.io/apiserver/pkg/registry/rest.FillObjectMetaSystemFields).
	Now string `json:"now,omitempty"`
}

type celAnswer struct {
	ID       string        `json:"id"`
	Verdicts []celDecision `json:"verdicts"`
}

// celDecision is the answer of one ValidatingAdmissionPolicy.
type celDecision struct {
	Policy  string `json:"policy"`
	Matched bool   `json:"matched"` // by its match conditions; selectors are not looked at
	Allowed bool   `json:"allowed"`
	Error   bool   `json:"error"` // an expression failed, or ran out of budget
	// Of each validation that failed, as a user reads it.
	Messages []string `json:"messages"`
	// Of the budget of one binding (celconfig.RuntimeCELCostBudget), validations and messages together.
	Cost int64 `json:"cost"`
	// Of the match conditions' own budget.
	ConditionsCost int64 `json:"conditionsCost"`
	Micros         int64 `json:"micros"`
}

// decidePods answers lines by the ValidatingAdmissionPolicies in a file, with the evaluator and the cost limits of an API
// server.
func decidePods(file string, in io.Reader, out io.Writer) error {
	policies, err := readPolicies(file)
	if err != nil {
		return err
	}
	return answerLines(in, out, func(line celLine) (any, error) { return decideLine(policies, line) })
}

// celPolicy is a compiled ValidatingAdmissionPolicy.
type celPolicy struct {
	name       string
	validator  validating.Validator
	conditions *meter
	filter     *meter
	messages   *meter
}

// meter is an evaluator that notes what is left of the budget.
type meter struct {
	cel.ConditionEvaluator
	spent int64
}

func (m *meter) ForInput(ctx context.Context, attributes *admission.VersionedAttributes, request *admissionv1.AdmissionRequest, inputs cel.OptionalVariableBindings, namespace *corev1.Namespace, budget int64) ([]cel.EvaluationResult, int64, error) {
	results, remaining, err := m.ConditionEvaluator.ForInput(ctx, attributes, request, inputs, namespace, budget)
	m.spent = budget - max(remaining, 0)
	return results, remaining, err
}

// readPolicies compiles every ValidatingAdmissionPolicy of a YAML file, by the rules of this version's API server and, for
// what a user may create, of the oldest.
func readPolicies(file string) ([]celPolicy, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var policies []celPolicy
	for _, document := range bytes.Split(text, []byte("\n---\n")) {
		var policy admissionregistrationv1.ValidatingAdmissionPolicy
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if kind.Kind != "ValidatingAdmissionPolicy" {
			continue
		}
		if err := yaml.UnmarshalStrict(document, &policy); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if _, err := compile(&policy, oldestCompatibility, environment.NewExpressions); err != nil {
			return nil, fmt.Errorf("%s: on the oldest API server: %w", policy.Name, err)
		}
		compiled, err := compile(&policy, environment.DefaultCompatibilityVersion(), environment.StoredExpressions)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", policy.Name, err)
		}
		policies = append(policies, compiled)
	}
	if len(policies) == 0 {
		return nil, fmt.Errorf("%s has no ValidatingAdmissionPolicy", file)
	}
	return policies, nil
}

// compile does what validating.compilePolicy does, which is not exported, and returns what does not compile.
func compile(policy *admissionregistrationv1.ValidatingAdmissionPolicy, compatibility *version.Version, mode environment.Type) (celPolicy, error) {
	compiler, err := cel.NewCompositedCompiler(environment.MustBaseEnvSet(compatibility))
	if err != nil {
		return celPolicy{}, err
	}
	full := cel.OptionalVariableDeclarations{HasAuthorizer: true}
	var failures []error
	for _, variable := range policy.Spec.Variables {
		// The compiler takes reserved words, the API server does not (isCELIdentifier in its validation).
		if escaped, ok := apiservercel.Escape(variable.Name); !ok || escaped != variable.Name {
			failures = append(failures, fmt.Errorf("variable %s: not a CEL identifier", variable.Name))
		}
		result := compiler.CompileAndStoreVariable(&validating.Variable{Name: variable.Name, Expression: variable.Expression}, full, mode)
		if result.Error != nil {
			failures = append(failures, fmt.Errorf("variable %s: %w", variable.Name, result.Error))
		}
	}
	var conditions, validations, messages []cel.ExpressionAccessor
	for i := range policy.Spec.MatchConditions {
		conditions = append(conditions, (*matchconditions.MatchCondition)(&policy.Spec.MatchConditions[i]))
	}
	for _, validation := range policy.Spec.Validations {
		validations = append(validations, &validating.ValidationCondition{
			Expression: validation.Expression, Message: validation.Message, Reason: validation.Reason,
		})
		var message cel.ExpressionAccessor
		if validation.MessageExpression != "" {
			message = &validating.MessageExpressionCondition{MessageExpression: validation.MessageExpression}
		}
		messages = append(messages, message)
	}
	result := celPolicy{
		name:       policy.Name,
		conditions: &meter{ConditionEvaluator: compiler.CompileCondition(conditions, full, mode)},
		filter:     &meter{ConditionEvaluator: compiler.CompileCondition(validations, full, mode)},
		messages:   &meter{ConditionEvaluator: compiler.CompileCondition(messages, cel.OptionalVariableDeclarations{}, mode)},
	}
	for _, evaluator := range []*meter{result.conditions, result.filter, result.messages} {
		failures = append(failures, evaluator.CompilationErrors()...)
	}
	var matcher matchconditions.Matcher
	if len(conditions) > 0 {
		matcher = matchconditions.NewMatcher(result.conditions, policy.Spec.FailurePolicy, "policy", "validate", policy.Name)
	}
	audit := compiler.CompileCondition(nil, full, mode)
	result.validator = validating.NewValidator(result.filter, matcher, audit, result.messages, policy.Spec.FailurePolicy, nil)
	return result, errors.Join(failures...)
}

func (p *celPolicy) decide(attributes *admission.VersionedAttributes, namespace *corev1.Namespace) celDecision {
	p.conditions.spent, p.filter.spent, p.messages.spent = 0, 0, 0
	began := time.Now()
	pods := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	result := p.validator.Validate(context.Background(), pods, attributes, nil, namespace, celconfig.RuntimeCELCostBudget, nil)
	decision := celDecision{
		Policy: p.name, Matched: len(result.Decisions) > 0, Allowed: true, Messages: []string{},
		Cost: p.filter.spent + p.messages.spent, ConditionsCost: p.conditions.spent,
		Micros: time.Since(began).Microseconds(),
	}
	for _, made := range result.Decisions {
		if made.Action == validating.ActionDeny {
			decision.Allowed = false
			decision.Messages = append(decision.Messages, made.Message)
		}
		decision.Error = decision.Error || made.Evaluation == validating.EvalError
	}
	return decision
}

func decideLine(policies []celPolicy, line celLine) (any, error) {
	if line.ID == "" || line.Pod == nil {
		return nil, errors.New(`"id" and "pod" are required`)
	}
	pod, _, err := decodePod(line.Pod)
	if err != nil {
		return failure{line.ID, err.Error()}, nil
	}
	now := time.Now()
	if line.Now != "" {
		if now, err = time.Parse(time.RFC3339, line.Now); err != nil {
			return nil, err
		}
	}
	operation, old := admission.Create, (*corev1.Pod)(nil)
	if line.OldPod != nil {
		operation = admission.Update
		if old, _, err = decodePod(line.OldPod); err != nil {
			return failure{line.ID, err.Error()}, nil
		}
	} else {
		pod.CreationTimestamp = metav1.NewTime(now)
	}
	name := line.Namespace
	if name == "" {
		name = "default"
	}
	labels := map[string]string{"kubernetes.io/metadata.name": name}
	maps.Copy(labels, line.Labels)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	kind := corev1.SchemeGroupVersion.WithKind("Pod")
	pods := corev1.SchemeGroupVersion.WithResource("pods")
	attributes := &admission.VersionedAttributes{VersionedKind: kind, VersionedObject: admission.NewLazyObject(pod)}
	var oldObject runtime.Object // an interface that holds no pod, not a nil pod
	if old != nil {
		oldObject, attributes.VersionedOldObject = old, admission.NewLazyObject(old)
	}
	attributes.Attributes = admission.NewAttributesRecord(pod, oldObject, kind, name, pod.Name, pods, line.Subresource,
		operation, nil, false, &user.DefaultInfo{Groups: line.Groups})
	answer := celAnswer{ID: line.ID}
	for i := range policies {
		answer.Verdicts = append(answer.Verdicts, policies[i].decide(attributes, namespace))
	}
	return answer, nil
}
