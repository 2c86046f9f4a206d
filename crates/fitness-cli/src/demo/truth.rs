//! What really happened to a connection, as the one who did it knows.

use fitness_core::Timestamp;

/// When a connection was there, from the beginning of time on.
#[derive(Debug, Default)]
pub(super) struct Truth {
    /// The ends and beginnings, in turn, an end first.
    changes: Vec<Timestamp>,
}

impl Truth {
    /// The connection is gone.
    pub(super) fn lost(&mut self, at: Timestamp) {
        if self.is_there() {
            self.changes.push(at);
        }
    }

    /// The connection is there again.
    pub(super) fn found(&mut self, at: Timestamp) {
        if !self.is_there() {
            self.changes.push(at);
        }
    }

    fn is_there(&self) -> bool {
        self.changes.len().is_multiple_of(2)
    }

    /// Nanoseconds that it was there in `[from, to)`.
    pub(super) fn uptime_ns(&self, from: Timestamp, to: Timestamp) -> u64 {
        let edges = std::iter::once(Timestamp::EPOCH).chain(self.changes.iter().copied());
        let edges: Vec<Timestamp> = edges.chain([Timestamp::MAX]).collect();
        let there = edges.chunks_exact(2).map(|stretch| (stretch[0].max(from), stretch[1].min(to)));
        there.map(|(start, end)| end.nanos_since(start)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_is_what_lies_between_losses() {
        let at = Timestamp::from_secs;
        let mut truth = Truth::default();
        assert_eq!(truth.uptime_ns(at(10), at(20)), 10_000_000_000);
        truth.lost(at(12));
        truth.lost(at(13));
        assert_eq!(truth.uptime_ns(at(10), at(20)), 2_000_000_000);
        truth.found(at(15));
        truth.found(at(16));
        assert_eq!(truth.uptime_ns(at(10), at(20)), 7_000_000_000);
        assert_eq!(truth.uptime_ns(at(13), at(14)), 0);
    }
}
