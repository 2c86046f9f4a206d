//! Chance, from a seed alone.

use std::ops::Range;

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

pub(crate) struct Dice(TestRng);

impl Dice {
    /// What the dice of one name show does not depend on how often those of another are thrown.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        for (byte, letter) in bytes[8..].iter_mut().zip(name.bytes()) {
            *byte = letter;
        }
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }

    pub(crate) fn within(&mut self, range: Range<u64>) -> u64 {
        self.0.random_range(range)
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.0.random_bool(probability)
    }

    /// Spread evenly over the orders of magnitude.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    pub(crate) fn any_size(&mut self, range: Range<u64>) -> u64 {
        let (low, high) = ((range.start as f64).ln(), (range.end as f64).ln());
        (self.0.random_range(low..high).exp() as u64).clamp(range.start, range.end - 1)
    }
}
