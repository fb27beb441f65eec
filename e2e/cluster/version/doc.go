// Package version finds Kubernetes versions among the Go modules that build them.
//
// Input is the directory with the modules: `kubernetes` for the current version,
// `kubernetes-1.32` and the like for older ones. Output is a [Kubernetes], which
// names its module and the directory for its programs, or the version of a required
// module in a go.mod.
//
// Versions are asked for by their minor version, spelt as the directory is: 1.32,
// not v1.32 or 1.32.13. A version that is not there is an error that lists those that
// are. go.mod is read line by line: `replace` is not looked at.
package version
