//! The demo's last word: the table that every command prints, and beneath it what really happened.

use std::io::{self, Write};

use fitness_core::{NodeId, Timestamp};
use serde::Serialize;

use super::verdict::{GapVerdict, Verdict};
use crate::error::CliError;
use crate::output::{self, Document, OutputArgs, humanise};

/// The document of every command, with the truth.
#[derive(Serialize)]
struct WithTruth<'a> {
    #[serde(flatten)]
    document: &'a Document,
    truth: &'a Verdict,
}

/// Prints all on standard output, in the order and form that was asked for.
///
/// # Errors
///
/// [`CliError::Output`].
pub(super) fn print(mut document: Document, verdict: &Verdict, args: &OutputArgs) -> Result<(), CliError> {
    if args.json {
        document.sort(args.sort);
        for peer in document.sections.iter_mut().flat_map(|section| &mut section.peers) {
            let true_uptime_ns = verdict.true_uptime_ns(&peer.report.node_id);
            for channel in &mut peer.channels {
                channel.true_uptime_ns = true_uptime_ns;
            }
        }
        return print_json(&WithTruth { document: &document, truth: verdict }).map_err(CliError::Output);
    }
    output::print(&mut document, args)?;
    let order: Vec<NodeId> =
        document.sections.iter().flat_map(|section| &section.peers).map(|peer| peer.report.node_id).collect();
    print_verdict(&mut anstream::stdout().lock(), verdict, &order).map_err(CliError::Output)
}

fn print_json(document: &WithTruth<'_>) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    serde_json::to_writer_pretty(&mut out, document)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// The peers stand in the order of the table above. Never wider than 80 columns.
fn print_verdict(out: &mut impl Write, verdict: &Verdict, order: &[NodeId]) -> io::Result<()> {
    writeln!(out, "\nBeside the truth, which the demo knows because it did the cutting:\n")?;
    let row = |out: &mut dyn Write, cells: [&str; 9]| {
        let [name, observed, true_observed, observed_off, uptime, true_uptime, uptime_off, flaps, true_flaps] =
            cells;
        writeln!(
            out,
            "{name:<13}  {observed:>8}  {true_observed:>5}  {observed_off:>7}  {uptime:>6}  \
             {true_uptime:>5}  {uptime_off:>7}  {flaps:>5}  {true_flaps:>5}"
        )
    };
    row(out, ["name", "observed", "truth", "off by", "uptime", "truth", "off by", "flaps", "truth"])?;
    writeln!(out, "{}", "-".repeat(79))?;
    let mut peers: Vec<_> = verdict.peers.iter().collect();
    peers.sort_by_key(|peer| order.iter().position(|node_id| *node_id == peer.node_id));
    for peer in peers {
        row(
            out,
            [
                peer.label,
                &humanise::duration(peer.observed_ns),
                &humanise::duration(peer.true_observed_ns),
                &humanise::difference(peer.observed_ns, peer.true_observed_ns),
                &humanise::duration(peer.uptime_ns),
                &humanise::duration(peer.true_uptime_ns),
                &humanise::difference(peer.uptime_ns, peer.true_uptime_ns),
                &peer.flap_count.to_string(),
                &peer.true_flap_count.to_string(),
            ],
        )?;
    }
    if !verdict.gaps.is_empty() {
        writeln!(out, "\nWe could not tell who was online, in seconds from the first cut on:\n")?;
        writeln!(out, "taken for       from     to   truly from     to   what happened")?;
        writeln!(out, "{}", "-".repeat(79))?;
    }
    for gap in &verdict.gaps {
        print_gap(out, verdict.began_ns, gap)?;
    }
    writeln!(out)?;
    let (off, allowed) = (humanise::duration(verdict.furthest_ns()), verdict.tolerance_ns / 1_000_000_000);
    if verdict.right {
        writeln!(out, "All right. Every flap was counted, and none that was our doing. All times are")?;
        writeln!(
            out,
            "within {off} of the true ones; {allowed} s is allowed, as the wallet looks that often."
        )
    } else {
        writeln!(
            out,
            "Not right. Flaps have to be equal, and times within {allowed} s, as the wallet looks"
        )?;
        writeln!(out, "that often; the furthest is {off} off. What is wrong:")?;
        let peers = verdict.peers.iter().filter(|peer| !peer.right).map(|peer| peer.label);
        let gaps = verdict.gaps.iter().filter(|gap| !gap.right);
        let gaps = gaps.map(|gap| gap.why.unwrap_or("a gap that the demo did not make"));
        peers.chain(gaps).try_for_each(|wrong| writeln!(out, "  {wrong}"))
    }
}

fn print_gap(out: &mut impl Write, began: Timestamp, gap: &GapVerdict) -> io::Result<()> {
    let causes: Vec<String> = gap.causes.iter().rev().map(ToString::to_string).collect();
    let causes = if causes.is_empty() { "nothing".to_owned() } else { causes.join(", ") };
    let at = |at: Option<Timestamp>| {
        let secs = at.map(|at| at.nanos_since(began) / 100_000_000);
        secs.map_or_else(|| "-".to_owned(), |tenths| format!("{}.{}", tenths / 10, tenths % 10))
    };
    let (from, to) = (at(gap.from_ns), at(gap.to_ns));
    let (true_from, true_to) = (at(gap.true_from_ns), at(gap.true_to_ns));
    let why = gap.why.unwrap_or("not the demo's doing");
    writeln!(out, "{causes:<14}{from:>6}{to:>7}{true_from:>13}{true_to:>7}   {why}")
}

#[cfg(test)]
mod tests {
    use fitness_core::GapCause;

    use super::*;
    use crate::demo::verdict::PeerVerdict;

    const SECOND: u64 = 1_000_000_000;

    fn verdict(flap_count: u32, right: bool) -> Verdict {
        let at = |secs| Some(Timestamp::from_secs(secs));
        let peer = PeerVerdict {
            label: "never returns",
            node_id: NodeId([2; 33]),
            lifetime_ns: 30 * SECOND,
            true_lifetime_ns: 30 * SECOND,
            observed_ns: 27 * SECOND,
            true_observed_ns: 27 * SECOND,
            uptime_ns: 11 * SECOND,
            true_uptime_ns: 11 * SECOND + 12_345_678,
            flap_count,
            true_flap_count: 1,
            right,
        };
        let gap = |why, causes: &[GapCause], from_ns, to_ns, right| GapVerdict {
            why: Some(why),
            causes: causes.iter().copied().collect(),
            from_ns,
            true_from_ns: at(114),
            to_ns,
            true_to_ns: at(117),
            right,
        };
        let both = [GapCause::Paused, GapCause::NotRunning];
        let gaps = vec![
            gap("every wire was cut at once", &both, at(114), at(117), true),
            gap("the wallet was restarted", &[], None, None, right),
        ];
        let began_ns = Timestamp::from_secs(100);
        Verdict { right, tolerance_ns: SECOND, began_ns, peers: vec![peer], gaps }
    }

    fn printed(verdict: &Verdict) -> String {
        let mut out = Vec::new();
        print_verdict(&mut out, verdict, &[]).expect("a vector takes everything");
        String::from_utf8(out).expect("it is text")
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = printed(&verdict(2, false));
        let expected = "\
that often; the furthest is 12ms off. What is wrong:
  never returns
  the wallet was restarted
";
        assert!(wrong.ends_with(expected), "{wrong}");
        assert!(
            wrong.contains("nothing            -      -         14.0   17.0   the wallet was"),
            "{wrong}"
        );
        assert!(printed(&verdict(1, true)).contains("\nAll right."));
    }

    #[test]
    fn the_narrowest_terminal_has_room_for_it() {
        for verdict in [verdict(1, true), verdict(1_000, false)] {
            for line in printed(&verdict).lines() {
                assert!(line.chars().count() < 80, "{line}");
            }
        }
    }
}
