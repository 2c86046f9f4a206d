//! Quartiles and the outlier fence of a set of values.

/// The first and the third quartile.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Quartiles {
    /// A quarter of the values is below this.
    pub first: f64,
    /// A quarter of the values is above this.
    pub third: f64,
}

impl Quartiles {
    /// The minimum number of values for which quartiles are computed.
    pub const MIN_VALUES: usize = 3;

    /// Computes the quartiles of `values`, which may be in any order. Returns `None` for fewer than
    /// [`Quartiles::MIN_VALUES`] finite values.
    ///
    /// Interpolates between two values like R, NumPy and spreadsheets (type 7 of Hyndman and Fan, Sample
    /// quantiles in statistical packages, 1996). Ignores values that are not finite.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        if sorted.len() < Self::MIN_VALUES {
            return None;
        }
        sorted.sort_unstable_by(f64::total_cmp);
        Some(Self { first: quantile(&sorted, 1)?, third: quantile(&sorted, 3)? })
    }

    /// Returns the interquartile range: the difference between the third and the first quartile.
    #[must_use]
    pub fn iqr(&self) -> f64 {
        self.third - self.first
    }

    /// Returns the value that is `multiplier` interquartile ranges below the first quartile. Values below it
    /// are outliers.
    #[must_use]
    pub fn lower_fence(&self, multiplier: f64) -> f64 {
        self.first - multiplier * self.iqr()
    }
}

fn quantile(sorted: &[f64], quarters: usize) -> Option<f64> {
    let position = (sorted.len() - 1) * quarters;
    let (index, remainder) = (position / 4, position % 4);
    let low = *sorted.get(index)?;
    let high = *sorted.get(index + 1).unwrap_or(&low);
    let fraction = [0.0, 0.25, 0.5, 0.75].get(remainder)?;
    Some(low + (high - low) * fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values are those of NumPy's `quantile`.
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
