//go:build !linux

package main

import (
	"errors"

	"ironhull.dev/e2e/cluster/layout"
)

// Elsewhere than on Linux there is only kind.

const superviseCommand = "supervise"

func supervise([]string) error { return errors.New("this is Linux's") }

func newNode(layout.Layout) (cluster, error) {
	return nil, errors.New("without a container engine (docker, podman or nerdctl that answers to `info`) this needs Linux")
}
