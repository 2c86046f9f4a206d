//! Records survive their bytes, and no bytes do harm.

mod rules;
mod samples;

use fitness_core::NodeId;
use fitness_store::codec::{
    FORMAT_VERSION, RecordError, decode_gap, decode_observer, decode_peer, decode_segment, encode_gap,
    encode_observer, encode_peer, encode_segment,
};
use proptest::prelude::*;

use samples::{
    encoded_gap, encoded_observer, encoded_peer, encoded_segment, framed, framed_gap, gaps, node_ids,
    observers, peers, segments, unframed,
};

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
        prop_assert_eq!(decode_observer(&id, &encoded_observer(&id, &record)), Ok(record));
    }

    #[test]
    fn gaps_survive_their_bytes(gap in gaps()) {
        let bytes = encoded_gap(&gap);
        prop_assert_eq!(bytes.len(), 22);
        prop_assert_eq!(decode_gap(gap.number, &bytes), Ok(gap));
    }

    #[test]
    fn encoding_appends(
        peer in peers(), segment in segments(), id in node_ids(), record in observers(), gap in gaps(), before: Vec<u8>,
    ) {
        let mut bytes = before.clone();
        encode_peer(&peer, &mut bytes).expect("it keeps the rules");
        encode_segment(&segment, &mut bytes).expect("it keeps the rules");
        encode_observer(&id, &record, &mut bytes).expect("it keeps the rules");
        encode_gap(&gap, &mut bytes).expect("it keeps the rules");
        let first = [before, encoded_peer(&peer), encoded_segment(&segment)].concat();
        prop_assert_eq!(bytes, [first, encoded_observer(&id, &record), encoded_gap(&gap)].concat());
    }

    #[test]
    fn random_bytes_do_no_harm(id in node_ids(), index: u32, bytes: Vec<u8>) {
        prop_assert!(decode_peer(&id, &bytes).is_err());
        prop_assert!(decode_segment(&id, index, &bytes).is_err());
        prop_assert!(decode_observer(&id, &bytes).is_err());
        prop_assert!(decode_gap(index, &bytes).is_err());
    }

    /// What a checksum vouches for is still read with care: this is what a wrong writer leaves.
    #[test]
    fn random_bytes_under_a_right_checksum_do_no_harm(
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

    /// As above, with bytes that are nearly right.
    #[test]
    fn a_wrong_byte_under_a_right_checksum_does_no_harm(
        peer in peers(), segment in segments(), record in observers(), gap in gaps(),
        at: prop::sample::Index, value: u8,
    ) {
        let wrong = |bytes: Vec<u8>| {
            let mut body = unframed(&bytes);
            *at.get_mut(&mut body) = value;
            body
        };
        let _ = read_peer(&peer.node_id, &wrong(encoded_peer(&peer)));
        let _ = read_segment(&segment.node_id, segment.index(), &wrong(encoded_segment(&segment)));
        let _ = read_observer(&peer.node_id, &wrong(encoded_observer(&peer.node_id, &record)));
        let _ = read_gap(gap.number, &wrong(encoded_gap(&gap)));
    }
}

/// Reads a body under a right checksum. What it says is written to the same bytes, or, where the
/// body was of an earlier format, to bytes that say the same.
fn read_peer(id: &NodeId, body: &[u8]) -> Result<(), RecordError> {
    let bytes = framed(b'P', id, None, body);
    let peer = decode_peer(id, &bytes)?;
    let written = encoded_peer(&peer);
    assert!(written == bytes || body[0] < FORMAT_VERSION);
    assert_eq!(decode_peer(id, &written), Ok(peer));
    Ok(())
}

fn read_segment(id: &NodeId, index: u32, body: &[u8]) -> Result<(), RecordError> {
    let bytes = framed(b'S', id, Some(index), body);
    let segment = decode_segment(id, index, &bytes)?;
    let written = encoded_segment(&segment);
    assert!(written == bytes || body[0] < FORMAT_VERSION);
    assert_eq!(decode_segment(id, index, &written), Ok(segment));
    Ok(())
}

fn read_observer(id: &NodeId, body: &[u8]) -> Result<(), RecordError> {
    let bytes = framed(b'O', id, None, body);
    let record = decode_observer(id, &bytes)?;
    let written = encoded_observer(id, &record);
    assert!(written == bytes || body[0] < FORMAT_VERSION);
    assert_eq!(decode_observer(id, &written), Ok(record));
    Ok(())
}

fn read_gap(number: u32, body: &[u8]) -> Result<(), RecordError> {
    let bytes = framed_gap(number, body);
    let gap = decode_gap(number, &bytes)?;
    assert_eq!(encoded_gap(&gap), bytes);
    Ok(())
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
        every_damage_is_found(&encoded_observer(&id, &record), |bytes| decode_observer(&id, bytes));
    }

    #[test]
    fn every_damage_to_a_gap_is_found(gap in gaps()) {
        every_damage_is_found(&encoded_gap(&gap), |bytes| decode_gap(gap.number, bytes));
    }
}
