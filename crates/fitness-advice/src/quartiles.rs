//! Where the middle half of a set of values lies.

/// The first and the third quartile.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Quartiles {
    /// A quarter of the values is below it.
    pub first: f64,
    /// A quarter of the values is above it.
    pub third: f64,
}

impl Quartiles {
    /// The fewest values that have quartiles worth the name.
    pub const MIN_VALUES: usize = 3;

    /// The quartiles of values, which may be in any order; `None` of fewer than [`Quartiles::MIN_VALUES`].
    ///
    /// Between two values they are interpolated, as R, NumPy and spreadsheets do it (type 7 of Hyndman and
    /// Fan, Sample quantiles in statistical packages, 1996). What is no number is left out.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        if sorted.len() < Self::MIN_VALUES {
            return None;
        }
        sorted.sort_unstable_by(f64::total_cmp);
        Some(Self { first: quantile(&sorted, 1)?, third: quantile(&sorted, 3)? })
    }

    /// The interquartile range: how far the middle half reaches.
    #[must_use]
    pub fn iqr(&self) -> f64 {
        self.third - self.first
    }

    /// Below this a value is an outlier: `multiplier` ranges under the first quartile.
    #[must_use]
    pub fn lower_fence(&self, multiplier: f64) -> f64 {
        self.first - multiplier * self.iqr()
    }
}

fn quantile(sorted: &[f64], quarters: usize) -> Option<f64> {
    let place = (sorted.len() - 1) * quarters;
    let (below, part) = (place / 4, place % 4);
    let low = *sorted.get(below)?;
    let high = *sorted.get(below + 1).unwrap_or(&low);
    let part = [0.0, 0.25, 0.5, 0.75].get(part)?;
    Some(low + (high - low) * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What NumPy's `quantile` answers.
    #[test]
    fn quartiles_are_interpolated() {
        assert_eq!(Quartiles::of([1.0, 2.0]), None);
        assert_eq!(Quartiles::of([1.0, 2.0, f64::NAN]), None);
        assert_eq!(Quartiles::of([3.0, 1.0, 2.0]), Some(Quartiles { first: 1.5, third: 2.5 }));
        assert_eq!(Quartiles::of([7.0, 15.0, 36.0, 39.0]), Some(Quartiles { first: 13.0, third: 36.75 }));
        assert_eq!(Quartiles::of([4.0, 1.0, 3.0, 2.0, 5.0]), Some(Quartiles { first: 2.0, third: 4.0 }));
        let quartiles = Quartiles::of([0.0, 2.0, 4.0]).unwrap();
        assert_eq!((quartiles.iqr(), quartiles.lower_fence(1.5)), (2.0, -2.0));
    }
}
