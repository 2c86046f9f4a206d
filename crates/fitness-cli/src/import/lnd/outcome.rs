//! What was taken over, and what was not and why: in sentences, or as JSON.

use std::io::{self, Write as _};

use fitness_core::{ChannelId, ImportSource, NodeId, OutPoint, Timestamp};
use serde::Serialize;

use super::lists::Lists;
use super::seed::Seed;
use crate::moment::rfc3339;
use crate::output::humanise;

/// What came of an import.
#[derive(Debug)]
pub(super) struct Outcome {
    at: Timestamp,
    observer: NodeId,
    store: String,
    /// Whom lnd listed and had counted nothing of.
    uncounted: Vec<NodeId>,
    /// Whose numbers are in the store now.
    pub(super) imported: Vec<Seed>,
    /// Whom the store had known.
    pub(super) known: Vec<NodeId>,
}

impl Outcome {
    /// Nothing yet.
    pub(super) fn new(lists: &Lists, observer: NodeId, store: String) -> Self {
        Self {
            at: lists.at,
            observer,
            store,
            uncounted: lists.uncounted(),
            imported: Vec::new(),
            known: Vec::new(),
        }
    }

    /// Tells it on standard output.
    pub(super) fn print(&self, json: bool) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        if json {
            serde_json::to_writer_pretty(&mut out, &self.json())?;
            writeln!(out)?;
        } else {
            writeln!(out, "{}", self.sentences().join("\n"))?;
        }
        out.flush()
    }

    fn sentences(&self) -> Vec<String> {
        let peers = count(self.imported.len(), "peer");
        let channels = self.imported.iter().map(|seed| seed.channels.len()).sum();
        let mut told = vec![format!(
            "ConnectTimings over {peers} with {} from lnd, as of {}, into {} for observer {}.",
            count(channels, "open channel"),
            rfc3339(self.at),
            self.store,
            self.observer,
        )];
        list(&mut told, "The store knew these already, and they are left as they were:", &self.known);
        let silent = self.imported.iter().filter(|seed| seed.flaps.is_none()).map(|seed| seed.node_id);
        list(
            &mut told,
            "`lncli listpeers` did not list these, so their flap counts begin at 0:",
            &silent.collect::<Vec<_>>(),
        );
        list(&mut told, "lnd had counted nothing of these, and they are left out:", &self.uncounted);
        let adjusted: Vec<String> = self.adjusted().map(|channel| channel.to_string()).collect();
        list(
            &mut told,
            "These uptimes cannot have been, and the closest that can be took their place:",
            &adjusted,
        );
        told
    }

    fn adjusted(&self) -> impl Iterator<Item = Adjusted> {
        let all = self.imported.iter().flat_map(|seed| {
            seed.channels.iter().map(|channel| Adjusted {
                node_id: seed.node_id,
                channel_id: channel.channel_id,
                funding: channel.funding,
                told_uptime_ns: channel.told_uptime_ns,
                uptime_ns: channel.uptime_ns,
            })
        });
        all.filter(|channel| channel.told_uptime_ns != channel.uptime_ns)
    }

    fn json(&self) -> OutcomeJson<'_> {
        let imported = self.imported.iter().map(|seed| TakenJson {
            node_id: seed.node_id,
            channels: seed.channels.len(),
            observed_ns: seed.totals().observed_ns,
            uptime_ns: seed.totals().online_ns,
            flap_count: seed.flaps.map(|flaps| flaps.count),
        });
        OutcomeJson {
            source: ImportSource::Lnd,
            at_ns: self.at,
            store: &self.store,
            observer: self.observer,
            imported: imported.collect(),
            known: &self.known,
            uncounted: &self.uncounted,
            adjusted: self.adjusted().collect(),
        }
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A sentence and what it is about, where there is any.
fn list(told: &mut Vec<String>, sentence: &str, items: &[impl ToString]) {
    if !items.is_empty() {
        told.push(sentence.to_owned());
        told.extend(items.iter().map(|item| format!("  {}", item.to_string())));
    }
}

#[derive(Serialize)]
struct OutcomeJson<'a> {
    source: ImportSource,
    at_ns: Timestamp,
    store: &'a str,
    observer: NodeId,
    imported: Vec<TakenJson>,
    known: &'a [NodeId],
    uncounted: &'a [NodeId],
    adjusted: Vec<Adjusted>,
}

#[derive(Serialize)]
struct TakenJson {
    node_id: NodeId,
    channels: usize,
    observed_ns: u64,
    uptime_ns: u64,
    flap_count: Option<u32>,
}

/// A channel whose uptime is not what lnd told.
#[derive(Serialize)]
struct Adjusted {
    node_id: NodeId,
    channel_id: ChannelId,
    funding: OutPoint,
    told_uptime_ns: u64,
    uptime_ns: u64,
}

impl std::fmt::Display for Adjusted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (told, uptime) = (humanise::duration(self.told_uptime_ns), humanise::duration(self.uptime_ns));
        let off = humanise::difference(self.uptime_ns, self.told_uptime_ns);
        write!(f, "{}: {uptime} instead of {told} ({off})", self.funding)
    }
}
