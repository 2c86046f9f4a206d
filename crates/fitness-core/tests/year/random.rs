//! Reproducible random numbers.

use std::ops::Range;

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

pub(crate) struct Random(TestRng);

impl Random {
    /// Creates the stream called `name`. Streams of one seed are independent: the numbers drawn from one
    /// do not affect another.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        for (byte, letter) in bytes[8..].iter_mut().zip(name.bytes()) {
            *byte = letter;
        }
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }

    /// Draws a uniformly distributed number.
    pub(crate) fn uniform(&mut self, range: Range<u64>) -> u64 {
        self.0.random_range(range)
    }

    /// Draws a number whose logarithm is uniformly distributed, so that each order of magnitude is equally
    /// likely.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    pub(crate) fn log_uniform(&mut self, range: Range<u64>) -> u64 {
        let (low, high) = ((range.start as f64).ln(), (range.end as f64).ln());
        (self.0.random_range(low..high).exp() as u64).clamp(range.start, range.end - 1)
    }

    /// Returns `true` with the given probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.0.random_bool(probability)
    }
}
