//! Short ways to say a metric.

use std::fmt::Error;

use fitness_core::Timestamp;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

pub(super) struct Writer<'a>(DescriptorEncoder<'a>);

/// What a metric is measured in, which its name ends in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum In {
    /// Nothing: it is a number of things, or a yes or no.
    Number,
    Seconds,
    /// From 0 to 1.
    Ratio,
}

impl In {
    fn unit(self) -> Option<Unit> {
        match self {
            Self::Number => None,
            Self::Seconds => Some(Unit::Seconds),
            Self::Ratio => Some(Unit::Other("ratio".to_owned())),
        }
    }
}

/// A family's series differ in one label; each comes with its value there.
impl<'a> Writer<'a> {
    pub(super) const fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, unit: In, value: f64) -> Result<(), Error> {
        let unit = unit.unit();
        self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?.encode_gauge(&value)
    }

    /// A gauge whose value may not be known; then it has none.
    pub(super) fn known(
        &mut self,
        name: &str,
        help: &str,
        unit: In,
        value: Option<f64>,
    ) -> Result<(), Error> {
        value.map_or(Ok(()), |value| self.gauge(name, help, unit, value))
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, unit: In, value: f64) -> Result<(), Error> {
        let unit = unit.unit();
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    pub(super) fn gauges<'s>(
        &mut self,
        name: &str,
        help: &str,
        unit: In,
        label: &str,
        series: impl Iterator<Item = (&'s str, f64)>,
    ) -> Result<(), Error> {
        let unit = unit.unit();
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
        for (of, value) in series {
            metric.encode_family(&[(label, of)])?.encode_gauge(&value)?;
        }
        Ok(())
    }

    pub(super) fn counters<'s>(
        &mut self,
        name: &str,
        help: &str,
        unit: In,
        label: &str,
        series: impl Iterator<Item = (&'s str, f64)>,
    ) -> Result<(), Error> {
        let unit = unit.unit();
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Counter)?;
        for (of, value) in series {
            metric.encode_family(&[(label, of)])?.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
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
        let unit = In::Seconds.unit();
        let count = buckets.iter().map(|bucket| bucket.1).sum();
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Histogram)?;
        metric.encode_histogram::<NoLabelSet>(sum, count, buckets, None)
    }
}

/// Nanoseconds as seconds. A double is exact to the microsecond for 285 years.
#[allow(clippy::cast_precision_loss)]
pub(super) fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

pub(super) fn moment(at: Timestamp) -> f64 {
    seconds(at.as_nanos())
}

/// A number of things.
#[allow(clippy::cast_precision_loss)]
pub(super) fn number(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

pub(super) fn yes(is: bool) -> f64 {
    f64::from(u8::from(is))
}
