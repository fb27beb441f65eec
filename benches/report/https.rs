//! What a review costs over HTTPS, straight to the server.

use serde_json::{Value, json};

use crate::Bench;
use crate::hooks::Hooks;
use crate::support::load::{Connections, Load, Until, row};
use crate::support::reviews;
use crate::support::stats::Spread;

/// Measures all of it.
pub fn run(bench: &Bench) -> anyhow::Result<Value> {
    let review = reviews::deployment();
    let hooks = Hooks::start(&bench.binary, &review)?;
    let until = bench.until(1500, 64);
    let load = |connections, over| Load { connections, over, until, bodies: vec![review.clone()] };
    let mut loads = Vec::new();
    for connections in [1, 8, 64] {
        bench.say(&format!("{connections} connections"));
        let load = load(connections, Connections::Kept);
        // Connections are made, code and caches are warm.
        for server in &hooks.servers {
            Load { until: Until::Requests(200), ..load.clone() }.run(server)?;
        }
        let seen = bench.in_turn(|hook| load.run(&hooks.servers[hook]))?;
        let [_, constant, _] = &seen;
        for (hook, slices) in Hooks::NAMES.into_iter().zip(&seen) {
            let ratio = |of| Spread::of_ratios(slices, constant, |slice| slice[of]);
            let about = json!({
                "connections": connections,
                "hook": hook,
                "rate_ratio": ratio("rate"),
                "cpu_ratio": ratio("cpu_us"),
            });
            loads.push(row(about, slices));
        }
    }
    let mut handshakes = Vec::new();
    for clients in [1, 8] {
        bench.say(&format!("new connections, {clients} at once"));
        let kinds = [Connections::New, Connections::Resumed];
        let seen: [_; 2] =
            bench.in_turn(|kind| load(clients, kinds[kind]).run(&hooks.servers[0]))?;
        for (slices, resumed) in seen.iter().zip([false, true]) {
            handshakes.push(row(json!({"clients": clients, "resumed": resumed}), slices));
        }
    }
    Ok(json!({
        "request_bytes": review.len(),
        "answer_bytes": hooks.answer_bytes,
        "operations": hooks.operations,
        "naive_operations": hooks.naive_operations,
        "loads": loads,
        "handshakes": handshakes,
    }))
}
