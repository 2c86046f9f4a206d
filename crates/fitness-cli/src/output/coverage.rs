//! The monitoring coverage and the monitoring gaps below the peer table.

use fitness_core::{Gap, GapCause, GapTotals};

use super::document::Section;
use super::{format, grid};
use fitness_words::{pluralize, rfc3339};

/// How many gaps are listed without `--gaps`.
const MAX_LISTED: usize = 5;

/// Renders a section's coverage and gaps; `None` if the section has no coverage.
pub(super) fn render(section: &Section, width: Option<u16>) -> Option<String> {
    let coverage = section.coverage?;
    let mut lines = vec![format!(
        "Monitored {} of {} ({}) since {}",
        format::duration(coverage.monitored_ns),
        format::duration(coverage.lifetime_ns),
        format::availability(coverage.monitored_ns, coverage.lifetime_ns),
        rfc3339(coverage.first_started_at),
    )];
    let totals = [
        (GapCause::NotRunning, coverage.not_running),
        (GapCause::Suspended, coverage.suspended),
        (GapCause::NetworkDown, coverage.network_down),
        (GapCause::Paused, coverage.paused),
    ];
    let totals: Vec<String> = totals.iter().filter_map(|(cause, totals)| total(*cause, *totals)).collect();
    if !totals.is_empty() {
        lines.push(format!("Monitoring gaps: {}", totals.join(", ")));
    }
    if let Some(gap) = coverage.ongoing_gap {
        lines.push(format!(
            "Not monitored since {}: {} ({} so far)",
            rfc3339(gap.from),
            gap.cause,
            format::duration(gap.length_ns()),
        ));
    }
    let lines: Vec<String> = lines.iter().map(|line| grid::wrap(line, width)).collect();
    let mut text = lines.join("\n");
    if !section.gaps.is_empty() {
        text += &format!("\n\n{}", gap_table(section, width));
    }
    Some(text)
}

fn gap_table(section: &Section, width: Option<u16>) -> String {
    let omitted = if section.all_gaps { 0 } else { section.gaps.len().saturating_sub(MAX_LISTED) };
    let row = |gap: &Gap| {
        let to = if gap.ongoing { "-".to_owned() } else { rfc3339(gap.to) };
        [gap.cause.to_string(), rfc3339(gap.from), to, format::duration(gap.length_ns())]
    };
    let rows = section.gaps.iter().skip(omitted).map(row);
    let mut lines = grid::lines(["monitoring gap", "from", "to", ">length"], rows, width);
    if omitted > 0 {
        let gaps = pluralize(omitted as u64, "earlier gap", "earlier gaps");
        lines += &format!("\n{gaps} not shown; use --gaps to list all");
    }
    lines
}

fn total(cause: GapCause, totals: GapTotals) -> Option<String> {
    let GapTotals { count, length_ns } = totals;
    (count > 0).then(|| format!("{cause} {count}x ({})", format::duration(length_ns)))
}
