//! Helpers to encode metrics.

use std::fmt::Error;

use fitness_core::Timestamp;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

pub(super) struct Writer<'a>(DescriptorEncoder<'a>);

/// Unit of a metric. The encoder appends it to the name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum MetricUnit {
    /// A count or a boolean.
    None,
    Seconds,
    /// From 0 to 1.
    Ratio,
}

impl MetricUnit {
    fn unit(self) -> Option<Unit> {
        match self {
            Self::None => None,
            Self::Seconds => Some(Unit::Seconds),
            Self::Ratio => Some(Unit::Other("ratio".to_owned())),
        }
    }
}

/// The series of a family differ in one label; `series` yields the label's value with the metric's value.
impl<'a> Writer<'a> {
    pub(super) const fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        unit: MetricUnit,
        value: f64,
    ) -> Result<(), Error> {
        let unit = unit.unit();
        self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?.encode_gauge(&value)
    }

    /// Writes a gauge, or nothing if the value is unknown.
    pub(super) fn optional_gauge(
        &mut self,
        name: &str,
        help: &str,
        unit: MetricUnit,
        value: Option<f64>,
    ) -> Result<(), Error> {
        value.map_or(Ok(()), |value| self.gauge(name, help, unit, value))
    }

    pub(super) fn counter(
        &mut self,
        name: &str,
        help: &str,
        unit: MetricUnit,
        value: f64,
    ) -> Result<(), Error> {
        let unit = unit.unit();
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    pub(super) fn gauges<'s>(
        &mut self,
        name: &str,
        help: &str,
        unit: MetricUnit,
        label: &str,
        series: impl Iterator<Item = (&'s str, f64)>,
    ) -> Result<(), Error> {
        let unit = unit.unit();
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
        for (label_value, value) in series {
            metric.encode_family(&[(label, label_value)])?.encode_gauge(&value)?;
        }
        Ok(())
    }

    pub(super) fn counters<'s>(
        &mut self,
        name: &str,
        help: &str,
        unit: MetricUnit,
        label: &str,
        series: impl Iterator<Item = (&'s str, f64)>,
    ) -> Result<(), Error> {
        let unit = unit.unit();
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Counter)?;
        for (label_value, value) in series {
            metric
                .encode_family(&[(label, label_value)])?
                .encode_counter::<NoLabelSet, _, f64>(&value, None)?;
        }
        Ok(())
    }

    pub(super) fn infos<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        labels: impl Iterator<Item = L>,
    ) -> Result<(), Error> {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Info)?;
        for labels in labels {
            metric.encode_info(&labels)?;
        }
        Ok(())
    }

    pub(super) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        sum: f64,
        buckets: &[(f64, u64)],
    ) -> Result<(), Error> {
        let unit = MetricUnit::Seconds.unit();
        let count = buckets.iter().map(|bucket| bucket.1).sum();
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Histogram)?;
        metric.encode_histogram::<NoLabelSet>(sum, count, buckets, None)
    }
}

/// Converts nanoseconds to seconds. An `f64` is exact to the microsecond for 285 years.
#[allow(clippy::cast_precision_loss)]
pub(super) fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

pub(super) fn timestamp(at: Timestamp) -> f64 {
    seconds(at.as_nanos())
}

/// Converts a count.
#[allow(clippy::cast_precision_loss)]
pub(super) fn count(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

pub(super) fn bool_value(value: bool) -> f64 {
    f64::from(u8::from(value))
}
