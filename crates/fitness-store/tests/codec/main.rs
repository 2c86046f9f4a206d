//! Tests of the codec: records round-trip, and decoding arbitrary bytes never panics.

mod reasons;
mod rules;
mod samples;

use fitness_core::NodeId;
use fitness_store::codec::{
    FORMAT_VERSION, RecordError, decode_gap, decode_observer, decode_peer, decode_segment, encode_gap,
    encode_observer, encode_peer, encode_segment,
};
use proptest::prelude::*;

use samples::{
    encoded_gap, encoded_observer, encoded_peer, encoded_segment, gap_with_checksum, gaps, node_ids,
    observers, peers, record_with_checksum, segments, without_checksum,
};

/// Asserts that flipping any bit, truncating anywhere, or appending a byte makes decoding fail.
fn assert_all_damage_is_detected<T: std::fmt::Debug>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, RecordError>,
) {
    let mut damaged = bytes.to_vec();
    for bit in 0..bytes.len() * 8 {
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            decode(&damaged).expect_err("decoding succeeded with a flipped bit"),
            RecordError::Checksum
        );
        damaged[bit / 8] ^= 1 << (bit % 8);
    }
    for len in 0..bytes.len() {
        decode(&bytes[..len]).expect_err("decoding succeeded with a truncated value");
    }
    for extra in [0, 1, 0xff] {
        damaged.push(extra);
        decode(&damaged).expect_err("decoding succeeded with an extra byte");
        damaged.pop();
    }
}

proptest! {
    #[test]
    fn peers_round_trip(peer in peers()) {
        let bytes = encoded_peer(&peer);
        prop_assert_eq!(decode_peer(&peer.node_id, &bytes), Ok(peer));
    }

    #[test]
    fn segments_round_trip(segment in segments()) {
        let bytes = encoded_segment(&segment);
        prop_assert!(bytes.len() <= segment.entries.len() * 24 + 7);
        prop_assert_eq!(decode_segment(&segment.node_id, segment.index(), &bytes), Ok(segment));
    }

    #[test]
    fn observers_round_trip(id in node_ids(), record in observers()) {
        prop_assert_eq!(decode_observer(&id, &encoded_observer(&id, &record)), Ok(record));
    }

    #[test]
    fn gaps_round_trip(gap in gaps()) {
        let bytes = encoded_gap(&gap);
        prop_assert_eq!(bytes.len(), 22);
        prop_assert_eq!(decode_gap(gap.number, &bytes), Ok(gap));
    }

    #[test]
    fn encoding_appends_to_the_buffer(
        peer in peers(), segment in segments(), id in node_ids(), record in observers(), gap in gaps(), before: Vec<u8>,
    ) {
        let mut bytes = before.clone();
        encode_peer(&peer, &mut bytes).expect("a valid record");
        encode_segment(&segment, &mut bytes).expect("a valid record");
        encode_observer(&id, &record, &mut bytes).expect("a valid record");
        encode_gap(&gap, &mut bytes).expect("a valid record");
        let first = [before, encoded_peer(&peer), encoded_segment(&segment)].concat();
        prop_assert_eq!(bytes, [first, encoded_observer(&id, &record), encoded_gap(&gap)].concat());
    }

    #[test]
    fn random_bytes_are_rejected(id in node_ids(), index: u32, bytes: Vec<u8>) {
        prop_assert!(decode_peer(&id, &bytes).is_err());
        prop_assert!(decode_segment(&id, index, &bytes).is_err());
        prop_assert!(decode_observer(&id, &bytes).is_err());
        prop_assert!(decode_gap(index, &bytes).is_err());
    }

    /// A value with a valid checksum is still validated, because a faulty writer can produce one.
    #[test]
    fn random_bytes_with_valid_checksum_never_panic(
        id in node_ids(),
        index in prop_oneof![0..100_u32, any::<u32>()],
        mut body: Vec<u8>,
        format in 0..=FORMAT_VERSION + 1,
    ) {
        body.insert(0, format);
        let errors = [
            read_peer(&id, &body).err(),
            read_segment(&id, index, &body).err(),
            read_observer(&id, &body).err(),
            read_gap(index, &body).err(),
        ];
        for error in errors {
            prop_assert_ne!(error, Some(RecordError::Checksum));
            if format == FORMAT_VERSION + 1 {
                prop_assert_eq!(error, Some(RecordError::NewerFormat { found: format }));
            }
        }
    }

    /// The same for records with a single wrong byte.
    #[test]
    fn wrong_byte_with_valid_checksum_never_panics(
        peer in peers(), segment in segments(), record in observers(), gap in gaps(),
        at: prop::sample::Index, value: u8,
    ) {
        let with_wrong_byte = |bytes: Vec<u8>| {
            let mut body = without_checksum(&bytes);
            *at.get_mut(&mut body) = value;
            body
        };
        let _ = read_peer(&peer.node_id, &with_wrong_byte(encoded_peer(&peer)));
        let _ = read_segment(&segment.node_id, segment.index(), &with_wrong_byte(encoded_segment(&segment)));
        let _ = read_observer(&peer.node_id, &with_wrong_byte(encoded_observer(&peer.node_id, &record)));
        let _ = read_gap(gap.number, &with_wrong_byte(encoded_gap(&gap)));
    }
}

/// Decodes a value after adding a valid checksum. A decoded record must encode to the same bytes; if the value
/// has an earlier format, it must encode to a value that decodes to the same record.
fn read_peer(id: &NodeId, body: &[u8]) -> Result<(), RecordError> {
    let bytes = record_with_checksum(b'P', id, None, body);
    let peer = decode_peer(id, &bytes)?;
    let encoded = encoded_peer(&peer);
    assert!(encoded == bytes || body[0] < FORMAT_VERSION);
    assert_eq!(decode_peer(id, &encoded), Ok(peer));
    Ok(())
}

fn read_segment(id: &NodeId, index: u32, body: &[u8]) -> Result<(), RecordError> {
    let bytes = record_with_checksum(b'S', id, Some(index), body);
    let segment = decode_segment(id, index, &bytes)?;
    let encoded = encoded_segment(&segment);
    assert!(encoded == bytes || body[0] < FORMAT_VERSION);
    assert_eq!(decode_segment(id, index, &encoded), Ok(segment));
    Ok(())
}

fn read_observer(id: &NodeId, body: &[u8]) -> Result<(), RecordError> {
    let bytes = record_with_checksum(b'O', id, None, body);
    let record = decode_observer(id, &bytes)?;
    let encoded = encoded_observer(id, &record);
    assert!(encoded == bytes || body[0] < FORMAT_VERSION);
    assert_eq!(decode_observer(id, &encoded), Ok(record));
    Ok(())
}

fn read_gap(number: u32, body: &[u8]) -> Result<(), RecordError> {
    let bytes = gap_with_checksum(number, body);
    let gap = decode_gap(number, &bytes)?;
    assert_eq!(encoded_gap(&gap), bytes);
    Ok(())
}

proptest! {
    // Each case tries thousands of modifications.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn all_damage_to_a_peer_is_detected(peer in peers()) {
        assert_all_damage_is_detected(&encoded_peer(&peer), |bytes| decode_peer(&peer.node_id, bytes));
    }

    #[test]
    fn all_damage_to_a_segment_is_detected(segment in segments()) {
        let (id, index) = (segment.node_id, segment.index());
        assert_all_damage_is_detected(&encoded_segment(&segment), |bytes| decode_segment(&id, index, bytes));
    }

    #[test]
    fn all_damage_to_an_observer_is_detected(id in node_ids(), record in observers()) {
        assert_all_damage_is_detected(&encoded_observer(&id, &record), |bytes| decode_observer(&id, bytes));
    }

    #[test]
    fn all_damage_to_a_gap_is_detected(gap in gaps()) {
        assert_all_damage_is_detected(&encoded_gap(&gap), |bytes| decode_gap(gap.number, bytes));
    }
}
