// Package lockfile keeps two processes from doing the same thing at once.
//
// Input is a path; while it is locked, there is an empty file. [Lock] waits as long as
// it takes. The lock ends with the process that has it, however that ends; its
// file may then stay, and is no hindrance.
//
// Errors are those of making, opening and locking the file. The lock is flock(2)'s,
// advisory, and for one machine. Linux only.
package lockfile
