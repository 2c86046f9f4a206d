//! What we know of redb's own header, to help where redb gives up.
//!
//! A file whose creation was cut short is a new file. redb writes one in three steps, of which the
//! last makes it a redb file: the length, the header without its magic number, the magic number. A
//! crash in between leaves a file that redb would refuse for ever after, although nothing was ever
//! stored in it.

use std::io;
use std::ops::Range;

use redb::StorageBackend;

const MAGIC: [u8; 9] = *b"redb\x1a\x0a\xa9\x0d\x0a";
/// Where the byte of flags is.
pub(crate) const FLAGS: u64 = 9;
/// It was not closed, and has to be repaired.
pub(crate) const NOT_CLOSED: u8 = 2;
/// What the last commit refers to was synced before anything referred to it.
pub(crate) const SYNCED_FIRST: u8 = 4;
/// Where the page size is, which is written before the magic number.
const PAGE_SIZE: Range<usize> = 12..16;
const HEADER_BYTES: usize = 320;
/// What redb makes of an empty file is smaller than this.
const LARGEST_NEW_FILE: usize = 4 << 20;

/// The flags; `None` where there are none.
pub(crate) fn flags(backend: &impl StorageBackend) -> io::Result<Option<u8>> {
    if backend.len()? < HEADER_BYTES as u64 {
        return Ok(None);
    }
    let mut bytes = [0; MAGIC.len() + 1];
    backend.read(0, &mut bytes)?;
    let [magic @ .., flags] = bytes;
    Ok((magic == MAGIC).then_some(flags))
}

/// Whether this is what a creation that was cut short leaves behind.
pub(crate) fn is_cut_short(backend: &impl StorageBackend) -> io::Result<bool> {
    let len = usize::try_from(backend.len()?).unwrap_or(usize::MAX);
    if !(HEADER_BYTES..=LARGEST_NEW_FILE).contains(&len) {
        return Ok(false);
    }
    let mut bytes = vec![0; HEADER_BYTES];
    backend.read(0, &mut bytes)?;
    if bytes.starts_with(&MAGIC) {
        return Ok(false);
    }
    bytes.resize(len, 0);
    backend.read(0, &mut bytes)?;
    let (header, rest) = bytes.split_at(HEADER_BYTES);
    Ok(is_zero(rest) && is_begun(header))
}

/// Whether neither of the two writes of a header is there as a whole, but the beginning of one may be.
fn is_begun(header: &[u8]) -> bool {
    let magic = &header[..MAGIC.len()];
    let written = magic.iter().zip(MAGIC).take_while(|(byte, of_magic)| **byte == *of_magic).count();
    let is_sized = header[PAGE_SIZE] == 4096_u32.to_le_bytes();
    // Nothing but the flags comes before the page size.
    let is_sizeless = written == 0 && is_zero(&header[PAGE_SIZE.start..]);
    is_zero(&magic[written..]) && (is_sized || is_sizeless)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}
