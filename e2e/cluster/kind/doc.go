// Package kind runs a cluster in a container engine, by kind and as kind-config.yaml in
// the repository's root says.
//
// Input is a layout and the name of an engine that answers to `info`, docker, podman or
// nerdctl, which [Engine] finds; output is a kind cluster of the layout's name, and its
// kubeconfig in the state directory. Kind and kubectl are built where they are missing.
// What the user is to see goes to standard output, what happens on the way to
// the package log and to standard error.
//
// [Cluster.Exec] and [Cluster.Status] return exit codes; an error says that there is none.
// Errors name the kind or engine command that failed, whose own output came before. It waits
// 5 minutes for a start, 2 for a program that was killed, and 15 seconds for an engine.
//
// Kubernetes is the version of the node image that kind pins: an older one is
// refused, and so is a control plane alone. Clusters side by side share one audit
// log.
package kind
