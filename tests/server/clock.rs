//! A process whose wall clock jumps: a library in front of libc adds to what
//! `clock_gettime(CLOCK_REALTIME)` says as many seconds as a file tells. The monotonic clock
//! goes on as it does.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, now);
    if (id != CLOCK_REALTIME || result != 0) return result;
    FILE *file = fopen(getenv("CLOCK_OFFSET"), "re");
    if (!file) abort();
    long seconds = 0;
    if (fscanf(file, "%ld", &seconds) != 1) abort();
    fclose(file);
    now->tv_sec += seconds;
    return 0;
}
"#;

/// The clock of a process.
pub(crate) struct Clock {
    directory: TempDir,
}

impl Clock {
    /// One that is right so far.
    pub(crate) fn new() -> Self {
        let clock = Self { directory: tempfile::tempdir().unwrap() };
        fs::write(clock.path("clock.c"), LIBRARY).unwrap();
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .args([clock.path("clock.so"), clock.path("clock.c")])
            .status()
            .unwrap();
        assert!(built.success());
        clock.jump(0);
        clock
    }

    /// Has `command` use it.
    pub(crate) fn give(&self, command: &mut Command) {
        command.env("LD_PRELOAD", self.path("clock.so"));
        command.env("CLOCK_OFFSET", self.path("offset"));
    }

    /// From now on it is so many seconds fast, or slow.
    pub(crate) fn jump(&self, seconds: i64) {
        fs::write(self.path("new"), seconds.to_string()).unwrap();
        fs::rename(self.path("new"), self.path("offset")).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}
