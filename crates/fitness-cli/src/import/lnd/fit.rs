//! Uptimes of one peer's channels that can be true at once.
//!
//! They are all of one connection, so of two channels the older one's uptime is no less, and more
//! by no more than the older one is older. lnd cuts off what is below a second of each number, and
//! lists may be of different moments; then that does not hold, and the closest that does is taken.

/// A channel's lifetime and uptime, in one unit.
pub(super) type Told = (u64, u64);

/// The uptimes that can be true at once, those whose largest distance from what was told is the
/// least. Where what was told can be true, they are just that.
///
/// `told` is in order of lifetimes.
pub(super) fn consistent(told: &[Told]) -> Vec<u64> {
    let told: Vec<Told> = told.iter().map(|&(life, up)| (life, up.min(life))).collect();
    let down = |&(life, up): &Told| life - up;
    // The least of all that can be true and are nowhere below what was told. Younger channels ask for
    // as much uptime as they have, older ones for no more downtime than they have.
    let mut above: Vec<u64> = told
        .iter()
        .scan(0, |most, &(_, up)| {
            *most = up.max(*most);
            Some(*most)
        })
        .collect();
    let mut least_down = u64::MAX;
    for (above, told) in above.iter_mut().zip(&told).rev() {
        least_down = least_down.min(down(told));
        *above = (*above).max(told.0.saturating_sub(least_down));
    }
    // The most of all that can be true and are nowhere above it.
    let mut most_down = 0;
    let mut below: Vec<u64> = told
        .iter()
        .map(|told| {
            most_down = down(told).max(most_down);
            told.0 - most_down.min(told.0)
        })
        .collect();
    let mut least_up = u64::MAX;
    for (below, told) in below.iter_mut().zip(&told).rev() {
        least_up = least_up.min(told.1);
        *below = (*below).min(least_up);
    }
    above.iter().zip(&below).map(|(above, below)| below + (above - below) / 2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn in_order(mut told: Vec<(u64, u64)>) -> Vec<Told> {
        told.sort_unstable();
        told
    }

    fn can_be_true(told: &[Told]) -> bool {
        told.iter().all(|&(life, up)| up <= life)
            && told
                .iter()
                .zip(told.iter().skip(1))
                .all(|(younger, older)| younger.1 <= older.1 && older.1 - younger.1 <= older.0 - younger.0)
    }

    /// The furthest that two channels are from being true at once.
    fn contradiction(told: &[Told]) -> u64 {
        let pairs =
            told.iter().enumerate().flat_map(|(i, older)| told[..i].iter().map(move |it| (it, older)));
        let of = |(younger, older): (&Told, &Told)| {
            let more = younger.1.saturating_sub(older.1);
            let less = older.1.saturating_sub(younger.1).saturating_sub(older.0 - younger.0);
            more.max(less)
        };
        pairs.map(of).max().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn the_closest_that_can_be_true(told in prop::collection::vec((0..50_u64, 0..60_u64), 0..8)) {
            let told = in_order(told);
            let fitted = consistent(&told);
            let lives = told.iter().map(|told| told.0);
            let result: Vec<Told> = lives.zip(fitted.iter().copied()).collect();
            prop_assert!(can_be_true(&result), "{result:?}");
            if can_be_true(&told) {
                prop_assert_eq!(&result, &told);
            }
            // Two that contradict each other by so much: one of them has to give way by half of it.
            let clamped: Vec<Told> = told.iter().map(|&(life, up)| (life, up.min(life))).collect();
            let off = clamped.iter().zip(&fitted).map(|(told, fitted)| told.1.abs_diff(*fitted)).max();
            prop_assert_eq!(off.unwrap_or(0), contradiction(&clamped).div_ceil(2));
        }

        #[test]
        fn nothing_overflows(told in prop::collection::vec(any::<(u64, u64)>(), 0..5)) {
            let told = in_order(told);
            for (told, fitted) in told.iter().zip(consistent(&told)) {
                prop_assert!(fitted <= told.0);
            }
        }

        /// What lnd makes of one connection: it tells no fractions of a second.
        #[test]
        fn lnds_rounding_is_off_by_less_than_a_second(
            changes in prop::collection::vec(1..20_000_u64, 1..10),
            births in prop::collection::vec(0.0..1.0_f64, 1..6),
        ) {
            let age: u64 = changes.iter().sum();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let lives = births.iter().map(|birth| (age as f64 * birth) as u64);
            // Online and offline in turn, looking back from now.
            let uptime = |life: u64| {
                let mut left = life;
                let spent = changes.iter().map(|length| {
                    let part = left.min(*length);
                    left -= part;
                    part
                });
                spent.step_by(2).sum::<u64>()
            };
            let truth: Vec<Told> = lives.map(|life| (life, uptime(life))).collect();
            prop_assert!(can_be_true(&in_order(truth.clone())));
            let told = in_order(truth.iter().map(|&(life, up)| (life / 1_000, up / 1_000)).collect());
            let told: Vec<Told> = told.iter().map(|&(life, up)| (life * 1_000, up * 1_000)).collect();
            for (told, fitted) in told.iter().zip(consistent(&told)) {
                prop_assert!(told.1.abs_diff(fitted) < 1_000, "{told:?} {fitted}");
            }
        }
    }
}
