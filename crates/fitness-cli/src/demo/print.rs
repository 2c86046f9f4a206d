//! Prints the demo's result: the table of peers, and below it the verification.

use std::io::{self, Write};

use fitness_core::{NodeId, Timestamp};
use serde::Serialize;

use super::verification::{GapCheck, Verification};
use crate::error::CliError;
use crate::output::{self, Document, OutputArgs, format};

/// The common JSON document with the verification added.
#[derive(Serialize)]
struct VerifiedDocument<'a> {
    #[serde(flatten)]
    document: &'a Document,
    verification: &'a Verification,
}

/// Prints the result on standard output, sorted and formatted as `args` specify.
///
/// # Errors
///
/// [`CliError::Output`].
pub(super) fn print(
    mut document: Document,
    verification: &Verification,
    args: &OutputArgs,
) -> Result<(), CliError> {
    if args.json {
        document.sort(args.sort);
        for peer in document.sections.iter_mut().flat_map(|section| &mut section.peers) {
            let true_uptime_ns = verification.true_uptime_ns(&peer.report.node_id);
            for channel in &mut peer.channels {
                channel.true_uptime_ns = true_uptime_ns;
            }
        }
        return print_json(&VerifiedDocument { document: &document, verification }).map_err(CliError::Output);
    }
    output::print(&mut document, args)?;
    let order: Vec<NodeId> =
        document.sections.iter().flat_map(|section| &section.peers).map(|peer| peer.report.node_id).collect();
    print_verification(&mut anstream::stdout().lock(), verification, &order).map_err(CliError::Output)
}

fn print_json(document: &VerifiedDocument<'_>) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    serde_json::to_writer_pretty(&mut out, document)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Prints the verification in at most 79 columns, with the peers in the given order.
fn print_verification(out: &mut impl Write, verification: &Verification, order: &[NodeId]) -> io::Result<()> {
    writeln!(out, "\nMeasured values compared with what the demo did:\n")?;
    let row = |out: &mut dyn Write, cells: [&str; 9]| {
        let [
            alias,
            observed,
            true_observed,
            observed_error,
            uptime,
            true_uptime,
            uptime_error,
            flaps,
            true_flaps,
        ] = cells;
        writeln!(
            out,
            "{alias:<13}  {observed:>8}  {true_observed:>5}  {observed_error:>7}  {uptime:>6}  \
             {true_uptime:>5}  {uptime_error:>7}  {flaps:>5}  {true_flaps:>5}"
        )
    };
    row(out, ["alias", "observed", "true", "error", "uptime", "true", "error", "flaps", "true"])?;
    writeln!(out, "{}", "-".repeat(79))?;
    let mut peers: Vec<_> = verification.peers.iter().collect();
    peers.sort_by_key(|peer| order.iter().position(|node_id| *node_id == peer.node_id));
    for peer in peers {
        row(
            out,
            [
                peer.alias,
                &format::duration(peer.observed_ns),
                &format::duration(peer.true_observed_ns),
                &format::difference(peer.observed_ns, peer.true_observed_ns),
                &format::duration(peer.uptime_ns),
                &format::duration(peer.true_uptime_ns),
                &format::difference(peer.uptime_ns, peer.true_uptime_ns),
                &peer.flap_count.to_string(),
                &peer.true_flap_count.to_string(),
            ],
        )?;
    }
    if !verification.gaps.is_empty() {
        writeln!(out, "\nMonitoring gaps, in seconds since the start of the scenario:\n")?;
        let headings = ["cause", "from", "to", "true from", "true to", "trigger"];
        gap_row(out, headings)?;
        writeln!(out, "{}", "-".repeat(79))?;
    }
    for gap in &verification.gaps {
        print_gap(out, verification.started_at, gap)?;
    }
    writeln!(out)?;
    print_result(out, verification)
}

fn print_result(out: &mut impl Write, verification: &Verification) -> io::Result<()> {
    let max_error = format::duration(verification.max_error_ns());
    let tolerance_secs = verification.tolerance_ns / 1_000_000_000;
    if verification.passed {
        writeln!(out, "Verification passed: all flap counts match, and the largest error of a time is")?;
        return writeln!(
            out,
            "{max_error} ({tolerance_secs} s allowed, the interval at which the wallet polls)."
        );
    }
    writeln!(
        out,
        "Verification failed: flap counts must match, and times must be within {tolerance_secs} s,"
    )?;
    writeln!(out, "the interval at which the wallet polls. The largest error is {max_error}. Failed for:")?;
    let peers = verification.peers.iter().filter(|peer| !peer.passed).map(|peer| peer.alias);
    let gaps = verification.gaps.iter().filter(|gap| !gap.passed);
    let gaps = gaps.map(|gap| gap.trigger.unwrap_or("unexpected monitoring gap"));
    peers.chain(gaps).try_for_each(|failed| writeln!(out, "  {failed}"))
}

fn print_gap(out: &mut impl Write, started_at: Timestamp, gap: &GapCheck) -> io::Result<()> {
    let causes: Vec<String> = gap.causes.iter().rev().map(ToString::to_string).collect();
    let causes = if causes.is_empty() { "not detected".to_owned() } else { causes.join(", ") };
    let seconds = |at: Option<Timestamp>| {
        let tenths = at.map(|at| at.nanos_since(started_at) / 100_000_000);
        tenths.map_or_else(|| "-".to_owned(), |tenths| format!("{}.{}", tenths / 10, tenths % 10))
    };
    let (from, to) = (seconds(gap.from_ns), seconds(gap.to_ns));
    let (true_from, true_to) = (seconds(gap.true_from_ns), seconds(gap.true_to_ns));
    gap_row(out, [&causes, &from, &to, &true_from, &true_to, gap.trigger.unwrap_or("unexpected")])
}

fn gap_row(out: &mut impl Write, cells: [&str; 6]) -> io::Result<()> {
    let [causes, from, to, true_from, true_to, trigger] = cells;
    writeln!(out, "{causes:<19}  {from:>7}  {to:>7}  {true_from:>9}  {true_to:>7}   {trigger}")
}

#[cfg(test)]
mod tests {
    use fitness_core::GapCause;

    use super::*;
    use crate::demo::verification::PeerCheck;

    const SECOND: u64 = 1_000_000_000;

    fn verification(flap_count: u32, passed: bool) -> Verification {
        let at = |secs| Some(Timestamp::from_secs(secs));
        let peer = PeerCheck {
            alias: "stays offline",
            node_id: NodeId([2; 33]),
            lifetime_ns: 30 * SECOND,
            true_lifetime_ns: 30 * SECOND,
            observed_ns: 27 * SECOND,
            true_observed_ns: 27 * SECOND,
            uptime_ns: 11 * SECOND,
            true_uptime_ns: 11 * SECOND + 12_345_678,
            flap_count,
            true_flap_count: 1,
            passed,
        };
        let gap = |trigger, causes: &[GapCause], from_ns, to_ns, passed| GapCheck {
            trigger: Some(trigger),
            causes: causes.iter().copied().collect(),
            from_ns,
            true_from_ns: at(114),
            to_ns,
            true_to_ns: at(117),
            passed,
        };
        let both = [GapCause::Paused, GapCause::NotRunning];
        let gaps = vec![
            gap("all connections cut", &both, at(114), at(117), true),
            gap("wallet restarted", &[], None, None, passed),
        ];
        let started_at = Timestamp::from_secs(100);
        Verification { passed, tolerance_ns: SECOND, started_at, peers: vec![peer], gaps }
    }

    fn printed(verification: &Verification) -> String {
        let mut out = Vec::new();
        print_verification(&mut out, verification, &[]).expect("write to a vector");
        String::from_utf8(out).expect("valid UTF-8")
    }

    #[test]
    fn failed_verification_lists_what_failed() {
        let expected = "
Measured values compared with what the demo did:

alias          observed   true    error  uptime   true    error  flaps   true
-------------------------------------------------------------------------------
stays offline     27.0s  27.0s       0s   11.0s  11.0s    -12ms      2      1

Monitoring gaps, in seconds since the start of the scenario:

cause                   from       to  true from  true to   trigger
-------------------------------------------------------------------------------
paused, not running     14.0     17.0       14.0     17.0   all connections cut
not detected               -        -       14.0     17.0   wallet restarted

Verification failed: flap counts must match, and times must be within 1 s,
the interval at which the wallet polls. The largest error is 12ms. Failed for:
  stays offline
  wallet restarted
";
        assert_eq!(printed(&verification(2, false)), expected);
    }

    #[test]
    fn passed_verification_prints_the_largest_error() {
        let printed = printed(&verification(1, true));
        let expected = "
Verification passed: all flap counts match, and the largest error of a time is
12ms (1 s allowed, the interval at which the wallet polls).
";
        assert!(printed.ends_with(expected), "{printed}");
    }

    #[test]
    fn output_fits_79_columns() {
        for verification in [verification(1, true), verification(1_000, false)] {
            for line in printed(&verification).lines() {
                assert!(line.chars().count() < 80, "{line}");
            }
        }
    }
}
