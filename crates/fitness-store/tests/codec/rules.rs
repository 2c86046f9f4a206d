//! What breaks a rule is refused, in and out, by the name of the rule.

use fitness_core::{
    ChannelId, ChannelRecord, GapCause, GapRecord, ImportSource, Imported, Ledger, LogEntry, LogSegment,
    NodeId, ObserverRecord, PeerRecord, Presence, Totals,
};
use fitness_store::codec::{
    RecordError, decode_gap, decode_observer, decode_peer, decode_segment, encode_gap, encode_peer,
    encode_segment, validate_batch,
};
use fitness_store::{Batch, LogReplacement, StoreError};

use crate::samples::{
    encoded_gap, encoded_observer, encoded_peer, encoded_segment, framed, framed_gap, unframed,
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

/// Without what format 1 did not have.
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

fn peer_taken_over() -> PeerRecord {
    let imported = Imported {
        source: ImportSource::Lnd,
        at_ns: 4,
        totals: Totals { online_ns: 3, observed_ns: 5 },
        flap_count: 6,
    };
    PeerRecord { imported: Some(imported), ..plain_peer() }
}

#[test]
fn a_value_under_another_key_is_found() {
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
fn a_later_format_is_told_from_damage() {
    for format in [3, 9, 0xff] {
        let with_format = |bytes: Vec<u8>| [&[format], &unframed(&bytes)[1..]].concat();
        let newer = RecordError::NewerFormat { found: format };
        let bytes = framed(b'P', &ID, None, &with_format(encoded_peer(&plain_peer())));
        assert_eq!(decode_peer(&ID, &bytes), Err(newer));
        let bytes = framed(b'S', &ID, Some(1), &with_format(encoded_segment(&plain_segment())));
        assert_eq!(decode_segment(&ID, 1, &bytes), Err(newer));
        let bytes = framed(b'O', &ID, None, &with_format(encoded_observer(&ID, &ObserverRecord::default())));
        assert_eq!(decode_observer(&ID, &bytes), Err(newer));
        let bytes = framed_gap(GAP.number, &with_format(encoded_gap(&GAP)));
        assert_eq!(decode_gap(GAP.number, &bytes), Err(newer));
        assert!(newer.to_string().contains("reads formats up to 2"), "{newer}");
    }
    let mut body = unframed(&encoded_peer(&plain_peer()));
    body[0] = 0;
    let bytes = framed(b'P', &ID, None, &body);
    assert_eq!(decode_peer(&ID, &bytes), Err(RecordError::Invalid("there is no format 0")));
}

/// The byte of a segment's entry that holds its presence.
fn presence_byte(entry: usize) -> usize {
    3 + entry * 24 + 23
}

#[test]
fn a_record_that_breaks_a_rule_is_refused_on_its_way_out() {
    let peer = unframed(&encoded_peer(&plain_peer()));
    let segment = unframed(&encoded_segment(&plain_segment()));
    let peer_with = |at: usize, value: u8| {
        let mut body = peer.clone();
        body[at] = value;
        decode_peer(&ID, &framed(b'P', &ID, None, &body)).expect_err("it was read")
    };
    let segment_with = |at: usize, value: u8| {
        let mut body = segment.clone();
        body[at] = value;
        decode_segment(&ID, 1, &framed(b'S', &ID, Some(1), &body)).expect_err("it was read")
    };
    assert_eq!(peer_with(1, 3), RecordError::Invalid("it has a presence that does not exist"));
    assert_eq!(peer_with(1, 0x42), RecordError::Invalid("it has flags that do not exist"));
    assert_eq!(peer_with(1, 0x82), RecordError::Invalid("it has flags that do not exist"));
    assert_eq!(peer_with(18, 5), RecordError::Invalid("it counts more time online than observed"));
    assert_eq!(peer_with(33, 0x40), RecordError::Invalid("it counts more time than there is"));
    assert_eq!(peer_with(46, 1), RecordError::Invalid("it has fewer channels than it says"));
    assert_eq!(segment_with(1, 64), RecordError::Invalid("it starts after its end"));
    assert_eq!(segment_with(1, 62), RecordError::Invalid("it has more entries than a segment has room for"));
    assert_eq!(segment_with(2, 65), RecordError::Invalid("it has more entries than a segment has room for"));
    assert_eq!(segment_with(2, 4), RecordError::Invalid("it ends in the middle of a field"));
    assert_eq!(segment_with(2, 2), RecordError::Invalid("it goes on after its end"));
    assert_eq!(segment_with(3, 12), RecordError::Invalid("its entries are not in order of time"));
    assert_eq!(segment_with(11, 3), RecordError::Invalid("it counts more time online than observed"));
    let no_presence = RecordError::Invalid("it has a presence that does not exist");
    assert_eq!(segment_with(presence_byte(2), 0xc0), no_presence);
    // The first entry of such a segment would have a number beyond what a log can count to.
    let far = framed(b'S', &ID, Some(67_108_864), &segment);
    assert!(matches!(decode_segment(&ID, 67_108_864, &far), Err(RecordError::Invalid(_))));
}

/// The bytes of what was taken over stand before the number of channels: source, moment, totals, flaps.
#[test]
fn what_was_taken_over_and_breaks_a_rule_is_refused_on_its_way_out() {
    const SOURCE: usize = 46;
    let body = unframed(&encoded_peer(&peer_taken_over()));
    let peer = |body: &[u8]| decode_peer(&ID, &framed(b'P', &ID, None, body));
    assert_eq!(peer(&body), Ok(peer_taken_over()));
    let with = |at: usize, value: u8| {
        let mut body = body.clone();
        body[at] = value;
        peer(&body).expect_err("it was read")
    };
    let nobody = RecordError::Invalid("it was taken over from a program that does not exist");
    for code in [0, 2, 0xff] {
        assert_eq!(with(SOURCE, code), nobody);
    }
    assert_eq!(with(SOURCE + 9, 6), RecordError::Invalid("it counts more time online than observed"));
    assert_eq!(with(SOURCE + 24, 0x40), RecordError::Invalid("it counts more time than there is"));
    assert_eq!(peer(&body[..SOURCE + 28]), Err(RecordError::Invalid("it ends in the middle of a field")));
    let mut without = body.clone();
    without[1] &= !0x20;
    assert!(
        matches!(peer(&without), Err(RecordError::Invalid(_))),
        "the bytes are there, and the flag is not"
    );
}

/// The bytes of the only channel: flags, id, opening and totals, then the account of usable time.
#[test]
fn a_channel_that_breaks_a_rule_is_refused_on_its_way_out() {
    const FLAGS: usize = 50;
    const SINCE: usize = FLAGS + 57;
    let body = unframed(&encoded_peer(&peer_with_a_channel()));
    let with = |at: usize, value: u8| {
        let mut body = body.clone();
        body[at] = value;
        decode_peer(&ID, &framed(b'P', &ID, None, &body)).expect_err("it was read")
    };
    assert_eq!(with(FLAGS, 0x20), RecordError::Invalid("a channel of it has flags that do not exist"));
    assert_eq!(with(FLAGS, 0x80), RecordError::Invalid("a channel of it has flags that do not exist"));
    assert_eq!(with(FLAGS, 0b110), RecordError::Invalid("a channel of it is neither ready nor not"));
    assert_eq!(with(FLAGS, 0b1_1000), RecordError::Invalid("it has a presence that does not exist"));
    assert_eq!(with(FLAGS, 1), RecordError::Invalid("it ends in the middle of a field"));
    assert_eq!(with(SINCE, 2), RecordError::Invalid("a channel of it was usable before it was opened"));
    assert_eq!(with(SINCE + 8, 1), RecordError::Invalid("it counts more time online than observed"));
    assert_eq!(with(SINCE + 23, 0x40), RecordError::Invalid("it counts more time than there is"));
}

#[test]
fn an_observer_or_gap_that_breaks_a_rule_is_refused_on_its_way_out() {
    let record = ObserverRecord { ongoing_gap: Some((GapCause::Paused, 1)), ..ObserverRecord::default() };
    let body = unframed(&encoded_observer(&ID, &record));
    let observer =
        |body: &[u8]| decode_observer(&ID, &framed(b'O', &ID, None, body)).expect_err("it was read");
    let cause = body.len() - 9;
    for code in [5, 0xff] {
        let mut wrong = body.clone();
        wrong[cause] = code;
        assert_eq!(observer(&wrong), RecordError::Invalid("it has a cause that does not exist"));
    }
    let mut none = body.clone();
    none[cause] = 0;
    assert_eq!(observer(&none), RecordError::Invalid("it goes on after its end"));
    assert_eq!(observer(&body[..cause]), RecordError::Invalid("it ends in the middle of a field"));

    let body = unframed(&encoded_gap(&GAP));
    let gap = |body: &[u8]| decode_gap(7, &framed_gap(7, body)).expect_err("it was read");
    for code in [0, 5, 0xff] {
        let mut wrong = body.clone();
        wrong[1] = code;
        assert_eq!(gap(&wrong), RecordError::Invalid("it has a cause that does not exist"));
    }
    let mut backwards = body.clone();
    backwards[10] = 9;
    assert_eq!(gap(&backwards), RecordError::Invalid("it ends before it begins"));
    assert_eq!(gap(&body[..17]), RecordError::Invalid("it ends in the middle of a field"));
    assert_eq!(gap(&[&body[..], &[0]].concat()), RecordError::Invalid("it goes on after its end"));
}

/// What came with format 2 is not taken for a part of format 1.
#[test]
fn format_1_has_nothing_of_format_2() {
    let as_format_1 = |bytes: Vec<u8>| [&[1], &unframed(&bytes)[1..]].concat();
    let gap = framed_gap(7, &as_format_1(encoded_gap(&GAP)));
    assert_eq!(decode_gap(7, &gap), Err(RecordError::Invalid("there are no gaps in format 1")));

    let longer = as_format_1(encoded_observer(&ID, &ObserverRecord::default()));
    let observer = decode_observer(&ID, &framed(b'O', &ID, None, &longer));
    assert_eq!(observer, Err(RecordError::Invalid("it goes on after its end")));

    let imported = framed(b'P', &ID, None, &as_format_1(encoded_peer(&peer_taken_over())));
    assert_eq!(decode_peer(&ID, &imported), Err(RecordError::Invalid("it has flags that do not exist")));

    let longer = as_format_1(encoded_peer(&peer_with_a_channel()));
    let peer = |body: &[u8]| decode_peer(&ID, &framed(b'P', &ID, None, body));
    assert_eq!(peer(&longer), Err(RecordError::Invalid("it goes on after its end")));
    let mut shorter = longer[..longer.len() - 24].to_vec();
    assert_eq!(peer(&shorter), Ok(peer_with_a_channel()));
    for flags in [0b010, 0b0_1000] {
        shorter[50] = flags;
        assert_eq!(peer(&shorter), Err(RecordError::Invalid("a channel of it has flags that do not exist")),);
    }
}

#[test]
fn a_record_that_breaks_a_rule_is_refused_on_its_way_in() {
    let impossible = Totals { online_ns: 2, observed_ns: 1 };
    let endless = Totals { online_ns: 0, observed_ns: Totals::LIMIT_NS + 1 };
    let mut bytes = vec![1, 2, 3];
    for totals in [impossible, endless] {
        let error =
            encode_peer(&PeerRecord { totals, ..plain_peer() }, &mut bytes).expect_err("it was taken");
        assert!(matches!(error, StoreError::Invalid { .. }));
        assert!(error.to_string().contains(&ID.to_string()), "{error}");
    }
    for totals in [impossible, endless] {
        let mut peer = peer_taken_over();
        peer.imported = peer.imported.map(|imported| Imported { totals, ..imported });
        let error = encode_peer(&peer, &mut bytes).expect_err("it was taken");
        assert!(matches!(error, StoreError::Invalid { .. }));
    }
    let mut unordered = plain_segment();
    unordered.entries.reverse();
    let mut overfull = plain_segment();
    overfull.entries.resize(65, overfull.entries[2]);
    let shifted = LogSegment { first_number: 126, ..plain_segment() };
    for segment in [unordered, overfull, shifted] {
        let error = encode_segment(&segment, &mut bytes).expect_err("it was taken");
        assert!(matches!(error, StoreError::Invalid { .. }));
        assert!(error.to_string().contains("log segment 1"), "{error}");
    }
    let totals = Ledger::from_parts(Presence::Online, 3, impossible);
    for usable in [totals, Ledger::starting(2)] {
        let channels = vec![ChannelRecord { usable_ledger: usable, ..channel() }];
        let error =
            encode_peer(&PeerRecord { channels, ..plain_peer() }, &mut bytes).expect_err("it was taken");
        assert!(matches!(error, StoreError::Invalid { .. }));
    }
    let error = encode_gap(&GapRecord { to_ns: 9, ..GAP }, &mut bytes).expect_err("it was taken");
    assert!(matches!(error, StoreError::Invalid { .. }));
    assert!(error.to_string().contains("gap 7"), "{error}");
    assert_eq!(bytes, [1, 2, 3], "what was there before is left alone");
}

/// What a store asks before it takes a batch; each backend is asked by the conformance suite.
#[test]
fn a_replacement_that_is_none_is_named() {
    let segment = |first| LogSegment { first_number: first, ..plain_segment() };
    let reason = |below, segments: &[LogSegment]| {
        let replacement = LogReplacement { node_id: ID, below_index: below, segments: segments.to_vec() };
        let batch = Batch { replacements: vec![replacement], ..Batch::default() };
        match validate_batch(&ID, &batch) {
            Err(StoreError::Invalid { item, reason }) => Some((item, reason)),
            other => {
                other.expect("no other error");
                None
            }
        }
    };
    let name = |index| format!("log segment {index} of peer {ID}");
    assert_eq!(reason(0, &[]), None);
    assert_eq!(reason(3, &[segment(0), segment(128)]), None);
    let beyond = "it is to replace a part of the log that it does not belong to";
    assert_eq!(reason(2, &[segment(0), segment(128)]), Some((name(2), beyond)));
    let order = "it is to replace a part of the log out of order";
    assert_eq!(reason(3, &[segment(64), segment(0)]), Some((name(0), order)));
    assert_eq!(reason(3, &[segment(64), segment(100)]), Some((name(1), order)));
    let mut unordered = segment(64);
    unordered.entries.reverse();
    assert_eq!(reason(3, &[unordered]), Some((name(1), "its entries are not in order of time")));
    let (what, reason) =
        reason(3, &[LogSegment { node_id: NodeId([3; 33]), ..segment(0) }]).expect("an error");
    assert!(what.contains(&NodeId([3; 33]).to_string()), "{what}");
    assert_eq!(reason, "it is to replace a part of another peer's log");
}

#[test]
fn a_count_that_lies_allocates_nothing() {
    let mut body = unframed(&encoded_peer(&plain_peer()));
    let count = body.len() - 4;
    body[count..].copy_from_slice(&u32::MAX.to_le_bytes());
    let bytes = framed(b'P', &ID, None, &body);
    assert_eq!(decode_peer(&ID, &bytes), Err(RecordError::Invalid("it has fewer channels than it says")));
    // What would do for a channel of format 1 does not for one of format 2.
    let mut body = unframed(&encoded_peer(&peer_with_a_channel()));
    body.truncate(body.len() - 24);
    let bytes = framed(b'P', &ID, None, &body);
    assert_eq!(decode_peer(&ID, &bytes), Err(RecordError::Invalid("it has fewer channels than it says")));
}
