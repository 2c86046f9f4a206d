//! What decides whether a change lands.

use crate::run::{cargo, output, run};
use crate::{house, month, picture, readme, screens};

pub(crate) fn run_all() -> Result<(), String> {
    house::check()?;
    readme::check(false)?;
    picture::check(false)?;
    month::check(false)?;
    run(cargo(&["fmt", "--all", "--check"]))?;
    run(cargo(&["deny", "--all-features", "check", "bans", "licenses", "sources"]))?;
    run(cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    run(cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]))?;
    run(cargo(&["test", "--workspace"]))?;
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    run(doc)?;
    screens::take(false)?;
    // Core has to build for wallets without a standard library or serde.
    run(cargo(&["build", "--package", "fitness-core", "--no-default-features"]))?;
    demo()
}

/// The README's first command, shortened, by its JSON: every figure within a second of the truth.
fn demo() -> Result<(), String> {
    println!("\n$ cargo run --release -- demo --seconds 20 --json");
    let printed = output(cargo(&["run", "--release", "--quiet", "--", "demo", "--seconds", "20", "--json"]))?;
    let document: serde_json::Value = serde_json::from_str(&printed)
        .map_err(|err| format!("the demo's output is no JSON document: {err}"))?;
    let channels = document["channels"].as_array().ok_or("the demo's document has no channels")?;
    if channels.len() != 4 {
        return Err(format!("the demo shows {} channels, not 4", channels.len()));
    }
    for channel in channels {
        let figure = |name: &str| {
            channel[name].as_u64().ok_or_else(|| format!("the demo's {name} is no whole number: {channel}"))
        };
        let (measured, truth) = (figure("uptime_ns")?, figure("true_uptime_ns")?);
        println!("uptime {measured} ns, in truth {truth} ns");
        // A poll a second: the four cuts of the flapping peer may each be seen that much later.
        if measured.abs_diff(truth) > 3_000_000_000 {
            return Err(format!("the demo's uptime is too far from the truth: {channel}"));
        }
    }
    Ok(())
}
