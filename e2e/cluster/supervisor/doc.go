// Package supervisor keeps programs running: it starts them in the order of their
// needs, and starts again whatever ends.
//
// Input is stages of [Program]s and two directories; output is processes, each in a
// session of its own with its output appended to logs/NAME.log. The next stage starts when
// every program of the one before is ready, or after a minute each: a log will say
// why. A program that has ended is started again after a second, unless the file that
// [HoldFile] names is there; then as soon as that is gone.
//
// It is meant to be the first process of a process namespace. It then reaps orphans too,
// and the kernel ends all the others when it ends; elsewhere, nothing stops the
// programs.
//
// There are no errors: what cannot be started, and what has ended with which exit
// code or signal, goes to the package log. Readiness matters at the first start only.
// Logs are not rotated. One supervisor in a process, and no other children: it
// waits for all of them. Linux only.
package supervisor
