package main

import (
	"k8s.io/component-base/cli"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// What is not the same in every version.

func runKubelet() int { return cli.Run(kubelet.NewKubeletCommand()) }

func setKubectlVerbosity() {}
