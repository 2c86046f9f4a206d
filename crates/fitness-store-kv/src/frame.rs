//! What all our values have in common, and reading them field by field.
//!
//! The first byte is the format, the last four are a CRC-32 (IEEE, little-endian) over the
//! observer, the key and the value before them. So a value that is damaged is never taken for one
//! of a later release, and one that stands under another key is found as well.

use fitness_core::NodeId;
use fitness_store::StoreError;

use crate::keys::Values;
use crate::names::Session;
use crate::row::Row;

/// The format that is written, and the latest that is read.
const FORMAT: u8 = 1;
const CHECKSUM_BYTES: usize = 4;

/// What is wrong with a value.
pub(crate) type Broken = &'static str;

/// A value with this body, to stand under `key`.
pub(crate) fn seal(values: &Values, key: &str, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut value = vec![FORMAT];
    body(&mut value);
    let checksum = checksum(&values.observer, key, &value);
    value.extend_from_slice(&checksum.to_le_bytes());
    value
}

/// Reads the body of the value that stands under `key`, to its end.
pub(crate) fn open<T>(
    values: &Values,
    key: &str,
    value: &[u8],
    read: impl FnOnce(&mut Body<'_>) -> Result<T, Broken>,
) -> Result<T, StoreError> {
    let corrupt = |reason| values.corrupt(key, reason);
    let Some((sealed, stored)) = value.split_last_chunk::<CHECKSUM_BYTES>() else {
        return Err(corrupt("it is too short"));
    };
    let Some((&format, rest)) = sealed.split_first() else { return Err(corrupt("it is too short")) };
    if checksum(&values.observer, key, sealed) != u32::from_le_bytes(*stored) {
        return Err(corrupt("its checksum is wrong"));
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
        return Err(corrupt("there is no format 0"));
    }
    let mut body = Body(rest);
    let opened = read(&mut body).map_err(corrupt)?;
    if body.is_empty() { Ok(opened) } else { Err(corrupt("it goes on after its end")) }
}

fn checksum(observer: &NodeId, key: &str, value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&observer.0);
    hasher.update(key.as_bytes());
    hasher.update(value);
    hasher.finalize()
}

/// The bytes of a body that were not read yet.
pub(crate) struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or("it ends in the middle of a field")?;
        self.0 = rest;
        Ok(*bytes)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Broken> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Broken> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Broken> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Broken> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err("it has a flag that is neither set nor not"),
        }
    }

    pub(crate) fn node_id(&mut self) -> Result<NodeId, Broken> {
        self.array().map(NodeId)
    }

    pub(crate) fn session(&mut self) -> Result<Session, Broken> {
        Ok(Session { epoch: self.u64()?, nonce: self.u64()? })
    }

    /// Bytes that bear their number in front.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Broken> {
        let length = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        let (bytes, rest) = self.0.split_at_checked(length).ok_or("it ends in the middle of a record")?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(crate) fn row(&mut self) -> Result<Row, Broken> {
        Ok(match self.u8()? {
            1 => Row::Gap(self.u32()?),
            2 => Row::Peer(self.node_id()?),
            3 => Row::Segment(self.node_id()?, self.u32()?),
            _ => return Err("it has a row of a kind that does not exist"),
        })
    }
}

/// Appends the name of a row.
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

/// Appends bytes with their number in front.
pub(crate) fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Broken> {
    let length = u32::try_from(bytes.len()).map_err(|_| "a record is larger than 4 GB")?;
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

pub(crate) fn push_session(out: &mut Vec<u8>, session: Session) {
    out.extend_from_slice(&session.epoch.to_le_bytes());
    out.extend_from_slice(&session.nonce.to_le_bytes());
}
