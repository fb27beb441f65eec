//! `docs/cli.md`: the help of every command.

use std::fmt::Write;

use ironhull::cli::help::{self, Detail, Program};

/// What stands before the commands.
const INTRODUCTION: &str = "\
# The command line

Generated from the program by `make docs`. `ironhull COMMAND --help` prints the same, `-h` less of it, and `ironhull
man` has it as manual pages.

## For every command

- Results go to standard output; warnings and errors go to standard error. If a command exits with 2, standard output
  never holds half a result: it is empty, except for `policy check`, whose result the errors are, and for `serve` and
  `watch`, which write their logs there.
- `-o json` and other outputs for programs are described in [json.md](json.md).
- Exit statuses are stable: scripts may rely on them.

| status | when |
|---|---|
| 0 | the command did what was asked, whatever the result and the warnings |
| 1 | with `--check`: `harden` found something that would change, `preview` something that would break, `policy diff` something that differs; `image` or `observe` left something out that it could not read or observe |
| 2 | wrong usage; a file or a cluster that cannot be read; a manifest or a policy with errors; an output that cannot be written |

A closed pipe, as in `ironhull explain -f app.yaml | head`, is not an error.

### Colours

Terminals get colours; files and pipes do not. `--color always` and `--color never` override this, and so do these
variables if `--color` is not given:

";

/// What comes after the variables.
const SHELL: &str = "
Every option of `ironhull serve` and of `watch` also has a variable: [webhook.md](webhook.md) and
[monitoring.md](monitoring.md) list them. `policy check` and
`policy show` take their policies from `IRONHULL_POLICY` if none are named.

### Completion and manual pages

`ironhull completions SHELL` prints a script for bash, zsh, fish, elvish or PowerShell; its help says where each of them
looks for it. `ironhull man --out DIR` writes a manual page for every command.

### As a plugin of kubectl

ironhull under the name `kubectl-ironhull`, anywhere on the `PATH`, is `kubectl ironhull`: a link is enough. A second
link lets kubectl (1.26 or later) complete its commands, where kubectl's own completion is set up.

```text
ln -s \"$(command -v ironhull)\" ~/.local/bin/kubectl-ironhull
ln -s \"$(command -v ironhull)\" ~/.local/bin/kubectl_complete-ironhull
```

";

/// The columns of the help as it is shown here.
const COLUMNS: usize = 100;

/// The page.
pub fn page() -> String {
    let mut page = String::from(INTRODUCTION);
    page.push_str("| variable | |\n|---|---|\n");
    for (variable, meaning) in help::ENVIRONMENT {
        let _ = writeln!(page, "| `{variable}` | {} |", meaning.replace("--color", "`--color`"));
    }
    page.push_str(SHELL);
    let mut command = help::parser(Program::Ironhull, Detail::Full).term_width(COLUMNS);
    command.build();
    let mut chapters = Vec::new();
    below(&command, "ironhull", &mut chapters);
    for (name, text) in &chapters {
        let _ = write!(page, "## {name}\n\n```text\n{text}\n```\n\n");
    }
    page.truncate(page.trim_end().len());
    page + "\n"
}

/// Every command and its help. A value of the environment has no place in it.
fn below(command: &clap::Command, name: &str, chapters: &mut Vec<(String, String)>) {
    let mut shown = command.clone().term_width(COLUMNS);
    let text = shown.render_help().to_string();
    let lines: Vec<_> = text.trim_end().lines().map(str::trim_end).collect();
    chapters.push((name.to_owned(), lines.join("\n")));
    for next in command.get_subcommands().filter(|next| !next.is_hide_set()) {
        below(next, &format!("{name} {}", next.get_name()), chapters);
    }
}
