//! Exit statuses: a test for each line of each command's help.

use ironhull::cli::help::EXTRAS;

use super::live::{Case, cases};
use super::run;

/// For each command and status, a command line that ends so.
const CASES: &[(&str, i32, &str)] = &[
    ("", 0, "--version"),
    ("", 1, "harden --check -f docs/examples/auditor.yaml"),
    ("", 2, "--no-such-option"),
    ("explain", 0, "explain -f docs/examples/auditor.yaml"),
    ("explain", 2, "explain -f tests/manifests/error-yaml/in.yaml"),
    ("harden", 0, "harden --check -f tests/manifests/check-clean/in.yaml"),
    ("harden", 1, "harden --check -f docs/examples/auditor.yaml"),
    ("harden", 2, "harden -f no/such/file.yaml"),
    ("harden", 3, "harden --check -f tests/manifests/kinds-unknown-check/in.yaml"),
    // What has to do with a cluster goes on in tests/live.
    ("preview", 2, "preview --kubeconfig no/such/file"),
    ("preview", 3, "preview --check -f tests/manifests/charts-only/dir"),
    ("report", 2, "report --kubeconfig no/such/file"),
    // 0 and 1 are what the end-to-end suite sees: it takes a node to observe anything.
    ("observe", 2, "observe web --kubeconfig no/such/file"),
    ("rules", 0, "rules"),
    ("rules", 2, "rules capability"),
    ("policy", 0, "policy check"),
    ("policy", 2, "policy"),
    ("policy backstop", 0, "policy backstop"),
    ("policy backstop", 2, "policy backstop --policy tests/policy-errors/uid"),
    ("policy check", 0, "policy check tests/policy-errors/warning-no-tag"),
    ("policy check", 2, "policy check tests/policy-errors/uid"),
    (
        "policy diff",
        0,
        "policy diff policies/restricted.yaml policies/fill-only.yaml -f docs/examples/auditor.yaml",
    ),
    (
        "policy diff",
        1,
        "policy diff tests/live/diff-check/old.yaml tests/live/diff-check/new.yaml --check -f tests/live/diff-check/manifests.yaml",
    ),
    ("policy diff", 2, "policy diff policies no/such/directory -f docs/examples/auditor.yaml"),
    ("policy schema", 0, "policy schema"),
    ("policy schema", 2, "policy schema too many words"),
    ("policy show", 0, "policy show shop"),
    ("policy show", 2, "policy show shop --policy tests/policy-errors/uid"),
    ("image", 0, "image inspect --no-cache oci:tests/images/example"),
    ("image", 1, "image inspect --no-cache oci:no/such/layout"),
    ("image", 2, "image"),
    ("image inspect", 0, "image inspect --no-cache oci:tests/images/example"),
    ("image inspect", 1, "image inspect --no-cache oci:no/such/layout"),
    ("image inspect", 2, "image inspect"),
    ("image facts", 0, "image facts --no-cache oci:tests/images/example"),
    ("image facts", 1, "image facts --no-cache oci:no/such/layout"),
    ("image facts", 2, "image facts -f no/such/file.yaml"),
    // 0 is what tests/server sees after SIGTERM.
    ("serve", 2, "serve --tls-cert no/such.crt --tls-key no/such.key"),
    // 0 is what tests/watch sees after SIGTERM.
    ("watch", 2, "watch --kubeconfig no/such/file"),
    ("demo", 0, "demo"),
    ("demo", 2, "demo now"),
    ("completions", 0, "completions bash"),
    ("completions", 2, "completions tcsh"),
    ("man", 0, "man policy check"),
    ("man", 2, "man women"),
];

#[test]
fn every_status_is_what_the_help_says() {
    for (_, status, line) in CASES {
        let output = run(line);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*status), "ironhull {line}\n{stderr}");
        // The errors are the answer of the one, and what the other writes is its log.
        let writes = line.starts_with("policy check")
            || line.starts_with("serve")
            || line.starts_with("watch");
        if *status == 2 && !writes {
            assert!(output.stdout.is_empty(), "{line}: half an answer");
            assert!(!stderr.is_empty(), "{line}: a silent error");
        }
    }
}

#[test]
fn every_status_in_the_help_has_a_case() {
    let live: Vec<Case> = cases().iter().map(|case| Case::read(case).unwrap()).collect();
    let live: Vec<(&str, i32)> =
        live.iter().map(|case| (case.arguments[0].as_str(), case.exit)).collect();
    for extra in EXTRAS {
        for (status, meaning) in extra.statuses {
            let case = (extra.command, i32::from(*status));
            let tested = CASES.iter().any(|(command, status, _)| (*command, *status) == case)
                || live.contains(&case);
            let elsewhere = matches!(case, ("serve" | "watch", 0) | ("observe", 0 | 1));
            assert!(tested || elsewhere, "{case:?}: {meaning}");
        }
    }
}

/// Whoever reads the output has seen enough: no error, whatever is written.
#[test]
fn a_closed_pipe_is_no_error() {
    for line in ["rules -o json", "policy schema", "rules", "completions bash", "man"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = super::ironhull(line).stdout(writer).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "{line}");
    }
}

/// What people type first, and what they are told.
#[test]
fn natural_mistakes_get_a_hint() {
    for (line, hint) in [
        ("harden in.yaml", "to name a file, use -f: `-f in.yaml`"),
        ("explain in.yaml", "pass it with -f, as in `-f in.yaml`"),
        ("explain -f in.yaml other.yaml", "-f"),
        ("preview Cargo.toml", "to name a file, use -f: `-f Cargo.toml`"),
        ("preview shop", "to name a namespace, use -n: `-n shop`"),
        ("policy diff policies policies shop", "to name a namespace, use -n: `-n shop`"),
        ("harden --diff -f in.yaml", "to choose a format, use -o: `-o diff`"),
        ("preview --json", "to choose a format, use -o: `-o json`"),
        ("version", "use `ironhull --version`"),
        ("policy lint", "policies, `ironhull policy check`"),
        ("explain -f in.yaml --fix", "cannot be used with '--fix"),
        ("explain -f in.yaml --fix --apply", "cannot be used with:"),
        ("preview -A --keep-going", "cannot be used with '--keep-going"),
        ("harden -f in.yaml --date tomorrow", "such as 2027-03-01"),
        ("preview --date 2026-2-1", "such as 2027-03-01"),
        ("policy check --date 2026-02-30", "no such day"),
    ] {
        let output = super::ironhull(line).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(stderr.contains(hint), "{line}: {stderr}");
    }
}
