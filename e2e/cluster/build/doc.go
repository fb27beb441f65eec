// Package build builds a cluster's programs with Go, at the versions that the
// modules' go.mod files pin.
//
// Input is Go modules, `kubernetes` or an older one beside it and `tools`; output is
// binaries in the [Builder]'s directories: etcd, kube-apiserver,
// kube-controller-manager, kube-scheduler, kubelet and kubectl as links to one binary,
// and containerd, its shim, ctr, runc and kind. They report the versions they are of.
// A Kubernetes whose directory is not that of the tools gets hard links to the tools.
//
// A build is repeated only when the sources in the module's directory, the
// arguments, the architecture or Go itself have changed, or a result is
// missing. A file .NAME.built beside the results holds the hash of all that; it is
// written after a build has succeeded.
//
// What is built, and how long it took, goes to the package log; Go's own
// output goes to standard error. Errors name the module. It needs Go, and for runc a
// C compiler and libseccomp. Two processes must not build into one directory at
// the same time: nothing locks it.
package build
