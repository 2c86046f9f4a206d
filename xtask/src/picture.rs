//! The README's picture and table of what is counted, drawn from a day that the model has lived.

use std::fs;

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use fitness_core::{GapCause, Presence};
use svg::Document;
use svg::node::element::{Definitions, Group, Line, Pattern, Rectangle, Text, Title};

use crate::day::{Day, END, HOUR, Seen, Stretch, Sums, live};
use crate::marked;
use crate::run::root;

const PICTURE: &str = "docs/what-is-counted.svg";

const LEFT: u64 = 190;
const SCALE: u64 = 150; // seconds of the day for each unit
const ROW: u64 = 46;
const BAR: u64 = 24;
const TOP: u64 = 44;
const ROWS: u64 = 4;

// Told apart in any colour vision, and in black and white by the hatching.
const ONLINE: &str = "#0072b2";
const OFFLINE: &str = "#e69f00";
const UNOBSERVED: &str = "url(#unobserved)";
const FLAPPING: &str = "url(#flapping)";
const FORGOTTEN: &str = "#f4f4f4";
const INK: &str = "#222222";

/// Checks, or with `write` makes, that the picture and the table are what the model says.
pub(crate) fn check(write: bool) -> Result<(), String> {
    let day = live();
    let files = [(PICTURE, draw(&day)), ("README.md", readme(&day)?)];
    for (name, fresh) in files {
        let path = root().join(name);
        if fs::read_to_string(&path).is_ok_and(|text| text == fresh) {
            println!("{name} shows what the model says");
        } else if write {
            fs::write(&path, fresh).map_err(|err| format!("{}: {err}", path.display()))?;
        } else {
            return Err(format!(
                "{name} does not show what the model says; run `cargo xtask picture --write`"
            ));
        }
    }
    Ok(())
}

fn readme(day: &Day) -> Result<String, String> {
    let path = root().join("README.md");
    let readme = fs::read_to_string(&path).map_err(|err| format!("{}: {err}", path.display()))?;
    marked::replaced("README.md", &readme, "day", &table(day))
}

fn table(day: &Day) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(["at midnight", "lifetime", "observed", "uptime", "availability", "flaps"]);
    let rows = [
        ("in truth", &day.true_sums),
        ("in truth, while we could tell", &day.watched_sums),
        ("ldk-fitness", &day.our_sums),
        ("lnd 0.19", &day.lnd_sums),
    ];
    for (name, sums) in rows {
        let hours = |ns: u64| format!("{} h {:02} min", ns / 3_600_000_000_000, ns / 60_000_000_000 % 60);
        let Sums { lifetime, observed, uptime, flaps } = *sums;
        #[allow(clippy::cast_precision_loss)]
        let availability = format!("{:.1} %", 100.0 * uptime as f64 / observed as f64);
        table.add_row([
            name.to_owned(),
            hours(lifetime),
            if name == "lnd 0.19" { "-".to_owned() } else { hours(observed) },
            hours(uptime),
            availability,
            flaps.to_string(),
        ]);
    }
    table.to_string()
}

fn draw(day: &Day) -> String {
    let (width, height) = (LEFT + END / SCALE + 24, TOP + ROWS * ROW + 50);
    let mut document = Document::new()
        .set("viewBox", (0, 0, width, height))
        .set("role", "img")
        .set("font-family", "system-ui, sans-serif")
        .set("font-size", 13)
        .add(Title::new(
            "A peer's day: in truth, what our node could see, what ldk-fitness knows, what lnd's log says",
        ))
        .add(hatching())
        .add(bar(0, 0, width, height).set("fill", "#ffffff"));
    for hour in (0..=24).step_by(3) {
        let x = LEFT + hour * HOUR / SCALE;
        let line = Line::new().set("x1", x).set("x2", x).set("y1", TOP - 8).set("y2", TOP + ROWS * ROW);
        document = document.add(line.set("stroke", "#d0d0d0")).add(label(
            x,
            TOP - 16,
            "middle",
            &format!("{hour}:00"),
        ));
    }
    let node: Vec<Stretch<&str>> =
        day.node.iter().map(|gap| Stretch { from: gap.from, to: gap.to, what: cause(gap.what) }).collect();
    document = document
        .add(row(0, "the peer, in truth", &day.truth, OFFLINE))
        .add(node_row(1, &node))
        .add(row(2, "what ldk-fitness knows", &day.ours, UNOBSERVED))
        .add(row(3, "what lnd's log says", &day.lnds, FORGOTTEN));
    if let Some(restart) = day.node.iter().find(|gap| gap.what == GapCause::NotRunning) {
        let (x, y) = (LEFT + restart.from / SCALE, TOP + 3 * ROW + 8 + BAR + 13);
        document = document.add(label(x, y, "middle", "all before is forgotten").set("font-size", 11));
    }
    let y = TOP + ROWS * ROW + 20;
    let keys = [
        (ONLINE, "online"),
        (OFFLINE, "offline"),
        (FLAPPING, "flapping"),
        (UNOBSERVED, "unobserved: counts for nobody"),
    ];
    let mut x = LEFT;
    for (fill, text) in keys {
        document = document.add(framed(x, y, 16, 14, fill)).add(label(x + 22, y + 12, "start", text));
        x += 44 + 7 * text.len() as u64;
    }
    format!("{document}\n")
}

fn cause(cause: GapCause) -> &'static str {
    match cause {
        GapCause::NetworkDown => "no network",
        GapCause::Suspended => "asleep",
        GapCause::NotRunning => "restart",
        _ => "paused",
    }
}

fn hatching() -> Definitions {
    let line = Line::new().set("x1", 0).set("y1", 0).set("x2", 0).set("y2", 6);
    let pattern = Pattern::new()
        .set("id", "unobserved")
        .set("width", 6)
        .set("height", 6)
        .set("patternUnits", "userSpaceOnUse")
        .set("patternTransform", "rotate(45)")
        .add(bar(0, 0, 6, 6).set("fill", "#ffffff"))
        .add(line.set("stroke", "#888888").set("stroke-width", 4));
    let flapping = Pattern::new()
        .set("id", "flapping")
        .set("width", 4)
        .set("height", 4)
        .set("patternUnits", "userSpaceOnUse")
        .add(bar(0, 0, 4, 4).set("fill", OFFLINE))
        .add(bar(0, 0, 1, 4).set("fill", ONLINE));
    Definitions::new().add(pattern).add(flapping)
}

fn row(number: u64, name: &str, stretches: &[Stretch<Seen>], unknown: &'static str) -> Group {
    let y = TOP + number * ROW + 8;
    let mut group = Group::new().add(label(LEFT - 12, y + 17, "end", name));
    for (from, to, fill) in coarse(stretches, unknown) {
        group = group.add(scaled(from, to, y).set("fill", fill));
    }
    group.add(framed(LEFT, y, END / SCALE, BAR, "none"))
}

/// What is too short to be seen alone is drawn together.
fn coarse(stretches: &[Stretch<Seen>], unknown: &'static str) -> Vec<(u64, u64, &'static str)> {
    const SHORT: u64 = 60;
    let mut drawn: Vec<(u64, u64, &'static str)> = Vec::new();
    for stretch in stretches {
        let fill = match stretch.what {
            _ if stretch.to - stretch.from < SHORT => FLAPPING,
            None => FLAPPING,
            Some(Presence::Online) => ONLINE,
            Some(Presence::Offline) => OFFLINE,
            Some(Presence::Unobserved) => unknown,
        };
        match drawn.last_mut() {
            Some(last) if last.2 == fill => last.1 = stretch.to,
            _ => drawn.push((stretch.from, stretch.to, fill)),
        }
    }
    drawn
}

fn node_row(number: u64, gaps: &[Stretch<&str>]) -> Group {
    let y = TOP + number * ROW + 8;
    let mut group = Group::new().add(label(LEFT - 12, y + 17, "end", "our node"));
    for gap in gaps {
        let middle = LEFT + (gap.from + gap.to) / 2 / SCALE;
        group = group
            .add(scaled(gap.from, gap.to, y).set("fill", UNOBSERVED))
            .add(label(middle, y + BAR + 13, "middle", gap.what).set("font-size", 11));
    }
    group.add(framed(LEFT, y, END / SCALE, BAR, "none"))
}

/// From a second of the day to another.
fn scaled(from: u64, to: u64, y: u64) -> Rectangle {
    #[allow(clippy::cast_precision_loss)]
    let x = |second: u64| LEFT as f64 + second as f64 / SCALE as f64;
    Rectangle::new()
        .set("x", format!("{:.2}", x(from)))
        .set("y", y)
        .set("width", format!("{:.2}", x(to) - x(from)))
        .set("height", BAR)
}

fn bar(x: u64, y: u64, width: u64, height: u64) -> Rectangle {
    Rectangle::new().set("x", x).set("y", y).set("width", width).set("height", height)
}

fn framed(x: u64, y: u64, width: u64, height: u64, fill: &str) -> Rectangle {
    bar(x, y, width, height).set("fill", fill).set("stroke", "#555555")
}

fn label(x: u64, y: u64, anchor: &str, text: &str) -> Text {
    Text::new(text).set("x", x).set("y", y).set("text-anchor", anchor).set("fill", INK)
}
