//! The summary of an import, as text or JSON: what was imported, what was not, and why.

use std::io::{self, Write as _};

use fitness_core::{ChannelId, ImportSource, NodeId, OutPoint, Timestamp};
use serde::Serialize;

use super::lncli::LncliLists;
use super::peer::ImportedPeer;
use crate::output::format;
use crate::time::rfc3339;

/// The result of an import.
#[derive(Debug)]
pub(super) struct Summary {
    at: Timestamp,
    observer: NodeId,
    store: String,
    /// Peers that lnd listed without any statistics.
    without_data: Vec<NodeId>,
    /// Peers that were imported.
    pub(super) imported: Vec<ImportedPeer>,
    /// Peers that were skipped because the store already has them.
    pub(super) already_stored: Vec<NodeId>,
}

impl Summary {
    /// Creates the summary of an import of `lists` that has not imported anything yet.
    pub(super) fn new(lists: &LncliLists, observer: NodeId, store: String) -> Self {
        Self {
            at: lists.at,
            observer,
            store,
            without_data: lists.peers_without_data(),
            imported: Vec::new(),
            already_stored: Vec::new(),
        }
    }

    /// Prints the summary to standard output.
    pub(super) fn print(&self, json: bool) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        if json {
            serde_json::to_writer_pretty(&mut out, &self.to_json())?;
            writeln!(out)?;
        } else {
            writeln!(out, "{}", self.text_lines().join("\n"))?;
        }
        out.flush()
    }

    fn text_lines(&self) -> Vec<String> {
        let peers = count(self.imported.len(), "peer");
        let channels = self.imported.iter().map(|peer| peer.channels.len()).sum();
        let mut lines = vec![format!(
            "Imported {peers} with {} from lnd, as of {}, into {} for observer {}.",
            count(channels, "open channel"),
            rfc3339(self.at),
            self.store,
            self.observer,
        )];
        push_list(&mut lines, "Not changed, because the store already has them:", &self.already_stored);
        let without_flaps = self.imported.iter().filter(|peer| peer.flaps.is_none()).map(|peer| peer.node_id);
        push_list(
            &mut lines,
            "Imported with a flap count of 0, because `lncli listpeers` does not list them:",
            &without_flaps.collect::<Vec<_>>(),
        );
        push_list(&mut lines, "Skipped, because lnd has no statistics of them:", &self.without_data);
        let adjusted: Vec<String> = self.adjusted_channels().map(|channel| channel.to_string()).collect();
        push_list(
            &mut lines,
            "Adjusted to the nearest consistent uptime, because lnd's uptimes contradict each other:",
            &adjusted,
        );
        lines
    }

    fn adjusted_channels(&self) -> impl Iterator<Item = AdjustedChannel> {
        let channels = self.imported.iter().flat_map(|peer| {
            peer.channels.iter().map(|channel| AdjustedChannel {
                node_id: peer.node_id,
                channel_id: channel.channel_id,
                funding: channel.funding,
                reported_uptime_ns: channel.reported_uptime_ns,
                uptime_ns: channel.uptime_ns,
            })
        });
        channels.filter(|channel| channel.reported_uptime_ns != channel.uptime_ns)
    }

    fn to_json(&self) -> SummaryJson<'_> {
        let imported = self.imported.iter().map(|peer| ImportedJson {
            node_id: peer.node_id,
            channels: peer.channels.len(),
            observed_ns: peer.totals().observed_ns,
            uptime_ns: peer.totals().online_ns,
            flap_count: peer.flaps.map(|flaps| flaps.count),
        });
        SummaryJson {
            source: ImportSource::Lnd,
            at_ns: self.at,
            store: &self.store,
            observer: self.observer,
            imported: imported.collect(),
            already_stored: &self.already_stored,
            without_data: &self.without_data,
            adjusted_channels: self.adjusted_channels().collect(),
        }
    }
}

/// Formats a number and its noun, such as `5 peers`.
fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Appends a heading and its items, unless there are no items.
fn push_list(lines: &mut Vec<String>, heading: &str, items: &[impl ToString]) {
    if !items.is_empty() {
        lines.push(heading.to_owned());
        lines.extend(items.iter().map(|item| format!("  {}", item.to_string())));
    }
}

#[derive(Serialize)]
struct SummaryJson<'a> {
    source: ImportSource,
    at_ns: Timestamp,
    store: &'a str,
    observer: NodeId,
    imported: Vec<ImportedJson>,
    already_stored: &'a [NodeId],
    without_data: &'a [NodeId],
    adjusted_channels: Vec<AdjustedChannel>,
}

#[derive(Serialize)]
struct ImportedJson {
    node_id: NodeId,
    channels: usize,
    observed_ns: u64,
    uptime_ns: u64,
    flap_count: Option<u32>,
}

/// A channel whose imported uptime differs from the one that lnd reported.
#[derive(Serialize)]
struct AdjustedChannel {
    node_id: NodeId,
    channel_id: ChannelId,
    funding: OutPoint,
    reported_uptime_ns: u64,
    uptime_ns: u64,
}

impl std::fmt::Display for AdjustedChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (reported, uptime) =
            (format::duration(self.reported_uptime_ns), format::duration(self.uptime_ns));
        let difference = format::difference(self.uptime_ns, self.reported_uptime_ns);
        write!(f, "{}: {uptime} instead of {reported} ({difference})", self.funding)
    }
}
