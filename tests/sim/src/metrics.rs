//! Envoy's statistics as the module sees them: one value for each name, ids that only the VM which got them knows.

use crate::abi::Status;

const COUNTER: u32 = 0;
const GAUGE: u32 = 1;
const HISTOGRAM: u32 = 2;

struct Metric {
    kind: u32,
    name: String,
    value: u64,
    records: Vec<u64>,
}

/// The statistics of all VMs.
#[derive(Default)]
pub(crate) struct Metrics {
    metrics: Vec<Metric>,
    /// A `stats_matcher` keeps them all out: they can be defined and written, and stay at 0.
    pub(crate) excluded: bool,
}

/// The ids that one VM has been given: an id is its place here, shifted by the type as Envoy does.
#[derive(Default)]
pub(crate) struct MetricIds(Vec<usize>);

impl Metrics {
    /// Defines a metric. A name defined twice is the same statistic under another id.
    pub(crate) fn define(&mut self, ids: &mut MetricIds, kind: u32, name: &str) -> Result<u32, Status> {
        if kind > HISTOGRAM {
            return Err(Status::BadArgument);
        }
        let same = |metric: &Metric| metric.kind == kind && metric.name == name;
        let index = self.metrics.iter().position(same).unwrap_or_else(|| {
            self.metrics.push(Metric {
                kind,
                name: name.to_owned(),
                value: 0,
                records: Vec::new(),
            });
            self.metrics.len() - 1
        });
        ids.0.push(index);
        Ok(((ids.0.len() as u32) << 2) | kind)
    }

    fn find(&mut self, ids: &MetricIds, id: u32) -> Result<&mut Metric, Status> {
        let place = (id >> 2).checked_sub(1).ok_or(Status::NotFound)?;
        let index = *ids.0.get(place as usize).ok_or(Status::NotFound)?;
        let metric = &mut self.metrics[index];
        if metric.kind == id & 3 {
            Ok(metric)
        } else {
            Err(Status::NotFound)
        }
    }

    /// Counters only go up, gauges both ways.
    pub(crate) fn increment(&mut self, ids: &MetricIds, id: u32, offset: i64) -> Result<(), Status> {
        let excluded = self.excluded;
        let metric = self.find(ids, id)?;
        let after = match metric.kind {
            COUNTER if offset > 0 => metric.value + offset as u64,
            GAUGE => metric.value.wrapping_add_signed(offset),
            _ => return Err(Status::BadArgument),
        };
        if !excluded {
            metric.value = after;
        }
        Ok(())
    }

    /// For a counter it adds, as Envoy's does.
    pub(crate) fn record(&mut self, ids: &MetricIds, id: u32, value: u64) -> Result<(), Status> {
        let excluded = self.excluded;
        let metric = self.find(ids, id)?;
        match metric.kind {
            _ if excluded => {}
            COUNTER => metric.value += value,
            GAUGE => metric.value = value,
            _ => metric.records.push(value),
        }
        Ok(())
    }

    pub(crate) fn get(&mut self, ids: &MetricIds, id: u32) -> Result<u64, Status> {
        let metric = self.find(ids, id)?;
        if metric.kind == HISTOGRAM {
            return Err(Status::BadArgument);
        }
        Ok(metric.value)
    }

    /// The value under that name; `None` where nobody defined it.
    pub(crate) fn value(&self, name: &str) -> Option<i64> {
        let metric = self.metrics.iter().find(|metric| metric.name == name)?;
        Some(metric.value as i64)
    }

    /// Names and values, sorted by name.
    pub(crate) fn all(&self) -> Vec<(String, i64)> {
        let mut all: Vec<_> = self
            .metrics
            .iter()
            .map(|metric| (metric.name.clone(), metric.value as i64))
            .collect();
        all.sort();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::{COUNTER, GAUGE, MetricIds, Metrics};
    use crate::abi::Status;

    #[test]
    fn two_vms_count_into_the_same_statistic_by_their_own_ids() {
        let (mut metrics, mut one, mut two) = (Metrics::default(), MetricIds::default(), MetricIds::default());
        metrics.define(&mut one, COUNTER, "other").unwrap();
        let in_one = metrics.define(&mut one, COUNTER, "hits").unwrap();
        let in_two = metrics.define(&mut two, COUNTER, "hits").unwrap();
        metrics.increment(&one, in_one, 2).unwrap();
        metrics.increment(&two, in_two, 3).unwrap();
        assert_eq!(metrics.value("hits"), Some(5));
        assert_eq!((metrics.get(&one, in_one), metrics.get(&two, in_two)), (Ok(5), Ok(5)));
        assert_eq!(metrics.increment(&two, in_one, 1), Err(Status::NotFound));
    }

    #[test]
    fn a_metric_that_is_excluded_takes_what_it_is_told_and_stays_at_zero() {
        let (mut metrics, mut ids) = (Metrics::default(), MetricIds::default());
        metrics.excluded = true;
        let counter = metrics.define(&mut ids, COUNTER, "c").unwrap();
        let gauge = metrics.define(&mut ids, GAUGE, "g").unwrap();
        assert_eq!(metrics.increment(&ids, counter, 1), Ok(()));
        assert_eq!(metrics.record(&ids, gauge, 7), Ok(()));
        assert_eq!((metrics.get(&ids, counter), metrics.get(&ids, gauge)), (Ok(0), Ok(0)));
    }

    #[test]
    fn a_counter_never_goes_down_and_a_gauge_may() {
        let (mut metrics, mut ids) = (Metrics::default(), MetricIds::default());
        let counter = metrics.define(&mut ids, COUNTER, "c").unwrap();
        let gauge = metrics.define(&mut ids, GAUGE, "g").unwrap();
        assert_eq!(metrics.increment(&ids, counter, -1), Err(Status::BadArgument));
        assert_eq!(metrics.increment(&ids, counter, 0), Err(Status::BadArgument));
        metrics.increment(&ids, gauge, 5).unwrap();
        metrics.increment(&ids, gauge, -2).unwrap();
        assert_eq!(metrics.value("g"), Some(3));
    }
}
