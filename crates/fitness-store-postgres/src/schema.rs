//! The schema that contains the tables: its name, and the lock numbers derived from it.

use std::hash::Hasher;

use fitness_core::NodeId;
use siphasher::sip::SipHasher24;

/// The longest name in bytes. PostgreSQL truncates longer names, so two of them could become equal.
const MAX_NAME_BYTES: usize = 63;

/// The placeholder for the schema's name in our SQL.
const PLACEHOLDER: &str = "@schema@";

/// The valid name of a schema.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    name: String,
    quoted: String,
}

impl Schema {
    pub(crate) const DEFAULT: &str = "ldk_fitness";

    pub(crate) fn new(name: &str) -> Result<Self, &'static str> {
        if name.is_empty() {
            return Err("the schema name is empty");
        }
        if name.len() > MAX_NAME_BYTES {
            return Err("the schema name is longer than 63 bytes");
        }
        if name.contains('\0') {
            return Err("the schema name contains a zero byte");
        }
        Ok(Self { name: name.to_owned(), quoted: quote(name) })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name as a quoted SQL identifier.
    pub(crate) fn quoted(&self) -> &str {
        &self.quoted
    }

    /// Replaces the placeholder in our SQL with the quoted name.
    pub(crate) fn expand(&self, sql: &str) -> String {
        sql.replace(PLACEHOLDER, &self.quoted)
    }

    /// Returns the number of the lock that a migration holds.
    pub(crate) fn migration_lock(&self) -> i64 {
        self.lock_number(b"migration", &[])
    }

    /// Returns the number of the lock that the holder of an observer's claim has. It must never change.
    pub(crate) fn observer_lock(&self, observer: &NodeId) -> i64 {
        self.lock_number(b"observer", &observer.0)
    }

    /// Hashes everything that a lock is for. Other programs may use lock numbers of the same database, so a
    /// plain counter could collide with theirs.
    fn lock_number(&self, purpose: &[u8], subject: &[u8]) -> i64 {
        let mut hasher = SipHasher24::new_with_key(b"ldk-fitness lock");
        for part in [purpose, self.name.as_bytes(), subject] {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part);
        }
        i64::from_ne_bytes(hasher.finish().to_ne_bytes())
    }
}

/// Quotes any name as an SQL identifier.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_quoted_and_its_length_is_limited() {
        let schema = Schema::new("a\"; DROP TABLE x; --@schema@").unwrap();
        assert_eq!(schema.expand("@schema@.t"), "\"a\"\"; DROP TABLE x; --@schema@\".t");
        assert!(Schema::new("").is_err());
        assert!(Schema::new("a\0b").is_err());
        assert!(Schema::new(&"x".repeat(64)).is_err());
        assert!(Schema::new(&"x".repeat(63)).is_ok());
    }

    /// A release with other numbers would not exclude the holder of a claim that runs an earlier release.
    #[test]
    fn lock_numbers_are_distinct_and_do_not_change() {
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
