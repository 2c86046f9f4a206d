//! Every check that decides whether a change lands.

use crate::command::{cargo, output, run};
use crate::{dependencies, diagram, example_trace, screenshots, snippets, words};

pub(crate) fn run_all() -> Result<(), String> {
    words::check()?;
    dependencies::check()?;
    snippets::check(false)?;
    diagram::check(false)?;
    example_trace::check(false)?;
    run(cargo(&["fmt", "--all", "--check"]))?;
    run(cargo(&["deny", "--all-features", "check", "bans", "licenses", "sources"]))?;
    run(cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    run(cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]))?;
    // The README's command with the tests that need PostgreSQL, Chromium, promtool or schemathesis.
    run(cargo(&["test", "--workspace", "--", "--include-ignored"]))?;
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    run(doc)?;
    screenshots::take(false)?;
    // Wallets may build fitness-core without the standard library and without serde.
    run(cargo(&["build", "--package", "fitness-core", "--no-default-features"]))?;
    demo()
}

/// Runs the README's first command for a shorter time and compares its JSON with the true values.
fn demo() -> Result<(), String> {
    println!("\n$ cargo run --release -- demo --seconds 20 --json");
    let printed = output(cargo(&["run", "--release", "--quiet", "--", "demo", "--seconds", "20", "--json"]))?;
    let document: serde_json::Value =
        serde_json::from_str(&printed).map_err(|err| format!("the demo did not print JSON: {err}"))?;
    let channels = document["channels"].as_array().ok_or("the demo's document has no `channels`")?;
    if channels.len() != 4 {
        return Err(format!("the demo reported {} channels instead of 4", channels.len()));
    }
    for channel in channels {
        let figure = |name: &str| {
            channel[name].as_u64().ok_or_else(|| format!("the demo's {name} is not an integer: {channel}"))
        };
        let (measured, truth) = (figure("uptime_ns")?, figure("true_uptime_ns")?);
        println!("uptime {measured} ns, true value {truth} ns");
        // The node is polled once a second: each of the flapping peer's four disconnects may be
        // seen that much later.
        if measured.abs_diff(truth) > 3_000_000_000 {
            return Err(format!("the demo's uptime is too far from the true value: {channel}"));
        }
    }
    Ok(())
}
