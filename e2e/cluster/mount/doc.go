// Package mount arranges mounts in a mount namespace.
//
// Input is paths and the kernel's flags; output is the mounts. A [Sequence]
// remembers the first error, which says what was to be mounted where, and does nothing
// after it, so that a list of mounts is checked once at the end by [Sequence.Err].
//
// Nothing is unmounted, not even after an error: the mounts are meant to end with the
// namespace. Whoever calls this is in a namespace of its own and has made its
// mounts private. Linux only; needs root.
package mount
