//! Examples and exit statuses of each command.

use crate::terminal::say::{EXIT_CHANGES, EXIT_ERROR, EXIT_UNKNOWN};

/// The help of one command, besides its options.
#[derive(Debug)]
pub struct Extra {
    /// The words that call it, after the program's name; empty for the program itself.
    pub command: &'static str,
    /// Commands to copy, each with what it is for.
    pub examples: &'static [(&'static str, &'static str)],
    /// Every exit status and what it means.
    pub statuses: &'static [(u8, &'static str)],
}

/// Status 0: the command did what was asked, whatever came out.
const DONE: (u8, &str) = (0, "done");
/// Status 2: something kept the command from it. clap's own code for wrong usage is the same.
const FAILED: (u8, &str) = (EXIT_ERROR, "wrong usage, or something cannot be read or written");
const BAD_INPUT: (u8, &str) =
    (EXIT_ERROR, "wrong usage, or a manifest or a policy that cannot be read");

/// One entry for each command, in the order of the help.
pub const EXTRAS: &[Extra] = &[
    Extra {
        command: "",
        examples: &[
            ("ironhull explain -f app.yaml", "what would change, and why"),
            ("ironhull harden -f app.yaml -o diff", "the changes as a diff"),
            ("ironhull harden -f manifests/ --check", "in CI"),
            ("ironhull preview -n shop", "what would happen to a namespace"),
            ("ironhull policy check policies/", "every error, with its position"),
            ("ironhull demo", "the webhook at work, without a cluster"),
        ],
        statuses: &[
            DONE,
            (EXIT_CHANGES, "with --check: something would change, break or differ"),
            (EXIT_ERROR, "wrong usage, or input that cannot be read"),
        ],
    },
    Extra {
        command: "explain",
        examples: &[
            ("ironhull explain -f app.yaml", "a table for each workload"),
            ("ironhull explain web-7d4b9-x2x1p -n shop", "a pod in the cluster"),
            ("ironhull explain web-7d4b9-x2x1p -n shop --fix", "what would help it, as a patch"),
            ("helm template web ./chart | ironhull explain -f -", "a chart"),
        ],
        statuses: &[
            DONE,
            (EXIT_CHANGES, "with --fix: no patch helps, or it was not applied"),
            (EXIT_ERROR, "wrong usage, or a manifest, policy or pod that cannot be read"),
        ],
    },
    Extra {
        command: "harden",
        examples: &[
            ("ironhull harden -f app.yaml > hardened.yaml", "comments are kept"),
            ("ironhull harden -f manifests/ --write", "in place"),
            ("ironhull harden -f manifests/ --check", "in CI"),
            ("helm template web ./chart | ironhull harden | kubectl apply -f -", ""),
        ],
        statuses: &[
            DONE,
            (EXIT_CHANGES, "with --check: something would change"),
            BAD_INPUT,
            (EXIT_UNKNOWN, "with --check: nothing would change, but not all was judged"),
        ],
    },
    Extra {
        command: "preview",
        examples: &[
            ("ironhull preview -n shop", "before it opts in"),
            ("ironhull preview -f manifests/ --facts facts.yaml", "without a cluster"),
            ("ironhull preview -A -o json", "everything, for a program"),
        ],
        statuses: &[
            DONE,
            (EXIT_CHANGES, "with --check: something would break"),
            (EXIT_ERROR, "wrong usage, or a cluster, a manifest or a policy that cannot be read"),
            (EXIT_UNKNOWN, "with --check: there are no manifests where they were looked for"),
        ],
    },
    Extra {
        command: "observe",
        examples: &[
            ("ironhull observe deployment/web -n shop", "all of its pods, for two minutes"),
            ("ironhull observe web-7d4b9-x2x1p --for 10m -o yaml", "one pod, for a program"),
        ],
        statuses: &[
            DONE,
            (EXIT_CHANGES, "a container could not be observed; the others were"),
            (EXIT_ERROR, "wrong usage, or nothing could be observed"),
        ],
    },
    Extra {
        command: "report",
        examples: &[
            ("ironhull report -n shop -o csv > shop.csv", "a row for each container and check"),
            ("ironhull report -A -o html > report.html", "a page to read and to hand over"),
            ("ironhull report -A -o json > monday.json", "all of it, to keep"),
            ("ironhull report -A --compare monday.json", "what changed since"),
        ],
        statuses: &[DONE, FAILED],
    },
    Extra {
        command: "rules",
        examples: &[
            ("ironhull rules", "a line for each rule"),
            ("ironhull rules capabilities", "one rule in full"),
        ],
        statuses: &[DONE, (EXIT_ERROR, "wrong usage, or no such rule")],
    },
    Extra {
        command: "policy",
        examples: &[
            ("ironhull policy check policies/", "every error, with its position"),
            ("ironhull policy show shop --policy policies/", "the policy of `shop`"),
            ("ironhull policy schema > policy.json", "for an editor"),
        ],
        statuses: &[DONE, (EXIT_ERROR, "wrong usage, or policies with errors")],
    },
    Extra {
        command: "policy backstop",
        examples: &[
            ("ironhull policy backstop --policy policies/ | kubectl apply -f -", "refuse"),
            ("ironhull policy backstop --installed --action warn,audit", "with those in force"),
        ],
        statuses: &[DONE, (EXIT_ERROR, "wrong usage, or policies with errors")],
    },
    Extra {
        command: "policy check",
        examples: &[
            ("ironhull policy check policies/", "one directory"),
            ("ironhull policy check policies/ -o json", "for a program"),
            ("ironhull policy check policies/ --date 2027-06-30", "as of that day"),
        ],
        statuses: &[
            (0, "no errors; there may be warnings"),
            (EXIT_ERROR, "wrong usage, or policies with errors"),
        ],
    },
    Extra {
        command: "policy diff",
        examples: &[
            ("ironhull policy diff old/ new/ -f manifests/", "for manifests"),
            ("ironhull policy diff old/ new/ -A --check", "for a cluster"),
        ],
        statuses: &[
            DONE,
            (EXIT_CHANGES, "with --check: something differs"),
            (EXIT_ERROR, "wrong usage, or something that cannot be read"),
        ],
    },
    Extra {
        command: "policy schema",
        examples: &[("ironhull policy schema > policy.json", "for an editor")],
        statuses: &[DONE, FAILED],
    },
    Extra {
        command: "policy show",
        examples: &[
            ("ironhull policy show shop", "with the compiled-in policy"),
            ("ironhull policy show shop --policy policies/", "with your own policies"),
            ("ironhull policy show shop --installed", "with those of the cluster"),
        ],
        statuses: &[DONE, (EXIT_ERROR, "wrong usage, or policies with errors")],
    },
    Extra {
        command: "image",
        examples: &[
            ("ironhull image inspect nginx:1.27", "an image, for a person"),
            ("ironhull image facts -f manifests/ > facts.yaml", "all images of manifests"),
        ],
        statuses: &[
            DONE,
            (EXIT_CHANGES, "an image could not be read"),
            (EXIT_ERROR, "wrong usage, or a file that cannot be read or written"),
        ],
    },
    Extra {
        command: "image inspect",
        examples: &[
            ("ironhull image inspect nginx:1.27", "an image in a registry"),
            ("ironhull image inspect oci:build/web -o json", "one that is built here"),
            ("ironhull image inspect docker-archive:web.tar", "what `docker save` wrote"),
        ],
        statuses: &[
            DONE,
            (EXIT_CHANGES, "an image could not be read"),
            (EXIT_ERROR, "wrong usage"),
        ],
    },
    Extra {
        command: "image facts",
        examples: &[
            ("ironhull image facts -f manifests/ > facts.yaml", "all images of manifests"),
            ("ironhull image facts --update facts.yaml", "what has changed since"),
            ("ironhull image facts nginx:1.27 --config-only", "without its layers"),
        ],
        statuses: &[
            DONE,
            (EXIT_CHANGES, "an image could not be read; the rest was written"),
            (EXIT_ERROR, "wrong usage, or a file that cannot be read or written"),
        ],
    },
    Extra {
        command: "serve",
        examples: &[
            ("ironhull serve --tls-cert tls.crt --tls-key tls.key", ""),
            ("ironhull serve --tls-cert tls.crt --tls-key tls.key --policy policies/", ""),
        ],
        statuses: &[
            (0, "stopped by a signal, with every request answered"),
            (EXIT_ERROR, "wrong usage, a failed start, or an immediate stop"),
        ],
    },
    Extra {
        command: "watch",
        examples: &[
            ("ironhull watch", "in a cluster, as the chart runs it"),
            ("ironhull watch --ops-listen 127.0.0.1:8081", "with your kubeconfig"),
        ],
        statuses: &[(0, "stopped by a signal"), (EXIT_ERROR, "wrong usage, or a failed start")],
    },
    Extra {
        command: "demo",
        examples: &[("ironhull demo", "five workloads, before and after")],
        statuses: &[DONE, (EXIT_ERROR, "wrong usage, or no port could be opened")],
    },
    Extra {
        command: "completions",
        examples: &[
            ("source <(ironhull completions bash)", "in ~/.bashrc"),
            ("ironhull completions zsh > \"${fpath[1]}/_ironhull\"", ""),
            ("ironhull completions fish > ~/.config/fish/completions/ironhull.fish", ""),
            ("eval (ironhull completions elvish | slurp)", "in rc.elv"),
            ("ironhull completions powershell | Out-String | iex", "in $PROFILE"),
        ],
        statuses: &[DONE, FAILED],
    },
    Extra {
        command: "man",
        examples: &[
            ("ironhull man --out ~/.local/share/man/man1", "then `man ironhull`"),
            ("ironhull man policy check | man -l -", "read one page now"),
        ],
        statuses: &[DONE, FAILED],
    },
];

/// Environment variables that every command reads: when to colour.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("NO_COLOR", "if set to any value, no colours"),
    ("CLICOLOR_FORCE", "if set to any value, colours in files and pipes too"),
    ("CLICOLOR", "if 0, no colours"),
];
