//! A file whose creation was cut short is a new file.
//!
//! redb writes a new file in three steps, of which the last makes it a redb file. A crash in
//! between leaves a file of zeros that redb would refuse for ever after, although nothing was ever
//! stored in it.

use std::io;
use std::ops::Range;

use redb::StorageBackend;

const MAGIC: Range<usize> = 0..9;
/// Where the header has its page size, which is written before the magic number.
const PAGE_SIZE: Range<usize> = 12..16;
const HEADER_BYTES: usize = 320;
/// What redb makes of an empty file is smaller than this.
const LARGEST_NEW_FILE: usize = 4 << 20;

/// Whether this is what a creation that was cut short leaves behind.
pub(crate) fn is_cut_short(backend: &impl StorageBackend) -> io::Result<bool> {
    let len = usize::try_from(backend.len()?).unwrap_or(usize::MAX);
    if !(HEADER_BYTES..=LARGEST_NEW_FILE).contains(&len) {
        return Ok(false);
    }
    let mut bytes = vec![0; HEADER_BYTES];
    backend.read(0, &mut bytes)?;
    if !is_zero(&bytes[MAGIC]) {
        return Ok(false);
    }
    bytes.resize(len, 0);
    backend.read(0, &mut bytes)?;
    let (header, rest) = bytes.split_at(HEADER_BYTES);
    Ok(is_zero(rest) && (is_zero(header) || header[PAGE_SIZE] == 4096_u32.to_le_bytes()))
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}
