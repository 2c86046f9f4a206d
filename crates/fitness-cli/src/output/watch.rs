//! How long we watched ourselves, and when we were gone.

use fitness_core::{Gap, GapTotals};

use super::document::Section;
use super::grid;
use super::humanise;
use fitness_words::rfc3339;

/// How many gaps are listed where not all of them are asked for.
const LATEST: usize = 5;

/// The lines of a section's coverage and gaps; `None` where it tells nothing of them.
pub(super) fn render(section: &Section, width: Option<u16>) -> Option<String> {
    let coverage = section.coverage?;
    let (watched, lifetime) = (coverage.monitored_ns, coverage.lifetime_ns);
    let mut sentences = vec![format!(
        "We watched {} of {} ({}) since {}.",
        humanise::duration(watched),
        humanise::duration(lifetime),
        humanise::availability(watched, lifetime),
        rfc3339(coverage.first_started_at),
    )];
    let causes = [
        ("down", coverage.not_running),
        ("suspended", coverage.suspended),
        ("network out", coverage.network_down),
        ("paused", coverage.paused),
    ];
    let told: Vec<String> = causes.iter().filter_map(|(cause, sums)| sum(cause, *sums)).collect();
    if !told.is_empty() {
        sentences.push(format!("We were gone: {}.", told.join(", ")));
    }
    if let Some(gap) = coverage.ongoing_gap {
        let since = rfc3339(gap.from);
        let length = humanise::duration(gap.length_ns());
        sentences.push(format!("We are gone since {since}: {} ({length} so far).", gap.cause));
    }
    let sentences: Vec<String> = sentences.iter().map(|sentence| grid::wrap(sentence, width)).collect();
    let mut lines = sentences.join("\n");
    if !section.gaps.is_empty() {
        lines += &format!("\n\n{}", list(section, width));
    }
    Some(lines)
}

fn list(section: &Section, width: Option<u16>) -> String {
    let earlier = if section.all_gaps { 0 } else { section.gaps.len().saturating_sub(LATEST) };
    let row = |gap: &Gap| {
        let to = if gap.ongoing { "-".to_owned() } else { rfc3339(gap.to) };
        [gap.cause.to_string(), rfc3339(gap.from), to, humanise::duration(gap.length_ns())]
    };
    let rows = section.gaps.iter().skip(earlier).map(row);
    let mut lines = grid::lines(["our gap", "from", "to", ">length"], rows, width);
    if earlier > 0 {
        lines += &format!("\n{} before: --gaps lists all", count(earlier as u64, "more gap"));
    }
    lines
}

fn sum(cause: &str, sums: GapTotals) -> Option<String> {
    (sums.count > 0)
        .then(|| format!("{cause} {} ({})", times(sums.count), humanise::duration(sums.length_ns)))
}

fn times(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

pub(super) fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
