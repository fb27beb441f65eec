// Package proc reads /proc: what processes there are, and what this one may do.
//
// Input is process ids in this process's own namespace; output is command lines,
// parents, memory and capabilities. Memory is the proportional set size in KiB: what
// processes share is counted once, in parts, so sums are right.
//
// There are no errors: a process that is gone, or may not be read, gives the zero
// value. Ids are used again, so whoever signals a process checks its command line
// first. Linux only.
package proc
