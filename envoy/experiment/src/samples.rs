//! What several tests need.

use crate::cell::Cell;
use crate::configuration::Configuration;
use crate::figures::{Figures, Moment};
use crate::scenario::Scenario;

pub(crate) fn cell() -> Cell {
    Cell {
        scenario: Scenario::OneBad,
        configuration: Configuration::Sidestep,
    }
}

pub(crate) fn figures() -> Figures {
    Figures {
        late: 1.5,
        requests: 3000.0,
        posts: 300.0,
        failed: 0.25,
        failed_get: 0.0,
        failed_post: 2.5,
        failed_late: 0.0,
        p50: 20.0,
        p99: 41.5,
        p50_late: 20.0,
        p99_late: 26.0,
        attempts: 1.001,
        attempts_post: 1.0,
        met_fault: 0.3,
        out: Moment::After(0.2),
        back: Moment::NoQuestion,
        false_ejections: 0.0,
    }
}
