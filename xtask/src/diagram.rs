//! The diagram and the table of docs/how-it-counts.md, made from a sample day that the model has tracked.

use std::fs;

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use fitness_core::{GapCause, Presence};
use svg::Document;
use svg::node::element::{Definitions, Group, Line, Pattern, Rectangle, Text, Title};

use crate::command::root;
use crate::markers;
use crate::sample_day::{Day, END, Figures, HOUR, Interval, Known, simulate};

const DIAGRAM: &str = "docs/uptime-accounting.svg";
const PAGE: &str = "docs/how-it-counts.md";

const LEFT: u64 = 190;
/// Seconds of the day in one unit of the drawing.
const SCALE: u64 = 150;
const ROW: u64 = 46;
const BAR: u64 = 24;
const TOP: u64 = 44;
const ROWS: u64 = 4;

// Distinguishable with any colour vision, and in black and white by the hatching.
const ONLINE: &str = "#0072b2";
const OFFLINE: &str = "#e69f00";
const UNOBSERVED: &str = "url(#unobserved)";
const FLAPPING: &str = "url(#flapping)";
const NO_DATA: &str = "#f4f4f4";
const INK: &str = "#222222";

/// Checks that the diagram and the table match the model; with `write`, makes them.
pub(crate) fn check(write: bool) -> Result<(), String> {
    let day = simulate();
    let files = [(DIAGRAM, draw(&day)), (PAGE, page(&day)?)];
    for (name, fresh) in files {
        let path = root().join(name);
        if fs::read_to_string(&path).is_ok_and(|text| text == fresh) {
            println!("{name} matches the model");
        } else if write {
            fs::write(&path, fresh).map_err(|err| format!("{}: {err}", path.display()))?;
        } else {
            return Err(format!("{name} does not match the model; run `cargo xtask diagram --write`"));
        }
    }
    Ok(())
}

fn page(day: &Day) -> Result<String, String> {
    let path = root().join(PAGE);
    let page = fs::read_to_string(&path).map_err(|err| format!("{}: {err}", path.display()))?;
    markers::replace(PAGE, &page, "day", &table(day))
}

fn table(day: &Day) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(["at midnight", "lifetime", "observed", "uptime", "availability", "flaps"]);
    let rows = [
        ("true values", &day.true_figures),
        ("true values, monitored time only", &day.monitored_figures),
        ("ldk-fitness", &day.our_figures),
        ("lnd 0.19", &day.lnd_figures),
    ];
    for (name, figures) in rows {
        let hours = |ns: u64| format!("{} h {:02} min", ns / 3_600_000_000_000, ns / 60_000_000_000 % 60);
        let Figures { lifetime, observed, uptime, flaps } = *figures;
        #[allow(clippy::cast_precision_loss)]
        let availability = format!("{:.1}%", 100.0 * uptime as f64 / observed as f64);
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
            "A peer's day: the true presence, our monitoring gaps, and the presence in ldk-fitness and in lnd's log",
        ))
        .add(patterns())
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
    let gaps: Vec<Interval<&str>> =
        day.gaps.iter().map(|gap| Interval { from: gap.from, to: gap.to, value: cause(gap.value) }).collect();
    document = document
        .add(row(0, "true presence", &day.truth, OFFLINE))
        .add(gaps_row(1, &gaps))
        .add(row(2, "presence in ldk-fitness", &day.ours, UNOBSERVED))
        .add(row(3, "presence in lnd's log", &day.lnd, NO_DATA));
    if let Some(restart) = day.gaps.iter().find(|gap| gap.value == GapCause::NotRunning) {
        let (x, y) = (LEFT + restart.from / SCALE, TOP + 3 * ROW + 8 + BAR + 13);
        document = document.add(label(x, y, "middle", "earlier events are lost").set("font-size", 11));
    }
    let y = TOP + ROWS * ROW + 20;
    let keys = [
        (ONLINE, "online"),
        (OFFLINE, "offline"),
        (FLAPPING, "flapping"),
        (UNOBSERVED, "unobserved: not counted"),
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
        GapCause::NetworkDown => "network down",
        GapCause::Suspended => "suspended",
        GapCause::NotRunning => "restart",
        _ => "paused",
    }
}

fn patterns() -> Definitions {
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

fn row(number: u64, name: &str, intervals: &[Interval<Known>], unknown: &'static str) -> Group {
    let y = TOP + number * ROW + 8;
    let mut group = Group::new().add(label(LEFT - 12, y + 17, "end", name));
    for (from, to, fill) in merged(intervals, unknown) {
        group = group.add(scaled(from, to, y).set("fill", fill));
    }
    group.add(framed(LEFT, y, END / SCALE, BAR, "none"))
}

/// Merges neighbouring intervals that are too short to be drawn one by one.
fn merged(intervals: &[Interval<Known>], unknown: &'static str) -> Vec<(u64, u64, &'static str)> {
    const SHORT: u64 = 60;
    let mut drawn: Vec<(u64, u64, &'static str)> = Vec::new();
    for interval in intervals {
        let fill = match interval.value {
            _ if interval.to - interval.from < SHORT => FLAPPING,
            None => FLAPPING,
            Some(Presence::Online) => ONLINE,
            Some(Presence::Offline) => OFFLINE,
            Some(Presence::Unobserved) => unknown,
        };
        match drawn.last_mut() {
            Some(last) if last.2 == fill => last.1 = interval.to,
            _ => drawn.push((interval.from, interval.to, fill)),
        }
    }
    drawn
}

fn gaps_row(number: u64, gaps: &[Interval<&str>]) -> Group {
    let y = TOP + number * ROW + 8;
    let mut group = Group::new().add(label(LEFT - 12, y + 17, "end", "our monitoring gaps"));
    for gap in gaps {
        let middle = LEFT + (gap.from + gap.to) / 2 / SCALE;
        group = group
            .add(scaled(gap.from, gap.to, y).set("fill", UNOBSERVED))
            .add(label(middle, y + BAR + 13, "middle", gap.value).set("font-size", 11));
    }
    group.add(framed(LEFT, y, END / SCALE, BAR, "none"))
}

/// Returns a bar from one second of the day to another.
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
