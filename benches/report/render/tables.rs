//! A part's figures as text.

use std::fmt::Write;

use crate::figures::{ApiServer, Bytes, Engine, Https, Memory, Preview, Start, Step, Storm};
use crate::stats::Spread;

pub fn engine(page: &mut String, engine: &Engine) {
    page.push_str(
        "`harden` on a pod that is read already, *everything*: every container root, on port 80, with a volume and \
         nothing set; *nothing*: the pod that came of it. *Review*: from the request's bytes to the answer's, reading \
         included. Allocations are counted by the allocator, which makes the times a little longer.\n\n\
         ![Microseconds a pod, by containers](performance-engine.svg)\n\n\
         | containers | bytes | read, µs | everything, µs | nothing, µs | review, µs |\n|---|---|---|---|---|---|\n",
    );
    for size in &engine.sizes {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} |",
            size.containers,
            size.bytes,
            micros(size.read_ns),
            micros(size.all_ns),
            micros(size.none_ns),
            micros(size.review_ns),
        );
    }
    page.push_str("\n| allocations: containers | read | everything | nothing | review |\n|---|---|---|---|---|\n");
    for size in &engine.sizes {
        let of = |counted: crate::figures::Allocations| {
            format!("{} ({} B)", counted.count, counted.bytes)
        };
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} |",
            size.containers,
            of(size.read_allocations),
            of(size.all_allocations),
            of(size.none_allocations),
            of(size.review_allocations),
        );
    }
    page.push_str(
        "\nA pod of three containers, made larger by environment variables:\n\n\
         | bytes | read, µs | everything, µs | review, µs |\n|---|---|---|---|\n",
    );
    for document in &engine.documents {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} |",
            document.bytes,
            micros(document.read_ns),
            micros(document.all_ns),
            micros(document.review_ns),
        );
    }
    let _ = write!(
        page,
        "\nThree containers that need everything, under a policy with one rule alone; with none it is {} µs:\n\n\
         | rule | µs | allocations |\n|---|---|---|\n",
        micros(engine.no_rule_ns)
    );
    for rule in &engine.rules {
        let (count, bytes) = (rule.allocations.count, rule.allocations.bytes);
        let _ = writeln!(page, "| `{}` | {} | {count} ({bytes} B) |", rule.rule, micros(rule.ns));
    }
    page.push_str(
        "\nTen containers that need everything, by exemptions:\n\n| exemptions | µs |\n|---|---|\n",
    );
    for row in &engine.exemptions {
        let _ = writeln!(page, "| {} | {} |", row.exemptions, micros(row.ns));
    }
    growth(page, engine);
    steps(page, engine);
}

/// What a review's time goes into, the floor's share beside it.
fn steps(page: &mut String, engine: &Engine) {
    let find = |name: &str| engine.steps.iter().find(|step| step.step == name);
    let (Some(skim), Some(read), Some(harden), Some(review)) =
        (find("skim"), find("read"), find("harden"), find("review"))
    else {
        return;
    };
    page.push_str(
        "\nThe review of the next part, step by step: *warm*, in a loop, and *cold*, each after a message to another \
         thread and back, the reading of a policy, and half a megabyte gone through: in a server a review comes after \
         the kernel, TLS, HTTP and other processes, and finds neither its code nor its branches known. The rest is \
         the request's other members, warnings, audit annotations, and the answer with its base64.\n\n\
         | step | warm, µs | cold, µs |\n|---|---|---|\n",
    );
    let rest = |of: fn(&Step) -> Spread| of(review).median - of(read).median - of(harden).median;
    let row = |page: &mut String, what: &str, step: &Step| {
        let figures = [step.warm_ns, step.cold_ns].map(micros);
        let _ = writeln!(page, "| {what} | {} |", figures.join(" | "));
    };
    row(page, "reading the pod", read);
    row(page, "hardening it", harden);
    let rests = [rest(|step| step.warm_ns), rest(|step| step.cold_ns)];
    let rests = rests.map(|ns| format!("{:.2}", ns / 1e3));
    let _ = writeln!(page, "| the rest | {} |", rests.join(" | "));
    row(page, "the whole", review);
    row(page, "*reading the uid alone, as the constant hook does*", skim);
}

fn growth(page: &mut String, engine: &Engine) {
    let total = engine.growth.last().map_or(0, |row| row.containers * row.pods);
    let line = engine.line;
    let _ = write!(
        page,
        "\n{total} containers in all, so many to a pod, up to the most that the server reviews. Time by containers is nearest to {} ns + {} ns a container, with \
         an R² of {:.4}:\n\n| containers to a pod | pods | read, ns a container | everything, ns a container |\n\
         |---|---|---|---|\n",
        decimal(line.start),
        decimal(line.slope),
        line.r_squared,
    );
    for row in &engine.growth {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} |",
            row.containers,
            row.pods,
            spread(row.read_ns_per_container),
            spread(row.all_ns_per_container),
        );
    }
}

pub fn https(page: &mut String, https: &Https) {
    let _ = write!(
        page,
        "The same review again and again, the pod of a Deployment of a root nginx with all that an API server sends \
         ({} bytes; the answer has {}). *constant* is the floor: the same binary, with the same listener, limits, TLS, \
         metrics and log line, but it reads only the request's uid and answers the very patch that ironhull answers, \
         which has {} operations. *naive* does the same with {} small ones. All three run at once and are loaded in \
         turn, on connections that are kept, as the API server keeps them. Logs go to /dev/null. *Handled* is what the \
         server itself says of a review, from the request's head to its answer: there the two differ, and \
         hardly elsewhere, by what the engine's table of steps divides up (*cold*).\n\n\
         ![The server's CPU time a request](performance-https.svg)\n\n\
         | connections | hook | CPU µs a request | to constant | handled, µs | requests/s | to constant | p50 µs | p99 µs | p99.9 µs |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
        https.request_bytes, https.answer_bytes, https.operations, https.naive_operations,
    );
    for load in &https.loads {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            load.connections,
            load.hook,
            spread(load.cpu_us),
            spread(load.cpu_ratio),
            spread(load.handled_us),
            spread(load.rate),
            spread(load.rate_ratio),
            spread(load.p50_us),
            spread(load.p99_us),
            spread(load.p999_us),
        );
    }
    page.push_str(
        "\nA new connection for each review, with the handshake in the time, whole or with a session resumed by a \
         ticket (TLS 1.3):\n\n\
         | clients | handshake | connections/s | CPU µs a connection | p50 µs | p99 µs |\n|---|---|---|---|---|---|\n",
    );
    for row in &https.handshakes {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} |",
            row.clients,
            if row.resumed { "resumed" } else { "whole" },
            spread(row.rate),
            spread(row.cpu_us),
            spread(row.p50_us),
            spread(row.p99_us),
        );
    }
}

pub fn apiserver(page: &mut String, api: &ApiServer) {
    let _ = write!(
        page,
        "Kubernetes {}, its control plane alone, without an audit log. A pod of two containers and an init container that \
         say nothing of their security is created in namespaces of which each chooses one way to harden it, all in \
         force at once. The two hooks are those from above, with patches of {} and {} operations; \
         MutatingAdmissionPolicy is [benches/mutating-admission-policy.yaml](../benches/mutating-admission-policy.yaml), \
         which makes the same spec of this pod and says what it cannot do. Before anything is measured, what each makes \
         of the pod is compared. One client: the ways take turns request by request; eight: in slices, and of real creations they wait for etcd's disk too.\n\n\
         ![Milliseconds added to no admission at all](performance-apiserver.svg)\n\n\
         | creation | clients | | median, ms | added, ms | added, to constant | pods/s |\n|---|---|---|---|---|---|---|\n",
        api.version, api.operations, api.naive_operations,
    );
    for row in &api.creations {
        let none = row.variant == "none";
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} | {} |",
            if row.dry_run { "dry run" } else { "real" },
            row.clients,
            variant(&row.variant),
            spread(row.latency_ms),
            if none { String::new() } else { spread(row.added_ms) },
            if none { String::new() } else { spread(row.ratio) },
            spread(row.rate),
        );
    }
}

pub fn storm(page: &mut String, storm: &Storm) {
    let mut reached = None;
    let total = storm.below_us.last().map_or(0, |(_, count)| *count);
    for (bound, count) in &storm.below_us {
        if reached.is_none() && *count as f64 >= total as f64 * 0.99 {
            reached = Some(*bound);
        }
    }
    let _ = write!(
        page,
        "A Deployment scaled from 0 to {} on Kubernetes {}; the controller manager sets the pace, with its own limit of \
         20 requests a second.\n\n| | |\n|---|---|\n| pods made | {} |\n| of them hardened, as read back | {} |\n\
         | seconds | {} |\n| reviews answered with a patch | {} |\n| requests that ironhull refused | {} |\n\
         | events of a creation that failed | {} |\n| a review, on average | {} µs |\n\
         | 99 of 100 reviews took at most (a bound of the server's histogram) | {} µs |\n\
         | the most that was resident | {} MiB |\n",
        storm.pods,
        storm.version,
        storm.pods,
        storm.hardened,
        decimal(storm.seconds),
        storm.patched,
        storm.refused,
        storm.failed_events,
        decimal(storm.mean_us),
        reached.map_or_else(|| "–".to_owned(), decimal),
        mebibytes(storm.peak_bytes),
    );
}

pub fn memory(page: &mut String, memory: &Memory) {
    page.push_str(
        "Of the server's process, by the kernel's count; the proportional size counts pages that are shared in shares.\n\n\
         | | resident, MiB | proportional, MiB | most so far, MiB |\n|---|---|---|---|\n",
    );
    let mut row = |what: String, bytes: Bytes| {
        let _ = writeln!(
            page,
            "| {what} | {} | {} | {} |",
            mebibytes(bytes.resident),
            mebibytes(bytes.proportional),
            mebibytes(bytes.peak),
        );
    };
    row("idle, after the start".to_owned(), memory.idle);
    row(format!("after {} reviews on 8 connections", memory.reviews), memory.after);
    row(format!("with {} open connections", memory.open_connections), memory.connected);
    row(format!("idle, with {} policies", memory.policies), memory.with_policies);
    let _ = write!(
        page,
        "\nWith {} policies, and requests for a hundred of their namespaces, the median latency is {} × of that with one \
         policy that does the same, and the CPU time a request {} ×.\n",
        memory.policies,
        spread(memory.policies_p50_ratio),
        spread(memory.policies_cpu_ratio),
    );
}

pub fn start(page: &mut String, start: &Start) {
    let _ = write!(
        page,
        "From exec to the first 200 of `/readyz`, with certificates from files, {} times each in turn.\n\n\
         | | median, ms | worst, ms |\n|---|---|---|\n| the compiled-in policy | {} | {} |\n\
         | {} policies in files | {} | {} |\n",
        start.starts,
        spread(start.ready_ms),
        decimal(start.ready_ms.max),
        start.policies,
        spread(start.with_policies_ms),
        decimal(start.with_policies_ms.max),
    );
}

pub fn preview(page: &mut String, preview: &Preview) {
    let _ = writeln!(
        page,
        "`ironhull preview --all-namespaces` on Kubernetes {}, with {} bare pods and {} that belong to {} Deployments: \
         {} s, at most {} MiB resident, {} bytes said.",
        preview.version,
        preview.bare_pods,
        preview.owned_pods,
        preview.owners,
        spread(preview.seconds),
        mebibytes(preview.peak_bytes),
        preview.output_bytes,
    );
}

/// What a variant is called in words.
pub fn variant(name: &str) -> &str {
    match name {
        "none" => "no admission",
        "constant" => "constant hook",
        "naive" => "naive hook",
        "mutating-policy" => "MutatingAdmissionPolicy",
        name => name,
    }
}

pub fn connections(count: usize) -> String {
    if count == 1 { "1 connection".to_owned() } else { format!("{count} connections") }
}

pub fn clients(count: usize) -> String {
    if count == 1 { "1 client".to_owned() } else { format!("{count} clients") }
}

fn micros(ns: Spread) -> String {
    spread(ns.map(|ns| ns / 1e3))
}

/// The median, and the quartiles where they differ from it as written.
pub fn spread(spread: Spread) -> String {
    let (low, median, high) = (decimal(spread.q1), decimal(spread.median), decimal(spread.q3));
    if low == median && high == median { median } else { format!("{median} ({low}–{high})") }
}

pub fn mebibytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

/// Three digits that count, or all before the point.
pub fn decimal(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}
