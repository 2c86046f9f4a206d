//! Corrects uptimes of one peer's channels that contradict each other.
//!
//! All channels of a peer share one connection. So an older channel has at least the uptime of a younger one,
//! and at most as much more as it is older. lnd truncates each number to whole seconds, and lists may be from
//! different times; then reported uptimes can violate these rules.

/// A channel's lifetime and uptime, in the same unit.
pub(super) type LifetimeAndUptime = (u64, u64);

/// Returns the consistent uptimes whose largest difference from the reported ones is minimal.
///
/// `reported` is ordered by lifetime. Uptimes that are already consistent are returned unchanged.
pub(super) fn consistent_uptimes(reported: &[LifetimeAndUptime]) -> Vec<u64> {
    let reported: Vec<LifetimeAndUptime> =
        reported.iter().map(|&(lifetime, uptime)| (lifetime, uptime.min(lifetime))).collect();
    let downtime = |&(lifetime, uptime): &LifetimeAndUptime| lifetime - uptime;
    // `upper`: the least consistent uptimes that are nowhere below the reported ones. A younger channel's
    // uptime is a lower bound for older ones, an older channel's downtime an upper bound for younger ones.
    let mut upper: Vec<u64> = reported
        .iter()
        .scan(0, |max_uptime, &(_, uptime)| {
            *max_uptime = uptime.max(*max_uptime);
            Some(*max_uptime)
        })
        .collect();
    let mut min_downtime = u64::MAX;
    for (upper, channel) in upper.iter_mut().zip(&reported).rev() {
        min_downtime = min_downtime.min(downtime(channel));
        *upper = (*upper).max(channel.0.saturating_sub(min_downtime));
    }
    // `lower`: the greatest consistent uptimes that are nowhere above the reported ones.
    let mut max_downtime = 0;
    let mut lower: Vec<u64> = reported
        .iter()
        .map(|channel| {
            max_downtime = downtime(channel).max(max_downtime);
            channel.0 - max_downtime.min(channel.0)
        })
        .collect();
    let mut min_uptime = u64::MAX;
    for (lower, channel) in lower.iter_mut().zip(&reported).rev() {
        min_uptime = min_uptime.min(channel.1);
        *lower = (*lower).min(min_uptime);
    }
    upper.iter().zip(&lower).map(|(upper, lower)| lower + (upper - lower) / 2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(mut channels: Vec<(u64, u64)>) -> Vec<LifetimeAndUptime> {
        channels.sort_unstable();
        channels
    }

    fn is_consistent(channels: &[LifetimeAndUptime]) -> bool {
        channels.iter().all(|&(lifetime, uptime)| uptime <= lifetime)
            && channels
                .iter()
                .zip(channels.iter().skip(1))
                .all(|(younger, older)| younger.1 <= older.1 && older.1 - younger.1 <= older.0 - younger.0)
    }

    /// Returns by how much the two channels that contradict each other most do so.
    fn largest_contradiction(channels: &[LifetimeAndUptime]) -> u64 {
        let pairs = channels
            .iter()
            .enumerate()
            .flat_map(|(i, older)| channels[..i].iter().map(move |younger| (younger, older)));
        let contradiction = |(younger, older): (&LifetimeAndUptime, &LifetimeAndUptime)| {
            let too_little = younger.1.saturating_sub(older.1);
            let too_much = older.1.saturating_sub(younger.1).saturating_sub(older.0 - younger.0);
            too_little.max(too_much)
        };
        pairs.map(contradiction).max().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn result_is_the_nearest_consistent_one(
            reported in prop::collection::vec((0..50_u64, 0..60_u64), 0..8),
        ) {
            let reported = sorted(reported);
            let adjusted = consistent_uptimes(&reported);
            let lifetimes = reported.iter().map(|channel| channel.0);
            let result: Vec<LifetimeAndUptime> = lifetimes.zip(adjusted.iter().copied()).collect();
            prop_assert!(is_consistent(&result), "{result:?}");
            if is_consistent(&reported) {
                prop_assert_eq!(&result, &reported);
            }
            // If two channels contradict each other, one of them has to change by at least half of that.
            let clamped: Vec<LifetimeAndUptime> =
                reported.iter().map(|&(lifetime, uptime)| (lifetime, uptime.min(lifetime))).collect();
            let largest_change =
                clamped.iter().zip(&adjusted).map(|(channel, adjusted)| channel.1.abs_diff(*adjusted)).max();
            prop_assert_eq!(largest_change.unwrap_or(0), largest_contradiction(&clamped).div_ceil(2));
        }

        #[test]
        fn extreme_values_do_not_overflow(reported in prop::collection::vec(any::<(u64, u64)>(), 0..5)) {
            let reported = sorted(reported);
            for (channel, adjusted) in reported.iter().zip(consistent_uptimes(&reported)) {
                prop_assert!(adjusted <= channel.0);
            }
        }

        /// lnd truncates the lifetimes and uptimes of one connection to whole seconds.
        #[test]
        fn truncation_to_seconds_is_corrected_by_less_than_a_second(
            changes in prop::collection::vec(1..20_000_u64, 1..10),
            ages in prop::collection::vec(0.0..1.0_f64, 1..6),
        ) {
            let connection_age: u64 = changes.iter().sum();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let lifetimes = ages.iter().map(|age| (connection_age as f64 * age) as u64);
            // The connection is alternately online and offline, counted back from now.
            let uptime = |lifetime: u64| {
                let mut remaining = lifetime;
                let parts = changes.iter().map(|length| {
                    let part = remaining.min(*length);
                    remaining -= part;
                    part
                });
                parts.step_by(2).sum::<u64>()
            };
            let exact: Vec<LifetimeAndUptime> =
                lifetimes.map(|lifetime| (lifetime, uptime(lifetime))).collect();
            prop_assert!(is_consistent(&sorted(exact.clone())));
            let seconds =
                exact.iter().map(|&(lifetime, uptime)| (lifetime / 1_000, uptime / 1_000)).collect();
            let reported: Vec<LifetimeAndUptime> = sorted(seconds)
                .iter()
                .map(|&(lifetime, uptime)| (lifetime * 1_000, uptime * 1_000))
                .collect();
            for (channel, adjusted) in reported.iter().zip(consistent_uptimes(&reported)) {
                prop_assert!(channel.1.abs_diff(adjusted) < 1_000, "{channel:?} {adjusted}");
            }
        }
    }
}
