//! The common format of all values, and a reader of their fields.
//!
//! The first byte is the format version. The last four bytes are a CRC-32 (IEEE, little-endian) over the
//! observer, the key and the value before them. So damage is not mistaken for a newer format, and a value
//! under the wrong key is detected as well.

use fitness_core::NodeId;
use fitness_store::StoreError;

use crate::keys::Values;
use crate::row::Row;
use crate::session::Session;

/// The format version that is written, and the latest that can be read.
const FORMAT: u8 = 1;
const CHECKSUM_BYTES: usize = 4;

/// Why a value is invalid.
pub(crate) type InvalidReason = &'static str;

/// Returns the value of `key` with this body.
pub(crate) fn seal(values: &Values, key: &str, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut value = vec![FORMAT];
    body(&mut value);
    let checksum = checksum(&values.observer, key, &value);
    value.extend_from_slice(&checksum.to_le_bytes());
    value
}

/// Checks the value of `key` and reads its body completely.
pub(crate) fn open<T>(
    values: &Values,
    key: &str,
    value: &[u8],
    read: impl FnOnce(&mut Body<'_>) -> Result<T, InvalidReason>,
) -> Result<T, StoreError> {
    let corrupt = |reason| values.corrupt(key, reason);
    let Some((sealed, stored)) = value.split_last_chunk::<CHECKSUM_BYTES>() else {
        return Err(corrupt("the value is too short"));
    };
    let Some((&format, rest)) = sealed.split_first() else { return Err(corrupt("the value is too short")) };
    if checksum(&values.observer, key, sealed) != u32::from_le_bytes(*stored) {
        return Err(corrupt("the checksum does not match"));
    }
    if format > FORMAT {
        return Err(StoreError::NewerFormat {
            item: values.name(key),
            location: values.location.to_string(),
            found: u32::from(format),
            supported: u32::from(FORMAT),
        });
    }
    if format == 0 {
        return Err(corrupt("invalid format version 0"));
    }
    let mut body = Body(rest);
    let decoded = read(&mut body).map_err(corrupt)?;
    if body.is_empty() { Ok(decoded) } else { Err(corrupt("unexpected bytes after the end")) }
}

fn checksum(observer: &NodeId, key: &str, value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&observer.0);
    hasher.update(key.as_bytes());
    hasher.update(value);
    hasher.finalize()
}

/// The unread bytes of a body.
pub(crate) struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], InvalidReason> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or("the value ends within a field")?;
        self.0 = rest;
        Ok(*bytes)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, InvalidReason> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, InvalidReason> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, InvalidReason> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, InvalidReason> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err("invalid flag: expected 0 or 1"),
        }
    }

    pub(crate) fn node_id(&mut self) -> Result<NodeId, InvalidReason> {
        self.array().map(NodeId)
    }

    pub(crate) fn session(&mut self) -> Result<Session, InvalidReason> {
        Ok(Session { epoch: self.u64()?, nonce: self.u64()? })
    }

    /// Reads bytes with a length prefix.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], InvalidReason> {
        let length = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        let (bytes, rest) = self.0.split_at_checked(length).ok_or("the value ends within a record")?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(crate) fn row(&mut self) -> Result<Row, InvalidReason> {
        Ok(match self.u8()? {
            1 => Row::Gap(self.u32()?),
            2 => Row::Peer(self.node_id()?),
            3 => Row::Segment(self.node_id()?, self.u32()?),
            _ => return Err("unknown kind of row"),
        })
    }
}

/// Appends the key of a row.
pub(crate) fn push_row(out: &mut Vec<u8>, row: &Row) {
    match row {
        Row::Gap(number) => {
            out.push(1);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Row::Peer(node_id) => {
            out.push(2);
            out.extend_from_slice(&node_id.0);
        }
        Row::Segment(node_id, index) => {
            out.push(3);
            out.extend_from_slice(&node_id.0);
            out.extend_from_slice(&index.to_le_bytes());
        }
    }
}

/// Appends bytes with a length prefix.
pub(crate) fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), InvalidReason> {
    let length = u32::try_from(bytes.len()).map_err(|_| "a record is larger than 4 GB")?;
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

pub(crate) fn push_session(out: &mut Vec<u8>, session: Session) {
    out.extend_from_slice(&session.epoch.to_le_bytes());
    out.extend_from_slice(&session.nonce.to_le_bytes());
}
