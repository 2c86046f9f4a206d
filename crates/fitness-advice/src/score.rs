//! The reliability score of a peer, with its factors and its uncertainty.

use fitness_core::WindowStats;

use crate::DAY_NS;

/// The observed time that counts as one independent sample of a peer's presence: one hour, in nanoseconds.
///
/// A peer's presence at one moment is correlated with its presence at the next, so a second of observation is
/// not an independent sample. One hour is a convention. It determines how quickly the confidence bounds of a
/// new peer narrow.
pub const SAMPLE_INTERVAL_NS: u64 = 3_600 * 1_000_000_000;

/// The one-sided 95% quantile of the normal distribution.
const Z: f64 = 1.644_853_626_951_472_2;

/// The number of disconnects per day that halves a score.
const HALVING_DISCONNECTS: f64 = 12.0;

/// The bounds of an estimated value, each with 95% confidence (one-sided).
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ConfidenceBounds {
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

/// How reliable a peer is, from 0 to 100.
///
/// ```text
/// value = 100 * low * stability * usable_ratio
/// ```
///
/// - `low` is the lower confidence bound of the availability ([`availability_bounds`]). A peer that was
///   always online, but was observed for an hour only, does not score 100.
/// - `stability = 12 / (12 + d)` with `d` disconnects per day of observed time, because a disconnect can fail
///   payments in progress.
/// - `usable_ratio` is the part of the peer's online time in which LDK could send over its channels, or 1 if
///   that was never reported.
///
/// `upper_bound` is the same formula with the upper confidence bound. The two converge as the peer is
/// observed for longer.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Score {
    /// The score, from 0 to 100, based on the lower confidence bound of the availability.
    pub value: f64,
    /// The same score based on the upper confidence bound, from `value` to 100.
    pub upper_bound: f64,
    /// Uptime divided by observed time, from 0 to 1.
    pub availability: f64,
    /// The confidence bounds of the availability.
    pub availability_bounds: ConfidenceBounds,
    /// The factor for disconnects, from 0 to 1.
    pub stability: f64,
    /// The factor for unusable channels, from 0 to 1.
    pub usable_ratio: f64,
    /// The observed time on which the score is based, in nanoseconds.
    pub observed_ns: u64,
}

impl Score {
    /// Computes the score from `stats`. Returns `None` if no time was observed.
    ///
    /// `usable_ratio` is clamped to the range from 0 to 1. `None` and values that are not finite count as 1.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a rate needs no more precision")]
    pub fn of(stats: &WindowStats, usable_ratio: Option<f64>) -> Option<Self> {
        let window = &stats.window;
        let availability = window.availability?;
        let bounds = availability_bounds(window.uptime_ns, window.observed_ns)?;
        let observed_days = window.observed_ns as f64 / DAY_NS as f64;
        let disconnects_per_day = stats.outages.disconnects as f64 / observed_days;
        let stability = HALVING_DISCONNECTS / (HALVING_DISCONNECTS + disconnects_per_day);
        let usable_ratio = usable_ratio.filter(|ratio| ratio.is_finite()).unwrap_or(1.0).clamp(0.0, 1.0);
        let score = |availability: f64| 100.0 * availability * stability * usable_ratio;
        Some(Self {
            value: score(bounds.low),
            upper_bound: score(bounds.high),
            availability,
            availability_bounds: bounds,
            stability,
            usable_ratio,
            observed_ns: window.observed_ns,
        })
    }
}

/// Returns Wilson's confidence bounds of an availability, with one sample per [`SAMPLE_INTERVAL_NS`] of
/// observed time and 95% confidence on each side. Returns `None` if no time was observed.
///
/// With the availability `p`, the number of samples `n` and `z = 1.645`, the bounds are
/// `(p + z²/2n ± z * sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)`
/// (E. B. Wilson, Probable inference, the law of succession, and statistical inference, 1927).
///
/// ```
/// use fitness_advice::{SAMPLE_INTERVAL_NS, availability_bounds};
///
/// const HOUR: u64 = SAMPLE_INTERVAL_NS;
/// let after_an_hour = availability_bounds(HOUR, HOUR).expect("an hour was observed");
/// let after_a_month = availability_bounds(720 * HOUR, 720 * HOUR).expect("a month was observed");
/// assert!(after_an_hour.low < 0.27 && after_a_month.low > 0.996);
/// ```
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "the ratio of two durations needs no more precision")]
pub fn availability_bounds(uptime_ns: u64, observed_ns: u64) -> Option<ConfidenceBounds> {
    if observed_ns == 0 {
        return None;
    }
    let availability = (uptime_ns as f64 / observed_ns as f64).min(1.0);
    let samples = observed_ns as f64 / SAMPLE_INTERVAL_NS as f64;
    let z2_n = Z * Z / samples;
    let center = availability + z2_n / 2.0;
    let margin = Z * (availability * (1.0 - availability) / samples + z2_n / (4.0 * samples)).sqrt();
    let bound = |value: f64| (value / (1.0 + z2_n)).clamp(0.0, 1.0);
    // Rounding errors must not exclude the availability itself.
    let (low, high) = (bound(center - margin).min(availability), bound(center + margin).max(availability));
    Some(ConfidenceBounds { low, high })
}
