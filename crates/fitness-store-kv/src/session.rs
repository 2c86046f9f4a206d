//! Sessions and their keys. All keys except the root contain the session that wrote them, so that no session
//! overwrites the values of another, however late its writes take effect.

use std::hash::{BuildHasher, RandomState};

/// The use of one observer by one store, from the first commit on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Session {
    /// One more than that of the previous session.
    pub(crate) epoch: u64,
    /// Distinguishes two sessions with the same previous session.
    pub(crate) nonce: u64,
}

impl Session {
    /// Returns a session after `earlier`.
    pub(crate) fn after(earlier: Option<Self>) -> Self {
        let epoch = earlier.map_or(1, |earlier| earlier.epoch.saturating_add(1));
        // Seeded by the system. The epoch and the process id make clones of one machine differ.
        let nonce = RandomState::new().hash_one((epoch, std::process::id()));
        Self { epoch, nonce }
    }

    fn name(self, kind: char) -> String {
        format!("{kind}-{:016x}-{:016x}", self.epoch, self.nonce)
    }

    /// Returns the key of the manifest.
    pub(crate) fn manifest(self) -> String {
        self.name('m')
    }

    /// Returns the key of a journal slot.
    pub(crate) fn slot(self, slot: u64) -> String {
        format!("{}-{slot:04x}", self.name('j'))
    }

    /// Returns the epoch of the session in a key.
    pub(crate) fn epoch_of(key: &str) -> Option<u64> {
        let mut parts = key.split('-');
        match parts.next()? {
            "m" | "j" | "p" => u64::from_str_radix(parts.next()?, 16).ok(),
            _ => None,
        }
    }

    /// Whether a key belongs to this session.
    pub(crate) fn wrote(self, key: &str) -> bool {
        let mut parts = key.split('-').skip(1).map(|part| u64::from_str_radix(part, 16).ok());
        parts.next() == Some(Some(self.epoch)) && parts.next() == Some(Some(self.nonce))
    }
}

/// A page, identified by its session and a number.
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
    fn keys_contain_their_session() {
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
