package main

import (
	"ironhull.dev/e2e/cluster/layout"
	"ironhull.dev/e2e/cluster/node"
)

const superviseCommand = node.SuperviseCommand

func supervise(args []string) error { return node.Supervise(args) }

func newNode(l layout.Layout) (cluster, error) { return node.New(l) }
