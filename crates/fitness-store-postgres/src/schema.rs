//! The schema that the tables are in: its name, and what is derived from it.

use std::hash::Hasher;

use fitness_core::NodeId;
use siphasher::sip::SipHasher24;

/// PostgreSQL cuts longer names off, so that two of them might become one.
const LONGEST: usize = 63;

/// What stands in our SQL where the schema's name goes.
const PLACEHOLDER: &str = "@schema@";

/// The name of a schema that can exist.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    name: String,
    quoted: String,
}

impl Schema {
    pub(crate) const DEFAULT: &str = "ldk_fitness";

    pub(crate) fn new(name: &str) -> Result<Self, &'static str> {
        if name.is_empty() {
            return Err("the schema has no name");
        }
        if name.len() > LONGEST {
            return Err("the name of the schema is longer than 63 bytes");
        }
        if name.contains('\0') {
            return Err("the name of the schema has a zero byte in it");
        }
        Ok(Self { name: name.to_owned(), quoted: quote(name) })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name as it stands in SQL.
    pub(crate) fn quoted(&self) -> &str {
        &self.quoted
    }

    /// SQL of ours, about this schema.
    pub(crate) fn fill(&self, sql: &str) -> String {
        sql.replace(PLACEHOLDER, &self.quoted)
    }

    /// The number of the lock that is held while the tables are made.
    pub(crate) fn migration_lock(&self) -> i64 {
        self.lock(b"migration", &[])
    }

    /// The number of the lock that whoever writes for an observer holds. It never changes.
    pub(crate) fn observer_lock(&self, observer: &NodeId) -> i64 {
        self.lock(b"observer", &observer.0)
    }

    /// Locks of a database are numbered, and are not ours alone: a hash of all that it is about.
    fn lock(&self, purpose: &[u8], what: &[u8]) -> i64 {
        let mut hasher = SipHasher24::new_with_key(b"ldk-fitness lock");
        for part in [purpose, self.name.as_bytes(), what] {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part);
        }
        i64::from_ne_bytes(hasher.finish().to_ne_bytes())
    }
}

/// A name as an identifier in SQL, whatever is in it.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_whatever_is_in_it() {
        let schema = Schema::new("a\"; DROP TABLE x; --@schema@").unwrap();
        assert_eq!(schema.fill("@schema@.t"), "\"a\"\"; DROP TABLE x; --@schema@\".t");
        assert!(Schema::new("").is_err());
        assert!(Schema::new("a\0b").is_err());
        assert!(Schema::new(&"x".repeat(64)).is_err());
        assert!(Schema::new(&"x".repeat(63)).is_ok());
    }

    /// A release that took other numbers would not see who holds a claim in an earlier one.
    #[test]
    fn locks_keep_their_numbers() {
        let schema = Schema::new(Schema::DEFAULT).unwrap();
        let other = Schema::new("other").unwrap();
        let observer = NodeId([3; 33]);
        let locks = [
            schema.migration_lock(),
            schema.observer_lock(&observer),
            schema.observer_lock(&NodeId([2; 33])),
            other.migration_lock(),
            other.observer_lock(&observer),
        ];
        for (index, lock) in locks.iter().enumerate() {
            assert!(!locks[..index].contains(lock));
        }
        assert_eq!(locks[..2], [3_655_935_827_980_344_872, 8_454_768_494_884_182_645]);
    }
}
