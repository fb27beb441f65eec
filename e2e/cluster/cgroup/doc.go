// Package cgroup makes and removes one cgroup at the top of each hierarchy below
// /sys/fs/cgroup: cgroup v1 has several, v2 one.
//
// Input is the cgroup's name, one part of a path; there is no output but the
// directories. Both functions can be repeated: what is there already, or gone already,
// is no error.
//
// Errors name the directory. A cgroup in which a process still runs after 10 seconds
// cannot be removed: end its processes first. No limits are set and no
// controllers enabled. Linux only; needs root.
package cgroup
