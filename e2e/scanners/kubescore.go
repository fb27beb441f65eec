package main

import (
	"bytes"

	"github.com/zegl/kube-score/config"
	"github.com/zegl/kube-score/domain"
	"github.com/zegl/kube-score/parser"
	"github.com/zegl/kube-score/score"
	"github.com/zegl/kube-score/score/checks"
	"github.com/zegl/kube-score/scorecard"
)

// kubeScore looks at a pod as `kube-score score --enable-optional-test container-seccomp-profile` does.
func kubeScore(pod file) ([]finding, error) {
	reader, err := parser.New(nil)
	if err != nil {
		return nil, err
	}
	objects, err := reader.ParseFiles([]domain.NamedReader{named{bytes.NewReader(pod.text)}})
	if err != nil {
		return nil, err
	}
	settings := &config.RunConfiguration{
		EnabledOptionalTests: map[string]struct{}{"container-seccomp-profile": {}},
		KubernetesVersion:    config.Semver{Major: 1, Minor: 32}, // the newest that it knows
	}
	card, err := score.Score(objects, score.RegisterAllChecks(objects, &checks.Config{}, settings), settings)
	if err != nil {
		return nil, err
	}
	var findings []finding
	for _, scored := range *card {
		for _, check := range scored.Checks {
			if check.Skipped || check.Grade > scorecard.GradeWarning {
				continue
			}
			if len(check.Comments) == 0 {
				findings = append(findings, finding{Scanner: "kube-score", Check: check.Check.ID})
			}
			for _, comment := range check.Comments {
				findings = append(findings, finding{"kube-score", check.Check.ID, comment.Path})
			}
		}
	}
	return findings, nil
}

// named is a file for kube-score's parser.
type named struct{ *bytes.Reader }

func (named) Name() string { return "pod.json" }
