//! What one request of a path costs in one setting.

use crate::bed;
use crate::module::ModuleBed;
use crate::path::Scene;
use crate::simulated::SimulatedBed;
use crate::totals::{Totals, What};
use std::collections::BTreeMap;
use std::fmt;

/// A mean over requests, in hundredths; from a thousand on a whole number, for nobody wants to know more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Figure(u64);

impl Figure {
    /// So many, in so many requests.
    pub(crate) fn mean(total: u64, times: u64) -> Figure {
        let whole = (total + times / 2) / times;
        match whole {
            0..1_000 => Figure((total * 100 + times / 2) / times),
            _ => Figure(whole * 100),
        }
    }

    /// As written: a whole number, or one with two digits behind the point.
    pub fn parse(text: &str) -> Option<Figure> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "00"));
        let part = Some(part).filter(|part| part.len() == 2)?;
        Some(Figure(whole.parse::<u64>().ok()? * 100 + part.parse::<u64>().ok()?))
    }

    /// As a number.
    pub fn value(self) -> f64 {
        self.0 as f64 / 100.0
    }

    /// In hundredths.
    pub(crate) fn hundredths(self) -> u64 {
        self.0
    }

    /// How far the other one is from it, in hundredths.
    pub(crate) fn distance(self, other: Figure) -> u64 {
        self.0.abs_diff(other.0)
    }

    /// With a comma after each three digits, for people.
    pub fn grouped(self) -> String {
        let text = self.to_string();
        let (whole, part) = text.split_at(text.find('.').unwrap_or(text.len()));
        let mut grouped = String::new();
        for (number, digit) in whole.char_indices() {
            if number > 0 && (whole.len() - number).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        grouped + part
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        f.pad(&match part {
            0 => whole.to_string(),
            _ => format!("{whole}.{part:02}"),
        })
    }
}

/// What one request costs, or one tick. What is not in it is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost(pub(crate) BTreeMap<What, Figure>);

impl Cost {
    /// Counts all there is to count.
    pub fn of(scene: &Scene) -> Cost {
        let mut cost = Cost::of_module(scene);
        let (totals, times) = bed::count::<SimulatedBed>(scene);
        for what in [What::Allocations, What::AllocatedBytes] {
            cost.0.insert(what, Figure::mean(totals.of(what), times));
        }
        cost
    }

    /// Counts what the module does, and not what it allocates.
    pub fn of_module(scene: &Scene) -> Cost {
        let (totals, times) = bed::count::<ModuleBed>(scene);
        Cost::mean(&totals, times)
    }

    /// Counts host calls as the simulator sees them, and what is allocated.
    pub fn of_simulated(scene: &Scene) -> Cost {
        let (totals, times) = bed::count::<SimulatedBed>(scene);
        Cost::mean(&totals, times)
    }

    fn mean(totals: &Totals, times: u64) -> Cost {
        let figures = totals.iter().map(|(what, total)| (what, Figure::mean(total, times)));
        Cost(figures.collect())
    }

    /// How much of it.
    pub fn figure(&self, what: What) -> Figure {
        self.0.get(&what).copied().unwrap_or_default()
    }

    /// The host functions that are called, and how often.
    pub fn calls(&self) -> impl Iterator<Item = (What, Figure)> {
        let all = self.0.iter().map(|(what, figure)| (*what, *figure));
        all.filter(|(what, figure)| matches!(what, What::Call(_)) && *figure > Figure::default())
    }
}

#[cfg(test)]
mod tests {
    use super::Figure;

    #[test]
    fn a_figure_is_read_as_it_is_written() {
        for (total, times, text) in [
            (6 * 64, 64, "6"),
            (65, 64, "1.02"),
            (1, 64, "0.02"),
            (0, 64, "0"),
            (64_033, 64, "1001"),
        ] {
            let figure = Figure::mean(total, times);
            assert_eq!(figure.to_string(), text);
            assert_eq!(Figure::parse(text), Some(figure));
        }
        for odd in ["", "x", "1.5", "1.234", "-1"] {
            assert_eq!(Figure::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn large_figures_have_commas() {
        assert_eq!(Figure::mean(1_234_567, 1).grouped(), "1,234,567");
        assert_eq!(Figure::mean(12_345, 100).grouped(), "123.45");
        assert_eq!(Figure::mean(123, 1).grouped(), "123");
    }
}
