//! Consequence of each command's failure.

use super::grammar::{AndOr, If, Joined, List, Pipeline, Simple, Stage};
use super::{Command, Failure};

/// Consequences of how a list's last command ends: of its failure, and of its success where that
/// ends the script (`if ! a; then exit 1; fi`).
#[derive(Clone, Copy)]
struct Outcomes {
    failure: Failure,
    success: Failure,
}

impl Outcomes {
    fn of_failure(failure: Failure) -> Self {
        Self { failure, success: Failure::Expected }
    }

    fn negated(self) -> Self {
        Self { failure: self.success, success: self.failure }
    }
}

/// The commands of a script in order, each with the consequence of its failure.
pub(super) fn commands(script: List, errexit: bool) -> Vec<Command> {
    let mut walk =
        Walk { commands: Vec::new(), errexit, pipefail: false, asked: 0, for_root: false };
    walk.list(script, Outcomes::of_failure(Failure::Ends));
    walk.commands
}

struct Walk {
    commands: Vec<Command>,
    /// `set -e`
    errexit: bool,
    /// `set -o pipefail`
    pipefail: bool,
    /// Number of conditions around the present command. Inside one, `set -e` has no effect.
    asked: usize,
    /// Whether only root gets here: `if [ "$(id -u)" = 0 ]`.
    for_root: bool,
}

/// Effect of a pipeline that runs because of how another one ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// It ends the script.
    Exits,
    /// It fails too.
    Fails,
    /// The script goes on.
    Handles,
}

impl Walk {
    fn list(&mut self, list: List, last: Outcomes) {
        let mut items = list.into_iter().filter(|item| !is_empty(item)).peekable();
        while let Some(item) = items.next() {
            let is_last = items.peek().is_none();
            let outcomes = match self.errexit && self.asked == 0 {
                _ if is_last => last,
                true => Outcomes::of_failure(Failure::Ends),
                false => Outcomes::of_failure(Failure::GoesOn),
            };
            self.and_or(item, outcomes, is_last);
        }
    }

    fn and_or(&mut self, item: AndOr, last: Outcomes, is_last: bool) {
        let AndOr { pipelines, joins, background } = item;
        let outcomes = match background {
            true => vec![Outcomes::of_failure(Failure::GoesOn); pipelines.len()],
            false => outcomes(&pipelines, &joins, last, is_last),
        };
        let outer = self.for_root;
        let joins = joins.into_iter().map(Some).chain([None]);
        for ((pipeline, outcomes), next) in pipelines.into_iter().zip(outcomes).zip(joins) {
            let asks = tests_for_root(&pipeline);
            self.pipeline(pipeline, outcomes);
            self.for_root = match (asks, next) {
                (Some(true), Some(Joined::And)) | (Some(false), Some(Joined::Or)) => true,
                (_, Some(Joined::And)) => self.for_root,
                _ => outer,
            };
        }
    }

    fn pipeline(&mut self, pipeline: Pipeline, outcomes: Outcomes) {
        let outcomes = if pipeline.negated { outcomes.negated() } else { outcomes };
        let mut stages = pipeline.stages.into_iter().peekable();
        while let Some(stage) = stages.next() {
            let last = stages.peek().is_none() || self.pipefail || is_redirection(&stage);
            let outcomes = if last { outcomes } else { Outcomes::of_failure(Failure::GoesOn) };
            self.stage(stage, outcomes);
        }
    }

    fn stage(&mut self, stage: Stage, outcomes: Outcomes) {
        match stage {
            Stage::Simple(Simple { command, .. }) => {
                self.set_option(&command);
                let for_root = self.for_root;
                self.commands.push(Command { failure: outcomes.failure, for_root, ..command });
            }
            Stage::Group { list, .. } | Stage::For(list) => self.list(list, outcomes),
            Stage::If(parts) => self.condition(*parts, outcomes),
            Stage::Loop { until, condition, body } => {
                // The loop runs until the condition is met, or something in it ends it.
                let again = if leaves(&body) { Failure::Expected } else { Failure::Ends };
                let outcomes_of_condition = match until {
                    true => Outcomes { failure: again, success: Failure::Expected },
                    false => Outcomes { failure: Failure::Expected, success: again },
                };
                self.asks(condition, outcomes_of_condition);
                self.list(body, outcomes);
            }
        }
    }

    fn asks(&mut self, condition: List, outcomes: Outcomes) {
        self.asked += 1;
        self.list(condition, outcomes);
        self.asked -= 1;
    }

    fn condition(&mut self, parts: If, outcomes: Outcomes) {
        let If { condition, then, otherwise } = parts;
        let fate = |list: &List| match answer_of(list) {
            Answer::Exits => Failure::Ends,
            Answer::Fails | Answer::Handles => Failure::Expected,
        };
        let root = match condition.as_slice() {
            [AndOr { pipelines, joins, .. }] => root_of(pipelines, joins),
            _ => None,
        };
        self.asks(condition, Outcomes { failure: fate(&otherwise), success: fate(&then) });
        let outer = self.for_root;
        for (list, is_for_root) in [(then, root == Some(true)), (otherwise, root == Some(false))] {
            self.for_root = outer || is_for_root;
            self.list(list, outcomes);
        }
        self.for_root = outer;
    }

    /// `set -e`, `set -euo pipefail`, `set +e`
    fn set_option(&mut self, command: &Command) {
        let mut words = command.words.iter().flatten();
        if words.next().is_none_or(|word| word != "set") {
            return;
        }
        let mut on = true;
        for word in words {
            let flags = word.strip_prefix(['-', '+']);
            on = if flags.is_some() { word.starts_with('-') } else { on };
            if word == "errexit" || flags.is_some_and(|flags| flags.contains('e')) {
                self.errexit = on;
            } else if word == "pipefail" {
                self.pipefail = on;
            }
        }
    }
}

/// Consequences of each pipeline of a list.
fn outcomes(
    pipelines: &[Pipeline],
    joins: &[Joined],
    last: Outcomes,
    is_last: bool,
) -> Vec<Outcomes> {
    // What runs next if a pipeline fails, and if it succeeds, computed from the end on.
    let (mut failed, mut succeeded) = (None, None);
    let mut outcomes = Vec::with_capacity(pipelines.len());
    for (index, pipeline) in pipelines.iter().enumerate().rev() {
        // With `set -e`, only the last command of such a list ends the script. But what comes after
        // the others does not happen either.
        let skips = match is_last || index == joins.len() {
            true => last.failure,
            false => Failure::GoesOn,
        };
        outcomes.push(Outcomes {
            failure: failed.unwrap_or(skips),
            success: succeeded.unwrap_or(last.success),
        });
        let comes_to = Some(match answer(pipeline) {
            Answer::Exits => Failure::Ends,
            Answer::Fails => last.failure,
            Answer::Handles => Failure::Expected,
        });
        match index.checked_sub(1).and_then(|before| joins.get(before)) {
            Some(Joined::And) => succeeded = comes_to,
            Some(Joined::Or) => failed = comes_to,
            None => {}
        }
    }
    outcomes.reverse();
    outcomes
}

fn is_empty(item: &AndOr) -> bool {
    let nothing = |stage: &Stage| match stage {
        Stage::Simple(Simple { command, .. }) => {
            command.words.is_empty() && command.writes.is_empty()
        }
        _ => false,
    };
    item.joins.is_empty() && stages(item).all(nothing)
}

fn stages(item: &AndOr) -> impl Iterator<Item = &Stage> {
    item.pipelines.iter().flat_map(|pipeline| &pipeline.stages)
}

/// Whether the stage only redirects the output of the compound command after it.
fn is_redirection(stage: &Stage) -> bool {
    matches!(stage, Stage::Simple(simple) if simple.command.words.is_empty())
}

/// Effect of a pipeline that runs because of how another one ended.
fn answer(pipeline: &Pipeline) -> Answer {
    let ([stage], false) = (pipeline.stages.as_slice(), pipeline.negated) else {
        return Answer::Handles;
    };
    match stage {
        Stage::Simple(Simple { command, .. }) => {
            let mut words = command.words.iter().map(Option::as_deref);
            match (words.next().flatten(), words.next()) {
                (Some("exit"), Some(Some("0"))) => Answer::Handles,
                (Some("exit"), _) => Answer::Exits,
                (Some("false"), _) => Answer::Fails,
                _ => Answer::Handles,
            }
        }
        Stage::Group { list, subshell } => match answer_of(list) {
            Answer::Exits if *subshell => Answer::Fails,
            answer => answer,
        },
        Stage::If(parts) => match (answer_of(&parts.then), answer_of(&parts.otherwise)) {
            (Answer::Exits, Answer::Exits) => Answer::Exits,
            _ => Answer::Handles,
        },
        Stage::Loop { .. } | Stage::For(_) => Answer::Handles,
    }
}

/// The same for a list: the effect of the first command that ends the script, else of the last one.
fn answer_of(list: &List) -> Answer {
    let alone = |item: &AndOr| match item.pipelines.first() {
        Some(first) if !item.background => answer(first),
        _ => Answer::Handles,
    };
    if list.iter().any(|item| alone(item) == Answer::Exits) {
        return Answer::Exits;
    }
    match list.last() {
        Some(item) if item.joins.is_empty() => alone(item),
        _ => Answer::Handles,
    }
}

/// Whether anything in the body of a loop may end the loop other than by its condition.
fn leaves(list: &List) -> bool {
    list.iter().flat_map(stages).any(|stage| match stage {
        Stage::Simple(Simple { command, .. }) => {
            let words: Vec<_> = command.words.iter().map(Option::as_deref).collect();
            matches!(
                words.as_slice(),
                [Some("break" | "return" | "exec"), ..] | [Some("exit"), Some("0"), ..]
            )
        }
        Stage::Group { list, .. } | Stage::For(list) => leaves(list),
        Stage::If(parts) => {
            [&parts.condition, &parts.then, &parts.otherwise].into_iter().any(leaves)
        }
        Stage::Loop { condition, body, .. } => leaves(condition) || leaves(body),
    })
}

/// Whether a pipeline is a test that only root passes (`Some(true)`), or only other users
/// (`Some(false)`).
fn tests_for_root(pipeline: &Pipeline) -> Option<bool> {
    let [Stage::Simple(Simple { command, asks_user: true })] = pipeline.stages.as_slice() else {
        return None;
    };
    let mut words: Vec<&str> =
        command.words.iter().map(|word| word.as_deref().unwrap_or_default()).collect();
    if matches!(words.first(), Some(&("[" | "[["))) {
        words.pop();
    }
    let ["[" | "[[" | "test", expression @ ..] = words.as_slice() else { return None };
    let asks = |part: &[&str]| {
        let [one, compared, other] = part else { return None };
        let of_root = [one, other].iter().any(|word| matches!(**word, "0" | "root"));
        let equal = match *compared {
            "=" | "==" | "-eq" => true,
            "!=" | "-ne" | "-gt" => false,
            _ => return None,
        };
        of_root.then_some(equal)
    };
    let among = |joined: &str, wanted: bool| {
        let mut parts = expression.split(|word| *word == joined);
        parts.any(|part| asks(part) == Some(wanted)).then_some(wanted)
    };
    let equal = match (expression.contains(&"-a"), expression.contains(&"-o")) {
        (false, false) => asks(expression),
        (true, false) => among("-a", true),
        (false, true) => among("-o", false),
        (true, true) => None,
    };
    equal.map(|equal| equal != pipeline.negated)
}

/// The same for a list of tests: all of them pass only for root, or only for root none does.
fn root_of(pipelines: &[Pipeline], joins: &[Joined]) -> Option<bool> {
    let mut tests = pipelines.iter().map(tests_for_root);
    match joins {
        [] => tests.next().flatten(),
        _ if joins.iter().all(|joined| *joined == Joined::And) => {
            tests.any(|test| test == Some(true)).then_some(true)
        }
        _ if joins.iter().all(|joined| *joined == Joined::Or) => {
            tests.any(|test| test == Some(false)).then_some(false)
        }
        _ => None,
    }
}
