//! `docs/performance.md` and its pictures, out of the figures and nothing else.
//!
//! A test compares, so that nobody edits them by hand.

mod goals;
mod plot;
mod tables;

use std::fmt::Write;

use crate::figures::{Report, Run, Section};
use goals::goals;
use plot::{Bar, Group, Series};

const HEAD: &str = "\
# How fast, how large

Made by `make bench` from [performance.json](performance.json), whole; a test keeps the two together. Run it on your
own machine: it needs Rust, Go and, for the part with an API server, Linux and root (a quarter of an hour, after the
first builds).

Figures of different runs or machines cannot be compared, so each one here has what it is to be compared with in the
same run, and rounds take turns, so that what disturbs one disturbs all. A figure is the **median over rounds**, with
the quartiles behind it. A ratio is the median of the ratios of each round.

Server, client and API server share the machine's cores. Requests a second then say what all of them cost together;
**CPU time a request** is what the server alone costs, by the kernel's count in nanoseconds.
";

/// Files by their names below `docs/`.
pub fn files(report: &Report) -> Vec<(&'static str, String)> {
    let mut files = vec![("performance.md", page(report))];
    if let Some(engine) = &report.engine {
        let points = |of: fn(&crate::figures::Size) -> f64| {
            let sizes = engine.figures.sizes.iter();
            sizes.map(|size| (size.containers as f64, of(size) / 1e3)).collect()
        };
        let series = [
            Series { name: "a whole review", points: points(|size| size.review_ns.median) },
            Series { name: "everything to do", points: points(|size| size.all_ns.median) },
            Series { name: "nothing to do", points: points(|size| size.none_ns.median) },
        ];
        let title = "Engine: microseconds a pod, by containers";
        files.push(("performance-engine.svg", plot::lines(title, "containers", &series)));
    }
    if let Some(https) = &report.https {
        let mut groups: Vec<Group> = Vec::new();
        for load in &https.figures.loads {
            let name = tables::connections(load.connections);
            let bar = Bar { name: load.hook.clone(), value: load.cpu_us };
            match groups.last_mut().filter(|group| group.name == name) {
                Some(group) => group.bars.push(bar),
                None => groups.push(Group { name, bars: vec![bar] }),
            }
        }
        let title = "HTTPS: the server's CPU time a request, in microseconds";
        files.push(("performance-https.svg", plot::bars(title, &groups)));
    }
    if let Some(api) = &report.apiserver {
        let mut groups: Vec<Group> = Vec::new();
        for row in api.figures.creations.iter().filter(|row| row.variant != "none") {
            let kind = if row.dry_run { "dry run" } else { "real" };
            let name = format!("{kind}, {}", tables::clients(row.clients));
            let bar = Bar { name: tables::variant(&row.variant).to_owned(), value: row.added_ms };
            match groups.last_mut().filter(|group| group.name == name) {
                Some(group) => group.bars.push(bar),
                None => groups.push(Group { name, bars: vec![bar] }),
            }
        }
        let title = "Pod creation: milliseconds added to no admission at all";
        files.push(("performance-apiserver.svg", plot::bars(title, &groups)));
    }
    files
}

fn page(report: &Report) -> String {
    let mut page = HEAD.to_owned();
    let goals = goals(report);
    if !goals.is_empty() {
        page.push_str("\n## Goals\n\n| | goal | measured | |\n|---|---|---|---|\n");
        for goal in goals {
            let met = if goal.met { "met" } else { "**not met**" };
            let _ =
                writeln!(page, "| {} | {} | {} | {met} |", goal.what, goal.limit, goal.measured);
        }
    }
    section(&mut page, "Engine", report.engine.as_ref(), tables::engine);
    section(&mut page, "HTTPS", report.https.as_ref(), tables::https);
    section(&mut page, "Through an API server", report.apiserver.as_ref(), tables::apiserver);
    section(&mut page, "A storm of pods", report.storm.as_ref(), tables::storm);
    section(&mut page, "Memory", report.memory.as_ref(), tables::memory);
    section(&mut page, "Start", report.start.as_ref(), tables::start);
    section(
        &mut page,
        "`ironhull preview` on a large cluster",
        report.preview.as_ref(),
        tables::preview,
    );
    runs(&mut page, report);
    page
}

fn section<T>(
    page: &mut String,
    title: &str,
    section: Option<&Section<T>>,
    write: fn(&mut String, &T),
) {
    if let Some(section) = section {
        let _ = write!(page, "\n## {title}\n\n");
        write(page, &section.figures);
    }
}

/// Where and when: parts may have been measured again on another day.
fn runs(page: &mut String, report: &Report) {
    let Report { engine, https, apiserver, storm, memory, start, preview } = report;
    let all: Vec<(&str, &Run)> = [
        ("engine", engine.as_ref().map(|section| &section.run)),
        ("https", https.as_ref().map(|section| &section.run)),
        ("apiserver", apiserver.as_ref().map(|section| &section.run)),
        ("storm", storm.as_ref().map(|section| &section.run)),
        ("memory", memory.as_ref().map(|section| &section.run)),
        ("start", start.as_ref().map(|section| &section.run)),
        ("preview", preview.as_ref().map(|section| &section.run)),
    ]
    .into_iter()
    .filter_map(|(name, run)| Some((name, run?)))
    .collect();
    page.push_str(
        "\n## The runs\n\nParts can be measured alone (`BENCH=engine,https make bench`); what is compared is always of \
         one part. `+` behind a commit: with changes on top.\n\n| part | when | commit | rounds | seconds | load before | machine |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for (name, run) in all {
        let _ = writeln!(
            page,
            "| {name} | {} | {} | {} | {} | {} | {}, {} cores, {} MiB, Linux {}, {} |",
            run.date,
            run.commit,
            run.rounds,
            run.seconds,
            run.load_before,
            run.processor,
            run.cores,
            run.memory_mib,
            run.kernel,
            run.rustc,
        );
    }
}
