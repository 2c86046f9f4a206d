//! The frame of all records: a format number at the start and a checksum at the end.

use super::{FORMAT_1, FORMAT_VERSION, RecordError, RecordKey};

const CHECKSUM_BYTES: usize = 4;

/// Appends a record to `out`: the format number, the bytes that `body` appends, and the checksum.
pub(super) fn write(record: RecordKey<'_>, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.push(FORMAT_VERSION);
    body(out);
    let checksum = checksum(record, &out[start..]);
    out.extend_from_slice(&checksum.to_le_bytes());
}

/// Checks the checksum and the format of a record, and returns its body.
pub(super) fn open<'a>(record: RecordKey<'_>, bytes: &'a [u8]) -> Result<Body<'a>, RecordError> {
    let too_short = RecordError::TooShort { found: bytes.len() };
    let Some((value, stored)) = bytes.split_last_chunk::<CHECKSUM_BYTES>() else { return Err(too_short) };
    let Some((&format, body)) = value.split_first() else { return Err(too_short) };
    if checksum(record, value) != u32::from_le_bytes(*stored) {
        return Err(RecordError::Checksum);
    }
    match format {
        FORMAT_1..=FORMAT_VERSION => Ok(Body { format, rest: body }),
        0 => Err(RecordError::Invalid("invalid format 0")),
        found => Err(RecordError::NewerFormat { found }),
    }
}

fn checksum(record: RecordKey<'_>, value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    match record {
        RecordKey::Peer(node_id) => {
            hasher.update(b"P");
            hasher.update(&node_id.0);
        }
        RecordKey::Segment(node_id, index) => {
            hasher.update(b"S");
            hasher.update(&node_id.0);
            hasher.update(&index.to_le_bytes());
        }
        RecordKey::Observer(node_id) => {
            hasher.update(b"O");
            hasher.update(&node_id.0);
        }
        RecordKey::Gap(number) => {
            hasher.update(b"G");
            hasher.update(&number.to_le_bytes());
        }
    }
    hasher.update(value);
    hasher.finalize()
}

/// The bytes of a body that have not been read yet.
pub(super) struct Body<'a> {
    format: u8,
    rest: &'a [u8],
}

impl Body<'_> {
    /// Returns the format of the record, which this release can read.
    pub(super) const fn format(&self) -> u8 {
        self.format
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (bytes, rest) =
            self.rest.split_first_chunk().ok_or(RecordError::Invalid("unexpected end of record"))?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub(super) fn u8(&mut self) -> Result<u8, RecordError> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Result<u32, RecordError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, RecordError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, RecordError> {
        self.array().map(i64::from_le_bytes)
    }

    /// Returns the number of unread bytes.
    pub(super) const fn len(&self) -> usize {
        self.rest.len()
    }

    /// Fails unless all bytes have been read.
    pub(super) const fn end(&self) -> Result<(), RecordError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(RecordError::Invalid("unexpected bytes after the record"))
        }
    }
}
