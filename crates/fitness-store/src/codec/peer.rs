//! A peer's record.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format |
//! | 1 | flags: presence in bits 0 and 1, watched in 2, has flapped in 3, awaited in 4, taken over in 5 |
//! | 8, 8 | first seen, since |
//! | 8, 8 | totals: online, observed |
//! | 4 | flap count |
//! | 8 | last flap, where it has flapped |
//! | 4, 4 | disconnects, end of the log |
//! | 29 | what was taken over, where something was |
//! | 4 | number of channels |
//! | 81 or 117 each | a channel |
//! | 4 | checksum |
//!
//! What was taken over, of which format 1 has nothing:
//!
//! | bytes | field |
//! |---|---|
//! | 1 | from whom: 1 lnd |
//! | 8 | until when |
//! | 8, 8 | totals: online, observed |
//! | 4 | flap count |
//!
//! A channel, of which format 1 has neither the bits 1 to 4 of the flags nor the account of usable
//! time:
//!
//! | bytes | field |
//! |---|---|
//! | 1 | flags: funding known in bit 0; ready in 1 and 2 (0 never said, 1 no, 2 yes); the presence of its usable account in 3 and 4 |
//! | 32 | id |
//! | 8 | opened at |
//! | 8, 8 | totals at its opening: online, observed |
//! | 8 | usable account: since |
//! | 8, 8 | its totals: usable, observed |
//! | 32, 4 | funding transaction and output, where they are known |

use fitness_core::{ChannelId, ChannelRecord, Imported, Ledger, NodeId, OutPoint, PeerRecord, Totals};

use super::frame::{self, Body};
use super::{FORMAT_1, RecordError, RecordKey, rules};
use crate::StoreError;

const PRESENCE_BITS: u8 = 0b11;
const WATCHED: u8 = 1 << 2;
const HAS_FLAPPED: u8 = 1 << 3;
const AWAITED: u8 = 1 << 4;
const TAKEN_OVER: u8 = 1 << 5;
const FLAGS_1: u8 = PRESENCE_BITS | WATCHED | HAS_FLAPPED | AWAITED;

const FUNDED: u8 = 1;
const READY_SHIFT: u32 = 1;
const USABLE_SHIFT: u32 = 3;
const CHANNEL_FLAGS: u8 = FUNDED | 0b11 << READY_SHIFT | 0b11 << USABLE_SHIFT;

/// The size of a channel whose funding is not known.
const fn smallest_channel_bytes(format: u8) -> usize {
    if format == FORMAT_1 { 57 } else { 81 }
}

/// Appends the value of a peer's record to `out`.
///
/// # Errors
///
/// [`StoreError::Invalid`] if the record breaks a rule of the model; `out` is as it was.
pub fn encode_peer(peer: &PeerRecord, out: &mut Vec<u8>) -> Result<(), StoreError> {
    let name = RecordKey::Peer(&peer.node_id);
    rules::peer(peer).map_err(|reason| rules::invalid(name, reason))?;
    let channel_count = u32::try_from(peer.channels.len())
        .map_err(|_| rules::invalid(name, "it has more channels than can be counted"))?;
    let mut flags = rules::presence_code(peer.presence);
    if peer.watched {
        flags |= WATCHED;
    }
    if peer.last_flap_ns.is_some() {
        flags |= HAS_FLAPPED;
    }
    if peer.in_reconnect_grace {
        flags |= AWAITED;
    }
    let source = match peer.imported {
        None => None,
        Some(taken) => {
            flags |= TAKEN_OVER;
            Some(rules::source_code(taken.source).map_err(|reason| rules::invalid(name, reason))?)
        }
    };
    frame::write(name, out, |out| {
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
        if let (Some(source), Some(taken)) = (source, &peer.imported) {
            out.push(source);
            out.extend_from_slice(&taken.at_ns.to_le_bytes());
            encode_totals(taken.totals, out);
            out.extend_from_slice(&taken.flap_count.to_le_bytes());
        }
        out.extend_from_slice(&channel_count.to_le_bytes());
        for channel in &peer.channels {
            encode_channel(channel, out);
        }
    });
    Ok(())
}

/// The record of the peer `node_id`, from its value.
///
/// # Errors
///
/// [`RecordError`] if these bytes are not the record of that peer.
pub fn decode_peer(node_id: &NodeId, bytes: &[u8]) -> Result<PeerRecord, RecordError> {
    let mut body = frame::open(RecordKey::Peer(node_id), bytes)?;
    let flags = body.u8()?;
    let known = if body.format() == FORMAT_1 { FLAGS_1 } else { FLAGS_1 | TAKEN_OVER };
    if flags & !known != 0 {
        return Err(RecordError::Invalid("it has flags that do not exist"));
    }
    let mut peer = PeerRecord {
        node_id: *node_id,
        watched: flags & WATCHED != 0,
        in_reconnect_grace: flags & AWAITED != 0,
        presence: rules::presence(u64::from(flags & PRESENCE_BITS)).map_err(RecordError::Invalid)?,
        tracked_since_ns: body.u64()?,
        presence_since_ns: body.u64()?,
        totals: decode_totals(&mut body)?,
        flap_count: body.u32()?,
        last_flap_ns: if flags & HAS_FLAPPED != 0 { Some(body.u64()?) } else { None },
        disconnects: body.u32()?,
        log_end: body.u32()?,
        imported: if flags & TAKEN_OVER != 0 { Some(decode_taken_over(&mut body)?) } else { None },
        channels: Vec::new(),
    };
    let count = usize::try_from(body.u32()?).unwrap_or(usize::MAX);
    // The count is not trusted with an allocation that the bytes do not account for.
    if count > body.len() / smallest_channel_bytes(body.format()) {
        return Err(RecordError::Invalid("it has fewer channels than it says"));
    }
    peer.channels.reserve_exact(count);
    for _ in 0..count {
        peer.channels.push(decode_channel(&mut body)?);
    }
    body.end()?;
    Ok(peer)
}

fn decode_taken_over(body: &mut Body<'_>) -> Result<Imported, RecordError> {
    Ok(Imported {
        source: rules::source(body.u8()?).map_err(RecordError::Invalid)?,
        at_ns: body.u64()?,
        totals: decode_totals(body)?,
        flap_count: body.u32()?,
    })
}

fn encode_channel(channel: &ChannelRecord, out: &mut Vec<u8>) {
    let usable = &channel.usable_ledger;
    let funded = if channel.funding.is_some() { FUNDED } else { 0 };
    let ready = rules::ready_code(channel.reported_usable) << READY_SHIFT;
    out.push(funded | ready | rules::presence_code(usable.presence()) << USABLE_SHIFT);
    out.extend_from_slice(&channel.channel_id.0);
    out.extend_from_slice(&channel.opened_at_ns.to_le_bytes());
    encode_totals(channel.opened_totals, out);
    out.extend_from_slice(&usable.presence_since_ns().to_le_bytes());
    encode_totals(usable.totals(), out);
    if let Some(funding) = &channel.funding {
        out.extend_from_slice(&funding.txid);
        out.extend_from_slice(&funding.vout.to_le_bytes());
    }
}

fn decode_channel(body: &mut Body<'_>) -> Result<ChannelRecord, RecordError> {
    let flags = body.u8()?;
    let known = if body.format() == FORMAT_1 { FUNDED } else { CHANNEL_FLAGS };
    if flags & !known != 0 {
        return Err(RecordError::Invalid("a channel of it has flags that do not exist"));
    }
    let (channel_id, opened_at_ns) = (ChannelId(body.array()?), body.u64()?);
    let channel = ChannelRecord {
        channel_id,
        opened_at_ns,
        opened_totals: decode_totals(body)?,
        reported_usable: rules::ready(flags >> READY_SHIFT & 0b11).map_err(RecordError::Invalid)?,
        usable_ledger: if body.format() == FORMAT_1 {
            Ledger::starting(opened_at_ns)
        } else {
            let presence = rules::presence(u64::from(flags >> USABLE_SHIFT & 0b11));
            let since_ns = body.u64()?;
            // Before the account is made: making it would clamp what is wrong.
            Ledger::from_parts(presence.map_err(RecordError::Invalid)?, since_ns, decode_totals(body)?)
        },
        funding: match flags & FUNDED {
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
