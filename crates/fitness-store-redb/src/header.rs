//! The parts of redb's file header that this crate reads to recover files that redb rejects.
//!
//! redb creates a file in three steps: it sets the length, writes the header without its magic number, and
//! writes the magic number. After a crash in between, redb rejects the file, although nothing was ever
//! stored in it. This crate treats it as a new file.

use std::io;
use std::ops::Range;

use redb::StorageBackend;

const MAGIC: [u8; 9] = *b"redb\x1a\x0a\xa9\x0d\x0a";
/// The offset of the byte with the flags.
pub(crate) const FLAGS: u64 = 9;
/// Flag: the file was not closed and needs a repair.
pub(crate) const NOT_CLOSED: u8 = 2;
/// Flag: the data of the last commit was synced before anything referred to it (two-phase commit).
pub(crate) const TWO_PHASE_COMMIT: u8 = 4;
/// The position of the page size, which is written before the magic number.
const PAGE_SIZE: Range<usize> = 12..16;
const HEADER_BYTES: usize = 320;
/// An upper bound of the size of a new file.
const MAX_NEW_FILE_BYTES: usize = 4 << 20;

/// Returns the flags; `None` if the file has no header.
pub(crate) fn flags(backend: &impl StorageBackend) -> io::Result<Option<u8>> {
    if backend.len()? < HEADER_BYTES as u64 {
        return Ok(None);
    }
    let mut bytes = [0; MAGIC.len() + 1];
    backend.read(0, &mut bytes)?;
    let [magic @ .., flags] = bytes;
    Ok((magic == MAGIC).then_some(flags))
}

/// Whether the file is the result of an interrupted creation.
pub(crate) fn is_incomplete_creation(backend: &impl StorageBackend) -> io::Result<bool> {
    let len = usize::try_from(backend.len()?).unwrap_or(usize::MAX);
    if !(HEADER_BYTES..=MAX_NEW_FILE_BYTES).contains(&len) {
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
    Ok(is_zero(rest) && is_incomplete_header(header))
}

/// Whether the header is incomplete: neither of its two writes is complete, but the beginning of one may exist.
fn is_incomplete_header(header: &[u8]) -> bool {
    let magic = &header[..MAGIC.len()];
    let written = magic.iter().zip(MAGIC).take_while(|(byte, expected)| **byte == *expected).count();
    let has_page_size = header[PAGE_SIZE] == 4096_u32.to_le_bytes();
    // Only the flags are written before the page size.
    let has_no_page_size = written == 0 && is_zero(&header[PAGE_SIZE.start..]);
    is_zero(&magic[written..]) && (has_page_size || has_no_page_size)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}
