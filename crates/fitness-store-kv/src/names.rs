//! What keys are called. All but the root bear the session that wrote them, so that no session
//! ever writes over another's values, however late its writes arrive.

use std::hash::{BuildHasher, RandomState};

/// One store's time with one observer, from its first commit on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Session {
    /// One more than that of the session it found.
    pub(crate) epoch: u64,
    /// Tells apart two sessions that found the same one.
    pub(crate) nonce: u64,
}

impl Session {
    /// The one after `earlier`.
    pub(crate) fn after(earlier: Option<Self>) -> Self {
        let epoch = earlier.map_or(1, |earlier| earlier.epoch.saturating_add(1));
        // Seeded by the system; the epoch and the process make two clones of one machine differ.
        let nonce = RandomState::new().hash_one((epoch, std::process::id()));
        Self { epoch, nonce }
    }

    fn name(self, kind: char) -> String {
        format!("{kind}-{:016x}-{:016x}", self.epoch, self.nonce)
    }

    /// The key of its manifest.
    pub(crate) fn manifest(self) -> String {
        self.name('m')
    }

    /// The key of a slot of its journal.
    pub(crate) fn slot(self, slot: u64) -> String {
        format!("{}-{slot:04x}", self.name('j'))
    }

    /// The epoch of the session that a key bears.
    pub(crate) fn epoch_of(key: &str) -> Option<u64> {
        let mut parts = key.split('-');
        match parts.next()? {
            "m" | "j" | "p" => u64::from_str_radix(parts.next()?, 16).ok(),
            _ => None,
        }
    }

    /// Whether a key is its own.
    pub(crate) fn wrote(self, key: &str) -> bool {
        let mut parts = key.split('-').skip(1).map(|part| u64::from_str_radix(part, 16).ok());
        parts.next() == Some(Some(self.epoch)) && parts.next() == Some(Some(self.nonce))
    }
}

/// A page, by the session that wrote it and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PageId {
    pub(crate) session: Session,
    pub(crate) number: u32,
}

impl PageId {
    pub(crate) fn key(self) -> String {
        format!("{}-{:08x}", self.session.name('p'), self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_its_session() {
        let session = Session { epoch: 0x1f, nonce: u64::MAX };
        let page = PageId { session, number: 7 }.key();
        assert_eq!(page, "p-000000000000001f-ffffffffffffffff-00000007");
        for key in [session.manifest(), session.slot(31), page] {
            assert_eq!(Session::epoch_of(&key), Some(0x1f));
            assert!(session.wrote(&key) && !Session { nonce: 1, ..session }.wrote(&key), "{key}");
            assert!(key.len() <= 120 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
        }
        assert_eq!(Session::epoch_of("x-1-1"), None);
        assert_eq!(Session::epoch_of("m-"), None);
    }
}
