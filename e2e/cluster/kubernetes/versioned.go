package main

import (
	"context"
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// What is not the same in every version: main.go is, and older ones link to it.

func runKubelet() int { return cli.Run(kubelet.NewKubeletCommand(context.Background())) }

// kubectl reads its flags a second time, too late for its own start.
func setKubectlVerbosity() { _, _ = logs.GlogSetter(kubectl.GetLogVerbosity(os.Args)) }
