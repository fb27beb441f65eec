//! In pipelines: the function that kustomize runs, the scripts of GitHub and GitLab, pre-commit's hooks.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::judge;
use crate::render::{objects, piped, sorted, tool};
use crate::{POD, ironhull, lay, printed, root, stderr, stdout};

/// What is needed to find `ironhull` by its name.
fn path() -> String {
    let own = Path::new(env!("CARGO_BIN_EXE_ironhull")).parent().unwrap();
    format!("{}:{}", own.display(), std::env::var("PATH").unwrap())
}

fn yaml(path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(root().join(path)).unwrap();
    let documents = serde_yaml::Deserializer::from_str(&text);
    documents.map(|document| serde::Deserialize::deserialize(document).unwrap()).collect()
}

#[test]
fn kustomize_runs_the_function() {
    let (Some(kustomize), Some(judge)) = (tool("kustomize"), judge::binary()) else { return };
    let directory = tempfile::tempdir().unwrap();
    let function = "annotations:\n    config.kubernetes.io/function: |\n      exec: {path: ironhull, args: [krm]}\n";
    let policy = format!(
        "apiVersion: ironhull.dev/v1alpha1\nkind: HardeningPolicy\nmetadata:\n  name: shop\n  {function}spec:\n  rules:\n    runAsUser: {{action: fill, value: 2000}}\n    serviceAccountToken: off\n"
    );
    let settings = |data: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ironhull\n  {function}data: {data}\n"
        )
    };
    let plain = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n";
    lay(
        directory.path(),
        &[
            ("pod.yaml", POD),
            ("c.yaml", plain),
            ("ironhull.yaml", &policy),
            (
                "kustomization.yaml",
                "resources: [pod.yaml, c.yaml]\ntransformers: [ironhull.yaml]\n",
            ),
        ],
    );
    let build = || -> Output {
        let mut build = Command::new(&kustomize);
        build.args(["build", "--enable-alpha-plugins", "--enable-exec", "."]);
        build.current_dir(directory.path()).env("PATH", path()).output().unwrap()
    };
    let built = build();
    assert!(built.status.success(), "{}", stderr(&built));
    assert_eq!(stderr(&built), "", "a policy that is this function's is used");
    let built = sorted(objects(&judge, &stdout(&built)));
    assert_eq!(built[1]["spec"]["securityContext"]["runAsUser"], 2000);
    assert_eq!(built[0], objects(&judge, plain)[0]);
    // The same as `harden` makes of it.
    let policy = directory.path().join("ironhull.yaml");
    let text = std::fs::read_to_string(&policy).unwrap();
    let alone = text.replace(function, "").replace("  name: shop\n  ", "  name: shop\n");
    std::fs::write(&policy, alone).unwrap();
    let arguments = ["harden", "--policy", policy.to_str().unwrap(), "--policy-name", "shop"];
    let expected = piped(&arguments, &format!("{POD}---\n{plain}"));
    assert_eq!(built, sorted(objects(&judge, &expected)));
    // A check fails the build, and so does what cannot be meant.
    for (data, said) in [
        ("{check: \"true\"}", ""),
        ("{chek: \"true\"}", "the key `chek` is not known; did you mean `check`?"),
        ("{check: \"yes\"}", "data.check: has to be \"true\" or \"false\""),
        ("{policy: \"a: [\"}", "functionConfig, data.policy:1:4"),
        ("{policyName: none}", "none"),
    ] {
        std::fs::write(&policy, settings(data)).unwrap();
        let failed = build();
        assert!(!failed.status.success(), "{data}");
        assert!(stderr(&failed).contains(said), "{data}: {}", stderr(&failed));
    }
    std::fs::write(&policy, settings("{policyName: restricted, check: \"false\"}")).unwrap();
    assert!(build().status.success());
}

/// A list as an orchestrator gives it, in its own words.
fn list(config: &str, items: &str) -> String {
    format!(
        "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\n{config}items:\n{items}# the end\n"
    )
}

const ITEM: &str = "- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: app\n    namespace: shop\n    annotations:\n      internal.config.kubernetes.io/path: pods/app.yaml\n      internal.config.kubernetes.io/index: \"1\"\n  spec: # a comment\n    containers:\n    - {name: app, image: registry.example/app:1}\n";

fn called(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ironhull"))
        .args(arguments)
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that is refused early is not read to its end.
    let _unread = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn results_say_what_changed_and_where() {
    let before = list("results:\n- message: earlier\n", ITEM);
    let text = piped(&["krm"], &before);
    assert!(text.contains("spec: # a comment") && text.ends_with("# the end\n"), "{text}");
    let answer: Value = serde_yaml::from_str(&text).unwrap();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results[0]["message"], "earlier");
    let one = &results[1];
    assert_eq!(one["severity"], "info");
    assert_eq!(one["resourceRef"]["namespace"], "shop");
    assert_eq!(one["field"]["path"], "spec.containers[0].securityContext.runAsNonRoot");
    assert_eq!(one["file"], serde_json::json!({"path": "pods/app.yaml", "index": 1}));
    // Once more, there is nothing to do or to say.
    let again = piped(&["krm"], &text);
    assert_eq!(again, text);
    // A check only says it.
    let config = "functionConfig: {apiVersion: v1, kind: ConfigMap, data: {check: \"true\"}}\n";
    let checked = called(&["krm"], &list(config, ITEM));
    assert_eq!(checked.status.code(), Some(1));
    let answer: Value = serde_yaml::from_str(&stdout(&checked)).unwrap();
    assert_eq!(answer["items"], serde_yaml::from_str::<Value>(&before).unwrap()["items"]);
    assert!(answer["results"].as_array().unwrap().iter().all(|it| it["severity"] == "error"));
    assert!(stdout(&checked).starts_with(&list(config, ITEM).replace("# the end\n", "")));
}

#[test]
fn what_is_no_list_is_refused() {
    for (input, said) in [
        ("", "standard input is not a ResourceList"),
        (POD, "standard input is not a ResourceList"),
        (&format!("{}---\n{POD}", list("", "")), "standard input is not a ResourceList"),
        ("a: [", "is never closed"),
        (
            &list("functionConfig: {apiVersion: v1, kind: Secret}\n", ITEM),
            "functionConfig is Secret of v1",
        ),
        (
            &list(
                "functionConfig: {apiVersion: ironhull.dev/v1alpha1, kind: HardeningPolicy, metadata: {name: p}, spec: {rules: {runAsUsr: fill}}}\n",
                ITEM,
            ),
            "runAsUsr",
        ),
    ] {
        let refused = called(&["krm"], input);
        assert_eq!(refused.status.code(), Some(2), "{input}");
        assert_eq!(stdout(&refused), "", "{input}");
        assert!(stderr(&refused).contains(said), "{input}: {}", stderr(&refused));
    }
}

/// A workflow command: its name, its properties, its message.
type Said = (String, Vec<(String, String)>, String);

/// Reads a workflow command as GitHub's runner does (actions/runner, `ActionCommand.cs`).
fn command(line: &str) -> Option<Said> {
    let (head, message) = line.strip_prefix("::")?.split_once("::")?;
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    let unescaped = |text: &str| {
        let text = text.replace("%0D", "\r").replace("%0A", "\n");
        text.replace("%3A", ":").replace("%2C", ",").replace("%25", "%")
    };
    let properties = properties.split(',').filter(|it| !it.is_empty()).map(|property| {
        let (key, value) = property.split_once('=').unwrap();
        (key.to_owned(), unescaped(value))
    });
    Some((name.to_owned(), properties.collect(), unescaped(message)))
}

#[test]
fn annotations_are_what_github_reads() {
    let directory = tempfile::tempdir().unwrap();
    let two = POD.replace("  - name: app\n", "  - name: app\n    env: [{name: A, value: b}]\n");
    let files = [("100%, a:b.yaml", &*two), ("broken.yaml", "apiVersion: v1\nkind: [\n")];
    lay(directory.path(), &files);
    let output = ironhull(directory.path(), &["harden", "--check", "-f", ".", "-o", "github"]);
    assert_eq!(output.status.code(), Some(2));
    let text = stdout(&output);
    let commands: Vec<_> = text.lines().map(|line| command(line).unwrap()).collect();
    let (name, properties, message) = &commands[0];
    assert_eq!((name.as_str(), &*properties[0].1), ("error", "broken.yaml"));
    assert_eq!(message, "the `[` that opens here is never closed");
    let (name, properties, message) = &commands[1];
    let keys: Vec<&str> = properties.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["file", "line", "col", "title"]);
    assert_eq!((name.as_str(), &*properties[0].1), ("warning", "100%, a:b.yaml"));
    assert_eq!(properties[1].1, "8");
    assert_eq!(message.lines().count(), 7, "{message}");
    assert_eq!(commands.len(), 2, "one for each line of a file: {text}");
}

/// A runner of GitHub, as far as the action sees one. Its `gh` writes down what it is told.
struct Runner(tempfile::TempDir);

impl Runner {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let gh = "#!/bin/sh\nprintf '%s\\n' \"$*\" >> gh.log\ncase \"$*\" in\n*--paginate*) cat comments ;;\nesac\n";
        lay(directory.path(), &[("deploy/app.yaml", POD), ("bin/gh", gh), ("comments", "")]);
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(directory.path().join("bin/gh"), executable).unwrap();
        Self(directory)
    }

    /// Runs the action's step, with the variables that action.yml gives it.
    fn step(&self, inputs: &[(&str, &str)]) -> Output {
        let action = &yaml("action.yml")[0];
        let step = &action["runs"]["steps"][0];
        let here = self.0.path();
        let mut command = Command::new(step["shell"].as_str().unwrap());
        command.args(["-e", "-c", step["run"].as_str().unwrap()]).current_dir(here).env_clear();
        for (variable, value) in step["env"].as_object().unwrap() {
            let value = value.as_str().unwrap();
            let input = value.strip_prefix("${{ inputs.").unwrap().strip_suffix(" }}").unwrap();
            let default = action["inputs"][input]["default"].as_str().unwrap();
            let given = inputs.iter().find(|(name, _)| *name == input).map(|(_, value)| *value);
            command.env(variable, given.unwrap_or(default));
        }
        command
            .env("PATH", format!("{}:{}", here.join("bin").display(), path()))
            .env("GITHUB_ACTION_PATH", root())
            .env("GITHUB_OUTPUT", here.join("output"))
            .env("GITHUB_STEP_SUMMARY", here.join("summary"))
            .env("GITHUB_REPOSITORY", "shop/manifests")
            .env("GITHUB_REF", "refs/pull/7/merge")
            .env("RUNNER_TEMP", here);
        command.output().unwrap()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).unwrap_or_default()
    }
}

#[test]
fn the_action_annotates_summarises_and_comments() {
    let runner = Runner::new();
    let inputs = [("files", " deploy \n"), ("comment", "true"), ("sarif", "ironhull.sarif")];
    let output = runner.step(&inputs);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let first = stdout(&output).lines().next().unwrap().to_owned();
    let (name, properties, _) = command(&first).unwrap();
    assert_eq!((name.as_str(), &*properties[0].1), ("warning", "deploy/app.yaml"));
    assert_eq!(runner.read("output"), "changes=true\n");
    assert!(runner.read("summary").contains("Pod/app"), "{}", runner.read("summary"));
    let sarif: Value = serde_json::from_str(&runner.read("ironhull.sarif")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    assert!(runner.read("ironhull.md.comment").starts_with("<!-- ironhull -->\n"));
    let told = runner.read("gh.log");
    assert!(
        told.contains("--method POST repos/shop/manifests/issues/7/comments --field body=@"),
        "{told}"
    );
    // The comment is there, and is kept up to date.
    lay(runner.0.path(), &[("comments", "42\n43\n")]);
    let inputs = [("files", "deploy"), ("comment", "true"), ("fail", "false")];
    assert_eq!(runner.step(&inputs).status.code(), Some(0));
    let told = runner.read("gh.log");
    assert!(
        told.contains("--method PATCH repos/shop/manifests/issues/comments/42 --field body=@"),
        "{told}"
    );
    // Nothing to change, and something that cannot be read.
    printed(
        Command::new(env!("CARGO_BIN_EXE_ironhull"))
            .current_dir(runner.0.path())
            .args(["harden", "--write", "-f", "deploy"]),
    );
    assert_eq!(runner.step(&[("files", "deploy")]).status.code(), Some(0));
    assert!(runner.read("output").ends_with("changes=false\n"));
    // A chart alone: nothing was checked, and somebody should know.
    lay(runner.0.path(), &[("chart/Chart.yaml", "name: shop\n")]);
    let chart = runner.step(&[("files", "chart")]);
    assert_eq!(chart.status.code(), Some(0));
    let said = stdout(&chart);
    let (name, _, message) = command(said.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&*name, &*message),
        ("warning", "not all of it was judged: the log of this step says what")
    );
    let missing = runner.step(&[("files", "deploy\nmissing $(touch hacked)")]);
    assert_eq!(missing.status.code(), Some(2), "{}", stderr(&missing));
    assert!(
        stdout(&missing).starts_with("::error file=missing $(touch hacked)"),
        "{}",
        stdout(&missing)
    );
    assert!(!runner.0.path().join("hacked").exists());
}

#[test]
fn the_gitlab_job_writes_its_reports() {
    let [spec, jobs] = &yaml("deploy/ci/gitlab.yml")[..] else { panic!("a header and a job") };
    let inputs = &spec["spec"]["inputs"];
    let job = &jobs["ironhull"];
    let directory = tempfile::tempdir().unwrap();
    lay(
        directory.path(),
        &[("deploy/a <b>.yaml", POD), ("deploy/c.yaml", "apiVersion: v1\nkind: [\n")],
    );
    let mut status = None;
    for line in job["script"].as_array().unwrap() {
        let mut line = line.as_str().unwrap().replace("$[[ inputs.files ]]", "deploy");
        for (name, input) in inputs.as_object().unwrap() {
            let default = input["default"].as_str().unwrap_or_default();
            line = line.replace(&format!("$[[ inputs.{name} ]]"), default);
        }
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", &line]).current_dir(directory.path()).env("PATH", path());
        let output = shell.output().unwrap();
        status = output.status.code();
    }
    assert_eq!(status, Some(2), "the last command says that one file cannot be read");
    let read = |name: &Value| {
        std::fs::read_to_string(directory.path().join(name.as_str().unwrap())).unwrap()
    };
    let reports = &job["artifacts"]["reports"];
    let quality: Value = serde_json::from_str(&read(&reports["codequality"])).unwrap();
    let issues = quality.as_array().unwrap();
    assert!(issues.len() > 5, "{quality}");
    let mut fingerprints: Vec<_> =
        issues.iter().map(|it| it["fingerprint"].as_str().unwrap()).collect();
    fingerprints.sort_unstable();
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), issues.len(), "each has its own");
    for issue in issues {
        assert!(["minor", "major", "critical"].contains(&issue["severity"].as_str().unwrap()));
        assert!(issue["location"]["lines"]["begin"].as_u64().unwrap() > 0);
        assert!(issue["description"].is_string() && issue["check_name"].is_string());
    }
    // Read by a parser of XML that is not ours.
    let junit = read(&reports["junit"]);
    let path = directory.path().join("ironhull.xml");
    let counted = "import sys, xml.etree.ElementTree as e\nt = e.parse(sys.argv[1]).getroot()\ns = t.find('testsuite')\nprint(s.get('tests'), s.get('failures'), s.get('errors'), len(s), [c.get('classname') for c in s])";
    let counted = printed(Command::new("python3").args(["-c", counted]).arg(&path));
    assert_eq!(counted, "2 1 1 2 ['deploy/c.yaml', 'deploy/a <b>.yaml']\n", "{junit}");
    assert!(read(&job["artifacts"]["paths"][0]).len() > 20);
}

#[test]
fn the_hooks_run_as_pre_commit_calls_them() {
    let hooks = &yaml(".pre-commit-hooks.yaml")[0];
    let directory = tempfile::tempdir().unwrap();
    lay(directory.path(), &[("deploy/app.yaml", POD)]);
    let run = |id: &str| {
        let hook = hooks.as_array().unwrap().iter().find(|hook| hook["id"] == id).unwrap();
        assert_eq!(hook["pass_filenames"], false);
        let words = hook["entry"].as_str().unwrap().split(' ').skip(1);
        let more = hook["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap());
        let arguments: Vec<&str> = words.chain(more).collect();
        ironhull(directory.path(), &arguments).status.code()
    };
    assert_eq!(run("ironhull-check"), Some(1));
    assert_eq!(run("ironhull-harden"), Some(0));
    assert_eq!(run("ironhull-check"), Some(0));
}
