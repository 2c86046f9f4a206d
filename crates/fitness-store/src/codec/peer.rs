//! The encoding of a peer's record.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format |
//! | 1 | flags: presence in bits 0 and 1, watched in 2, has flapped in 3, in reconnect grace period in 4, imported in 5 |
//! | 8, 8 | tracked since, presence since |
//! | 8, 8 | totals: online, observed |
//! | 4 | flap count |
//! | 8 | last flap; absent if the peer has not flapped |
//! | 4, 4 | disconnects, end of the log |
//! | 29 | imported values; absent if there are none |
//! | 4 | number of channels |
//! | 81 or 117 each | a channel |
//! | 4 | checksum |
//!
//! Imported values, which format 1 does not have:
//!
//! | bytes | field |
//! |---|---|
//! | 1 | source: 1 lnd |
//! | 8 | time of the import |
//! | 8, 8 | totals: online, observed |
//! | 4 | flap count |
//!
//! A channel. In format 1 it has neither bits 1 to 4 of the flags nor the usability ledger:
//!
//! | bytes | field |
//! |---|---|
//! | 1 | flags: funding known in bit 0; reported as usable in 1 and 2 (0 never reported, 1 no, 2 yes); presence of the usability ledger in 3 and 4 |
//! | 32 | channel id |
//! | 8 | opened at |
//! | 8, 8 | the peer's totals when the channel opened: online, observed |
//! | 8 | usability ledger: presence since |
//! | 8, 8 | usability ledger totals: usable, observed |
//! | 32, 4 | funding transaction and output; absent if not known |

use fitness_core::{ChannelId, ChannelRecord, Imported, Ledger, NodeId, OutPoint, PeerRecord, Totals};

use super::frame::{self, Body};
use super::{FORMAT_1, RecordError, RecordKey, rules};
use crate::StoreError;

const PRESENCE_BITS: u8 = 0b11;
const WATCHED: u8 = 1 << 2;
const HAS_FLAPPED: u8 = 1 << 3;
const IN_RECONNECT_GRACE: u8 = 1 << 4;
const IMPORTED: u8 = 1 << 5;
const PEER_FLAGS_1: u8 = PRESENCE_BITS | WATCHED | HAS_FLAPPED | IN_RECONNECT_GRACE;

const FUNDING_KNOWN: u8 = 1;
const REPORTED_USABLE_SHIFT: u32 = 1;
const USABLE_LEDGER_SHIFT: u32 = 3;
const CHANNEL_FLAGS: u8 = FUNDING_KNOWN | 0b11 << REPORTED_USABLE_SHIFT | 0b11 << USABLE_LEDGER_SHIFT;

/// Returns the encoded size of a channel without a known funding output.
const fn min_channel_bytes(format: u8) -> usize {
    if format == FORMAT_1 { 57 } else { 81 }
}

/// Encodes a peer's record and appends the value to `out`.
///
/// # Errors
///
/// [`StoreError::Invalid`] if the record violates a rule of the model; `out` is then unchanged.
pub fn encode_peer(peer: &PeerRecord, out: &mut Vec<u8>) -> Result<(), StoreError> {
    let key = RecordKey::Peer(&peer.node_id);
    rules::peer(peer).map_err(|reason| rules::invalid(key, reason))?;
    let channel_count =
        u32::try_from(peer.channels.len()).map_err(|_| rules::invalid(key, rules::TOO_MANY_CHANNELS))?;
    let mut flags = rules::presence_code(peer.presence);
    if peer.watched {
        flags |= WATCHED;
    }
    if peer.last_flap_ns.is_some() {
        flags |= HAS_FLAPPED;
    }
    if peer.in_reconnect_grace {
        flags |= IN_RECONNECT_GRACE;
    }
    let source = match peer.imported {
        None => None,
        Some(imported) => {
            flags |= IMPORTED;
            Some(rules::source_code(imported.source).map_err(|reason| rules::invalid(key, reason))?)
        }
    };
    frame::write(key, out, |out| {
        out.push(flags);
        out.extend_from_slice(&peer.tracked_since_ns.to_le_bytes());
        out.extend_from_slice(&peer.presence_since_ns.to_le_bytes());
        encode_totals(peer.totals, out);
        out.extend_from_slice(&peer.flap_count.to_le_bytes());
        if let Some(last_flap_ns) = peer.last_flap_ns {
            out.extend_from_slice(&last_flap_ns.to_le_bytes());
        }
        out.extend_from_slice(&peer.disconnects.to_le_bytes());
        out.extend_from_slice(&peer.log_end.to_le_bytes());
        if let (Some(source), Some(imported)) = (source, &peer.imported) {
            out.push(source);
            out.extend_from_slice(&imported.at_ns.to_le_bytes());
            encode_totals(imported.totals, out);
            out.extend_from_slice(&imported.flap_count.to_le_bytes());
        }
        out.extend_from_slice(&channel_count.to_le_bytes());
        for channel in &peer.channels {
            encode_channel(channel, out);
        }
    });
    Ok(())
}

/// Decodes the record of the peer `node_id`.
///
/// # Errors
///
/// [`RecordError`] if the bytes are not a valid record of that peer.
pub fn decode_peer(node_id: &NodeId, bytes: &[u8]) -> Result<PeerRecord, RecordError> {
    let mut body = frame::open(RecordKey::Peer(node_id), bytes)?;
    let flags = body.u8()?;
    let known = if body.format() == FORMAT_1 { PEER_FLAGS_1 } else { PEER_FLAGS_1 | IMPORTED };
    if flags & !known != 0 {
        return Err(RecordError::Invalid("unknown flags"));
    }
    let mut peer = PeerRecord {
        node_id: *node_id,
        watched: flags & WATCHED != 0,
        in_reconnect_grace: flags & IN_RECONNECT_GRACE != 0,
        presence: rules::presence(u64::from(flags & PRESENCE_BITS)).map_err(RecordError::Invalid)?,
        tracked_since_ns: body.u64()?,
        presence_since_ns: body.u64()?,
        totals: decode_totals(&mut body)?,
        flap_count: body.u32()?,
        last_flap_ns: if flags & HAS_FLAPPED != 0 { Some(body.u64()?) } else { None },
        disconnects: body.u32()?,
        log_end: body.u32()?,
        imported: if flags & IMPORTED != 0 { Some(decode_imported(&mut body)?) } else { None },
        channels: Vec::new(),
    };
    let count = usize::try_from(body.u32()?).unwrap_or(usize::MAX);
    // Check the count before allocating: a corrupt count must not allocate more than the record can hold.
    if count > body.len() / min_channel_bytes(body.format()) {
        return Err(RecordError::Invalid("channel count exceeds the length of the record"));
    }
    peer.channels.reserve_exact(count);
    for _ in 0..count {
        peer.channels.push(decode_channel(&mut body)?);
    }
    body.end()?;
    Ok(peer)
}

fn decode_imported(body: &mut Body<'_>) -> Result<Imported, RecordError> {
    Ok(Imported {
        source: rules::source(body.u8()?).map_err(RecordError::Invalid)?,
        at_ns: body.u64()?,
        totals: decode_totals(body)?,
        flap_count: body.u32()?,
    })
}

fn encode_channel(channel: &ChannelRecord, out: &mut Vec<u8>) {
    let ledger = &channel.usable_ledger;
    let funded = if channel.funding.is_some() { FUNDING_KNOWN } else { 0 };
    let reported = rules::reported_usable_code(channel.reported_usable) << REPORTED_USABLE_SHIFT;
    out.push(funded | reported | rules::presence_code(ledger.presence()) << USABLE_LEDGER_SHIFT);
    out.extend_from_slice(&channel.channel_id.0);
    out.extend_from_slice(&channel.opened_at_ns.to_le_bytes());
    encode_totals(channel.opened_totals, out);
    out.extend_from_slice(&ledger.presence_since_ns().to_le_bytes());
    encode_totals(ledger.totals(), out);
    if let Some(funding) = &channel.funding {
        out.extend_from_slice(&funding.txid);
        out.extend_from_slice(&funding.vout.to_le_bytes());
    }
}

fn decode_channel(body: &mut Body<'_>) -> Result<ChannelRecord, RecordError> {
    let flags = body.u8()?;
    let known = if body.format() == FORMAT_1 { FUNDING_KNOWN } else { CHANNEL_FLAGS };
    if flags & !known != 0 {
        return Err(RecordError::Invalid("unknown flags in a channel"));
    }
    let (channel_id, opened_at_ns) = (ChannelId(body.array()?), body.u64()?);
    let channel = ChannelRecord {
        channel_id,
        opened_at_ns,
        opened_totals: decode_totals(body)?,
        reported_usable: rules::reported_usable(flags >> REPORTED_USABLE_SHIFT & 0b11)
            .map_err(RecordError::Invalid)?,
        usable_ledger: if body.format() == FORMAT_1 {
            Ledger::starting(opened_at_ns)
        } else {
            let presence = rules::presence(u64::from(flags >> USABLE_LEDGER_SHIFT & 0b11));
            let since_ns = body.u64()?;
            // Validate the parts first, because `from_parts` clamps invalid values.
            Ledger::from_parts(presence.map_err(RecordError::Invalid)?, since_ns, decode_totals(body)?)
        },
        funding: match flags & FUNDING_KNOWN {
            0 => None,
            _ => Some(OutPoint { txid: body.array()?, vout: body.u32()? }),
        },
    };
    rules::channel(&channel).map_err(RecordError::Invalid)?;
    Ok(channel)
}

fn encode_totals(totals: Totals, out: &mut Vec<u8>) {
    out.extend_from_slice(&totals.online_ns.to_le_bytes());
    out.extend_from_slice(&totals.observed_ns.to_le_bytes());
}

fn decode_totals(body: &mut Body<'_>) -> Result<Totals, RecordError> {
    let totals = Totals { online_ns: body.u64()?, observed_ns: body.u64()? };
    rules::totals(totals).map_err(RecordError::Invalid)?;
    Ok(totals)
}
