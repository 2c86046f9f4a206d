//! Tests that encoding and decoding reject invalid records, and report the violated rule.

use fitness_core::{
    ChannelId, ChannelRecord, GapCause, GapRecord, ImportSource, Imported, Ledger, LogEntry, LogSegment,
    NodeId, ObserverRecord, PeerRecord, Presence, Totals,
};
use fitness_store::codec::{
    RecordError, RecordKey, decode_gap, decode_observer, decode_peer, decode_segment, encode_gap,
    encode_peer, encode_segment, validate_batch,
};
use fitness_store::{Batch, LogReplacement, StoreError};

use crate::reasons::*;
use crate::samples::{
    encoded_gap, encoded_observer, encoded_peer, encoded_segment, gap_with_checksum, record_with_checksum,
    without_checksum,
};

const ID: NodeId = NodeId([2; 33]);

fn plain_peer() -> PeerRecord {
    PeerRecord {
        node_id: ID,
        watched: false,
        in_reconnect_grace: false,
        tracked_since_ns: 1,
        presence: Presence::Online,
        presence_since_ns: 2,
        totals: Totals { online_ns: 3, observed_ns: 4 },
        flap_count: 5,
        last_flap_ns: None,
        disconnects: 6,
        log_end: 7,
        imported: None,
        channels: Vec::new(),
    }
}

fn plain_segment() -> LogSegment {
    let entry = |at_ns| LogEntry::new(at_ns, Presence::Online, Totals { online_ns: 1, observed_ns: 2 });
    LogSegment { node_id: ID, first_number: 64, entries: vec![entry(10), entry(10), entry(11)] }
}

const GAP: GapRecord = GapRecord { number: 7, cause: GapCause::NotRunning, from_ns: 10, to_ns: 11 };

/// Returns a channel that format 1 can represent.
fn channel() -> ChannelRecord {
    ChannelRecord {
        channel_id: ChannelId([5; 32]),
        funding: None,
        opened_at_ns: 3,
        opened_totals: Totals::default(),
        reported_usable: None,
        usable_ledger: Ledger::starting(3),
    }
}

fn peer_with_a_channel() -> PeerRecord {
    PeerRecord { in_reconnect_grace: true, channels: vec![channel()], ..plain_peer() }
}

fn imported_peer() -> PeerRecord {
    let imported = Imported {
        source: ImportSource::Lnd,
        at_ns: 4,
        totals: Totals { online_ns: 3, observed_ns: 5 },
        flap_count: 6,
    };
    PeerRecord { imported: Some(imported), ..plain_peer() }
}

#[test]
fn value_with_another_key_is_detected() {
    let bytes = encoded_peer(&plain_peer());
    assert_eq!(decode_peer(&NodeId([3; 33]), &bytes), Err(RecordError::Checksum));
    let bytes = encoded_segment(&plain_segment());
    assert_eq!(decode_segment(&ID, 2, &bytes), Err(RecordError::Checksum));
    assert_eq!(decode_segment(&NodeId([3; 33]), 1, &bytes), Err(RecordError::Checksum));
    assert_eq!(decode_peer(&ID, &bytes), Err(RecordError::Checksum));
    let bytes = encoded_observer(&ID, &ObserverRecord::default());
    assert_eq!(decode_observer(&NodeId([3; 33]), &bytes), Err(RecordError::Checksum));
    let bytes = encoded_gap(&GAP);
    assert_eq!(decode_gap(GAP.number + 1, &bytes), Err(RecordError::Checksum));
    assert_eq!(decode_observer(&ID, &bytes), Err(RecordError::Checksum));
}

#[test]
fn later_format_is_distinguished_from_damage() {
    for format in [3, 9, 0xff] {
        let with_format = |bytes: Vec<u8>| [&[format], &without_checksum(&bytes)[1..]].concat();
        let newer = RecordError::NewerFormat { found: format };
        let bytes = record_with_checksum(b'P', &ID, None, &with_format(encoded_peer(&plain_peer())));
        assert_eq!(decode_peer(&ID, &bytes), Err(newer));
        let bytes = record_with_checksum(b'S', &ID, Some(1), &with_format(encoded_segment(&plain_segment())));
        assert_eq!(decode_segment(&ID, 1, &bytes), Err(newer));
        let bytes = record_with_checksum(
            b'O',
            &ID,
            None,
            &with_format(encoded_observer(&ID, &ObserverRecord::default())),
        );
        assert_eq!(decode_observer(&ID, &bytes), Err(newer));
        let bytes = gap_with_checksum(GAP.number, &with_format(encoded_gap(&GAP)));
        assert_eq!(decode_gap(GAP.number, &bytes), Err(newer));
    }
    let mut body = without_checksum(&encoded_peer(&plain_peer()));
    body[0] = 0;
    let bytes = record_with_checksum(b'P', &ID, None, &body);
    assert_eq!(decode_peer(&ID, &bytes), Err(INVALID_FORMAT_0));
}

/// Returns the offset of the byte that holds the presence of a segment's entry.
fn presence_byte(entry: usize) -> usize {
    3 + entry * 24 + 23
}

#[test]
fn invalid_peer_or_segment_is_not_decoded() {
    let peer = without_checksum(&encoded_peer(&plain_peer()));
    let segment = without_checksum(&encoded_segment(&plain_segment()));
    let peer_with = |at: usize, value: u8| {
        let mut body = peer.clone();
        body[at] = value;
        decode_peer(&ID, &record_with_checksum(b'P', &ID, None, &body)).expect_err("decoding succeeded")
    };
    let segment_with = |at: usize, value: u8| {
        let mut body = segment.clone();
        body[at] = value;
        decode_segment(&ID, 1, &record_with_checksum(b'S', &ID, Some(1), &body))
            .expect_err("decoding succeeded")
    };
    assert_eq!(peer_with(1, 3), INVALID_PRESENCE);
    assert_eq!(peer_with(1, 0x42), UNKNOWN_FLAGS);
    assert_eq!(peer_with(1, 0x82), UNKNOWN_FLAGS);
    assert_eq!(peer_with(18, 5), ONLINE_EXCEEDS_OBSERVED);
    assert_eq!(peer_with(33, 0x40), OBSERVED_EXCEEDS_LIMIT);
    assert_eq!(peer_with(46, 1), CHANNEL_COUNT);
    assert_eq!(segment_with(1, 64), START_BEYOND_END);
    assert_eq!(segment_with(1, 62), TOO_MANY_ENTRIES);
    assert_eq!(segment_with(2, 65), TOO_MANY_ENTRIES);
    assert_eq!(segment_with(2, 4), UNEXPECTED_END);
    assert_eq!(segment_with(2, 2), UNEXPECTED_BYTES);
    assert_eq!(segment_with(3, 12), NOT_CHRONOLOGICAL);
    assert_eq!(segment_with(11, 3), ONLINE_EXCEEDS_OBSERVED);
    assert_eq!(segment_with(presence_byte(2), 0xc0), INVALID_PRESENCE);
    // The first entry of this segment would have a number above `u32::MAX`.
    let far = record_with_checksum(b'S', &ID, Some(67_108_864), &segment);
    assert!(matches!(decode_segment(&ID, 67_108_864, &far), Err(RecordError::Invalid(_))));
}

/// The imported values precede the number of channels: source, time, totals, flap count.
#[test]
fn invalid_imported_values_are_not_decoded() {
    const SOURCE: usize = 46;
    let body = without_checksum(&encoded_peer(&imported_peer()));
    let peer = |body: &[u8]| decode_peer(&ID, &record_with_checksum(b'P', &ID, None, body));
    assert_eq!(peer(&body), Ok(imported_peer()));
    let with = |at: usize, value: u8| {
        let mut body = body.clone();
        body[at] = value;
        peer(&body).expect_err("decoding succeeded")
    };
    for code in [0, 2, 0xff] {
        assert_eq!(with(SOURCE, code), INVALID_IMPORT_SOURCE);
    }
    assert_eq!(with(SOURCE + 9, 6), ONLINE_EXCEEDS_OBSERVED);
    assert_eq!(with(SOURCE + 24, 0x40), OBSERVED_EXCEEDS_LIMIT);
    assert_eq!(peer(&body[..SOURCE + 28]), Err(UNEXPECTED_END));
    let mut unflagged = body.clone();
    unflagged[1] &= !0x20;
    assert!(
        matches!(peer(&unflagged), Err(RecordError::Invalid(_))),
        "imported values without their flag were decoded"
    );
}

/// The bytes of the only channel: flags, id, opening time and totals, then the usability ledger.
#[test]
fn invalid_channel_is_not_decoded() {
    const FLAGS: usize = 50;
    const SINCE: usize = FLAGS + 57;
    let body = without_checksum(&encoded_peer(&peer_with_a_channel()));
    let with = |at: usize, value: u8| {
        let mut body = body.clone();
        body[at] = value;
        decode_peer(&ID, &record_with_checksum(b'P', &ID, None, &body)).expect_err("decoding succeeded")
    };
    assert_eq!(with(FLAGS, 0x20), UNKNOWN_CHANNEL_FLAGS);
    assert_eq!(with(FLAGS, 0x80), UNKNOWN_CHANNEL_FLAGS);
    assert_eq!(with(FLAGS, 0b110), INVALID_USABILITY);
    assert_eq!(with(FLAGS, 0b1_1000), INVALID_PRESENCE);
    assert_eq!(with(FLAGS, 1), UNEXPECTED_END);
    assert_eq!(with(SINCE, 2), USABLE_BEFORE_OPENED);
    assert_eq!(with(SINCE + 8, 1), ONLINE_EXCEEDS_OBSERVED);
    assert_eq!(with(SINCE + 23, 0x40), OBSERVED_EXCEEDS_LIMIT);
}

#[test]
fn invalid_observer_or_gap_is_not_decoded() {
    let record = ObserverRecord { ongoing_gap: Some((GapCause::Paused, 1)), ..ObserverRecord::default() };
    let body = without_checksum(&encoded_observer(&ID, &record));
    let observer = |body: &[u8]| {
        decode_observer(&ID, &record_with_checksum(b'O', &ID, None, body)).expect_err("decoding succeeded")
    };
    let cause = body.len() - 9;
    for code in [5, 0xff] {
        let mut wrong = body.clone();
        wrong[cause] = code;
        assert_eq!(observer(&wrong), INVALID_CAUSE);
    }
    let mut none = body.clone();
    none[cause] = 0;
    assert_eq!(observer(&none), UNEXPECTED_BYTES);
    assert_eq!(observer(&body[..cause]), UNEXPECTED_END);

    let body = without_checksum(&encoded_gap(&GAP));
    let gap = |body: &[u8]| decode_gap(7, &gap_with_checksum(7, body)).expect_err("decoding succeeded");
    for code in [0, 5, 0xff] {
        let mut wrong = body.clone();
        wrong[1] = code;
        assert_eq!(gap(&wrong), INVALID_CAUSE);
    }
    let mut backwards = body.clone();
    backwards[10] = 9;
    assert_eq!(gap(&backwards), ENDS_BEFORE_START);
    assert_eq!(gap(&body[..17]), UNEXPECTED_END);
    assert_eq!(gap(&[&body[..], &[0]].concat()), UNEXPECTED_BYTES);
}

#[test]
fn format_1_rejects_fields_of_format_2() {
    let as_format_1 = |bytes: Vec<u8>| [&[1], &without_checksum(&bytes)[1..]].concat();
    let gap = gap_with_checksum(7, &as_format_1(encoded_gap(&GAP)));
    assert_eq!(decode_gap(7, &gap), Err(NO_GAPS_IN_FORMAT_1));

    let longer = as_format_1(encoded_observer(&ID, &ObserverRecord::default()));
    let observer = decode_observer(&ID, &record_with_checksum(b'O', &ID, None, &longer));
    assert_eq!(observer, Err(UNEXPECTED_BYTES));

    let imported = record_with_checksum(b'P', &ID, None, &as_format_1(encoded_peer(&imported_peer())));
    assert_eq!(decode_peer(&ID, &imported), Err(UNKNOWN_FLAGS));

    let longer = as_format_1(encoded_peer(&peer_with_a_channel()));
    let peer = |body: &[u8]| decode_peer(&ID, &record_with_checksum(b'P', &ID, None, body));
    assert_eq!(peer(&longer), Err(UNEXPECTED_BYTES));
    let mut shorter = longer[..longer.len() - 24].to_vec();
    assert_eq!(peer(&shorter), Ok(peer_with_a_channel()));
    for flags in [0b010, 0b0_1000] {
        shorter[50] = flags;
        assert_eq!(peer(&shorter), Err(UNKNOWN_CHANNEL_FLAGS),);
    }
}

/// Returns the item that a `StoreError::Invalid` names.
fn item_of(error: &StoreError) -> &str {
    match error {
        StoreError::Invalid { item, .. } => item,
        other => panic!("expected StoreError::Invalid, got: {other}"),
    }
}

#[test]
fn invalid_record_is_not_encoded() {
    let impossible = Totals { online_ns: 2, observed_ns: 1 };
    let too_long = Totals { online_ns: 0, observed_ns: Totals::LIMIT_NS + 1 };
    let mut bytes = vec![1, 2, 3];
    for totals in [impossible, too_long] {
        let error =
            encode_peer(&PeerRecord { totals, ..plain_peer() }, &mut bytes).expect_err("encoding succeeded");
        assert_eq!(item_of(&error), RecordKey::Peer(&ID).to_string());
    }
    for totals in [impossible, too_long] {
        let mut peer = imported_peer();
        peer.imported = peer.imported.map(|imported| Imported { totals, ..imported });
        let error = encode_peer(&peer, &mut bytes).expect_err("encoding succeeded");
        assert!(matches!(error, StoreError::Invalid { .. }));
    }
    let mut unordered = plain_segment();
    unordered.entries.reverse();
    let mut overfull = plain_segment();
    overfull.entries.resize(65, overfull.entries[2]);
    let overflowing = LogSegment { first_number: 126, ..plain_segment() };
    for segment in [unordered, overfull, overflowing] {
        let error = encode_segment(&segment, &mut bytes).expect_err("encoding succeeded");
        assert_eq!(item_of(&error), RecordKey::Segment(&ID, 1).to_string());
    }
    let totals = Ledger::from_parts(Presence::Online, 3, impossible);
    for usable in [totals, Ledger::starting(2)] {
        let channels = vec![ChannelRecord { usable_ledger: usable, ..channel() }];
        let error = encode_peer(&PeerRecord { channels, ..plain_peer() }, &mut bytes)
            .expect_err("encoding succeeded");
        assert!(matches!(error, StoreError::Invalid { .. }));
    }
    let error = encode_gap(&GapRecord { to_ns: 9, ..GAP }, &mut bytes).expect_err("encoding succeeded");
    assert_eq!(item_of(&error), RecordKey::Gap(7).to_string());
    assert_eq!(bytes, [1, 2, 3], "the buffer changed");
}

/// Stores call `validate_batch` first; the conformance suite tests that each backend does.
#[test]
fn invalid_replacement_is_reported() {
    let segment = |first| LogSegment { first_number: first, ..plain_segment() };
    let reason = |below, segments: &[LogSegment]| {
        let replacement = LogReplacement { node_id: ID, below_index: below, segments: segments.to_vec() };
        let batch = Batch { replacements: vec![replacement], ..Batch::default() };
        match validate_batch(&ID, &batch) {
            Ok(()) => None,
            Err(StoreError::Invalid { item, reason }) => Some((item, reason)),
            Err(other) => panic!("expected StoreError::Invalid, got: {other}"),
        }
    };
    let key = |index| RecordKey::Segment(&ID, index).to_string();
    assert_eq!(reason(0, &[]), None);
    assert_eq!(reason(3, &[segment(0), segment(128)]), None);
    assert_eq!(reason(2, &[segment(0), segment(128)]), Some((key(2), NOT_BELOW_INDEX)));
    assert_eq!(reason(3, &[segment(64), segment(0)]), Some((key(0), NOT_ASCENDING)));
    assert_eq!(reason(3, &[segment(64), segment(100)]), Some((key(1), NOT_ASCENDING)));
    let mut unordered = segment(64);
    unordered.entries.reverse();
    assert_eq!(reason(3, &[unordered]), Some((key(1), ENTRIES_NOT_CHRONOLOGICAL)));
    let (item, reason) =
        reason(3, &[LogSegment { node_id: NodeId([3; 33]), ..segment(0) }]).expect("an error");
    assert_eq!(item, RecordKey::Segment(&NodeId([3; 33]), 0).to_string());
    assert_eq!(reason, OTHER_PEER);
}

#[test]
fn excessive_channel_count_is_rejected() {
    let mut body = without_checksum(&encoded_peer(&plain_peer()));
    let count = body.len() - 4;
    body[count..].copy_from_slice(&u32::MAX.to_le_bytes());
    let bytes = record_with_checksum(b'P', &ID, None, &body);
    assert_eq!(decode_peer(&ID, &bytes), Err(CHANNEL_COUNT));
    // The remaining bytes are enough for a channel of format 1, but not of format 2.
    let mut body = without_checksum(&encoded_peer(&peer_with_a_channel()));
    body.truncate(body.len() - 24);
    let bytes = record_with_checksum(b'P', &ID, None, &body);
    assert_eq!(decode_peer(&ID, &bytes), Err(CHANNEL_COUNT));
}
