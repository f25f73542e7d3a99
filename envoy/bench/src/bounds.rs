//! What must hold.

use crate::contender::Contender;
use crate::matrix::{Sample, cpu};
use crate::ratio::Spread;
use crate::setting::Setting;
use std::fmt::Write;

/// A bound on a ratio of CPU times per request.
struct Bound {
    this: Contender,
    that: Contender,
    most: f64,
}

/// The project's bounds.
const BOUNDS: [Bound; 4] = [
    Bound {
        this: Contender::Sidestep,
        that: Contender::Floor,
        most: 1.05,
    },
    Bound {
        this: Contender::Sidestep,
        that: Contender::Empty,
        most: 1.15,
    },
    Bound {
        this: Contender::Sidestep,
        that: Contender::Lua,
        most: 1.0,
    },
    Bound {
        this: Contender::Ejected,
        that: Contender::Sidestep,
        most: 1.15,
    },
];

/// How each bound stands in each setting, and whether all hold.
pub(crate) fn of_costs(samples: &[Sample]) -> (String, bool) {
    let mut text = "\nbounds, on medians of ratios:\n".to_owned();
    let mut hold = true;
    for bound in &BOUNDS {
        for setting in Setting::all() {
            let these = cpu(samples, setting, bound.this);
            let those = cpu(samples, setting, bound.that);
            let Some(ratio) = Spread::of_ratios(&these, &those) else {
                continue;
            };
            let holds = ratio.median <= bound.most;
            hold &= holds;
            // Writing to a string can't fail.
            let _ = writeln!(
                text,
                "{}  {setting:<12} {} / {}: {ratio}, at most {:.2}",
                if holds { "holds  " } else { "BROKEN " },
                bound.this.name(),
                bound.that.name(),
                bound.most,
            );
        }
    }
    (text, hold)
}
