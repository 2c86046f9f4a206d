//! Records survive their bytes, and no bytes do harm.

use fitness_core::{
    ChannelId, ChannelRecord, LogEntry, LogSegment, NodeId, ObserverRecord, OutPoint, PeerRecord, Presence,
    SEGMENT_ENTRIES, Totals,
};
use fitness_store::StoreError;
use fitness_store::codec::{
    FORMAT, RecordError, decode_observer, decode_peer, decode_segment, encode_observer, encode_peer,
    encode_segment,
};
use proptest::prelude::*;

fn node_ids() -> impl Strategy<Value = NodeId> {
    any::<[u8; 32]>().prop_map(|key| {
        let mut id = [2; 33];
        id[1..].copy_from_slice(&key);
        NodeId(id)
    })
}

/// Small, large and ordinary numbers alike.
fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), 0..1_000_u64, any::<u64>()]
}

fn totals() -> impl Strategy<Value = Totals> {
    (numbers(), numbers()).prop_map(|(a, b)| {
        let (a, b) = (a.min(Totals::LIMIT_NS), b.min(Totals::LIMIT_NS));
        Totals { online_ns: a.min(b), observed_ns: a.max(b) }
    })
}

fn presences() -> impl Strategy<Value = Presence> {
    any::<Option<bool>>().prop_map(Presence::from)
}

fn channels() -> impl Strategy<Value = ChannelRecord> {
    let funding = proptest::option::of((any::<[u8; 32]>(), any::<u32>()));
    (any::<[u8; 32]>(), funding, numbers(), totals()).prop_map(
        |(id, funding, opened_at_ns, opened_totals)| ChannelRecord {
            channel_id: ChannelId(id),
            funding: funding.map(|(txid, vout)| OutPoint { txid, vout }),
            opened_at_ns,
            opened_totals,
        },
    )
}

fn peers() -> impl Strategy<Value = PeerRecord> {
    let times = (numbers(), numbers(), proptest::option::of(numbers()));
    let counts = (any::<u32>(), any::<u32>(), any::<u32>());
    let channels = proptest::collection::vec(channels(), 0..5);
    (node_ids(), any::<[bool; 2]>(), times, presences(), totals(), counts, channels).prop_map(
        |(node_id, [watched, awaited], times, presence, totals, counts, channels)| PeerRecord {
            node_id,
            watched,
            awaited,
            first_seen_ns: times.0,
            presence,
            since_ns: times.1,
            totals,
            flap_count: counts.0,
            last_flap_ns: times.2,
            disconnects: counts.1,
            log_end: counts.2,
            channels,
        },
    )
}

fn segments() -> impl Strategy<Value = LogSegment> {
    let entries = proptest::collection::vec((numbers(), presences(), totals()), 0..=64_usize);
    (node_ids(), any::<u32>(), entries).prop_map(|(node_id, first, mut entries)| {
        entries.sort_by_key(|(at_ns, ..)| *at_ns);
        entries.truncate((SEGMENT_ENTRIES - first % SEGMENT_ENTRIES) as usize);
        let entries = entries.into_iter().map(|(at, presence, totals)| LogEntry::new(at, presence, totals));
        LogSegment { node_id, first, entries: entries.collect() }
    })
}

fn observers() -> impl Strategy<Value = ObserverRecord> {
    (numbers(), numbers())
        .prop_map(|(started_at_ns, heartbeat_ns)| ObserverRecord { started_at_ns, heartbeat_ns })
}

fn encoded_peer(peer: &PeerRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_peer(peer, &mut bytes).expect("it keeps the rules");
    bytes
}

fn encoded_segment(segment: &LogSegment) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_segment(segment, &mut bytes).expect("it keeps the rules");
    bytes
}

/// Every change of one bit, every truncation and every byte too many is an error.
fn every_damage_is_found<T: std::fmt::Debug>(bytes: &[u8], decode: impl Fn(&[u8]) -> Result<T, RecordError>) {
    let mut damaged = bytes.to_vec();
    for bit in 0..bytes.len() * 8 {
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(decode(&damaged).expect_err("a bit was flipped"), RecordError::Checksum);
        damaged[bit / 8] ^= 1 << (bit % 8);
    }
    for len in 0..bytes.len() {
        decode(&bytes[..len]).expect_err("it was truncated");
    }
    for extra in [0, 1, 0xff] {
        damaged.push(extra);
        decode(&damaged).expect_err("there are bytes after its end");
        damaged.pop();
    }
}

proptest! {
    #[test]
    fn peers_survive_their_bytes(peer in peers()) {
        let bytes = encoded_peer(&peer);
        prop_assert_eq!(decode_peer(&peer.node_id, &bytes), Ok(peer));
    }

    #[test]
    fn segments_survive_their_bytes(segment in segments()) {
        let bytes = encoded_segment(&segment);
        prop_assert!(bytes.len() <= segment.entries.len() * 24 + 7);
        prop_assert_eq!(decode_segment(&segment.node_id, segment.index(), &bytes), Ok(segment));
    }

    #[test]
    fn observers_survive_their_bytes(id in node_ids(), record in observers()) {
        let mut bytes = Vec::new();
        encode_observer(&id, &record, &mut bytes);
        prop_assert_eq!(decode_observer(&id, &bytes), Ok(record));
    }

    #[test]
    fn encoding_appends(peer in peers(), segment in segments(), before: Vec<u8>) {
        let mut bytes = before.clone();
        encode_peer(&peer, &mut bytes).expect("it keeps the rules");
        encode_segment(&segment, &mut bytes).expect("it keeps the rules");
        prop_assert_eq!(bytes, [before, encoded_peer(&peer), encoded_segment(&segment)].concat());
    }

    #[test]
    fn random_bytes_do_no_harm(id in node_ids(), index: u32, bytes: Vec<u8>) {
        prop_assert!(decode_peer(&id, &bytes).is_err());
        prop_assert!(decode_segment(&id, index, &bytes).is_err());
        prop_assert!(decode_observer(&id, &bytes).is_err());
    }

    /// What a checksum vouches for is still read with care: this is what a wrong writer leaves.
    #[test]
    fn random_bytes_under_a_right_checksum_do_no_harm(
        id in node_ids(),
        index in prop_oneof![0..100_u32, any::<u32>()],
        mut body: Vec<u8>,
        format in 0..3_u8,
    ) {
        body.insert(0, format);
        for kind in *b"PSO" {
            let bytes = framed(kind, &id, (kind == b'S').then_some(index), &body);
            let error = match kind {
                b'P' => decode_peer(&id, &bytes).map(|peer| assert_eq!(encoded_peer(&peer), bytes)).err(),
                b'S' => decode_segment(&id, index, &bytes)
                    .map(|segment| assert_eq!(encoded_segment(&segment), bytes))
                    .err(),
                _ => decode_observer(&id, &bytes).map(drop).err(),
            };
            prop_assert_ne!(error, Some(RecordError::Checksum));
            if format == FORMAT + 1 {
                prop_assert_eq!(error, Some(RecordError::NewerFormat { found: format }));
            }
        }
    }

    /// As above, with bytes that are nearly right.
    #[test]
    fn a_wrong_byte_under_a_right_checksum_does_no_harm(
        peer in peers(), segment in segments(), at: prop::sample::Index, value: u8,
    ) {
        let mut body = unframed(&encoded_peer(&peer));
        *at.get_mut(&mut body) = value;
        let bytes = framed(b'P', &peer.node_id, None, &body);
        if let Ok(read) = decode_peer(&peer.node_id, &bytes) {
            prop_assert_eq!(encoded_peer(&read), bytes);
        }
        let mut body = unframed(&encoded_segment(&segment));
        *at.get_mut(&mut body) = value;
        let bytes = framed(b'S', &segment.node_id, Some(segment.index()), &body);
        if let Ok(read) = decode_segment(&segment.node_id, segment.index(), &bytes) {
            prop_assert_eq!(encoded_segment(&read), bytes);
        }
    }
}

proptest! {
    // Each of these tries thousands of damages.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_damage_to_a_peer_is_found(peer in peers()) {
        every_damage_is_found(&encoded_peer(&peer), |bytes| decode_peer(&peer.node_id, bytes));
    }

    #[test]
    fn every_damage_to_a_segment_is_found(segment in segments()) {
        let (id, index) = (segment.node_id, segment.index());
        every_damage_is_found(&encoded_segment(&segment), |bytes| decode_segment(&id, index, bytes));
    }

    #[test]
    fn every_damage_to_an_observer_is_found(id in node_ids(), record in observers()) {
        let mut bytes = Vec::new();
        encode_observer(&id, &record, &mut bytes);
        every_damage_is_found(&bytes, |bytes| decode_observer(&id, bytes));
    }
}

/// A value with the checksum that its kind, key and bytes ask for.
fn framed(kind: u8, id: &NodeId, index: Option<u32>, value: &[u8]) -> Vec<u8> {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(&id.0);
    if let Some(index) = index {
        hasher.update(&index.to_le_bytes());
    }
    hasher.update(value);
    [value, &hasher.finalize().to_le_bytes()].concat()
}

fn unframed(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len() - 4].to_vec()
}

const ID: NodeId = NodeId([2; 33]);

fn plain_peer() -> PeerRecord {
    PeerRecord {
        node_id: ID,
        watched: false,
        awaited: false,
        first_seen_ns: 1,
        presence: Presence::Online,
        since_ns: 2,
        totals: Totals { online_ns: 3, observed_ns: 4 },
        flap_count: 5,
        last_flap_ns: None,
        disconnects: 6,
        log_end: 7,
        channels: Vec::new(),
    }
}

fn plain_segment() -> LogSegment {
    let entry = |at_ns| LogEntry::new(at_ns, Presence::Online, Totals { online_ns: 1, observed_ns: 2 });
    LogSegment { node_id: ID, first: 64, entries: vec![entry(10), entry(10), entry(11)] }
}

#[test]
fn a_value_under_another_key_is_found() {
    let bytes = encoded_peer(&plain_peer());
    assert_eq!(decode_peer(&NodeId([3; 33]), &bytes), Err(RecordError::Checksum));
    let bytes = encoded_segment(&plain_segment());
    assert_eq!(decode_segment(&ID, 2, &bytes), Err(RecordError::Checksum));
    assert_eq!(decode_segment(&NodeId([3; 33]), 1, &bytes), Err(RecordError::Checksum));
    assert_eq!(decode_peer(&ID, &bytes), Err(RecordError::Checksum));
}

#[test]
fn a_later_format_is_told_from_damage() {
    let mut body = unframed(&encoded_peer(&plain_peer()));
    body[0] = 9;
    let bytes = framed(b'P', &ID, None, &body);
    assert_eq!(decode_peer(&ID, &bytes), Err(RecordError::NewerFormat { found: 9 }));
    body[0] = 0;
    let bytes = framed(b'P', &ID, None, &body);
    assert!(matches!(decode_peer(&ID, &bytes), Err(RecordError::Rule(_))));
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
    assert_eq!(peer_with(1, 3), RecordError::Rule("it has a presence that does not exist"));
    assert_eq!(peer_with(1, 0x22), RecordError::Rule("it has flags that do not exist"));
    assert_eq!(peer_with(18, 5), RecordError::Rule("it counts more time online than observed"));
    assert_eq!(peer_with(33, 0x40), RecordError::Rule("it counts more time than there is"));
    assert_eq!(peer_with(46, 1), RecordError::Rule("it has fewer channels than it says"));
    assert_eq!(segment_with(1, 64), RecordError::Rule("it starts after its end"));
    assert_eq!(segment_with(1, 62), RecordError::Rule("it has more entries than a segment has room for"));
    assert_eq!(segment_with(2, 65), RecordError::Rule("it has more entries than a segment has room for"));
    assert_eq!(segment_with(2, 4), RecordError::Rule("it ends in the middle of a field"));
    assert_eq!(segment_with(2, 2), RecordError::Rule("it goes on after its end"));
    assert_eq!(segment_with(3, 12), RecordError::Rule("its entries are not in order of time"));
    assert_eq!(segment_with(11, 3), RecordError::Rule("it counts more time online than observed"));
    let no_presence = RecordError::Rule("it has a presence that does not exist");
    assert_eq!(segment_with(presence_byte(2), 0xc0), no_presence);
    // The first entry of such a segment would have a number beyond what a log can count to.
    let far = framed(b'S', &ID, Some(67_108_864), &segment);
    assert!(matches!(decode_segment(&ID, 67_108_864, &far), Err(RecordError::Rule(_))));
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
    let mut unordered = plain_segment();
    unordered.entries.reverse();
    let mut overfull = plain_segment();
    overfull.entries.resize(65, overfull.entries[2]);
    let shifted = LogSegment { first: 126, ..plain_segment() };
    for segment in [unordered, overfull, shifted] {
        let error = encode_segment(&segment, &mut bytes).expect_err("it was taken");
        assert!(matches!(error, StoreError::Invalid { .. }));
        assert!(error.to_string().contains("log segment 1"), "{error}");
    }
    assert_eq!(bytes, [1, 2, 3], "what was there before is left alone");
}

#[test]
fn a_count_that_lies_allocates_nothing() {
    let mut body = unframed(&encoded_peer(&plain_peer()));
    let count = body.len() - 4;
    body[count..].copy_from_slice(&u32::MAX.to_le_bytes());
    let bytes = framed(b'P', &ID, None, &body);
    assert_eq!(decode_peer(&ID, &bytes), Err(RecordError::Rule("it has fewer channels than it says")));
}
