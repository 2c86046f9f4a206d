//! The uptime that lnd itself would tell: a reading of its rate-limited log.

use std::collections::HashMap;

use fitness_core::{Changes, ChannelId, Tracker};

use crate::output::Section;

const BATCH: usize = 1_000;

/// Adds lnd's uptime to each channel of the section.
///
/// The tracker's changes are taken on the way: it is not to be stored afterwards.
pub(super) fn add_uptimes(tracker: &mut Tracker, section: &mut Section) {
    // Logs are kept on the tracker's own line of time, and so are records, whereas reports speak
    // in terms of the trace's clock, which may have been set in between.
    let mut opened_ns: HashMap<ChannelId, u64> = HashMap::with_capacity(tracker.channel_count());
    loop {
        let mut changes = Changes::default();
        let more = tracker.take_changes(BATCH, &mut changes);
        let channels = changes.peers.iter().flat_map(|peer| &peer.channels);
        opened_ns.extend(channels.map(|channel| (channel.channel_id, channel.opened_at_ns)));
        if !more {
            break;
        }
    }
    for channel in section.channels_mut() {
        let report = &channel.report;
        let Some(&from_ns) = opened_ns.get(&report.channel_id) else { continue };
        let now_ns = from_ns.saturating_add(report.lifetime_ns);
        let log = tracker.event_log(&report.node_id);
        channel.lnd_uptime_ns = log.map(|log| log.uptime_ns(from_ns, now_ns, now_ns));
    }
}
