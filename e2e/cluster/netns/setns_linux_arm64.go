package netns

// sysSetns is setns's number, which the frozen package syscall lacks.
const sysSetns = 268
