//! One number for a peer, with what it is made of and how sure it is.

use fitness_core::WindowStats;

use crate::days;

/// One look at a peer counts as independent of the one before after so long: an hour.
///
/// A peer's presence at one moment says much about the next one, so a second is not an observation. That
/// it is an hour is a convention; it decides how soon a short acquaintance is believed.
pub const SAMPLE_INTERVAL_NS: u64 = 3_600 * 1_000_000_000;

/// The one-sided 95 % quantile of the normal distribution.
const Z: f64 = 1.644_853_626_951_472_2;

/// So many disconnects a day halve a score.
const HALVING_DISCONNECTS: f64 = 12.0;

/// Where the truth lies with 95 % confidence on either side.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ConfidenceBounds {
    /// It is this much at least.
    pub low: f64,
    /// It is this much at most.
    pub high: f64,
}

/// How much a peer is to be trusted, from 0 to 100.
///
/// ```text
/// value = 100 * low * stability * usability
/// ```
///
/// - `low` is the lower confidence bound of the availability ([`availability_bounds`]): a peer that was
///   seen for an hour and was always there is not a peer of 100 %.
/// - `stability = 12 / (12 + d)` with `d` disconnects a day of observed time: each costs whoever is
///   paying at that moment.
/// - `usability` is the part of the time it was online in which LDK could send over its channels; 1 where
///   we were never told.
///
/// `upper_bound` is the same with the upper bound: the longer a peer is known, the closer are the two.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Score {
    /// What can be relied on, from 0 to 100.
    pub value: f64,
    /// What it may turn out to be, from `value` to 100.
    pub upper_bound: f64,
    /// Uptime over observed time, from 0 to 1.
    pub availability: f64,
    /// The bounds of the availability.
    pub availability_bounds: ConfidenceBounds,
    /// What disconnects leave of it, from 0 to 1.
    pub stability: f64,
    /// What unusable channels leave of it, from 0 to 1.
    pub usable_ratio: f64,
    /// Nanoseconds that it is made from.
    pub observed_ns: u64,
}

impl Score {
    /// The score of what `stats` say; `None` where nothing was observed.
    ///
    /// `usability` is from 0 to 1; what is beyond is cut.
    #[must_use]
    // A count of disconnects becomes a rate.
    #[allow(clippy::cast_precision_loss)]
    pub fn of(stats: &WindowStats, usability: Option<f64>) -> Option<Self> {
        let window = &stats.window;
        let availability = window.availability?;
        let bounds = availability_bounds(window.uptime_ns, window.observed_ns)?;
        let a_day = stats.outages.disconnects as f64 / days(window.observed_ns);
        let stability = HALVING_DISCONNECTS / (HALVING_DISCONNECTS + a_day);
        let usability = usability.filter(|part| part.is_finite()).unwrap_or(1.0).clamp(0.0, 1.0);
        let of = |bound: f64| 100.0 * bound * stability * usability;
        Some(Self {
            value: of(bounds.low),
            upper_bound: of(bounds.high),
            availability,
            availability_bounds: bounds,
            stability,
            usable_ratio: usability,
            observed_ns: window.observed_ns,
        })
    }
}

/// Wilson's bounds of an availability, with one look per [`SAMPLE_INTERVAL_NS`] of observed time and 95 % confidence
/// on either side; `None` where nothing was observed.
///
/// With `p` the availability, `n` the looks and `z = 1.645` they are
/// `(p + z²/2n ± z * sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)`
/// (E. B. Wilson, Probable inference, the law of succession, and statistical inference, 1927).
///
/// ```
/// # use fitness_advice::{SAMPLE_INTERVAL_NS, availability_bounds};
/// let hour = availability_bounds(SAMPLE_INTERVAL_NS, SAMPLE_INTERVAL_NS).expect("it was observed");
/// let month = availability_bounds(720 * SAMPLE_INTERVAL_NS, 720 * SAMPLE_INTERVAL_NS).expect("it was observed");
/// assert!(hour.low < 0.27 && month.low > 0.996);
/// ```
#[must_use]
// Lengths of time become a ratio.
#[allow(clippy::cast_precision_loss)]
pub fn availability_bounds(uptime_ns: u64, observed_ns: u64) -> Option<ConfidenceBounds> {
    if observed_ns == 0 {
        return None;
    }
    let availability = (uptime_ns as f64 / observed_ns as f64).min(1.0);
    let looks = observed_ns as f64 / SAMPLE_INTERVAL_NS as f64;
    let z2_n = Z * Z / looks;
    let middle = availability + z2_n / 2.0;
    let reach = Z * (availability * (1.0 - availability) / looks + z2_n / (4.0 * looks)).sqrt();
    let bound = |value: f64| (value / (1.0 + z2_n)).clamp(0.0, 1.0);
    // Rounding must not put the truth outside.
    let (low, high) = (bound(middle - reach).min(availability), bound(middle + reach).max(availability));
    Some(ConfidenceBounds { low, high })
}
